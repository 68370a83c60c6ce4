//! A service by its name or its key: `web`, `tcp:192.0.2.10:80`, `mark:7`.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddrV4;
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
        let by_name = services.iter().position(|service| service.name == self.0);
        by_name.or_else(|| services.iter().position(|service| self.is_key_of(service.key)))
    }

    fn is_key_of(&self, key: ServiceKey) -> bool {
        match (self.0.split_once(':'), key) {
            (Some(("mark", mark)), ServiceKey::Mark(wanted)) => mark.parse() == Ok(wanted.get()),
            (Some((word, end)), ServiceKey::Endpoint { protocol, vip }) => {
                word.parse::<ProtocolWord>().is_ok_and(|word| word.0 == protocol)
                    && end.parse::<SocketAddrV4>() == Ok(vip)
            }
            _ => false,
        }
    }
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
