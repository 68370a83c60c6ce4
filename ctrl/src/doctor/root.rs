//! [`Root`]: the kernel's files below a directory, and [`Unseen`], why one tells nothing.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fs, io};

use crate::machine;

/// A fact, or why it is not known.
pub(super) type Seen<T> = Result<T, Unseen>;

/// Why a fact is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unseen {
    /// There is no such file.
    #[error("{} is not there", .0.display())]
    Absent(PathBuf),
    /// It may not be read.
    #[error("{} may not be read by this user", .0.display())]
    Denied(PathBuf),
    /// It cannot be read.
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// It is not what was expected.
    #[error("{} holds {text:?}, which is no {expected}", path.display())]
    Garbled {
        /// The file.
        path: PathBuf,
        /// What it holds.
        text: String,
        /// What it should hold.
        expected: &'static str,
    },
}

impl Unseen {
    pub(super) const fn is_denied(&self) -> bool {
        matches!(self, Self::Denied(_))
    }

    /// For `map_err`, about a file.
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| {
            let kind = error.kind();
            if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
                Self::Absent(path)
            } else if kind == io::ErrorKind::PermissionDenied {
                Self::Denied(path)
            } else {
                Self::Unreadable { path, why: error.to_string() }
            }
        }
    }
}

/// `None` for a fact whose file is not there.
pub(super) fn if_there<T>(seen: Seen<T>) -> Seen<Option<T>> {
    match seen {
        Ok(fact) => Ok(Some(fact)),
        Err(Unseen::Absent(_)) => Ok(None),
        Err(unseen) => Err(unseen),
    }
}

/// The directory that has `sys`, `proc` and the rest: `/`, or a tree made by a test.
#[derive(Clone, Debug)]
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// The path of a file, whose name may begin with `/`.
    pub(super) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        let below = below.as_ref();
        self.0.join(below.strip_prefix("/").unwrap_or(below))
    }

    /// A file's text, without blanks around it.
    pub(super) fn text(&self, below: impl AsRef<Path>) -> Seen<String> {
        let path = self.path(below);
        // Nothing that is read here is text of arbitrary bytes, but names of files may be.
        let bytes = fs::read(&path).map_err(Unseen::at(&path))?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// The value in a file.
    pub(super) fn value<T: FromStr<Err: Display>>(&self, below: impl AsRef<Path>) -> Seen<T> {
        let text = self.text(&below)?;
        text.parse().map_err(|_| self.garbled(below, text, "number"))
    }

    /// The CPUs in a file; none in an empty one.
    pub(super) fn cpus(&self, below: impl AsRef<Path>) -> Seen<Vec<u32>> {
        let text = self.text(&below)?;
        // What nohz_full says where it is not in use.
        if text.is_empty() || text == "(null)" {
            return Ok(Vec::new());
        }
        machine::cpu_list(&text).ok_or_else(|| self.garbled(below, text, "list of CPUs"))
    }

    /// The last part of what a link points to.
    pub(super) fn link(&self, below: impl AsRef<Path>) -> Seen<String> {
        let path = self.path(below);
        let target = fs::read_link(&path).map_err(Unseen::at(&path))?;
        Ok(target.file_name().unwrap_or_default().to_string_lossy().into_owned())
    }

    /// The names in a directory, sorted.
    pub(super) fn names(&self, below: impl AsRef<Path>) -> Seen<Vec<String>> {
        let path = self.path(below);
        let entries = fs::read_dir(&path).map_err(Unseen::at(&path))?;
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(Unseen::at(&path))?.file_name();
            names.push(name.to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, below: impl AsRef<Path>) -> Seen<bool> {
        let path = self.path(below);
        path.try_exists().map_err(Unseen::at(&path))
    }

    /// What a file's text, which is not what it should be, says of the fact.
    pub(super) fn garbled(
        &self,
        below: impl AsRef<Path>,
        text: String,
        expected: &'static str,
    ) -> Unseen {
        Unseen::Garbled { path: self.path(below), text, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Tree;
    use super::*;

    #[test]
    fn facts_are_read_and_what_is_not_one_is_named() {
        let tree = Tree::new().file("a", " 17\n").file("b", "seventeen\n").link("l", "../x/igb");
        let tree = tree.file("c", "0-1,4\n").file("d", "\n");
        let root = tree.root();
        assert_eq!(root.value::<u32>("/a"), Ok(17));
        assert_eq!(root.link("l").unwrap(), "igb");
        assert_eq!((root.cpus("c").unwrap(), root.cpus("d").unwrap()), (vec![0, 1, 4], vec![]));
        assert_eq!(root.names("/").unwrap(), ["a", "b", "c", "d", "l"]);
        let garbled = root.value::<u32>("b").unwrap_err().to_string();
        assert!(garbled.ends_with("/b holds \"seventeen\", which is no number"), "{garbled}");
        assert!(root.cpus("b").unwrap_err().to_string().contains("no list of CPUs"));
        assert_eq!(if_there(root.text("nothing")), Ok(None));
        assert_eq!(if_there(root.text("a/below")), Ok(None));
        assert!(root.text("nothing").unwrap_err().to_string().ends_with("/nothing is not there"));
    }

    #[test]
    fn what_may_not_be_read_is_not_taken_for_absent() {
        let error = io::Error::from(io::ErrorKind::PermissionDenied);
        let denied = Unseen::at(Path::new("/proc/1/maps"))(error);
        assert!(denied.is_denied() && if_there::<()>(Err(denied.clone())).is_err());
        let finding = super::super::Finding::from(denied);
        assert_eq!(finding.severity.word(), "unknown");
        assert!(finding.found.contains("/proc/1/maps") && finding.fix.advice.contains("as root"));
    }
}
