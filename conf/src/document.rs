//! [`Document`]: a checked configuration that remembers where its keys stand in the file.

use crate::config::Config;
use crate::diag::LineIndex;
use crate::node::{Kind, Node};

/// A checked configuration and its places.
#[derive(Debug)]
pub struct Document {
    /// The configuration.
    pub config: Config,
    /// Where its keys stand.
    pub places: Places,
}

/// Where the keys of a file stand.
#[derive(Debug)]
pub struct Places {
    root: Node,
    lines: LineIndex,
}

impl Places {
    pub(crate) const fn new(root: Node, lines: LineIndex) -> Self {
        Self { root, lines }
    }

    /// The line, from 1, of the key that `path` leads to, as `["ports", "wan", "mtu"]` does; `None`
    /// if the file does not have it.
    #[must_use]
    pub fn line(&self, path: &[impl AsRef<str>]) -> Option<usize> {
        let mut node = &self.root;
        let mut line = None;
        for step in path {
            let Kind::Map(entries) = &node.kind else { return None };
            let is_meant = |key: &Node| match &key.kind {
                Kind::Scalar { text, .. } => text == step.as_ref(),
                Kind::Null | Kind::List(_) | Kind::Map(_) => false,
            };
            let (key, value) = entries.iter().find(|(key, _)| is_meant(key))?;
            line = Some(self.lines.line(key.span.start as usize));
            node = value;
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Machine;
    use crate::load::parse_document;

    #[test]
    fn keys_are_found_by_their_path() {
        let text = "version: 1\nworkers: [0]\nports:\n  lan: {device: net_null0}\n  wan:\n    \
                    device: net_null1\n    mtu: 1400\nservices: {}\n";
        let document = parse_document("t", text.as_bytes(), &Machine::default()).expect("right");
        let line = |path: &[&str]| document.places.line(path);
        assert_eq!(line(&["workers"]), Some(2));
        assert_eq!(line(&["ports", "lan", "device"]), Some(4));
        assert_eq!(line(&["ports", "wan", "mtu"]), Some(7));
        assert_eq!(line(&["ports", "lan", "mtu"]), None, "left out");
        assert_eq!(line(&["workers", "mtu"]), None, "not a mapping");
        assert_eq!(line(&[]), None);
        assert_eq!(document.config.ports[1].mtu, 1400);
    }
}
