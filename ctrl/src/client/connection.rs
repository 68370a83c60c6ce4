//! Which daemon a command talks to: options that every command of the tool has.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Address, Daemon};
use crate::error::CtrlError;

/// Which daemon.
#[derive(Clone, Debug, Args)]
pub(crate) struct Connection {
    /// The daemon's control socket.
    #[arg(long, global = true, env = "RVS_SOCKET", value_name = "PATH")]
    #[arg(default_value = "/run/rvs/rvs.sock", help_heading = "Daemon")]
    socket: PathBuf,
    /// Talk to a daemon over TCP instead, such as http://192.0.2.2:9180.
    #[arg(long, global = true, value_name = "URL", requires = "token_file")]
    #[arg(help_heading = "Daemon")]
    url: Option<String>,
    /// A file with the token that the daemon asks for over TCP.
    #[arg(long, global = true, value_name = "FILE", requires = "url", help_heading = "Daemon")]
    token_file: Option<PathBuf>,
}

impl Connection {
    /// The daemon that is meant.
    pub(crate) fn daemon(&self) -> Result<Daemon, CtrlError> {
        let (Some(url), Some(file)) = (&self.url, &self.token_file) else {
            return Ok(Daemon(Address::Socket(self.socket.clone())));
        };
        let authority = authority(url).ok_or_else(|| {
            let what = format!("--url {url}: it has to look like http://192.0.2.2:9180.");
            CtrlError::Usage(what)
        })?;
        Ok(Daemon(Address::Tcp { authority, token: token(file)? }))
    }
}

/// Host and port of a URL.
fn authority(url: &str) -> Option<String> {
    let uri: hyper::Uri = url.parse().ok()?;
    let authority = uri.authority()?;
    let is_bare = uri.path_and_query().is_none_or(|rest| rest.as_str() == "/");
    let is_plain = uri.scheme_str() == Some("http") && !authority.as_str().contains('@');
    (is_plain && is_bare && authority.port_u16().is_some()).then(|| authority.as_str().to_owned())
}

/// The token in a file.
fn token(file: &Path) -> Result<String, CtrlError> {
    let wrong = |why: &str| CtrlError::Usage(format!("--token-file {}: {why}.", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error.to_string()))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("it has to hold one word, the token"));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_urls_with_a_port_are_taken() {
        assert_eq!(authority("http://192.0.2.2:9180"), Some("192.0.2.2:9180".to_owned()));
        assert_eq!(authority("http://rvs.example/"), None, "no port");
        assert_eq!(authority("http://rvs.example:80/"), Some("rvs.example:80".to_owned()));
        assert_eq!(authority("http://[2001:db8::1]:80"), Some("[2001:db8::1]:80".to_owned()));
        for url in ["https://h:1", "h:1", "http://h:1/v1", "http://u@h:1", "http://h:port", ""] {
            assert_eq!(authority(url), None, "{url}");
        }
    }

    #[test]
    fn a_token_is_one_word() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, expected) in [("secret\n", Some("secret")), ("\n", None), ("two words", None)] {
            std::fs::write(file.path(), text).unwrap();
            assert_eq!(token(file.path()).ok().as_deref(), expected, "{text:?}");
        }
        let error = token(Path::new("/nonexistent/token")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/token") && error.contains("No such file"), "{error}");
    }
}
