//! The machines of the lab and the cables between them.
//!
//! The router does what a data centre's router and switch do: it routes between the clients, the
//! director's outer network and the real servers' network, and it bridges the latter's ports. Every
//! forwarding mode runs on this one network. What differs is what an LVS administrator changes on
//! the real servers: the VIP on their loopback device (DR, TUN) and their default gateway (NAT).

use std::fs;
use std::path::{Path, PathBuf};

use super::addresses::{self as at, LAN_DEVICE, WAN_DEVICE};
use super::cleanup::{self, LabId};
use super::tunnel::Decapsulation;
use super::{Client, LabError, Mode, Namespace, RealServer, command};

/// One network, from the client to the real servers, set up for one forwarding mode.
///
/// The director's machine stands with its devices up and nothing on it: start the daemon with
/// [`Director::start`](super::Director::start). Everything is removed when the lab is dropped.
#[derive(Debug)]
pub struct Lab {
    /// What the real servers are set up for.
    pub mode: Mode,
    /// Web servers, in the order of [`at::REAL_SERVERS`].
    pub real_servers: Vec<RealServer>,
    decapsulation: Vec<Decapsulation>,
    client: Namespace,
    router: Namespace,
    director: Namespace,
    // Last, so that threads and processes of the fields above end before their namespaces go.
    ground: Ground,
}

/// The names a lab owns; dropping it takes the lab down.
#[derive(Debug)]
struct Ground(LabId);

impl Drop for Ground {
    fn drop(&mut self) {
        cleanup::take_down(self.0);
    }
}

impl Lab {
    /// Builds the network for `mode` and starts the real servers.
    ///
    /// # Errors
    /// Whatever the system refused; nothing stays behind then.
    pub fn new(mode: Mode) -> Result<Self, LabError> {
        let ground = Ground(cleanup::register()?);
        let directory = ground.0.directory();
        fs::create_dir_all(&directory).map_err(LabError::file(&directory))?;
        let client = Namespace::create(ground.0, "client")?;
        let router = Namespace::create(ground.0, "router")?;
        let director = Namespace::create(ground.0, "director")?;
        lay_cables(&client, &router, &director)?;
        route(&client, &router)?;
        let mut lab = Self {
            mode,
            real_servers: Vec::new(),
            decapsulation: Vec::new(),
            client,
            router,
            director,
            ground,
        };
        for (index, address) in at::REAL_SERVERS.into_iter().enumerate() {
            let name = format!("rs{}", index + 1);
            let namespace = Namespace::create(lab.ground.0, &name)?;
            connect_real_server(&namespace, &lab.router, &name, address)?;
            set_up_real_server(&namespace, mode)?;
            if mode == Mode::Tun {
                lab.decapsulation.push(Decapsulation::start(&namespace, address)?);
            }
            let directory = lab.directory().join(&name);
            lab.real_servers.push(RealServer::start(namespace, &name, address, directory, mode)?);
        }
        Ok(lab)
    }

    /// The client's machine.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.client.clone())
    }

    /// The namespace of the director's machine.
    #[must_use]
    pub fn director_namespace(&self) -> &Namespace {
        &self.director
    }

    /// The namespace of the router, which reaches the real servers as the director's other
    /// interface would.
    #[must_use]
    pub fn router_namespace(&self) -> &Namespace {
        &self.router
    }

    /// Where this lab's files are: configuration, logs, the daemon's socket.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.ground.0.directory()
    }

    /// The real server called `name` in its answers.
    #[must_use]
    pub fn real_server(&self, name: &str) -> Option<&RealServer> {
        self.real_servers.iter().find(|server| server.name() == name)
    }

    /// How IPIP is unpacked on the real servers, for people; `None` outside TUN mode.
    #[must_use]
    pub fn decapsulation(&self) -> Option<&'static str> {
        self.decapsulation.first().map(Decapsulation::describe)
    }

    /// Writes `text` into a file of this lab and returns its path.
    ///
    /// # Errors
    /// [`LabError::File`] when it cannot be written.
    pub fn write(&self, name: impl AsRef<Path>, text: &str) -> Result<PathBuf, LabError> {
        let path = self.directory().join(name);
        fs::write(&path, text).map_err(LabError::file(&path))?;
        Ok(path)
    }
}

/// Joins client, router and director.
fn lay_cables(
    client: &Namespace,
    router: &Namespace,
    director: &Namespace,
) -> Result<(), LabError> {
    // The kernel of the director's machine must leave every packet to the daemon, which sees copies
    // of them: without addresses it has nothing to answer for, and it may not answer ARP either.
    director.set("ipv4/conf/all/arp_ignore", 8)?;
    cable(client, "eth0", router, "client")?;
    cable(director, WAN_DEVICE, router, "wan")?;
    cable(director, LAN_DEVICE, router, "lan")?;
    router.ip("link add switch type bridge\nlink set switch up\nlink set lan master switch")?;
    give_finished_frames(router, "wan")?;
    give_finished_frames(router, "lan")
}

/// Addresses and routes of the client and the router.
fn route(client: &Namespace, router: &Namespace) -> Result<(), LabError> {
    client.ip(&format!(
        "address add {}/24 dev eth0\nroute add default via {}",
        at::CLIENT,
        at::ROUTER_CLIENT
    ))?;
    // In DR and TUN mode replies with the VIP as source come from the real servers' network, while
    // the route to the VIP leads to the director's outer network.
    router.set("ipv4/conf/all/rp_filter", 0)?;
    router.set("ipv4/conf/switch/rp_filter", 0)?;
    router.ip(&format!(
        "address add {}/24 dev client\naddress add {}/24 dev wan\naddress add {}/24 dev switch",
        at::ROUTER_CLIENT,
        at::ROUTER_WAN,
        at::ROUTER_LAN
    ))?;
    router.set("ipv4/ip_forward", 1)
}

/// Gives a real server its device, its address and a port of the switch.
fn connect_real_server(
    namespace: &Namespace,
    router: &Namespace,
    name: &str,
    address: std::net::Ipv4Addr,
) -> Result<(), LabError> {
    cable(namespace, "eth0", router, name)?;
    router.ip(&format!("link set {name} master switch"))?;
    namespace.ip(&format!("address add {address}/24 dev eth0"))
}

/// What an LVS administrator does on a real server, per mode.
fn set_up_real_server(namespace: &Namespace, mode: Mode) -> Result<(), LabError> {
    if mode.real_server_owns_vip() {
        // The VIP is on loopback so that the kernel accepts it, and never spoken of on the wire:
        // not in answers to "who has the VIP" (arp_ignore) and not as the sender of our own
        // questions (arp_announce). The director alone owns it there.
        namespace.set("ipv4/conf/all/arp_ignore", 1)?;
        namespace.set("ipv4/conf/all/arp_announce", 2)?;
        namespace.ip(&format!("address add {}/32 dev lo", at::VIP))?;
    }
    // With TUN, a packet of the client gains 20 bytes on its way here. A smaller MSS in our own SYN
    // makes the client leave room for them: 1500 - 20 (outer) - 20 (IP) - 20 (TCP) = 1440.
    let advmss = if mode == Mode::Tun { " advmss 1440" } else { "" };
    namespace.ip(&format!("route add default via {}{advmss}", mode.real_server_gateway()))
}

/// Joins two machines with a virtual cable: a device at each end, both up.
fn cable(
    end: &Namespace,
    device: &str,
    peer: &Namespace,
    peer_device: &str,
) -> Result<(), LabError> {
    // Both ends come into being where they belong, so their names never meet those of the machine
    // that the lab runs on, or of another lab.
    end.ip(&format!(
        "link add {device} mtu 1500 type veth peer name {peer_device} mtu 1500 netns {}\n\
         link set {device} up",
        peer.name()
    ))?;
    peer.ip(&format!("link set {peer_device} up"))
}

/// Makes the kernel put complete frames on the cable to the director.
///
/// The kernel hands veth TCP segments of up to 64 KiB with an unfinished checksum, for a hardware
/// that does not exist; the other end's kernel knows. The director's packet socket does not: it
/// would receive frames larger than the MTU with wrong checksums. With transmit checksums off, the
/// kernel finishes them and, since segmentation needs checksums, cuts the segments too. It is
/// enough on the two devices whose peers are the director's: frames from everywhere else pass them
/// last. The director itself writes finished frames.
fn give_finished_frames(namespace: &Namespace, device: &str) -> Result<(), LabError> {
    let mut ethtool = namespace.command("ethtool");
    command::run(ethtool.args(["--offload", device, "tx", "off"])).map(drop)
}
