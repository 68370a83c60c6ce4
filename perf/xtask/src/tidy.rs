//! `cargo xtask tidy`: the rules of the house style that a program can check.
//!
//! * crates depend on each other in one direction only;
//! * the top level holds what it should and nothing else;
//! * every Rust file says first what it is for, has no line over 100 columns, and no more than 400
//!   lines before its tests (600 for wire formats);
//! * `unsafe` stands in `ffi` only, and in the few files named here;
//! * the files that pages for engineers name are there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const TOP_LEVEL: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "conf",
    "ctrl",
    "dataplane",
    "docs",
    "ffi",
    "perf",
    "target",
];

/// Which of our packages each of our packages may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("dpdk-sys", &[]),
    ("dpdk", &["dpdk-sys"]),
    ("rvs-memory", &[]),
    ("rvs-ipvs-preload", &[]),
    ("rvs-conf", &[]),
    ("rvs-dataplane", &["dpdk", "rvs-memory"]),
    ("rvs-ctrl", &["dpdk", "rvs-conf", "rvs-dataplane"]),
    ("rvs-perf", &["dpdk", "rvs-conf", "rvs-ctrl", "rvs-dataplane"]),
    ("rvs-icount", &["rvs-dataplane"]),
    ("xtask", &[]),
];

/// The pages whose files are looked for.
const PAGES: &[&str] = &["ARCHITECTURE", "CONTRIBUTING", "HACKING", "STYLE", "TESTING"];

const COLUMNS_MAX: usize = 100;
const LINES_MAX: usize = 400;
const LINES_MAX_WIRE: usize = 600;

/// Every breach in the tree at `root`, a line each.
pub(crate) fn breaches(root: &Path) -> Vec<String> {
    let mut breaches = top_level(root);
    breaches.extend(dependencies(root));
    for file in rust_files(root) {
        breaches.extend(rust_file(root, &file));
    }
    breaches.extend(PAGES.iter().flat_map(|page| missing_files(root, page)));
    breaches
}

/// Prints every breach; true if there is none.
pub(crate) fn told(breaches: &[String]) -> bool {
    for breach in breaches {
        eprintln!("tidy: {breach}");
    }
    breaches.is_empty()
}

fn top_level(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(&name.as_str()))
        .map(|name| format!("{name}: does not belong at the top level"))
        .collect()
}

fn dependencies(root: &Path) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root)
        .output();
    let metadata = output.ok().and_then(|output| serde_json::from_slice(&output.stdout).ok());
    let Some(metadata): Option<Value> = metadata else {
        return vec!["cargo metadata cannot be read".to_owned()];
    };
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    packages.iter().flat_map(package_breaches).collect()
}

fn package_breaches(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let Some((_, allowed)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
        return vec![format!("{name}: a package that perf/xtask/src/tidy.rs does not know")];
    };
    let dependencies = package["dependencies"].as_array().cloned().unwrap_or_default();
    let used = dependencies.iter().filter_map(|dependency| dependency["name"].as_str());
    used.filter(|used| MAY_USE.iter().any(|(ours, _)| ours == used))
        .filter(|used| *used != name && !allowed.contains(used))
        .map(|used| format!("{name}: must not depend on {used}"))
        .collect()
}

fn rust_files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["conf", "ctrl", "dataplane", "ffi", "perf"].iter().map(|name| root.join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn rust_file(root: &Path, path: &Path) -> Vec<String> {
    let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
    let Ok(text) = fs::read_to_string(path) else {
        return vec![format!("{name}: cannot be read")];
    };
    let mut breaches = Vec::new();
    if !text.starts_with("//!") {
        breaches.push(format!("{name}: does not begin with //! and what it is for"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        if line.chars().count() > COLUMNS_MAX {
            breaches.push(format!("{name}:{number}: longer than {COLUMNS_MAX} columns"));
        }
        if !may_be_unsafe(&name) && is_unsafe(line) {
            breaches.push(format!("{name}:{number}: unsafe outside ffi"));
        }
    }
    let is_test =
        name.contains("/tests/") || name.contains("/testing/") || name.ends_with("/tests.rs");
    let own_lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    let limit = if name.contains("/wire/") { LINES_MAX_WIRE } else { LINES_MAX };
    if !is_test && own_lines > limit {
        breaches.push(format!("{name}: {own_lines} lines, more than {limit}"));
    }
    breaches
}

/// What a page names, from the root or from the sources of the data plane, and is not there. What
/// builds make, in `target`, need not be.
fn missing_files(root: &Path, page: &str) -> Vec<String> {
    let page = format!("docs/{page}.md");
    let Ok(text) = fs::read_to_string(root.join(&page)) else {
        return vec![format!("{page}: cannot be read")];
    };
    let is_there = |name: &str| {
        let places = [root.join(name), root.join("dataplane/src").join(name)];
        places.iter().any(|place| place.exists() || place.with_extension("rs").exists())
    };
    let quoted = text.split('`').skip(1).step_by(2);
    let paths = quoted.filter(|quoted| quoted.contains('/') || quoted.ends_with(".rs"));
    let paths =
        paths.filter(|path| path.chars().all(|c| c.is_ascii_alphanumeric() || "_-/.".contains(c)));
    let missing = paths
        .filter(|path| !path.starts_with('/') && !path.starts_with("target/") && !is_there(path));
    missing.map(|path| format!("{page}: {path} is not there")).collect()
}

/// Whether a file may hold unsafe code.
fn may_be_unsafe(name: &str) -> bool {
    name.starts_with("ffi/")
}

/// Whether a line of code uses the keyword, other than in a lint's name or a comment.
fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|use_| code.contains(use_))
        && !code.contains('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keyword_is_told_from_its_mention() {
        assert!(is_unsafe("    unsafe { read() }"));
        assert!(!is_unsafe("#![forbid(unsafe_code)]"));
        assert!(!is_unsafe("// unsafe { never }"));
    }
}
