//! Who may use the API, and where they come in: what `control` of the configuration says, found in
//! the system.
//!
//! All of it is found before a configuration comes into force, so that one that names a user whom
//! nobody knows, or an address that cannot be had, is refused as a whole.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use conf::{Control, Tcp};
use tokio::sync::watch;

use super::Admins;
use crate::api::Role;
use crate::error::CtrlError;
use crate::socket::Rights;
use crate::tokens::TokenFile;

/// Listens at `address`. Clients that connect from now on wait until they are served.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// What a configuration grants. Clones share what was found.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    control: Control,
    admins: Arc<Admins>,
    /// Where clients with tokens come in.
    listener: Option<Arc<TcpListener>>,
    tokens: Option<Arc<TokenFile>>,
}

impl Granted {
    /// What `control` asks for. What `before` has of it stays as it is.
    fn of(control: &Control, before: Option<&Self>) -> Result<Self, CtrlError> {
        let same = before.filter(|before| before.control.admins == control.admins);
        let admins = match same {
            Some(before) => Arc::clone(&before.admins),
            None => Arc::new(Admins::of(control)?),
        };
        let mut granted = Self { control: control.clone(), admins, listener: None, tokens: None };
        let Some(Tcp { listen, tokens }) = &control.tcp else { return Ok(granted) };
        let before = before.and_then(|before| Some((before, before.control.tcp.as_ref()?)));
        let file = before.filter(|(_, tcp)| tcp.tokens == *tokens);
        let file = file.and_then(|(before, _)| before.tokens.clone());
        granted.tokens = Some(file.map_or_else(|| open(tokens), Ok)?);
        let listener = before.filter(|(_, tcp)| tcp.listen == *listen);
        let listener = listener.and_then(|(before, _)| before.listener.clone());
        granted.listener = Some(listener.map_or_else(|| claim(*listen), Ok)?);
        Ok(granted)
    }

    /// Where clients with tokens come in, if they do.
    pub(super) fn listener(&self) -> Option<&TcpListener> {
        self.listener.as_deref()
    }
}

fn open(tokens: &Path) -> Result<Arc<TokenFile>, CtrlError> {
    let wrong = |source| CtrlError::Tokens { file: tokens.to_path_buf(), source };
    TokenFile::open(tokens).map(Arc::new).map_err(wrong)
}

fn claim(listen: SocketAddr) -> Result<Arc<TcpListener>, CtrlError> {
    let listener = self::listen(listen).map_err(|source| CtrlError::Listen { listen, source })?;
    if !listen.ip().is_loopback() {
        tracing::warn!(
            "control.tcp: {listen} can be reached from elsewhere, and tokens are not encrypted on \
             the way: put a proxy that speaks TLS before it"
        );
    }
    Ok(Arc::new(listener))
}

/// What is granted now.
#[derive(Debug)]
pub(crate) struct Access(watch::Sender<Granted>);

impl Access {
    /// What `control` asks for, when the daemon starts.
    pub(crate) fn of(control: &Control) -> Result<Self, CtrlError> {
        Ok(Self(watch::Sender::new(Granted::of(control, None)?)))
    }

    /// Only to these admins, and not over TCP.
    pub(crate) fn only(admins: Admins) -> Self {
        let (control, admins) = (Control::default(), Arc::new(admins));
        Self(watch::Sender::new(Granted { control, admins, listener: None, tokens: None }))
    }

    /// The admins.
    pub(crate) fn admins(&self) -> Arc<Admins> {
        Arc::clone(&self.0.borrow().admins)
    }

    /// What `token` allows.
    pub(super) fn role_by_token(&self, token: &[u8]) -> Option<Role> {
        self.0.borrow().tokens.as_ref()?.role_of(token)
    }

    /// What `control` asks for, found and open but not yet in use.
    pub(crate) fn prepare(&self, control: &Control) -> Result<Granted, CtrlError> {
        let now = self.0.borrow().clone();
        Granted::of(control, Some(&now))
    }

    /// Gives the control socket the mode and group that `granted` says, if they are others. Where
    /// that fails, it has those of before.
    pub(crate) fn open_socket(&self, granted: &Granted) -> Result<(), CtrlError> {
        let (now, new) = (&self.0.borrow().control, &granted.control);
        if (now.mode, &now.group) == (new.mode, &new.group) {
            return Ok(());
        }
        Rights::of(new)?.give_to(&new.socket)
    }

    /// Uses what was prepared, and closes what is not used any more.
    pub(crate) fn put_into_use(&self, granted: Granted) {
        let address = |granted: &Granted| granted.control.tcp.as_ref().map(|tcp| tcp.listen);
        let (before, after) = (address(&self.0.borrow()), address(&granted));
        self.0.send_replace(granted);
        match after {
            _ if before == after => {}
            Some(address) => tracing::info!("control.tcp: the API is served at {address}"),
            None => tracing::info!("control.tcp: the API is not served over TCP any more"),
        }
    }

    /// Reads the tokens again, if there are any; a warning if that fails.
    pub(crate) async fn read_tokens_again(&self) -> Option<String> {
        let tokens = self.0.borrow().tokens.clone()?;
        tokio::task::spawn_blocking(move || tokens.read_again()).await.ok()?
    }

    /// Tells when something else is granted.
    pub(super) fn watched(&self) -> watch::Receiver<Granted> {
        self.0.subscribe()
    }

    /// To the holders of these tokens.
    #[cfg(test)]
    pub(super) fn by_tokens(tokens: TokenFile) -> Self {
        let access = Self::only(Admins::default());
        access.0.send_modify(|granted| granted.tokens = Some(Arc::new(tokens)));
        access
    }
}
