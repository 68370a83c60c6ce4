//! Whether what runs is what the daemon's file says.

use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::client::Daemon;
use crate::doctor::finding::Finding;
use crate::error::CtrlError;

/// Of the answer of `/v1/plan`, what counts here.
#[derive(Debug, Deserialize)]
struct Plan {
    file: String,
    changes: Vec<IgnoredAny>,
    restarts: usize,
}

/// Asks what the daemon's own file would change.
pub(super) fn check(socket: &Path) -> Finding {
    finding(Daemon::at(socket.to_path_buf()).ask("/v1/plan", &[]))
}

fn finding(answer: Result<Plan, CtrlError>) -> Finding {
    let Plan { file, changes, restarts } = match answer {
        Ok(plan) => plan,
        Err(error @ CtrlError::OtherRelease { .. }) => {
            return Finding::unknown(format!("whether the daemon's file is what runs: {error}"));
        }
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            return Finding::warning(format!("the daemon's file cannot be compared: {first}"))
                .why("with a file that cannot be read or has errors, a restart would fail.")
                .now("rvs show status && rvs check FILE");
        }
    };
    let count = changes.len();
    if count == 0 {
        return Finding::ok(format!("what runs is what {file} says"));
    }
    let restart = match restarts {
        0 => String::new(),
        restarts => format!(", {restarts} of which need a restart"),
    };
    Finding::warning(format!("{file} differs from what runs: it would change {count}{restart}"))
        .why("at a restart, or at SIGHUP, the file is what counts.")
        .advice("See what differs; then keep what runs (save) or what the file says (apply).")
        .now(format!("rvs plan {file}"))
        .now(format!("rvs save {file}     # or: rvs apply {file}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Ok as Fine, Unknown, Warning};
    use crate::doctor::fixture::only;

    #[test]
    fn the_file_is_compared() {
        let said = |text: &str| finding(Ok(serde_json::from_str(text).unwrap()));
        let same = said(r#"{"file": "/a.yaml", "changes": [], "restarts": 0, "warnings": []}"#);
        only(&[same], Fine, &["what /a.yaml says"]);
        let other = said(r#"{"file": "/a.yaml", "changes": [{"kind": "port"}, 2], "restarts": 1}"#);
        let words = ["would change 2, 1 of which need", "rvs plan /a.yaml", "rvs save /a.yaml"];
        only(&[other], Warning, &words);
    }

    #[test]
    fn a_file_with_errors_and_a_daemon_that_cannot_compare_are_told_apart() {
        let text = "error[range]: x\n --> a.yaml".to_owned();
        let refused = finding(Err(CtrlError::Refused { text, is_report: true }));
        only(&[refused], Warning, &["cannot be compared: error[range]: x", "restart would fail"]);
        let (daemon, version) = ("/x.sock".to_owned(), "0.0.9".to_owned());
        let old = CtrlError::OtherRelease { daemon, version, why: "no such resource".to_owned() };
        only(&[finding(Err(old))], Unknown, &["0.0.9"]);
    }
}
