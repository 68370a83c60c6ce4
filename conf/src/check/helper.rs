//! Helpers: what reads the payload of a service's connections.

use std::net::SocketAddrV4;

use crate::config::{Protocol, ServiceKey};
use crate::diag::Diags;
use crate::helper::Helper;
use crate::raw::RawService;
use crate::rule::Rule;
use crate::span::At;
use crate::value;

const HELPERS: &[(&str, Option<Helper>)] =
    &[(Helper::Ftp.as_str(), Some(Helper::Ftp)), (Helper::NONE, None)];

/// The helper of a service: the one that is named, or that of its port. `None` if it is wrong.
pub(super) fn choice(
    raw: &RawService<'_>,
    protocol: Option<At<Protocol>>,
    vip: Option<At<SocketAddrV4>>,
    diags: &mut Diags,
) -> Option<Option<Helper>> {
    let Some(text) = raw.helper.as_ref() else {
        let key = protocol.zip(vip).map(|(protocol, vip)| ServiceKey::Endpoint {
            protocol: protocol.value,
            vip: vip.value,
        });
        return Some(key.and_then(Helper::of_port));
    };
    let At { value: helper, span } = value::word(text, HELPERS, diags)?;
    if helper.is_none() {
        return Some(None);
    }
    if let Some(mark) = raw.mark.as_ref() {
        let message = "helper ftp needs an address and port, which a service by mark has not";
        let help = "remove `helper`, or give the service a `vip` instead of a `mark`";
        diags.error(Rule::Helper, span, message, help).see(mark.span, "the mark");
        return None;
    }
    if let Some(protocol) = protocol.filter(|protocol| protocol.value != Protocol::Tcp) {
        let message = format!("helper ftp is for tcp, not for {}", protocol.value.as_str());
        let help = "remove `helper`, or write `protocol: tcp`";
        diags.error(Rule::Helper, span, message, help).see(protocol.span, "the protocol");
        return None;
    }
    if let Some(vip) = vip.filter(|vip| vip.value.port() == 1) {
        let message = "helper ftp needs a port below the service's, for data connections";
        let help = "give the service another port; FTP's is 21";
        diags.error(Rule::Helper, span, message, help).see(vip.span, "the service");
        return None;
    }
    Some(helper)
}
