//! Serving the API: connections come in here, within limits, and their requests go to `api/`.
//!
//! * `places.rs`: how many connections there may be at a time, and of whom;
//! * `admins.rs`: who a client on the socket is; `tcp.rs`: where clients with tokens come in;
//! * `connection.rs`: one connection, from its first byte to its last; `patience.rs`: a client that
//!   does not read;
//! * `gate.rs`: what every request meets before its handler, and every answer after it.
//!
//! Each connection is a task of the control thread. It waits for its client nowhere longer than a
//! stated time, so that none holds its place forever, and others are answered meanwhile.

mod admins;
mod connection;
mod gate;
mod patience;
mod places;
mod tcp;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::sleep;

use crate::tokens::TokenFile;
pub(crate) use admins::{Admins, group};
use connection::Came;
use gate::Gate;
use places::{Client, Places};
pub(crate) use tcp::{TcpDoor, listen};

/// How long nobody is let in when the system cannot: mostly it is out of file descriptors.
const REST: Duration = Duration::from_millis(200);

/// Everything that listeners share.
#[derive(Debug)]
pub(crate) struct Server {
    gate: Arc<Gate>,
    admins: Arc<Admins>,
    places: Places,
}

impl Server {
    /// A server of `router` for these admins, and over TCP for the holders of these tokens.
    pub(crate) fn new(router: Router, admins: Arc<Admins>, tokens: Option<Arc<TokenFile>>) -> Self {
        let gate = Arc::new(Gate::new(router, tokens));
        Self { gate, admins, places: Places::default() }
    }

    /// Serves whoever connects to the control socket.
    pub(crate) async fn serve_socket(&self, listener: &UnixListener) -> Infallible {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.let_in_user(stream),
                Err(error) => rest("control socket", &error).await,
            }
        }
    }

    /// Serves whoever connects over TCP, if that is on.
    pub(crate) async fn serve_tcp(&self, listener: Option<&TcpListener>) -> Infallible {
        match listener {
            Some(listener) => self.accept_tcp(listener, Came::ByTcp, "control.tcp").await,
            None => pending().await,
        }
    }

    /// Serves whoever connects to a port that shows nothing but what all may read.
    pub(crate) async fn serve_readers(&self, listener: &TcpListener) -> Infallible {
        self.accept_tcp(listener, Came::ToRead, "port for metrics").await
    }

    async fn accept_tcp(&self, listener: &TcpListener, came: Came, what: &str) -> Infallible {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.let_in_by_tcp(stream, came),
                Err(error) => rest(what, &error).await,
            }
        }
    }

    fn let_in_by_tcp(&self, stream: TcpStream, came: Came) {
        let Some(place) = self.places.take(Client::Stranger) else { return };
        // Without, answers are only slower.
        let _ = stream.set_nodelay(true);
        let gate = Arc::clone(&self.gate);
        tokio::spawn(async move { connection::serve(stream, came, &gate, place).await });
    }

    fn let_in_user(&self, stream: UnixStream) {
        // Nobody's credentials are known if the client is gone already.
        let Ok(user) = stream.peer_cred() else { return };
        let is_admin = self.admins.has_user(user.uid());
        let client = if is_admin { Client::Admin } else { Client::Reader };
        let Some(place) = self.places.take(client) else { return };
        let (gate, admins) = (Arc::clone(&self.gate), Arc::clone(&self.admins));
        tokio::spawn(async move {
            let role = admins.role_of(user.uid(), user.gid()).await;
            connection::serve(stream, Came::BySocket(role), &gate, place).await;
        });
    }
}

/// What a listener does when nobody can be let in.
pub(crate) async fn rest(what: &str, error: &io::Error) {
    tracing::warn!("{what}: a client cannot be let in: {error}");
    sleep(REST).await;
}

#[cfg(test)]
mod tests;
