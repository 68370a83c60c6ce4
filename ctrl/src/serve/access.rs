//! Who may use the API, and where they come in: what `control` of the configuration says, found in
//! the system.
//!
//! All of it is found before a configuration comes into force, so that one that names a user whom
//! nobody knows, or an address that cannot be had, is refused as a whole.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use conf::Control;

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

/// What is granted now, and the door for those who have a token.
#[derive(Debug)]
pub(crate) struct Access {
    granted: ArcSwap<Granted>,
    pub(super) door: Door,
}

impl Access {
    /// What `control` asks for, when the daemon starts.
    pub(crate) fn of(control: &Control) -> Result<Self, CtrlError> {
        // The socket has its mode and group already.
        let control_before = Control { admins: Vec::new(), tcp: None, ..control.clone() };
        let admins = Arc::new(Admins::of(&control_before)?);
        let access = Self::granting(Granted { control: control_before, admins, tokens: None });
        let prepared = access.prepare(control)?;
        access.put_into_use(prepared);
        Ok(access)
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
    /// stays as it is.
    pub(crate) fn prepare(&self, control: &Control) -> Result<Prepared, CtrlError> {
        let now = self.granted.load();
        let admins = if control.admins == now.control.admins {
            Arc::clone(&now.admins)
        } else {
            Arc::new(Admins::of(control)?)
        };
        let (mut tokens, mut opened) = (None, None);
        if let Some(tcp) = &control.tcp {
            let is_same = now.control.tcp.as_ref().is_some_and(|now| now.tokens == tcp.tokens);
            let known = now.tokens.clone().filter(|_| is_same);
            tokens = Some(known.map_or_else(|| open(&tcp.tokens), Ok)?);
            let fail = |source| CtrlError::Listen { listen: tcp.listen, source };
            opened = self.door.open(Some(tcp.listen)).map_err(fail)?;
        }
        Ok(Prepared { granted: Granted { control: control.clone(), admins, tokens }, opened })
    }

    /// Gives the control socket the mode and group that were prepared, if they are others. Where
    /// that fails, it has those of before.
    pub(crate) fn open_socket(&self, prepared: &Prepared) -> Result<(), CtrlError> {
        let (now, new) = (&self.granted.load().control, &prepared.granted.control);
        if (now.mode, &now.group) == (new.mode, &new.group) {
            return Ok(());
        }
        Rights::of(new)?.give_to(&new.socket)
    }

    /// Uses what was prepared, and closes what is not used any more.
    pub(crate) fn put_into_use(&self, Prepared { granted, opened }: Prepared) {
        self.granted.store(Arc::new(granted));
        match self.door.put_into_use(opened) {
            Some(Some(address)) => {
                tracing::info!("control.tcp: the API is served at {address}");
                if !address.ip().is_loopback() {
                    tracing::warn!(
                        "control.tcp: {address} can be reached from elsewhere, and tokens are not \
                         encrypted on the way: put a proxy that speaks TLS before it"
                    );
                }
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
}

fn open(tokens: &Path) -> Result<Arc<TokenFile>, CtrlError> {
    let wrong = |source| CtrlError::Tokens { file: tokens.to_path_buf(), source };
    TokenFile::open(tokens).map(Arc::new).map_err(wrong)
}
