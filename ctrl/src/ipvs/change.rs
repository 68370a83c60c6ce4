//! Changes: what a program asks of IPVS becomes edits of what RVS is to do.

use conf::edit::{Draft, Edit, Refused, ServiceOptions};
use conf::{Masquerading, Timeouts};
use nix::errno::Errno;

use super::Front;
use super::meaning::{end, errno_of, key, owner, real_server, settings};
use super::request::{Change, DaemonSpec};
use super::sync;
use crate::edit::{self, Failed, Patience, ZeroError};

/// Longest idle time that Linux takes, in seconds; beyond it is EINVAL.
const TIMEOUT_MAX_S: u32 = i32::MAX as u32 / 100;

impl Front {
    /// Carries a change out, all of it or nothing.
    pub(super) async fn carry_out(&self, change: Change) -> Result<(), Errno> {
        match change {
            Change::Zero(of) => {
                let key = of.map(|of| key(&of)).transpose()?;
                edit::zero(&self.state, key, None).await.map_err(|error| match error {
                    ZeroError::Edit(error) => errno_of(&error),
                    error @ (ZeroError::Apply(_) | ZeroError::Stale(_)) => {
                        tracing::warn!("IPVS: {error}");
                        Errno::EBUSY
                    }
                })
            }
            Change::StartDaemon(spec) => self.start_daemon(spec),
            Change::StopDaemon(state) => self.daemons().stop(state),
            Change::NewService(..)
            | Change::SetService(..)
            | Change::DelService(_)
            | Change::NewDest(..)
            | Change::SetDest(..)
            | Change::DelDest(..)
            | Change::Flush
            | Change::SetTimeouts(_) => self.edit(&change).await,
        }
    }

    async fn edit(&self, change: &Change) -> Result<(), Errno> {
        let masquerading = self.state.in_force.load().config.control.masquerading;
        let plan = |draft: &Draft, _| Ok(plan(draft, change, masquerading)?.into_iter().collect());
        match edit::edit_with(&self.state, "IPVS", Patience::Brief, plan).await {
            Ok(_) => Ok(()),
            Err(Failed::Plan(errno)) => Err(errno),
            Err(Failed::Edit(Refused { error, .. })) => {
                let errno = errno_of(&error);
                // An errno does not say much.
                tracing::info!("IPVS: refused with {errno}: {error}");
                Err(errno)
            }
        }
    }

    fn start_daemon(&self, spec: DaemonSpec) -> Result<(), Errno> {
        let mtu = sync::mtu_of(&self.state, &spec.interface);
        let (state, interface) = (spec.state, spec.interface.clone());
        self.daemons().start(spec, mtu)?;
        tracing::warn!(
            "IPVS: a synchronisation daemon (state {state}, on {interface}) is kept and listed, \
             but connections are not synchronised yet"
        );
        Ok(())
    }
}

/// The edit that a change is; none if there is nothing to do.
fn plan(draft: &Draft, change: &Change, masquerading: Masquerading) -> Result<Option<Edit>, Errno> {
    Ok(Some(match change {
        Change::NewService(of, spec) => {
            let key = key(of)?;
            if draft.service(key).is_some() {
                return Err(Errno::EEXIST);
            }
            let (settings, options) = (settings(spec, None)?, ServiceOptions::default());
            Edit::AddService { key, settings, options }
        }
        Change::SetService(of, spec) => {
            let key = key(of)?;
            let settings = settings(spec, Some(owner(draft, key)?))?;
            Edit::EditService { key, settings, options: None }
        }
        Change::DelService(of) => Edit::RemoveService(key(of)?),
        Change::NewDest(of, id, spec) => {
            let key = key(of)?;
            owner(draft, key)?;
            Edit::AddRealServer(key, real_server(id, spec, masquerading)?)
        }
        Change::SetDest(of, id, spec) => {
            let key = key(of)?;
            let service = owner(draft, key)?;
            let real = real_server(id, spec, masquerading)?;
            // One in mode fullnat stays so, and one in mode nat, whatever is preferred now.
            let old = service.real_servers.iter().find(|old| old.address == real.address);
            let old_mode = old.map(|old| old.mode);
            let mode = old_mode.filter(|old| old.rewrites() && real.mode.rewrites());
            Edit::EditRealServer(key, conf::RealServer { mode: mode.unwrap_or(real.mode), ..real })
        }
        Change::DelDest(of, id) => {
            let key = key(of)?;
            owner(draft, key)?;
            Edit::RemoveRealServer(key, end(id)?)
        }
        Change::Flush => Edit::Flush,
        Change::SetTimeouts(seconds) => {
            let [tcp_s, tcp_fin_s, udp_s] = seconds.map(Option::unwrap_or_default);
            if [tcp_s, tcp_fin_s, udp_s].iter().any(|seconds| *seconds > TIMEOUT_MAX_S) {
                return Err(Errno::EINVAL);
            }
            Edit::SetTimeouts(Timeouts { tcp_s, tcp_fin_s, udp_s })
        }
        Change::Zero(_) | Change::StartDaemon(_) | Change::StopDaemon(_) => return Ok(None),
    }))
}
