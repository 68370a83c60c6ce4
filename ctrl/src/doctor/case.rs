//! [`Case`]: what every check of the machine knows.

use std::path::PathBuf;

use conf::{Config, Device, Port};

use super::Asked;
use super::root::Root;
use crate::error::CtrlError;
use crate::numa::{self, Layout, Topology};

/// The machine, the configuration, and whether a daemon runs.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) root: Root,
    pub(super) config: Option<Config>,
    pub(super) daemon: Option<Running>,
    /// The control socket, of a daemon that runs or is to be.
    pub(super) socket: PathBuf,
    /// The address here that the operator's ssh session came to, as the environment has it.
    pub(super) login: Option<String>,
}

/// A running daemon, as far as it matters to the machine.
#[derive(Clone, Debug)]
pub(super) struct Running {
    /// Its packet memory, in words; `None` if it does not say.
    pub(super) memory: Option<String>,
}

impl Case {
    pub(super) fn of_this_machine(
        root: Root,
        config: Option<Config>,
        status: &Asked,
        socket: PathBuf,
    ) -> Self {
        // One that may not be asked, or does not answer, runs all the same.
        let daemon = match status {
            Err(CtrlError::NoDaemon { .. }) => None,
            status => Some(Running { memory: status.as_ref().ok().map(|it| it.memory.clone()) }),
        };
        // Client, its port, this machine, its port.
        let login = std::env::var("SSH_CONNECTION").ok();
        let login = login.and_then(|ends| ends.split(' ').nth(2).map(str::to_owned));
        Self { root, config, daemon, socket, login }
    }

    /// The CPUs that forward packets.
    pub(super) fn workers(&self) -> &[u32] {
        self.config.as_ref().map_or(&[], |config| &config.workers)
    }

    /// The ports on PCI devices, with the devices' addresses.
    pub(super) fn pci_ports(&self) -> impl Iterator<Item = (&Port, &str)> {
        let ports = self.config.iter().flat_map(|config| &config.ports);
        ports.filter_map(|port| match &port.device {
            Device::Pci(address) => Some((port, address.as_str())),
            Device::Vdev(_) => None,
        })
    }

    /// The NUMA nodes of this machine.
    pub(super) fn topology(&self) -> Topology {
        Topology::read_below(&self.root.path("sys"))
    }

    /// Where the daemon would take its memory.
    pub(super) fn layout(&self, config: &Config) -> Layout {
        let sys = self.root.path("sys");
        let ports = config.ports.iter();
        let nodes = ports.map(|port| numa::of_device_below(&port.device, &sys)).collect();
        let buffers = |workers| numa::buffers(config, workers);
        let mib = config.dpdk.memory_mib;
        Layout::new(&self.topology(), &config.workers, nodes, mib, buffers)
    }
}
