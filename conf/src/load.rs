//! Reading the file and the YAML in it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde_yaml::options::NonFiniteFloatPolicy;
use serde_yaml::{DuplicateKeyPolicy, Error};

use crate::config::{Config, Machine};
use crate::diag::{Diags, LineIndex};
use crate::document::{Document, Places};
use crate::error::ConfErrors;
use crate::node::{Node, location_span};
use crate::rule::Rule;
use crate::span::{Span, char_start};

/// Largest file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 64 << 20;

/// Reads and checks the file at `path`.
///
/// # Errors
/// Everything that is wrong with the file, or why it could not be read.
pub fn load(path: &Path, machine: &Machine) -> Result<Config, ConfErrors> {
    parse_bytes(&path.display().to_string(), &read(path)?, machine)
}

/// Reads the file at `path`, as far as a configuration can be long.
///
/// # Errors
/// Why it could not be read.
pub fn read(path: &Path) -> Result<Vec<u8>, ConfErrors> {
    let name = path.display().to_string();
    let bytes = read_file(path).map_err(|error| unreadable(&name, &error))?;
    if bytes.len() > FILE_BYTES_MAX { Err(too_large(&name)) } else { Ok(bytes) }
}

/// Reads at most one byte more than a file may have, so that a device or pipe cannot fill memory.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Says why a file could not be read and what to do.
fn unreadable(name: &str, error: &io::Error) -> ConfErrors {
    let kinds = [
        (
            io::ErrorKind::NotFound,
            "there is no such file",
            "check the path; conf/examples has files to copy",
        ),
        (
            io::ErrorKind::PermissionDenied,
            "permission denied",
            "make the file readable for this user",
        ),
        (io::ErrorKind::IsADirectory, "it is a directory", "name the configuration file inside it"),
    ];
    let known = kinds.iter().find(|(kind, ..)| *kind == error.kind());
    let (why, help) = match known {
        Some((_, why, help)) => ((*why).to_owned(), *help),
        None => (error.to_string(), "name a readable file"),
    };
    ConfErrors::unreadable(name, format!("cannot read {name}: {why}"), help)
}

/// Checks the bytes of a file; `name` stands for the file in errors.
///
/// # Errors
/// Everything that is wrong with them.
pub fn parse_bytes(name: &str, bytes: &[u8], machine: &Machine) -> Result<Config, ConfErrors> {
    Ok(parse_document(name, bytes, machine)?.config)
}

/// [`parse_bytes`], remembering where the keys stand.
///
/// # Errors
/// Everything that is wrong with the bytes.
pub fn parse_document(name: &str, bytes: &[u8], machine: &Machine) -> Result<Document, ConfErrors> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(too_large(name));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => document(name, text, machine),
        Err(error) => {
            let good = error.valid_up_to();
            let text = String::from_utf8_lossy(bytes);
            let mut diags = Diags::default();
            let message = format!("byte {good} is not UTF-8");
            let help = "save the file in UTF-8 encoding";
            diags.error(Rule::Unreadable, Span::new(good, good + 1), message, help);
            Err(diags.into_errors(name, &text, None))
        }
    }
}

/// The error of a file that is too large to be looked at.
fn too_large(name: &str) -> ConfErrors {
    let message = format!("{name} is larger than 64 MiB");
    ConfErrors::unreadable(name, message, "a configuration is not that large; check the path")
}

/// Checks `text`; `name` stands for the file in errors.
///
/// # Errors
/// Everything that is wrong with the text.
pub fn parse(name: &str, text: &str, machine: &Machine) -> Result<Config, ConfErrors> {
    if text.len() > FILE_BYTES_MAX {
        return Err(too_large(name));
    }
    Ok(document(name, text, machine)?.config)
}

fn document(name: &str, text: &str, machine: &Machine) -> Result<Document, ConfErrors> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut diags = Diags::default();
    let Some(root) = parse_yaml(text, &mut diags) else {
        return Err(diags.into_errors(name, text, None));
    };
    match crate::check::check(&root, machine, &mut diags) {
        Some(config) if diags.is_empty() => {
            Ok(Document { config, places: Places::new(root, LineIndex::new(text)) })
        }
        _ => Err(diags.into_errors(name, text, Some(&root))),
    }
}

/// Parses the YAML. The budget admits any real configuration (10,000 services with 10 real servers
/// each are about 900,000 nodes) and stops documents that aliases make large.
fn parse_yaml(text: &str, diags: &mut Diags) -> Option<Node> {
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_events: 16_000_000,
            max_nodes: 8_000_000,
            max_depth: 32,
        },
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    };
    match serde_yaml::from_str_with_options::<Node>(text, options) {
        Ok(mut root) => {
            root.settle(text);
            Some(root)
        }
        Err(error) => {
            report_yaml_error(text, &error, diags);
            None
        }
    }
}

/// Turns an error of the YAML parser into one of ours.
fn report_yaml_error(text: &str, error: &Error, diags: &mut Diags) {
    let span = error.location().map_or_else(Span::default, |location| {
        if location.span().byte_offset().is_some() {
            return location_span(&location);
        }
        let at = LineIndex::new(text).offset(text, location.line(), location.column());
        Span::new(at, at + 1)
    });
    // An error inside what an alias repeats comes wrapped.
    let mut error = error;
    while let Error::AliasError { error: inner, .. } = error {
        error = inner;
    }
    let too_complex = matches!(
        error,
        Error::Budget { .. }
            | Error::AliasReplayLimitExceeded { .. }
            | Error::AliasExpansionLimitExceeded { .. }
            | Error::AliasReplayStackDepthExceeded { .. }
            | Error::RecursiveReferencesRequireWeakTypes { .. }
    );
    if too_complex {
        let message = "the document is deeper or larger than a configuration can be";
        let help = "remove what is nested too deeply, and aliases (`*name`) that repeat much";
        diags.error(Rule::TooComplex, span, message, help);
    } else if matches!(error, Error::MultipleDocuments { .. }) {
        let message = "a second YAML document begins before this line";
        let help = "remove the line `---` and what does not belong to the configuration";
        diags.error(Rule::Syntax, span, message, help);
    } else if matches!(error, Error::UnknownAnchor { .. }) {
        let message = "this alias names an anchor that is not in the file";
        let help = "define it above as `&name`, or quote the value if it is no alias";
        diags.error(Rule::Syntax, span, message, help);
    } else {
        let full = error.to_string();
        // The place is shown by the report itself.
        let what = full.rfind(" at line ").map_or(full.as_str(), |at| &full[..at]);
        let help = syntax_help(text, span);
        diags.error(Rule::Syntax, span, format!("not YAML: {what}"), help);
    }
}

/// A guess at what went wrong, from the line the parser stopped in.
fn syntax_help(text: &str, span: Span) -> String {
    let at = char_start(text, span.start as usize);
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or("");
    let help = if line.contains("::") && line.contains('[') {
        "IPv6 is not supported yet; use an IPv4 address"
    } else if line[..line.len() - line.trim_start().len()].contains('\t') {
        "indent with spaces; YAML does not allow tabs there"
    } else {
        "check indentation, brackets and quotes here and in the line before; \
         quote values that contain `: ` or ` #`"
    };
    help.to_owned()
}
