//! The state of the daemons that synchronise connections with another director.
//!
//! RVS keeps what `ipvsadm --start-daemon` and keepalived say, and lists it, and does nothing else
//! with it yet: no connection is sent or received.

use std::net::{IpAddr, Ipv4Addr};

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;

use super::request::DaemonSpec;
use super::uapi::daemon::{BACKUP, MASTER};
use crate::state::State;

/// What Linux takes where nothing is said.
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81));
const PORT: u16 = 8848;
const TTL: u8 = 1;
/// The packet that a master's message must fit into, and the least and most of a backup.
const MASTER_MTU: u32 = 1500;
const BACKUP_MTU_MAX: u32 = 65_535;
/// The shortest message there is room for.
const MASTER_LEN_MIN: u32 = 1;
const BACKUP_LEN_MIN: u32 = 1024;
/// IP and UDP headers.
const HEADERS_IPV4: u32 = 28;
const HEADERS_IPV6: u32 = 48;

/// A daemon that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Daemon {
    pub(super) interface: String,
    pub(super) sync_id: u32,
    /// Longest message, in bytes.
    pub(super) maxlen: u16,
    pub(super) group: IpAddr,
    pub(super) port: u16,
    pub(super) ttl: u8,
}

/// Both daemons.
#[derive(Clone, Debug, Default)]
pub(super) struct Daemons {
    pub(super) master: Option<Daemon>,
    pub(super) backup: Option<Daemon>,
}

impl Daemons {
    fn place(&mut self, state: u32) -> Option<&mut Option<Daemon>> {
        match state {
            MASTER => Some(&mut self.master),
            BACKUP => Some(&mut self.backup),
            _ => None,
        }
    }

    /// Starts one on an interface with this MTU; ENODEV if there is none.
    pub(super) fn start(&mut self, spec: DaemonSpec, mtu: Option<u32>) -> Result<(), Errno> {
        if spec.group.is_some_and(|group| !group.is_multicast()) {
            return Err(Errno::EINVAL);
        }
        let mtu = mtu.ok_or(Errno::ENODEV)?;
        let place = self.place(spec.state).ok_or(Errno::EINVAL)?;
        if place.is_some() {
            return Err(Errno::EEXIST);
        }
        let group = spec.group.unwrap_or(GROUP);
        let headers = if group.is_ipv6() { HEADERS_IPV6 } else { HEADERS_IPV4 };
        let is_backup = spec.state == BACKUP;
        let least = if is_backup { BACKUP_LEN_MIN } else { MASTER_LEN_MIN };
        let maxlen = match spec.sync_maxlen.map(u32::from).filter(|len| *len != 0) {
            Some(len) => len.clamp(least, BACKUP_MTU_MAX - headers),
            None if is_backup => mtu.clamp(MASTER_MTU, BACKUP_MTU_MAX) - headers,
            None => MASTER_MTU - headers,
        };
        *place = Some(Daemon {
            interface: spec.interface,
            sync_id: spec.sync_id,
            maxlen: u16::try_from(maxlen).unwrap_or(u16::MAX),
            group,
            port: spec.port.filter(|port| *port != 0).unwrap_or(PORT),
            ttl: spec.ttl.filter(|ttl| *ttl != 0).unwrap_or(TTL),
        });
        Ok(())
    }

    /// Stops one; ESRCH if it does not run.
    pub(super) fn stop(&mut self, state: u32) -> Result<(), Errno> {
        let place = self.place(state).ok_or(Errno::EINVAL)?;
        place.take().map(|_| ()).ok_or(Errno::ESRCH)
    }
}

/// The MTU of a port of RVS or of an interface of the kernel; `None` if there is neither.
pub(super) fn mtu_of(state: &State, interface: &str) -> Option<u32> {
    let port = state.ports.iter().find(|port| port.name == interface);
    if let Some(port) = port {
        return Some(port.facts.mtu.into());
    }
    if_nametoindex(interface).ok()?;
    let mtu = std::fs::read_to_string(format!("/sys/class/net/{interface}/mtu"));
    // Where there is no /sys, or that of another network namespace: as it is by default.
    Some(mtu.ok().and_then(|mtu| mtu.trim().parse().ok()).unwrap_or(MASTER_MTU))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(state: u32) -> DaemonSpec {
        let (interface, group, port, ttl) = ("lan".to_owned(), None, None, None);
        DaemonSpec { state, interface, sync_id: 7, sync_maxlen: None, group, port, ttl }
    }

    #[test]
    fn a_daemon_of_each_kind_runs_once_with_the_defaults_of_linux() {
        let mut daemons = Daemons::default();
        assert_eq!(daemons.start(spec(MASTER), None), Err(Errno::ENODEV));
        assert_eq!(daemons.start(spec(MASTER), Some(9000)), Ok(()));
        assert_eq!(daemons.start(spec(MASTER), Some(9000)), Err(Errno::EEXIST));
        assert_eq!(daemons.start(spec(3), Some(9000)), Err(Errno::EINVAL));
        assert_eq!(daemons.start(spec(BACKUP), Some(9000)), Ok(()));
        let lens = [&daemons.master, &daemons.backup].map(|one| one.as_ref().unwrap().maxlen);
        assert_eq!(lens, [1472, 8972]);
        let master = daemons.master.clone().unwrap();
        assert_eq!((master.group, master.port, master.ttl), (GROUP, 8848, 1));
        assert_eq!(daemons.stop(MASTER), Ok(()));
        assert_eq!(daemons.stop(MASTER), Err(Errno::ESRCH));
        assert_eq!(daemons.stop(0), Err(Errno::EINVAL));
        assert!(daemons.backup.is_some());
    }

    #[test]
    fn what_is_said_is_kept_within_what_linux_takes() {
        let mut daemons = Daemons::default();
        let group = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let wrong = DaemonSpec { group: group("10.0.0.1"), ..spec(BACKUP) };
        assert_eq!(daemons.start(wrong, Some(1500)), Err(Errno::EINVAL));
        let short = DaemonSpec { sync_maxlen: Some(9), ..spec(BACKUP) };
        assert_eq!(daemons.start(short, Some(1500)), Ok(()));
        assert_eq!(daemons.backup.as_ref().unwrap().maxlen, 1024);
        let long = DaemonSpec {
            sync_maxlen: Some(65_535),
            group: group("ff05::51"),
            port: Some(9000),
            ttl: Some(3),
            ..spec(MASTER)
        };
        assert_eq!(daemons.start(long, Some(1500)), Ok(()));
        let master = daemons.master.unwrap();
        assert_eq!((master.maxlen, master.port, master.ttl), (65_487, 9000, 3));
    }
}
