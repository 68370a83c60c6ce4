//! Idle times of a service.

use crate::config::{Protocol, ServiceTimeouts};
use crate::diag::Diags;
use crate::raw::RawServiceTimeouts;
use crate::read::Text;
use crate::rule::Rule;
use crate::span::At;
use crate::value;

/// The timeouts of a service of this protocol, if it is known; none where there is no such key.
pub(super) fn own(
    raw: Option<&RawServiceTimeouts<'_>>,
    protocol: Option<At<Protocol>>,
    diags: &mut Diags,
) -> Option<ServiceTimeouts> {
    let Some(raw) = raw else { return Some(ServiceTimeouts::default()) };
    let mut seconds = |text: &Option<Text<'_>>, of: Protocol| {
        let Some(text) = text else { return Some(None) };
        let seconds = value::seconds(text, diags)?;
        if let Some(protocol) = protocol.filter(|protocol| protocol.value != of) {
            let (key, protocol_name) = (text.key, protocol.value.as_str());
            let message = format!("a service of {protocol_name} has no timeout `{key}`");
            let help = match protocol.value {
                Protocol::Tcp => "remove it; those of tcp are `tcp` and `tcp_fin`",
                Protocol::Udp => "remove it; that of udp is `udp`",
                Protocol::Sctp => "remove it; those of sctp are fixed, as in IPVS",
            };
            let error = diags.error(Rule::ServiceTimeout, text.span, message, help);
            error.see(protocol.span, "the protocol");
            return None;
        }
        Some(Some(seconds.value))
    };
    let tcp_s = seconds(&raw.tcp, Protocol::Tcp);
    let tcp_fin_s = seconds(&raw.tcp_fin, Protocol::Tcp);
    let udp_s = seconds(&raw.udp, Protocol::Udp);
    Some(ServiceTimeouts { tcp_s: tcp_s?, tcp_fin_s: tcp_fin_s?, udp_s: udp_s? })
}
