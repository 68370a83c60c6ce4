//! TUN: the packet travels inside another one.

use std::net::{SocketAddrV4, UdpSocket};
use std::time::Duration;

use libtest_mimic::Failed;
use nix::errno::Errno;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::IpMtu;
use rvs_perf::lab::addresses::{ECHO_VPORT, VIP};
use rvs_perf::lab::config::Service;
use rvs_perf::lab::{LabError, Mode, probe, wait};

use crate::setup::with_director;
use crate::{Body, checks};

const MODE: Mode = Mode::Tun;

/// The tests of this file.
pub(crate) const TESTS: [(&str, Body); 7] = [
    ("concurrent_requests", || checks::concurrent_requests(MODE)),
    ("weighted_split", || checks::weighted_split(MODE)),
    ("large_transfers", || checks::large_transfers(MODE)),
    ("udp_echo", || checks::udp_echo(MODE)),
    ("killed_server", || checks::killed_server(MODE)),
    ("stops_in_time", || checks::stops_in_time(MODE)),
    ("path_mtu_is_told", path_mtu_is_told),
];

/// A datagram that may not be fragmented and leaves no room for the outer header is answered with
/// the size that fits: 1500 - 20.
fn path_mtu_is_told() -> Result<(), Failed> {
    with_director(MODE, &[Service::echo(MODE, "rr", [1, 1])], |setup| {
        let client = setup.lab.client();
        let socket = probe::udp_socket(client.namespace(), SocketAddrV4::new(VIP, ECHO_VPORT))?;
        assert_eq!(path_mtu(&socket)?, 1500, "before anything was sent");
        // Linux sets "don't fragment" by itself as long as it believes the datagram fits.
        socket.send(&[0; 1472])?;
        let what = || "the client did not learn a path MTU of 1480".to_owned();
        wait::until(Duration::from_secs(3), what, || {
            Ok((path_mtu(&socket)? == 1480).then_some(()))
        })?;
        let told = socket.take_error()?.and_then(|error| error.raw_os_error());
        assert_eq!(told, Some(Errno::EMSGSIZE as i32), "the kernel tells the sender, too");
        let fits = [7; 1452];
        assert_eq!(probe::exchange(&socket, &fits)?, fits, "what fits is not hurt");
        Ok(())
    })
}

/// The largest packet that the client's kernel believes the way to `socket`'s peer carries.
fn path_mtu(socket: &UdpSocket) -> Result<i32, LabError> {
    let mtu = getsockopt(socket, IpMtu).map_err(std::io::Error::from);
    mtu.map_err(|source| LabError::Socket { what: "IP_MTU".into(), source })
}
