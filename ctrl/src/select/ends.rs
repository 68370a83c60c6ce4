//! One end of flows: `198.51.100.0/24`, `198.51.100.7:40000`, `:443`, `[2001:db8::]/64:53`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use dataplane::control::Ends;

use super::{WrongWord, is_text};

/// A network and a port, of which one may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndsText {
    /// The network; `None` for any address.
    network: Option<(IpAddr, u8)>,
    l4_port: Option<u16>,
}

is_text!(EndsText, "An address or network, a port behind a colon, or both: NET[:PORT]");

impl EndsText {
    /// The ends that are meant.
    pub(crate) fn ends(self) -> Ends {
        let (network, prefix_len) = self.network.unwrap_or((IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
        Ends { network, prefix_len, l4_port: self.l4_port }
    }
}

impl FromStr for EndsText {
    type Err = WrongWord;

    fn from_str(text: &str) -> Result<Self, WrongWord> {
        let wrong = |_| {
            WrongWord(format!(
                "`{text}` is not NET[:PORT]: an address or network such as 198.51.100.7 or \
                 198.51.100.0/24, with a port behind a colon, or :PORT alone"
            ))
        };
        let (network, l4_port) = split(text);
        let l4_port = l4_port.map(str::parse).transpose().map_err(|_| wrong(()))?;
        let network = network.map(read_network).transpose().map_err(wrong)?;
        if network.is_none() && l4_port.is_none() {
            return Err(wrong(()));
        }
        Ok(Self { network, l4_port })
    }
}

/// Network and port; an IPv6 address stands in brackets if there is a port.
fn split(text: &str) -> (Option<&str>, Option<&str>) {
    let is_six = text.matches(':').count() > 1 && !text.contains(']');
    let (network, l4_port) = match text.rsplit_once(':') {
        Some((network, l4_port)) if !is_six && !l4_port.contains(']') => (network, Some(l4_port)),
        _ => (text, None),
    };
    ((!network.is_empty()).then_some(network), l4_port)
}

fn read_network(text: &str) -> Result<(IpAddr, u8), ()> {
    let (address, prefix_len) = match text.split_once('/') {
        Some((address, prefix_len)) => (address, Some(prefix_len)),
        None => (text, None),
    };
    let address = address.strip_prefix('[').unwrap_or(address);
    let address = address.strip_suffix(']').unwrap_or(address);
    let address: IpAddr = address.parse().map_err(|_| ())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix_len = match prefix_len {
        None => most,
        Some(text) => text.parse().ok().filter(|len| *len <= most).ok_or(())?,
    };
    Ok((address, prefix_len))
}

impl fmt::Display for EndsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((address, prefix_len)) = self.network {
            match address {
                IpAddr::V4(address) => write!(f, "{address}/{prefix_len}")?,
                IpAddr::V6(address) => write!(f, "[{address}]/{prefix_len}")?,
            }
        }
        self.l4_port.map_or(Ok(()), |l4_port| write!(f, ":{l4_port}"))
    }
}
