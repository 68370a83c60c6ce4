//! [`Finding`]: what a check found, why it matters, and what to do.

use serde::Serialize;

use super::root::Unseen;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// As it should be.
    Ok,
    /// Good to know; nothing has to be done.
    Note,
    /// It could not be seen, so it may be anything.
    Unknown,
    /// It works, but worse than it could, or not for long.
    Warning,
    /// It does not work, or loses packets.
    Problem,
}

impl Severity {
    /// In one word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What a finding is about; the headings of the report, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Group {
    Configuration,
    Memory,
    Devices,
    Cpus,
    Network,
    System,
    Daemon,
}

impl Group {
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration",
            Self::Memory => "Memory",
            Self::Devices => "Devices",
            Self::Cpus => "CPUs",
            Self::Network => "The kernel's network",
            Self::System => "System",
            Self::Daemon => "The running daemon",
        }
    }
}

/// How to put a finding right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Fix {
    /// What to do, in a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) advice: String,
    /// Commands that do it until the next boot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) now: Vec<String>,
    /// Commands, or kernel arguments, that do it from the next boot on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) boot: Vec<String>,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// What was found: the value and where it is.
    pub(super) found: String,
    /// Why it matters, in a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) why: String,
    #[serde(skip_serializing_if = "Fix::is_empty")]
    pub(super) fix: Fix,
}

impl Fix {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Finding {
    pub(super) fn new(severity: Severity, found: impl Into<String>) -> Self {
        Self { severity, found: found.into(), why: String::new(), fix: Fix::default() }
    }

    pub(super) fn ok(found: impl Into<String>) -> Self {
        Self::new(Severity::Ok, found)
    }

    pub(super) fn note(found: impl Into<String>) -> Self {
        Self::new(Severity::Note, found)
    }

    pub(super) fn unknown(found: impl Into<String>) -> Self {
        Self::new(Severity::Unknown, found)
    }

    pub(super) fn warning(found: impl Into<String>) -> Self {
        Self::new(Severity::Warning, found)
    }

    pub(super) fn problem(found: impl Into<String>) -> Self {
        Self::new(Severity::Problem, found)
    }

    /// Why it matters.
    pub(super) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// What to do, in a sentence.
    pub(super) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.fix.advice = advice.into();
        self
    }

    /// A command that helps at once.
    pub(super) fn now(mut self, command: impl Into<String>) -> Self {
        self.fix.now.push(command.into());
        self
    }

    /// A command that makes it last.
    pub(super) fn boot(mut self, command: impl Into<String>) -> Self {
        self.fix.boot.push(command.into());
        self
    }

    /// An argument for the kernel's command line, which lasts.
    pub(super) fn kernel(self, arguments: &str) -> Self {
        self.boot(format!(
            "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&{arguments} /' /etc/default/grub && update-grub"
        ))
    }
}

impl From<Unseen> for Finding {
    fn from(unseen: Unseen) -> Self {
        let finding = Self::unknown(unseen.to_string());
        if unseen.is_denied() { finding.advice("Run `rvs doctor` as root.") } else { finding }
    }
}
