//! Sessions in a page of `docs`: commands and what they print, between two marks.
//!
//! ```text
//! <!-- session begins -->
//! ```console
//! $ rvs show services
//! SERVICE ...
//! ```
//! <!-- session ends -->
//! ```
//!
//! A line that begins with `$ ` is a command, one with `> ` goes on with it, the others are what it
//! prints, to either stream. `...` stands for anything within a line, and in a line of its own for
//! any number of lines. How wide columns are does not count. What a command that fails prints ends
//! with the line `[exit status N]`.

const BEGINS: &str = "<!-- session begins -->";
const ENDS: &str = "<!-- session ends -->";
const FENCE: &str = "```";
const CONSOLE: &str = "```console";
/// Stands for anything.
const ANYTHING: &str = "...";

/// A command and what it is to print.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Where it stands in the page, from 1.
    pub(super) line: usize,
    pub(super) command: String,
    pub(super) printed: Vec<String>,
}

/// All steps of a page, in order.
pub(super) fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut in_session, mut in_block) = (false, false);
    for (index, line) in page.lines().enumerate() {
        match line {
            BEGINS => in_session = true,
            ENDS => in_session = false,
            CONSOLE => in_block = in_session,
            FENCE => in_block = false,
            _ if !in_block => {}
            line => {
                if let Some(command) = line.strip_prefix("$ ") {
                    let command = command.to_owned();
                    steps.push(Step { line: index + 1, command, ..Step::default() });
                } else if let Some(step) = steps.last_mut() {
                    match line.strip_prefix("> ") {
                        Some(more) => step.command.extend(["\n", more]),
                        None => step.printed.push(line.to_owned()),
                    }
                }
            }
        }
    }
    steps
}

/// The first line of `expected` that what was `printed` does not have, if there is one; the line
/// behind its end if more was printed.
pub(super) fn difference(expected: &[String], printed: &str) -> Option<usize> {
    let printed: Vec<String> = printed.lines().map(squeezed).collect();
    let expected: Vec<String> = expected.iter().map(|line| squeezed(line)).collect();
    let mut furthest = 0;
    let matches = lines_match(&expected, &printed, 0, &mut furthest);
    (!matches).then_some(furthest)
}

/// Whether all of `printed` is what `expected` says; `furthest` becomes how far that went.
fn lines_match(
    expected: &[String],
    printed: &[String],
    depth: usize,
    furthest: &mut usize,
) -> bool {
    *furthest = depth.max(*furthest);
    let Some((first, rest)) = expected.split_first() else { return printed.is_empty() };
    if first == ANYTHING {
        return (0..=printed.len())
            .any(|skipped| lines_match(rest, &printed[skipped..], depth + 1, furthest));
    }
    let Some((line, lines)) = printed.split_first() else { return false };
    line_matches(first, line) && lines_match(rest, lines, depth + 1, furthest)
}

/// Whether `line` is what `pattern` says.
fn line_matches(pattern: &str, line: &str) -> bool {
    let Some((before, after)) = pattern.split_once(ANYTHING) else { return pattern == line };
    let Some(rest) = line.strip_prefix(before) else { return false };
    rest.char_indices()
        .map(|(at, _)| at)
        .chain([rest.len()])
        .any(|at| line_matches(after, &rest[at..]))
}

/// `line` with one blank where there were several.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What this file promises, for the list of tests: it has no harness of its own.
pub(super) fn check() {
    let page = "$ no\n<!-- session begins -->\n$ no\n```console\n$ one\n> two\nout\n...\n\n\
                $ three\n```\n$ no\n```sh\n$ no\n```\n<!-- session ends -->\n\
                ```console\n$ no\n```\n";
    let expected = [
        Step {
            line: 5,
            command: "one\ntwo".to_owned(),
            printed: vec!["out".to_owned(), "...".to_owned(), String::new()],
        },
        Step { line: 10, command: "three".to_owned(), printed: Vec::new() },
    ];
    assert_eq!(steps(page), expected);

    let differs = |expected: &str, printed: &str| {
        difference(&expected.lines().map(str::to_owned).collect::<Vec<_>>(), printed)
    };
    assert_eq!(differs("a  b\nc", "a b\n  c\n"), None);
    assert_eq!(differs("a\nb", "a\nc\n"), Some(1));
    assert_eq!(differs("a", "a\nb\n"), Some(1), "more than expected");
    assert_eq!(differs("a\nb", "a\n"), Some(1), "less than expected");
    assert_eq!(differs("a\n...\nd", "a\nb\nc\nd\n"), None);
    assert_eq!(differs("a\n...\nd", "a\nd\n"), None);
    assert_eq!(differs("a\n...\nd", "a\nb\nc\n"), Some(2));
    assert_eq!(differs("took ... ms, ... in all", "took 3.1 ms, 7 in all\n"), None);
    assert_eq!(differs("took ... ms", "took 3.1 s\n"), Some(0));
    assert_eq!(differs("...b", "abcb\n"), None);
}
