//! [`Network`]: addresses and routes of the kernel, and the interfaces that people are logged in
//! through, from `/proc/net`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conf::Ipv4Net;

use super::root::{Root, Seen, if_there};

/// Flags of routes: in force, through a gateway, not to be used.
const UP: u32 = 1;
const GATEWAY: u32 = 2;
const REJECT: u32 = 0x200;
/// What `/proc/net/tcp` has for an established connection.
const ESTABLISHED: &str = "01";
/// Where sshd listens.
const SSH: u16 = 22;

/// A route of the kernel's main table.
#[derive(Debug, PartialEq, Eq)]
struct Route {
    interface: String,
    to: Ipv4Net,
    is_direct: bool,
    metric: u32,
}

/// The kernel's network, as far as it can be in the way.
#[derive(Debug, Default)]
pub(super) struct Network {
    /// Its IPv4 addresses, loopback's own left out.
    pub(super) local: Vec<Ipv4Addr>,
    routes: Vec<Route>,
    /// Its IPv6 addresses with their interfaces.
    local_v6: Vec<(Ipv6Addr, String)>,
    default_v6: Vec<String>,
    logins: Vec<IpAddr>,
}

impl Network {
    /// Reads all of it. `login` is the address that the operator's own session came to.
    pub(super) fn read(root: &Root, login: Option<&str>) -> Seen<Self> {
        let optional = |name| if_there(root.text(name)).map(Option::unwrap_or_default);
        let trie = root.text("proc/net/fib_trie")?;
        let mut logins = sessions(&root.text("proc/net/tcp")?);
        logins.extend(sessions(&optional("proc/net/tcp6")?));
        logins.extend(login.and_then(|login| login.parse::<IpAddr>().ok()));
        Ok(Self {
            local: local(&trie),
            routes: root.text("proc/net/route")?.lines().skip(1).filter_map(route).collect(),
            local_v6: optional("proc/net/if_inet6")?.lines().filter_map(local_v6).collect(),
            default_v6: optional("proc/net/ipv6_route")?.lines().filter_map(default_v6).collect(),
            logins,
        })
    }

    /// The interface that has an address, judged by the subnet that it is in.
    pub(super) fn interface_of(&self, address: Ipv4Addr) -> Option<&str> {
        let direct = self.routes.iter().filter(|route| route.is_direct);
        let best = direct
            .filter(|route| route.to.contains(&address))
            .min_by_key(|route| (32 - route.to.prefix_len(), route.metric));
        best.filter(|_| self.local.contains(&address)).map(|route| route.interface.as_str())
    }

    /// The IPv4 addresses of an interface.
    pub(super) fn addresses_of(&self, interface: &str) -> Vec<Ipv4Addr> {
        let its = |address: &&Ipv4Addr| self.interface_of(**address) == Some(interface);
        self.local.iter().filter(its).copied().collect()
    }

    /// What would be lost with an interface, in words: the default route, sessions.
    pub(super) fn depends_on(&self, interface: &str) -> Vec<&'static str> {
        let is_default = |route: &Route| route.to.prefix_len() == 0 && route.interface == interface;
        let is_default = self.routes.iter().any(is_default)
            || self.default_v6.iter().any(|name| name == interface);
        let arrives = |login: &IpAddr| match login {
            IpAddr::V4(address) => self.interface_of(*address) == Some(interface),
            IpAddr::V6(address) => {
                self.local_v6.iter().any(|(its, name)| its == address && name == interface)
            }
        };
        let ssh = self.logins.iter().any(arrives);
        let lost = [(is_default, "the default route"), (ssh, "an ssh session")];
        lost.into_iter().filter(|(is_so, _)| *is_so).map(|(_, what)| what).collect()
    }
}

/// The addresses of the kernel's own, from its table of routes.
fn local(trie: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut leaf = None;
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(leaf.filter(|address| !address.is_loopback()));
        }
    }
    // Every address is in the table for the machine, too.
    found.sort_unstable();
    found.dedup();
    found
}

/// A line of `/proc/net/route`.
fn route(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [interface, to, _, flags, _, _, metric, mask, ..] = fields[..] else { return None };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    if flags & UP == 0 || flags & REJECT != 0 {
        return None;
    }
    let to = Ipv4Net::with_netmask(word(to)?, word(mask)?).ok()?;
    let is_direct = flags & GATEWAY == 0;
    Some(Route { interface: interface.to_owned(), to, is_direct, metric: metric.parse().ok()? })
}

/// The addresses here that established connections with sshd came to.
fn sessions(tcp: &str) -> Vec<IpAddr> {
    let session = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, here, _, ESTABLISHED, ..] = fields[..] else { return None };
        let (address, port) = here.split_once(':')?;
        (u16::from_str_radix(port, 16).ok()? == SSH).then(|| self::address(address)).flatten()
    };
    tcp.lines().skip(1).filter_map(session).collect()
}

/// An address as the kernel prints it: words of 32 bits in the machine's order.
fn address(text: &str) -> Option<IpAddr> {
    if text.len() == 8 {
        return word(text).map(IpAddr::V4);
    }
    let mut bytes = [0; 16];
    for (index, part) in bytes.chunks_mut(4).enumerate() {
        part.copy_from_slice(&word(text.get(index * 8..index * 8 + 8)?)?.octets());
    }
    let address = Ipv6Addr::from(bytes);
    Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
}

fn word(text: &str) -> Option<Ipv4Addr> {
    u32::from_str_radix(text, 16).ok().map(|word| Ipv4Addr::from(word.to_ne_bytes()))
}

/// A line of `/proc/net/if_inet6`, whose addresses are in the network's order.
fn local_v6(line: &str) -> Option<(Ipv6Addr, String)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [address, _, _, _, _, name] = fields[..] else { return None };
    Some((u128::from_str_radix(address, 16).ok()?.into(), name.to_owned()))
}

/// The interface of a default route in `/proc/net/ipv6_route`.
fn default_v6(line: &str) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [to, "00", _, _, _, _, _, _, flags, name] = fields[..] else { return None };
    let usable = u32::from_str_radix(flags, 16).ok()? & REJECT == 0;
    (usable && to.bytes().all(|digit| digit == b'0')).then(|| name.to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::fixture::Tree;
    use super::*;

    /// With eth0 (198.51.100.7/24, default route) and eth1 (192.0.2.2/24), and 192.0.2.10 on lo.
    pub(in crate::doctor) fn with_network(tree: Tree) -> Tree {
        let trie = "Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 192.0.2.0
        /24 link UNICAST
Local:
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 192.0.2.2
        /32 host LOCAL
     |-- 192.0.2.10
        /32 host LOCAL
     |-- 198.51.100.7
        /32 host LOCAL
     |-- 198.51.100.255
        /32 link BROADCAST
";
        let hex = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
        let line = |interface, to, flags, mask| {
            format!(
                "{interface}\t{}\t00000000\t{flags}\t0\t0\t0\t{}\t0\t0\t0\n",
                hex(to),
                hex(mask)
            )
        };
        let (all, net) = ([0; 4], [255, 255, 255, 0]);
        let routes = "Iface\tDestination\n".to_owned()
            + &line("eth0", all, "0003", all)
            + &line("eth0", [198, 51, 100, 0], "0001", net)
            + &line("eth1", [192, 0, 2, 0], "0001", net)
            + &line("eth1", [203, 0, 113, 0], "0201", net);
        tree.file("proc/net/fib_trie", trie)
            .file("proc/net/route", &routes)
            .file("proc/net/tcp", "  sl  local_address rem_address   st\n")
    }

    /// A line of `/proc/net/tcp`: a session of sshd that came to this address.
    pub(in crate::doctor) fn session(address: [u8; 4]) -> String {
        let here = u32::from_ne_bytes(address);
        format!("  sl\n   0: {here:08X}:0016 0100007F:9198 01 00000000:00000000\n")
    }

    #[test]
    fn addresses_are_found_with_their_interfaces() {
        let tree = with_network(Tree::new());
        let network = Network::read(&tree.root(), None).unwrap();
        let addresses = ["192.0.2.2", "192.0.2.10", "198.51.100.7"].map(|a| a.parse().unwrap());
        assert_eq!(network.local, addresses);
        assert_eq!(network.interface_of(addresses[0]), Some("eth1"));
        assert_eq!(network.interface_of("192.0.2.99".parse().unwrap()), None, "not its own");
        assert_eq!(network.addresses_of("eth0"), [addresses[2]]);
        assert_eq!(network.depends_on("eth0"), ["the default route"]);
        assert_eq!(network.depends_on("eth1"), [""; 0], "a route that rejects does not count");
    }

    #[test]
    fn sessions_are_found_in_both_families_and_in_the_environment() {
        let tree = with_network(Tree::new()).file("proc/net/tcp", &session([192, 0, 2, 2]));
        let network = Network::read(&tree.root(), None).unwrap();
        assert_eq!(network.depends_on("eth1"), ["an ssh session"]);
        assert_eq!(network.depends_on("eth0"), ["the default route"]);

        let network = Network::read(&with_network(Tree::new()).root(), Some("192.0.2.2")).unwrap();
        assert_eq!(network.depends_on("eth1"), ["an ssh session"]);

        let words = |words: [[u8; 4]; 4]| {
            words.map(|word| format!("{:08X}", u32::from_ne_bytes(word))).concat()
        };
        let mapped = words([[0; 4], [0; 4], [0, 0, 255, 255], [192, 0, 2, 2]]);
        let own = words([[0x20, 1, 0xd, 0xb8], [0; 4], [0; 4], [0, 0, 0, 9]]);
        let line = |here: &str| format!(" 0: {here}:0016 {own}:9198 01 0:0\n");
        let tree = with_network(Tree::new())
            .file("proc/net/tcp6", &format!("  sl\n{}{}", line(&mapped), line(&own)))
            .file("proc/net/if_inet6", "20010db8000000000000000000000009 03 40 00 80    eth2\n")
            .file(
                "proc/net/ipv6_route",
                &format!("{0} 00 {0} 00 {0} 00000400 1 0 00450003     eth2\n", "0".repeat(32)),
            );
        let network = Network::read(&tree.root(), None).unwrap();
        assert_eq!(network.depends_on("eth1"), ["an ssh session"]);
        assert_eq!(network.depends_on("eth2"), ["the default route", "an ssh session"]);
    }
}
