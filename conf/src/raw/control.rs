//! How tools reach the running daemon.

use schemars::JsonSchema;

use super::bare;
use crate::diag::Diags;
use crate::node::Node;
use crate::read::{Fields, List, Owner, Read, Text};

mapping! {
    /// How tools reach the running daemon.
    #[schemars(rename = "Control")]
    RawControl {
        /// Absolute path of the unix socket the daemon listens on.
        #[schemars(with = "String", default, regex(pattern = "^/"))]
        #[schemars(extend("default" = "/run/rvs/rvs.sock"))]
        socket: optional Text<'a>,
        /// What masquerading real servers of ipvsadm and keepalived become; fullnat takes
        /// `local_addresses` at the top.
        #[schemars(with = "String", default, extend("enum" = ["nat", "fullnat"]))]
        #[schemars(extend("default" = "nat"))]
        masquerading: optional Text<'a>,
        /// Mode of that socket, in octal: 0600, 0660, 0666. Who may connect has a 6.
        #[schemars(with = "SocketMode", default)]
        #[schemars(extend("default" = "0600"))]
        mode: optional Text<'a>,
        /// Group of that socket, by name or number.
        #[schemars(with = "AccountText")]
        group: optional Text<'a>,
        /// Who may change things, besides root and the daemon's own user: users, and groups with
        /// `@` before them. Others who may connect may read.
        #[schemars(with = "Vec<AccountText>", default)]
        admins: optional List<Text<'a>>,
        /// The API over TCP, for clients with a token; off without.
        #[schemars(with = "RawTcp<'a>")]
        tcp: optional RawTcp<'a>,
    }
}

mapping! {
    /// The API over TCP.
    #[schemars(rename = "Tcp")]
    RawTcp {
        /// Address and port to listen on, such as `127.0.0.1:9181`.
        #[schemars(with = "String", regex(pattern = r"^.+:[0-9]+$"))]
        listen: required Text<'a>,
        /// Absolute path of a file with a role and a token in each line: `admin TOKEN` or
        /// `read-only TOKEN`.
        #[schemars(with = "String", regex(pattern = "^/"))]
        tokens: required Text<'a>,
    }
}

text_schema! {
    SocketMode: {"anyOf": [
        {"type": "integer"},
        {"type": "string", "pattern": "^(0o|0)?6[06][06]$"},
    ]};
    AccountText: {"anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "minLength": 1, "maxLength": 33},
    ]};
}
