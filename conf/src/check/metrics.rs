//! Where metrics are served, and how many.

use std::net::SocketAddr;

use crate::diag::Diags;
use crate::metrics::Metrics;
use crate::raw::RawMetrics;
use crate::read::Text;
use crate::rule::Rule;
use crate::value;

use super::settings::REAL_SERVERS_MAX;

/// The settings of metrics.
pub(super) fn metrics(raw: Option<&RawMetrics<'_>>, diags: &mut Diags) -> Option<Metrics> {
    let default = Metrics::default();
    let Some(raw) = raw else { return Some(default) };
    let listen = match &raw.listen {
        Some(text) => listen(text, diags).map(Some),
        None => Some(default.listen),
    };
    let real_servers_max = match &raw.real_servers {
        Some(text) => real_servers_max(text, diags),
        None => Some(default.real_servers_max),
    };
    Some(Metrics { listen: listen?, real_servers_max: real_servers_max? })
}

/// An address of the host, which may be one of IPv6, and a port.
fn listen(text: &Text<'_>, diags: &mut Diags) -> Option<SocketAddr> {
    match text.text.parse::<SocketAddr>() {
        Ok(address) if address.port() > 0 => Some(address),
        Ok(_) | Err(_) => {
            let message = format!("`listen` is not an address and port: `{}`", text.text);
            let help = "write an address of this host's own network and a port from 1 to 65535, \
                        such as `listen: 127.0.0.1:9180`";
            diags.error(Rule::BadValue, text.span, message, help);
            None
        }
    }
}

fn real_servers_max(text: &Text<'_>, diags: &mut Diags) -> Option<Option<u32>> {
    match text.text {
        "all" => Some(None),
        "none" => Some(Some(0)),
        word if word.bytes().any(|byte| byte.is_ascii_digit()) => {
            value::number(text, 0..=REAL_SERVERS_MAX, diags).map(|number| Some(number.value))
        }
        word => {
            let message = format!("`real_servers` is neither a number nor known: `{word}`");
            let help = "write `all`, `none` or how many have series of their own";
            diags.error(Rule::BadValue, text.span, message, help);
            None
        }
    }
}
