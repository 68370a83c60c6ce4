//! `docs/METRICS.md` lists every metric there is.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::super::encode::Encoder;
use super::*;

const BEGIN: &str = "<!-- written by a test: UPDATE=1 cargo test -p rvs-ctrl --lib metrics -->\n";
const END: &str = "<!-- end -->\n";

/// All metrics, by what they are about.
fn list(encoder: &Encoder) -> String {
    let (mut text, mut before) = (String::new(), ("", String::new()));
    for block in encoder.blocks() {
        let (title, labels) = block.title();
        let named: Vec<_> = labels.iter().flat_map(|label| label.split(", ")).collect();
        let named: Vec<_> = named.iter().map(|label| format!("`{label}`")).collect();
        let labels = if named.is_empty() { "none".to_owned() } else { named.join(", ") };
        if before.0 != title {
            let _ = writeln!(text, "\n### {title}");
        }
        if before != (title, labels.clone()) {
            let head = "| metric | kind | meaning |\n|---|---|---|";
            let _ = writeln!(text, "\nLabels: {labels}.\n\n{head}");
        }
        before = (title, labels);
        for (name, kind, help) in (0..).map_while(|column| block.describe(column)) {
            let _ = writeln!(text, "| `{name}` | {} | {help} |", kind.name());
        }
    }
    text + "\n"
}

#[tokio::test]
async fn the_list_in_the_documentation_is_whole() {
    let rig = rig_with("");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/METRICS.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).expect("where the list begins");
    let (listed, after) = rest.split_once(END).expect("where it ends");
    let found = list(&super::super::collect(&rig.state).await);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{found}{END}{after}")).unwrap();
        return;
    }
    assert!(listed == found, "UPDATE=1 writes it anew; found:\n{found}");
}
