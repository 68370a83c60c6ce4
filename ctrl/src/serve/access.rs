//! Who may use the API, and where they come in: what `control` of the configuration says, found in
//! the system.
//!
//! All of it is found before a configuration comes into force, so that one that names a user whom
//! nobody knows, or an address that cannot be had, is refused as a whole.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use conf::{Control, Tcp};

use super::{Admins, Door, Opened};
use crate::api::Role;
use crate::error::CtrlError;
use crate::socket::Rights;
use crate::tokens::TokenFile;

/// What a configuration grants.
#[derive(Debug)]
pub(crate) struct Granted {
    control: Control,
    admins: Arc<Admins>,
    tokens: Option<Arc<TokenFile>>,
}

impl Granted {
    /// What `control` asks for; what `now` has of it already stays as it is.
    fn of(control: &Control, now: Option<&Self>) -> Result<Self, CtrlError> {
        let admins = match now.filter(|now| now.control.admins == control.admins) {
            Some(now) => Arc::clone(&now.admins),
            None => Arc::new(Admins::of(control)?),
        };
        let file = |control: &Control| control.tcp.as_ref().map(|tcp| tcp.tokens.clone());
        let tokens = match (file(control), now) {
            (None, _) => None,
            (same, Some(now)) if same == file(&now.control) => now.tokens.clone(),
            (Some(other), _) => Some(open_tokens(&other)?),
        };
        Ok(Self { control: control.clone(), admins, tokens })
    }
}

/// What is granted now, and the door for those who have a token.
#[derive(Debug)]
pub(crate) struct Access {
    granted: ArcSwap<Granted>,
    pub(super) door: Door,
}

impl Access {
    /// What `control` asks for, when the daemon starts and the control socket is as it says.
    pub(crate) fn of(control: &Control) -> Result<Self, CtrlError> {
        let door = Door::default();
        let granted = Granted::of(control, None)?;
        let opened = open_port(&door, control)?;
        if let Some(Some(address)) = door.put_into_use(opened) {
            warn_of_others(address);
        }
        Ok(Self { granted: ArcSwap::from_pointee(granted), door })
    }

    /// Only to these admins, and not over TCP.
    pub(crate) fn only(admins: Admins) -> Self {
        let (control, admins) = (Control::default(), Arc::new(admins));
        Self::granting(Granted { control, admins, tokens: None })
    }

    fn granting(granted: Granted) -> Self {
        Self { granted: ArcSwap::from_pointee(granted), door: Door::default() }
    }

    /// The admins.
    pub(crate) fn admins(&self) -> Arc<Admins> {
        Arc::clone(&self.granted.load().admins)
    }

    /// What `token` allows.
    pub(super) fn role_by_token(&self, token: &[u8]) -> Option<Role> {
        self.granted.load().tokens.as_ref()?.role_of(token)
    }

    /// What `control` asks for, found and open but not yet in use. What is in use of it already
    /// stays as it is. Looking up names may take long.
    pub(crate) fn prepare(&self, control: &Control) -> Result<Prepared, CtrlError> {
        let now = self.granted.load_full();
        let granted = Granted::of(control, Some(&now))?;
        let opened = open_port(&self.door, control)?;
        let is_same = (now.control.mode, &now.control.group) == (control.mode, &control.group);
        let rights = if is_same { None } else { Some(Rights::of(control)?) };
        Ok(Prepared { granted, opened, rights })
    }

    /// Gives the control socket the mode and group that were prepared, if they are others. Where
    /// that fails, it has those of before.
    pub(crate) fn open_socket(&self, prepared: &Prepared) -> Result<(), CtrlError> {
        let Prepared { granted, rights, .. } = prepared;
        rights.as_ref().map_or(Ok(()), |rights| rights.give_to(&granted.control.socket))
    }

    /// Uses what was prepared, and closes what is not used any more.
    pub(crate) fn put_into_use(&self, Prepared { granted, opened, .. }: Prepared) {
        self.granted.store(Arc::new(granted));
        match self.door.put_into_use(opened) {
            Some(Some(address)) => {
                tracing::info!("control.tcp: the API is served at {address}");
                warn_of_others(address);
            }
            Some(None) => tracing::info!("control.tcp: the API is not served over TCP any more"),
            None => {}
        }
    }

    /// Reads the tokens again, if there are any; a warning if that fails.
    pub(crate) async fn read_tokens_again(&self) -> Option<String> {
        let tokens = self.granted.load().tokens.clone()?;
        tokio::task::spawn_blocking(move || tokens.read_again()).await.ok()?
    }

    /// To the holders of these tokens.
    #[cfg(test)]
    pub(super) fn by_tokens(tokens: TokenFile) -> Self {
        let (control, admins) = (Control::default(), Arc::default());
        Self::granting(Granted { control, admins, tokens: Some(Arc::new(tokens)) })
    }
}

/// What can be granted next.
#[derive(Debug)]
pub(crate) struct Prepared {
    granted: Granted,
    opened: Option<Opened>,
    /// Other ones for the control socket.
    rights: Option<Rights>,
}

fn open_port(door: &Door, control: &Control) -> Result<Option<Opened>, CtrlError> {
    let Some(Tcp { listen, .. }) = control.tcp else { return Ok(None) };
    door.open(Some(listen)).map_err(|source| CtrlError::Listen { listen, source })
}

fn warn_of_others(address: SocketAddr) {
    if !address.ip().is_loopback() {
        tracing::warn!(
            "control.tcp: {address} can be reached from elsewhere, and tokens are not encrypted \
             on the way: put a proxy that speaks TLS before it"
        );
    }
}

fn open_tokens(tokens: &Path) -> Result<Arc<TokenFile>, CtrlError> {
    let wrong = |source| CtrlError::Tokens { file: tokens.to_path_buf(), source };
    TokenFile::open(tokens).map(Arc::new).map_err(wrong)
}
