//! The tokens of clients over TCP: a file with a role and a token in each line.
//!
//! The file is a secret, so one that others can read is refused rather than trusted. Texts of
//! errors never have a token in them.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use subtle::ConstantTimeEq as _;

use crate::api::Role;

/// Most bytes of the file.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Fewest characters of a token: what cannot be guessed is long.
const TOKEN_LEN_MIN: usize = 32;
/// Most characters of a token.
const TOKEN_LEN_MAX: usize = 512;

/// What is wrong with a file of tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is a directory, a pipe or the like.
    #[error("it is no regular file")]
    NotAFile,
    /// Others than its owner and group can read or write it.
    #[error("its mode is {0:04o}, so others can read or write it: `chmod 600` it")]
    Open(u32),
    /// It belongs to somebody who could write anything into it.
    #[error("it belongs to user {0}: `chown` it to root, or to the user that the daemon runs as")]
    Owner(u32),
    /// It is too long to be one.
    #[error("it is longer than {} MiB", FILE_BYTES_MAX >> 20)]
    TooLong,
    /// One of its lines.
    #[error("line {line}: {why}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// One client's, or several clients', token.
#[derive(PartialEq, Eq)]
struct Token {
    role: Role,
    text: Box<[u8]>,
}

/// A file of tokens, and what it said when it was last read.
pub(crate) struct TokenFile {
    path: PathBuf,
    tokens: ArcSwap<Vec<Token>>,
}

impl TokenFile {
    /// Reads the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, TokenError> {
        let tokens = ArcSwap::from_pointee(read(path)?);
        Ok(Self { path: path.to_path_buf(), tokens })
    }

    /// Reads it again; when that fails, what it said before counts, and this is the warning.
    pub(crate) fn read_again(&self) -> Option<String> {
        match read(&self.path) {
            Ok(tokens) => {
                self.tokens.store(Arc::new(tokens));
                None
            }
            Err(error) => {
                Some(format!("the tokens of {} stay as they were: {error}", self.path.display()))
            }
        }
    }

    /// What `token` allows. All tokens are compared, each in a time that depends on its length
    /// alone.
    pub(crate) fn role_of(&self, token: &[u8]) -> Option<Role> {
        let mut role = None;
        for known in self.tokens.load().iter() {
            if bool::from(known.text.ct_eq(token)) {
                role = Some(known.role);
            }
        }
        role
    }
}

/// Without its tokens.
impl std::fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenFile").field("path", &self.path).finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<Vec<Token>, TokenError> {
    let mut options = OpenOptions::new();
    // A pipe must not be waited for.
    let mut file = options.read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(TokenError::NotAFile);
    }
    if facts.mode() & 0o007 != 0 {
        return Err(TokenError::Open(facts.mode() & 0o7777));
    }
    if ![0, geteuid().as_raw()].contains(&facts.uid()) {
        return Err(TokenError::Owner(facts.uid()));
    }
    let mut text = Vec::new();
    file.by_ref().take(FILE_BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(TokenError::TooLong);
    }
    parse(&text)
}

fn parse(text: &[u8]) -> Result<Vec<Token>, TokenError> {
    let mut tokens = Vec::new();
    let mut known = HashSet::new();
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let wrong = |why| TokenError::Line { line: index + 1, why };
        let (role, text) = parse_line(line).map_err(wrong)?;
        if !known.insert(text) {
            return Err(wrong("this token stands in another line already".to_owned()));
        }
        tokens.push(Token { role, text: text.into() });
    }
    Ok(tokens)
}

fn parse_line(line: &[u8]) -> Result<(Role, &[u8]), String> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let (Some(role), Some(text), None) = (words.next(), words.next(), words.next()) else {
        return Err("it is not a role and a token: `admin TOKEN`, `read-only TOKEN`".to_owned());
    };
    let role = [Role::Admin, Role::ReadOnly].into_iter().find(|r| r.as_str().as_bytes() == role);
    let Some(role) = role else {
        return Err("it begins with neither `admin` nor `read-only`".to_owned());
    };
    if !(TOKEN_LEN_MIN..=TOKEN_LEN_MAX).contains(&text.len()) {
        let len = text.len();
        return Err(format!(
            "the token has {len} characters, and {TOKEN_LEN_MIN} to {TOKEN_LEN_MAX} are needed: \
             `openssl rand -hex 32` makes one"
        ));
    }
    // RFC 6750, section 2.1.
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    if !text.iter().all(fits) {
        return Err("a token has letters, digits and `-._~+/=` only".to_owned());
    }
    Ok((role, text))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use super::*;

    const ADMIN: &str = "0123456789abcdef0123456789abcdef";
    const READER: &str = "0123456789abcdef0123456789abcdeF";

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    #[test]
    fn a_token_has_the_role_of_its_line_and_no_other_text_has_any() {
        let (_kept, path) =
            file(&format!("# ours\n\n admin {ADMIN} \r\nread-only {READER}"), 0o640);
        let tokens = TokenFile::open(&path).unwrap();
        assert_eq!(tokens.role_of(ADMIN.as_bytes()), Some(Role::Admin));
        assert_eq!(tokens.role_of(READER.as_bytes()), Some(Role::ReadOnly));
        for other in ["", "0", &ADMIN[1..], &format!("{ADMIN}0"), "# ours"] {
            assert_eq!(tokens.role_of(other.as_bytes()), None, "{other}");
        }
        assert!(!format!("{tokens:?}").contains(ADMIN));
    }

    #[test]
    fn lines_that_are_none_are_named_without_their_tokens() {
        for (text, why) in [
            (format!("admin {ADMIN}\nroot {READER}"), "line 2: it begins with neither"),
            (format!("admin {ADMIN} x"), "line 1: it is not a role and a token"),
            ("admin".to_owned(), "line 1: it is not a role and a token"),
            (format!("admin {}", &ADMIN[1..]), "line 1: the token has 31 characters"),
            (format!("admin {}", ADMIN.repeat(17)), "line 1: the token has 544 characters"),
            (format!("admin {}\u{e9}", &ADMIN[2..]), "letters, digits"),
            (format!("admin {ADMIN}\nread-only {ADMIN}"), "line 2: this token stands in another"),
        ] {
            let error = parse(text.as_bytes()).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains(&ADMIN[2..31]), "{error}");
        }
    }

    #[test]
    fn a_file_that_others_can_touch_is_refused() {
        for mode in [0o604, 0o602, 0o666] {
            let (_kept, path) = file("", mode);
            let error = TokenFile::open(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("mode is {mode:04o}")), "{error}");
        }
        let (kept, path) = file("", 0o600);
        assert!(TokenFile::open(&path).is_ok());
        assert!(matches!(TokenFile::open(kept.path()), Err(TokenError::NotAFile)));
        assert!(matches!(TokenFile::open(&path.join("x")), Err(TokenError::Unreadable(_))));
        fs::write(&path, vec![b'#'; 2 << 20]).unwrap();
        assert!(matches!(TokenFile::open(&path), Err(TokenError::TooLong)));
        if geteuid().is_root() {
            chown(&path, Some(65_534), None).unwrap();
            assert!(matches!(TokenFile::open(&path), Err(TokenError::Owner(65_534))));
        }
    }

    #[test]
    fn what_was_read_counts_until_it_can_be_read_again() {
        let (_kept, path) = file(&format!("admin {ADMIN}\n"), 0o600);
        let tokens = TokenFile::open(&path).unwrap();
        fs::write(&path, "nonsense\n").unwrap();
        let warning = tokens.read_again().unwrap();
        assert!(warning.contains("stay as they were: line 1"), "{warning}");
        assert_eq!(tokens.role_of(ADMIN.as_bytes()), Some(Role::Admin));
        fs::write(&path, format!("read-only {READER}\n")).unwrap();
        assert_eq!(tokens.read_again(), None);
        assert_eq!(tokens.role_of(ADMIN.as_bytes()), None);
        assert_eq!(tokens.role_of(READER.as_bytes()), Some(Role::ReadOnly));
    }
}
