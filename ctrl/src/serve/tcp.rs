//! The API over TCP: where it listens, and for which tokens.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use conf::Control;

use crate::error::CtrlError;
use crate::tokens::TokenFile;

/// Listens at `address`. Clients that connect from now on wait until they are served.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A claimed address, with the tokens of those who may talk to it.
#[derive(Debug)]
pub(crate) struct TcpDoor {
    pub(crate) listener: TcpListener,
    pub(crate) tokens: Arc<TokenFile>,
}

impl TcpDoor {
    /// What `control` asks for: nothing, mostly. Clients that connect from now on wait until they
    /// are served.
    pub(crate) fn claim(control: &Control) -> Result<Option<Self>, CtrlError> {
        let Some(tcp) = &control.tcp else { return Ok(None) };
        let tokens = TokenFile::open(&tcp.tokens)
            .map_err(|source| CtrlError::Tokens { file: tcp.tokens.clone(), source })?;
        let listen = tcp.listen;
        let listener =
            self::listen(listen).map_err(|source| CtrlError::Listen { listen, source })?;
        if !listen.ip().is_loopback() {
            tracing::warn!(
                "control.tcp: {listen} can be reached from elsewhere, and tokens are not encrypted \
                 on the way: put a proxy that speaks TLS before it"
            );
        }
        Ok(Some(Self { listener, tokens: Arc::new(tokens) }))
    }
}
