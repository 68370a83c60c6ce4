//! Names of services that commands make.

use crate::config::ServiceKey;

/// What a service is called if nobody says it; `is_taken` tells which names others have.
pub(super) fn made(key: ServiceKey, is_taken: impl Fn(&str) -> bool) -> String {
    let name = match key {
        ServiceKey::Endpoint { protocol, vip } => {
            format!("{}-{}-{}", protocol.as_str(), vip.ip(), vip.port())
        }
        ServiceKey::Mark(mark) => format!("mark-{mark}"),
    };
    if !is_taken(&name) {
        return name;
    }
    let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
    // There are more numbers than there can be services.
    numbered.into_iter().find(|name| !is_taken(name)).unwrap_or(name)
}
