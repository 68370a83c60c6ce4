//! Serving the API: connections come in here, within limits, and their requests go to `api/`.
//!
//! * `places.rs`: how many connections there may be at a time, and of whom;
//! * `access.rs`: who is let in and where, as the configuration has it; `admins.rs`: who a client
//!   on the socket is;
//! * `connection.rs`: one connection, from its first byte to its last; `patience.rs`: a client that
//!   does not read;
//! * `gate.rs`: what every request meets before its handler, and every answer after it.
//!
//! Each connection is a task of the control thread. It waits for its client nowhere longer than a
//! stated time, so that none holds its place forever, and others are answered meanwhile.

mod access;
mod admins;
mod connection;
mod gate;
mod patience;
mod places;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::sleep;

pub(crate) use access::{Access, Granted, listen};
pub(crate) use admins::{Admins, group};
use connection::Came;
use gate::Gate;
use places::{Client, Places};

/// How long nobody is let in when the system cannot: mostly it is out of file descriptors.
const REST: Duration = Duration::from_millis(200);

/// Everything that listeners share.
#[derive(Debug)]
pub(crate) struct Server {
    gate: Arc<Gate>,
    access: Arc<Access>,
    places: Places,
}

impl Server {
    /// A server of `router` for those who have access.
    pub(crate) fn new(router: Router, access: Arc<Access>) -> Self {
        let gate = Arc::new(Gate::new(router, Arc::clone(&access)));
        Self { gate, access, places: Places::default() }
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

    /// Serves whoever connects over TCP, where and while that is on.
    pub(crate) async fn serve_tcp(&self) -> Infallible {
        let mut access = self.access.watched();
        loop {
            let granted = access.borrow_and_update().clone();
            tokio::select! {
                never = self.serve_tcp_at(granted.listener()) => match never {},
                // The other end lives as long as this does.
                _ = access.changed() => {}
            }
        }
    }

    async fn serve_tcp_at(&self, listener: Option<&StdListener>) -> Infallible {
        let Some(listener) = listener else { return pending().await };
        match listener.try_clone().and_then(TcpListener::from_std) {
            Ok(listener) => self.accept_tcp(&listener, Came::ByTcp, "control.tcp").await,
            Err(error) => {
                tracing::error!("control.tcp: cannot be served: {error}");
                pending().await
            }
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
        let admins = self.access.admins();
        let is_admin = admins.has_user(user.uid());
        let client = if is_admin { Client::Admin } else { Client::Reader };
        let Some(place) = self.places.take(client) else { return };
        let gate = Arc::clone(&self.gate);
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
