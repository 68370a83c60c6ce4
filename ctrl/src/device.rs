//! What is known of a port's device before and after DPDK has tried it, in an operator's words.
//!
//! DPDK reports most failures of a device by an errno. The checks here come first and name the
//! cause: the interface or the PCI device that is not there, the missing right. What remains is
//! explained with what the driver printed.

use std::fs;
use std::path::Path;

use conf::{Device, Port};
use dpdk::DpdkError;
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::unistd::geteuid;

use crate::error::CtrlError;

/// Where the kernel shows PCI devices.
const PCI_DEVICES: &str = "/sys/bus/pci/devices";
/// Kernel drivers that share a NIC with DPDK; all others must be replaced by a user-space driver.
const SHARED_DRIVERS: &[&str] = &["mlx4_core", "mlx5_core", "mana"];
/// Kernel drivers that hand a NIC over to user space.
const USER_DRIVERS: &[&str] = &["vfio-pci", "uio_pci_generic", "igb_uio"];
/// Virtual devices that attach to an existing kernel interface, named by `iface=`.
const ON_INTERFACE: &[&str] = &["net_af_packet", "net_af_xdp"];

/// The flag of an interface that is switched on.
const IFF_UP: u32 = 1;

/// The device as the configuration has it.
pub(crate) fn text(device: &Device) -> &str {
    match device {
        Device::Vdev(text) | Device::Pci(text) => text,
    }
}

/// Finds what is surely in the way of a port, before DPDK is started.
pub(crate) fn check(port: &Port) -> Result<(), CtrlError> {
    match &port.device {
        Device::Pci(address) => check_pci(port, address, Path::new(PCI_DEVICES)),
        Device::Vdev(devargs) => check_vdev(port, devargs),
    }
}

/// An error about `port`.
fn refuse(port: &Port, cause: String, advice: impl Into<String>) -> CtrlError {
    let device = text(&port.device).to_owned();
    CtrlError::Port { name: port.name.clone(), device, cause, advice: advice.into() }
}

fn check_pci(port: &Port, address: &str, devices: &Path) -> Result<(), CtrlError> {
    let device = devices.join(address);
    if !device.exists() {
        let cause = format!("there is no PCI device {address} on this machine");
        let advice = "`lspci -D` lists the addresses of all devices; correct the configuration, or \
                      check that the card is in its slot and switched on.";
        return Err(refuse(port, cause, advice));
    }
    match kernel_driver(&device) {
        Some(driver) if is_ready(&driver) => Ok(()),
        Some(driver) => {
            let cause = format!("it is in use by the kernel's driver {driver}");
            Err(refuse(port, cause, how_to_bind(address)))
        }
        None => {
            let cause = "it is not bound to a driver that DPDK can use".to_owned();
            Err(refuse(port, cause, how_to_bind(address)))
        }
    }
}

/// Whether DPDK can use a device that is bound to this kernel driver.
pub(crate) fn is_ready(driver: &str) -> bool {
    USER_DRIVERS.contains(&driver) || is_shared(driver)
}

/// Whether this kernel driver keeps its device and shares it with DPDK.
pub(crate) fn is_shared(driver: &str) -> bool {
    SHARED_DRIVERS.contains(&driver)
}

fn kernel_driver(device: &Path) -> Option<String> {
    let driver = fs::read_link(device.join("driver")).ok()?;
    Some(driver.file_name()?.to_string_lossy().into_owned())
}

fn how_to_bind(address: &str) -> String {
    format!(
        "Take it out of the kernel's hands with `modprobe vfio-pci` and `dpdk-devbind.py --bind \
         vfio-pci {address}` as root; its kernel interface disappears, so do not do this to the \
         card you are logged in through."
    )
}

fn check_vdev(port: &Port, devargs: &str) -> Result<(), CtrlError> {
    let name = devargs.split(',').next().unwrap_or(devargs);
    let driver = driver_of(name);
    if !ON_INTERFACE.contains(&driver) {
        return Ok(());
    }
    let Some(interface) = interface(devargs) else {
        let cause = format!("{driver} is not told which network interface to use");
        let advice = format!("Name one of those that `ip link` lists: \"{name},iface=NAME\".");
        return Err(refuse(port, cause, advice));
    };
    match if_nametoindex(interface) {
        Ok(_) => {
            if is_down(interface) {
                let name = &port.name;
                tracing::warn!(
                    "port {name}: the network interface {interface} is down and receives nothing; \
                     `ip link set {interface} up` changes that"
                );
            }
            Ok(())
        }
        Err(Errno::ENODEV | Errno::ENXIO) => {
            let cause = format!("there is no network interface {interface} here");
            let advice = "`ip link` lists those there are (each network namespace has its own); \
                          correct `iface=` in the configuration, or make the interface first.";
            Err(refuse(port, cause, advice))
        }
        // Not able to tell: the driver will.
        Err(_) => Ok(()),
    }
}

/// The existing interface that a virtual device attaches to, if it is of that kind.
pub(crate) fn interface(devargs: &str) -> Option<&str> {
    let (name, arguments) = devargs.split_once(',')?;
    let mut arguments = arguments.split(',');
    let interface = arguments.find_map(|argument| argument.strip_prefix("iface="));
    let attaches = ON_INTERFACE.contains(&driver_of(name));
    interface.filter(|interface| attaches && !interface.is_empty())
}

/// Whether the kernel says that an interface is switched off; no where it says nothing.
fn is_down(interface: &str) -> bool {
    let flags = fs::read_to_string(format!("/sys/class/net/{interface}/flags"));
    flags.is_ok_and(|flags| is_up(&flags) == Some(false))
}

/// Whether an interface with these flags, as the kernel writes them, is switched on; `None` if
/// they are none.
pub(crate) fn is_up(flags: &str) -> Option<bool> {
    let flags = u32::from_str_radix(flags.trim().strip_prefix("0x")?, 16).ok()?;
    Some(flags & IFF_UP != 0)
}

/// The driver's name in a virtual device's: what comes before the number.
fn driver_of(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// Explains why DPDK could not make a port of a device.
pub(crate) fn probe_failed(port: &Port, error: &DpdkError) -> CtrlError {
    if let (Device::Vdev(devargs), Errno::EFAULT) = (&port.device, Errno::from_raw(error.errno)) {
        let name = devargs.split(',').next().unwrap_or(devargs);
        let cause = format!("DPDK has no driver named {}", driver_of(name));
        let advice = "Virtual devices are named after their driver and a number, such as \
                      net_af_packet0, net_af_xdp0 or net_tap0; PCI devices by their full address, \
                      such as 0000:3b:00.0.";
        return refuse(port, cause, advice);
    }
    explain(port, "DPDK cannot open it", error)
}

/// Explains why a port that exists does not start.
pub(crate) fn start_failed(port: &Port, error: &DpdkError) -> CtrlError {
    explain(port, "it does not start", error)
}

fn explain(port: &Port, what: &str, error: &DpdkError) -> CtrlError {
    let errno = Errno::from_raw(error.errno);
    let said = said(port, error);
    let busy = errno == Errno::EBUSY || said.contains("busy") || said.contains("in use");
    let denied = matches!(errno, Errno::EPERM | Errno::EACCES)
        || said.contains("not permitted")
        || said.contains("ermission denied");
    // Packet sockets need rights, and these drivers do not say that it is that.
    let on_interface = ON_INTERFACE.iter().any(|driver| text(&port.device).starts_with(driver));
    if busy {
        let cause = format!("it is in use{said}");
        let advice = "Stop the other program or port that uses it, or use another device.";
        return refuse(port, cause, advice);
    }
    if denied || (on_interface && !geteuid().is_root()) {
        let cause = format!("{what}, probably for missing rights{said}");
        let advice = "Run as root, or give the process CAP_NET_RAW and CAP_NET_ADMIN (and for PCI \
                      devices access to /dev/vfio).";
        return refuse(port, cause, advice);
    }
    // Buses answer this for whatever their driver refused.
    let why = if errno == Errno::EOPNOTSUPP {
        "its driver refuses it".to_owned()
    } else {
        errno.desc().to_lowercase()
    };
    let cause = format!("{what}: {why}{said}");
    let advice = "Correct `device` of this port in the configuration, its arguments included; \
                  `--log-level debug` shows all that DPDK and its drivers say.";
    refuse(port, cause, advice)
}

/// What DPDK and the driver printed, in parentheses, less what the paragraph says already.
fn said(port: &Port, error: &DpdkError) -> String {
    let detail = error.detail.strip_prefix(text(&port.device)).unwrap_or(&error.detail);
    let detail = detail.trim_start_matches(": ");
    let lines = detail.split("; ").filter(|line| !line.contains("Failed to attach device"));
    let lines: Vec<_> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { String::new() } else { format!(" (DPDK: {})", lines.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(device: Device) -> Port {
        Port {
            name: "wan".into(),
            device,
            addresses: Vec::new(),
            mtu: 1500,
            rx_descriptors: 512,
            tx_descriptors: 512,
        }
    }

    fn vdev(devargs: &str) -> Port {
        port(Device::Vdev(devargs.into()))
    }

    #[test]
    fn devices_on_an_interface_must_name_one() {
        for devargs in ["net_af_packet0", "net_af_packet0,iface=", "net_af_xdp3,start_queue=0"] {
            let error = check(&vdev(devargs)).unwrap_err().to_string();
            assert!(error.contains("which network interface"), "{error}");
            assert!(error.contains(",iface=NAME"), "{error}");
        }
        check(&vdev("net_af_xdp3,start_queue=0,iface=lo,x=y")).unwrap();
        check(&vdev("net_tap0,iface=made_by_it")).unwrap();
    }

    #[test]
    fn a_missing_interface_is_named_and_an_existing_one_passes() {
        let error = check(&vdev("net_af_packet0,iface=nosuch0")).unwrap_err().to_string();
        for word in ["port wan", "net_af_packet0", "no network interface nosuch0", "ip link"] {
            assert!(error.contains(word), "{word}: {error}");
        }
        check(&vdev("net_af_packet0,iface=lo")).unwrap();
        check(&vdev("net_null0")).unwrap();
    }

    #[test]
    fn pci_devices_must_exist_and_have_a_driver_for_user_space() {
        let sys = tempfile::tempdir().unwrap();
        let address = "0000:3b:00.0";
        let port = port(Device::Pci(address.into()));
        let check = || check_pci(&port, address, sys.path()).map_err(|error| error.to_string());

        let error = check().unwrap_err();
        assert!(error.contains("no PCI device 0000:3b:00.0"), "{error}");
        let device = sys.path().join(address);
        fs::create_dir(&device).unwrap();
        let error = check().unwrap_err();
        assert!(error.contains("not bound to a driver"), "{error}");
        let link = device.join("driver");
        std::os::unix::fs::symlink("../../bus/pci/drivers/ixgbe", &link).unwrap();
        let error = check().unwrap_err();
        assert!(error.contains("driver ixgbe") && error.contains("vfio-pci"), "{error}");
        for ready in ["vfio-pci", "mlx5_core"] {
            fs::remove_file(&link).unwrap();
            std::os::unix::fs::symlink(format!("../drivers/{ready}"), &link).unwrap();
            check().unwrap();
        }
    }

    #[test]
    fn what_dpdk_printed_is_quoted_without_what_is_said_already() {
        let detail = "net_nul0: EAL: no such key; EAL: Failed to attach device on primary process";
        let error = DpdkError::new("x", 95).with_detail(detail);
        let text = probe_failed(&vdev("net_nul0"), &error).to_string();
        assert!(text.contains("its driver refuses it (DPDK: EAL: no such key)."), "{text}");
    }

    #[test]
    fn failures_of_dpdk_name_the_port_the_cause_and_the_way_out() {
        let port = vdev("net_nul0");
        let cases = [
            (
                probe_failed(&port, &DpdkError::new("rte_dev_probe", 14)),
                vec!["port wan", "no driver named net_nul", "net_af_packet0"],
            ),
            (
                start_failed(&port, &DpdkError::new("x", 16).with_detail("taken")),
                vec!["port wan", "it is in use", "taken", "Stop the other"],
            ),
            (
                probe_failed(&port, &DpdkError::new("x", 1)),
                vec!["port wan", "missing rights", "Run as root", "CAP_NET_RAW"],
            ),
            (
                probe_failed(&port, &DpdkError::new("x", 22).with_detail("bad key")),
                vec!["port wan", "cannot open it", "invalid argument", "bad key", "Correct"],
            ),
        ];
        for (error, words) in cases {
            let text = error.to_string();
            for word in words {
                assert!(text.contains(word), "{word}: {text}");
            }
            assert!(!text.contains('\n'), "one paragraph: {text}");
        }
    }
}
