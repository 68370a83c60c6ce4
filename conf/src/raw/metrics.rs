//! What monitoring reads.

use schemars::JsonSchema;

use super::{RealServersText, bare};
use crate::diag::Diags;
use crate::node::Node;
use crate::read::{Fields, Owner, Read, Text};

mapping! {
    /// What monitoring reads: OpenMetrics at `/metrics`. All of it applies live.
    #[schemars(rename = "Metrics")]
    RawMetrics {
        /// Address of this host and port where metrics are served to anybody who can connect, such
        /// as `127.0.0.1:9180`; only the API has them if left out.
        #[schemars(with = "String", default, regex(pattern = r"^[0-9a-fA-F.:\[\]]+:[0-9]+$"))]
        listen: optional Text<'a>,
        /// How many real servers have series of their own, at most: `all`, `none` or a number.
        #[schemars(with = "RealServersText", default, extend("default" = 10_000))]
        real_servers: optional Text<'a>,
    }
}
