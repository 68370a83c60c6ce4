//! Every address, port and device name of the lab's network, and its picture.
//!
//! The addresses are those set aside for documentation, plus one private network for the real
//! servers, so that configuration files in the manual and in the lab look alike.

use std::net::Ipv4Addr;

/// CIP: the client.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// The router's leg towards the client.
pub const ROUTER_CLIENT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The router's leg towards the director.
pub const ROUTER_WAN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The router's leg on the real servers' network.
pub const ROUTER_LAN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// DIP on the side of the clients.
pub const DIRECTOR_WAN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// DIP on the side of the real servers; their default gateway in NAT mode.
pub const DIRECTOR_LAN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// The virtual address that clients connect to.
pub const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// LIP: first of the director's local addresses in FULLNAT mode.
pub const LOCAL_FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
/// LIP: last of the director's local addresses in FULLNAT mode.
pub const LOCAL_LAST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 103);
/// RIP of each real server, in the order of the configuration.
pub const REAL_SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 11), Ipv4Addr::new(10, 0, 0, 12)];

/// The port clients fetch web pages from, on the VIP.
pub const HTTP_VPORT: u16 = 80;
/// The port of the web server when the mode may translate ports.
pub const HTTP_RPORT: u16 = 8080;
/// The port clients send UDP echoes to, on the VIP.
pub const ECHO_VPORT: u16 = 7;
/// The port of the echo server when the mode may translate ports.
pub const ECHO_RPORT: u16 = 7007;
/// The port of FTP's control connections, on the VIP.
pub const FTP_VPORT: u16 = 21;
/// The port of the FTP server when the mode may translate ports.
pub const FTP_RPORT: u16 = 2121;

/// The director's device on the side of the clients.
pub const WAN_DEVICE: &str = "wan0";
/// The director's device on the side of the real servers.
pub const LAN_DEVICE: &str = "lan0";

/// The network, for people.
pub const PICTURE: &str = "
   client                 router                          director
 +--------------+      +-----------------------+       +----------------------+
 | curl         |      |            192.0.2.1  |-------| wan0  192.0.2.2      |
 | 198.51.100.2 |------| 198.51.100.1          |       |       rvs on DPDK    |
 |              |      |            10.0.0.1   |--+    |       VIP 192.0.2.10 |
 +--------------+      +-----------------------+  |    |                      |
                                                  +----| lan0  10.0.0.2       |
                                                  |    +----------------------+
                       rs1  10.0.0.11   nginx  ---+
                       rs2  10.0.0.12   nginx  ---+
";

/// Whether `address` is one of the director's local addresses.
#[must_use]
pub fn is_local_address(address: Ipv4Addr) -> bool {
    (LOCAL_FIRST..=LOCAL_LAST).contains(&address)
}
