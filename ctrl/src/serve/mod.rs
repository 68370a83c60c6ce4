//! Serving the API: connections come in here, within limits, and their requests go to `api/`.
//!
//! * `places.rs`: how many connections there may be at a time, and of whom;
//! * `access.rs`: who is let in and where, as the configuration has it; `admins.rs`: who a client
//!   on the socket is;
//! * `door.rs`: a TCP port that may be opened, moved and closed;
//! * `connection.rs`: one connection, from its first byte to its last; `patience.rs`: a client that
//!   does not read;
//! * `gate.rs`: what every request meets before its handler, and every answer after it.
//!
//! Each connection is a task of the control thread. It waits for its client nowhere longer than a
//! stated time, so that none holds its place forever, and others are answered meanwhile.

mod access;
mod admins;
mod connection;
mod door;
mod gate;
mod patience;
mod places;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::time::sleep;

pub(crate) use access::{Access, Prepared};
pub(crate) use admins::{Admins, group};
use connection::Came;
pub(crate) use door::{Door, Opened};
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
        self.serve_door(&self.access.door, Came::ByTcp, "control.tcp").await
    }

    /// Serves whoever connects to a port that shows nothing but what all may read.
    pub(crate) async fn serve_readers(&self, door: &Door) -> Infallible {
        self.serve_door(door, Came::ToRead, "port for metrics").await
    }

    async fn serve_door(&self, door: &Door, came: Came, what: &str) -> Infallible {
        let mut door = door.watched();
        loop {
            let opened = door.borrow_and_update().clone();
            tokio::select! {
                never = self.serve_opened(opened, came, what) => match never {},
                // The other end lives as long as this does.
                _ = door.changed() => {}
            }
        }
    }

    async fn serve_opened(&self, opened: Option<Opened>, came: Came, what: &str) -> Infallible {
        let Some(opened) = opened else { return pending().await };
        let listener = match opened.listener() {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!("{what}: cannot be served: {error}");
                return pending().await;
            }
        };
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
