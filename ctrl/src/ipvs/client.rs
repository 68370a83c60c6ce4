//! One client: packets come, and are answered one after the other.
//!
//! A client that does not read is given up after a stated time; until then it waits in a task of
//! its own, and nobody else does.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use conf::Service;
use dataplane::control::{Command, Report, Selection};
use nix::errno::Errno;
use tokio::net::UnixStream;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::attr::{Attributes, Writer};
use super::genl::{self, Ask};
use super::listing::{self, Counted, Listing};
use super::netlink::Message;
use super::private::{self, PIECE_LEN_MAX, Private};
use super::proc::{self, File};
use super::sync::Daemons;
use super::uapi::{FAMILY, FAMILY_NAME, cmd, ctrl, daemon, nl};
use super::{Front, answer, legacy};
use crate::listing as workers;

/// Longest datagram that is taken.
const DATAGRAM_LEN_MAX: usize = 64 * 1024;
/// Longest datagram of an answer with many messages, as in Linux.
const ANSWER_LEN_MAX: usize = 8 * 1024;
/// How long a client may leave an answer unread.
const READER_PATIENCE: Duration = Duration::from_secs(10);
/// How long a client without rights may keep its place without a word.
const IDLE_PATIENCE: Duration = Duration::from_secs(10);

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    stream: UnixStream,
    front: Arc<Front>,
    is_admin: bool,
}

/// Why a request is not done.
#[derive(Debug)]
enum Failed {
    /// The client is to be given up.
    Io(io::Error),
    /// The client is to be told.
    Errno(Errno),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Errno> for Failed {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// What the client is told of an outcome, unless it is to be given up.
fn told<T>(outcome: Result<T, Failed>) -> io::Result<Result<T, Errno>> {
    match outcome {
        Ok(done) => Ok(Ok(done)),
        Err(Failed::Errno(errno)) => Ok(Err(errno)),
        Err(Failed::Io(error)) => Err(error),
    }
}

impl Client {
    pub(super) const fn new(stream: UnixStream, front: Arc<Front>, is_admin: bool) -> Self {
        Self { stream, front, is_admin }
    }

    /// Answers until the client goes, or does what no client does.
    pub(super) async fn serve(self) {
        let mut buffer = vec![0; DATAGRAM_LEN_MAX + 1];
        loop {
            let received = self.receive(&mut buffer);
            let len = if self.is_admin {
                received.await
            } else {
                timeout(IDLE_PATIENCE, received).await.unwrap_or(Ok(0))
            };
            let Ok(len @ 1..=DATAGRAM_LEN_MAX) = len else { return };
            let Some(datagram) = buffer.get(..len) else { return };
            if let Err(error) = self.answer(datagram).await {
                tracing::debug!("IPVS: a client is given up: {error}");
                return;
            }
        }
    }

    // Streams' own reading and writing take a short packet for a sign that nothing is left.
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
        }
    }

    async fn send(&self, packet: &[u8]) -> io::Result<()> {
        let sending = async {
            loop {
                self.stream.writable().await?;
                match self.stream.try_write(packet) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    outcome => return outcome.map(|_| ()),
                }
            }
        };
        timeout(READER_PATIENCE, sending).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    }

    async fn answer(&self, mut datagram: &[u8]) -> io::Result<()> {
        while let Some((message, rest)) = Message::split(datagram) {
            if message.is_whole && private::is_one(message.kind) {
                let outcome = told(self.answer_private(&message).await)?;
                self.send(&private::end(outcome)).await?;
            } else {
                let outcome = told(self.answer_netlink(&message).await)?;
                let is_dump = message.has(nl::F_DUMP) && message.kind > nl::NOOP_MAX;
                let is_wanted = message.has(nl::F_ACK) && !is_dump;
                if outcome.is_err() || is_wanted {
                    self.send(&message.acknowledge(outcome)).await?;
                }
            }
            datagram = rest;
        }
        Ok(())
    }

    /// What netlink and generic netlink do before a family has its turn.
    async fn answer_netlink(&self, message: &Message<'_>) -> Result<(), Failed> {
        if !message.is_whole {
            return Err(Errno::EINVAL.into());
        }
        if !message.has(nl::F_REQUEST) || message.kind <= nl::NOOP_MAX {
            return Ok(());
        }
        match message.kind {
            ctrl::FAMILY => self.answer_ctrl(message).await,
            FAMILY => {
                let (command, attributes) = message.command()?;
                if !(cmd::NEW_SERVICE..=cmd::FLUSH).contains(&command) {
                    return Err(Errno::EOPNOTSUPP.into());
                }
                if !self.is_admin {
                    return Err(Errno::EPERM.into());
                }
                let ask = genl::read(command, attributes, message.has(nl::F_DUMP))?;
                self.answer_ask(message, ask).await
            }
            _ => Err(Errno::ENOENT.into()),
        }
    }

    /// nlctrl: the family's number.
    async fn answer_ctrl(&self, message: &Message<'_>) -> Result<(), Failed> {
        let (command, attributes) = message.command()?;
        if command != ctrl::GET_FAMILY || message.has(nl::F_DUMP) {
            return Err(Errno::EOPNOTSUPP.into());
        }
        let all = Attributes::parse(attributes);
        let is_ours = all.text(ctrl::A_FAMILY_NAME, 15) == Ok(Some(FAMILY_NAME))
            || all.u16(ctrl::A_FAMILY_ID) == Ok(Some(FAMILY));
        if !is_ours {
            return Err(Errno::ENOENT.into());
        }
        let mut out = Vec::new();
        message.family(&mut out);
        Ok(self.send(&out).await?)
    }

    async fn answer_ask(&self, message: &Message<'_>, ask: Ask) -> Result<(), Failed> {
        let state = &self.front.state;
        let mut out = Vec::new();
        match ask {
            Ask::Change(change) => return Ok(self.front.carry_out(change).await?),
            Ask::Info => {
                let size = listing::table_size(&state.in_force.load().config);
                let fill = |writer: &mut Writer<'_>| answer::information(writer, size);
                message.answer(&mut out, cmd::SET_INFO, false, fill);
            }
            Ask::Timeouts => {
                let timeouts = state.desk.read(|draft| draft.base().timeouts);
                let fill = |writer: &mut Writer<'_>| answer::timeouts(writer, timeouts);
                message.answer(&mut out, cmd::SET_CONFIG, false, fill);
            }
            Ask::Service(of) => {
                let service = self.front.service(&of)?;
                let row = Counted::now(state).row(state, &service);
                let fill = |writer: &mut Writer<'_>| answer::service(writer, &row);
                message.answer(&mut out, cmd::NEW_SERVICE, false, fill);
            }
            Ask::Services => return Ok(self.list_services(message).await?),
            Ask::Dests(of) => {
                let service = of.and_then(|of| self.front.service(&of).ok());
                return Ok(self.list_dests(message, service.as_deref()).await?);
            }
            Ask::Daemons => return Ok(self.list_daemons(message).await?),
        }
        Ok(self.send(&out).await?)
    }

    async fn list_services(&self, message: &Message<'_>) -> io::Result<()> {
        let state = &self.front.state;
        let listing = Listing::new(state);
        let rows = listing.services().map(|service| listing.counted.row(state, service));
        self.list(message, cmd::NEW_SERVICE, rows, answer::service).await
    }

    async fn list_dests(&self, message: &Message<'_>, service: Option<&Service>) -> io::Result<()> {
        let state = &self.front.state;
        let rows = service.map(|service| Counted::now(state).dests(state, service));
        let rows = rows.unwrap_or_default().into_iter();
        self.list(message, cmd::NEW_DEST, rows, answer::dest).await
    }

    async fn list_daemons(&self, message: &Message<'_>) -> io::Result<()> {
        let Daemons { master, backup } = self.front.daemons().clone();
        let all = [(daemon::MASTER, master), (daemon::BACKUP, backup)];
        let rows = all.into_iter().filter_map(|(state, one)| Some((state, one?)));
        self.list(message, cmd::NEW_DAEMON, rows, |writer, (state, one)| {
            answer::sync_daemon(writer, *state, one);
        })
        .await
    }

    /// Sends an answer with a message for each row, as `fill` writes it.
    async fn list<T>(
        &self,
        message: &Message<'_>,
        command: u8,
        rows: impl Iterator<Item = T>,
        fill: impl Fn(&mut Writer<'_>, &T),
    ) -> io::Result<()> {
        /// More than a service or a real server takes.
        const MESSAGE_LEN_MAX: usize = 512;
        let mut out = Vec::new();
        for row in rows {
            let fill = |writer: &mut Writer<'_>| fill(writer, &row);
            message.answer(&mut out, command, true, fill);
            if out.len() + MESSAGE_LEN_MAX > ANSWER_LEN_MAX {
                self.send(&out).await?;
                out.clear();
                yield_now().await;
            }
        }
        message.done(&mut out);
        self.send(&out).await
    }

    /// Answers with a value in pieces; the length that the program is told.
    async fn answer_private(&self, message: &Message<'_>) -> Result<usize, Failed> {
        let request = Private::parse(message.kind, message.payload())?;
        if !self.is_admin {
            return Err(Errno::EPERM.into());
        }
        match request {
            Private::GetOption { option, room, value } => {
                let (value, len) = self.value(legacy::ask(option, room, value)?, room)?;
                self.send_pieces(&value).await?;
                return Ok(len);
            }
            Private::SetOption { option, len, value } => {
                self.front.carry_out(legacy::change(option, len, value)?).await?;
            }
            Private::File(name) => {
                self.send_file(File::named(name).ok_or(Errno::ENOENT)?).await?;
            }
        }
        Ok(0)
    }

    /// The value of a socket option, and the length that the program is told.
    fn value(&self, ask: legacy::Ask, room: usize) -> Result<(Vec<u8>, usize), Errno> {
        let state = &self.front.state;
        let size = listing::table_size(&state.in_force.load().config);
        let mut out = Vec::new();
        match ask {
            legacy::Ask::Version => {
                out.extend(proc::banner(size).bytes());
                out.push(0);
                let len = out.len();
                return Ok((out, len));
            }
            legacy::Ask::Info => {
                let services = state.desk.read(|draft| draft.service_count());
                legacy::put_info(&mut out, size, services);
            }
            legacy::Ask::Services(room) => {
                let listing = Listing::new(state);
                legacy::put_services_head(&mut out, room);
                for service in listing.services().take(room as usize) {
                    legacy::put_service(&mut out, &listing.counted.row(state, service));
                }
            }
            legacy::Ask::Service(of) => {
                let service = self.front.service(&of)?;
                legacy::put_service(&mut out, &Counted::now(state).row(state, &service));
            }
            legacy::Ask::Dests(of, room) => {
                let service = self.front.service(&of)?;
                let counted = Counted::now(state);
                legacy::put_dests_head(&mut out, &counted.row(state, &service), room);
                let rows = counted.dests(state, &service);
                rows.iter().take(room as usize).for_each(|row| legacy::put_dest(&mut out, row));
            }
            legacy::Ask::Timeouts => {
                let timeouts = state.desk.read(|draft| draft.base().timeouts);
                legacy::put_timeouts(&mut out, timeouts);
            }
            legacy::Ask::Daemons => legacy::put_daemons(&mut out, &self.front.daemons()),
        }
        Ok((out, room))
    }

    async fn send_pieces(&self, bytes: &[u8]) -> io::Result<()> {
        for chunk in bytes.chunks(PIECE_LEN_MAX) {
            self.send(&private::piece(chunk)).await?;
            yield_now().await;
        }
        Ok(())
    }

    async fn send_file(&self, file: File) -> Result<(), Failed> {
        let state = &self.front.state;
        let counted = Counted::now(state);
        let text = match file {
            File::Services => return Ok(self.send_services().await?),
            File::Connections | File::ConnectionsSync => return self.send_connections(file).await,
            File::Stats => proc::stats(&counted.total(state)),
            File::StatsPerCpu => {
                let workers = state.workers.iter();
                let workers: Vec<_> =
                    workers.map(|seat| (seat.lcore, counted.of_worker(seat))).collect();
                proc::stats_per_cpu(&counted.total(state), &workers)
            }
        };
        Ok(self.send_pieces(text.as_bytes()).await?)
    }

    async fn send_services(&self) -> io::Result<()> {
        let state = &self.front.state;
        let listing = Listing::new(state);
        let mut text = proc::services_head(listing::table_size(&state.in_force.load().config));
        for service in listing.services() {
            let dests = listing.counted.dests(state, service);
            proc::service(&mut text, &listing.counted.row(state, service), &dests);
            if text.len() > ANSWER_LEN_MAX {
                self.send_pieces(text.as_bytes()).await?;
                text.clear();
            }
        }
        self.send_pieces(text.as_bytes()).await
    }

    /// All connections of all workers, as they come; EIO if a worker does not answer.
    async fn send_connections(&self, file: File) -> Result<(), Failed> {
        let mut listing =
            workers::start(&self.front.state, Command::ListFlows(Selection::ALL), None);
        let mut text = proc::connections_head(file).to_owned();
        while let Some(batch) = listing.recv().await {
            let batch = batch.map_err(|error| {
                tracing::warn!("IPVS: connections cannot be listed: {error}");
                Errno::EIO
            })?;
            for report in &batch.reports {
                if let Report::Flow(report) = report {
                    proc::connection(&mut text, file, report);
                }
            }
            self.send_pieces(text.as_bytes()).await?;
            text.clear();
        }
        Ok(self.send_pieces(text.as_bytes()).await?)
    }
}
