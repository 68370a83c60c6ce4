//! The description itself.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::super::{openapi, routes};
use super::document;

#[test]
fn the_copy_in_docs_is_the_description() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let text = openapi::text(&routes().table);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let copy = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(copy == text, "docs/openapi.json is old: UPDATE=1 cargo test -p rvs-ctrl described::");
}

#[test]
fn operations_have_names_of_their_own_and_references_lead_somewhere() {
    let table = routes().table;
    let names: BTreeSet<_> = table.iter().map(|route| route.operation.id).collect();
    assert_eq!(names.len(), table.len());

    let document = document();
    let text = document.to_string();
    let mut references: Vec<_> = text.split("\"$ref\":\"#").skip(1).collect();
    assert!(references.len() > 20);
    for reference in &mut references {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}
