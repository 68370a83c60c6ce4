//! A service by its name or its key: `web`, `tcp:192.0.2.10:80`, `mark:7`.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use conf::ServiceKey;

use super::word::ProtocolWord;

/// What names a service. A name counts before a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceName(String);

super::is_text!(ServiceName, "A service by name, or by key: `tcp:192.0.2.10:80`, `mark:7`");

impl ServiceName {
    /// The place of the service that is meant among these.
    pub(crate) fn find(&self, services: &[conf::Service]) -> Option<usize> {
        services.iter().position(|service| service.name == self.0).or_else(|| {
            let key = key(&self.0)?;
            services.iter().position(|service| service.key == key)
        })
    }
}

/// The key that `text` says, of a service that need not be there.
pub(crate) fn key(text: &str) -> Option<ServiceKey> {
    let (kind, rest) = text.split_once(':')?;
    if kind == "mark" {
        return rest.parse().map(ServiceKey::Mark).ok();
    }
    let ProtocolWord(protocol) = kind.parse().ok()?;
    rest.parse().map(|vip| ServiceKey::Endpoint { protocol, vip }).ok()
}

impl FromStr for ServiceName {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
