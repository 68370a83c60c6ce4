//! `rvs run`: claim the socket, start everything, serve until told to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::net::UnixListener;
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::error::CtrlError;
use crate::ipvs::IpvsSocket;
use crate::log::{self, Format, Level};
use crate::serve::{Access, Door, Server};
use crate::shutdown::Running;
use crate::signals::Signals;
use crate::socket::ControlSocket;
use crate::state::State;
use crate::{api, apply, check, links, local_ports, metrics, rates, shutdown, startup};

/// What to run, and how it logs.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The configuration file; docs/CONFIG.md describes it.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How log lines on standard error look.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: Format,
    /// How much is logged.
    #[arg(long, value_enum, default_value_t, value_name = "LEVEL")]
    log_level: Level,
}

impl Run {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        log::start(self.log_format, self.log_level);
        run(&self.config)
    }

    /// Whether log lines are JSON.
    pub(crate) fn logs_json(&self) -> bool {
        self.log_format.is_json()
    }
}

/// Runs the daemon with the configuration in `file` until a signal stops it.
fn run(file: &Path) -> Result<(), CtrlError> {
    let config = check::load(file)?;
    let socket = ControlSocket::claim(&config.control)?;
    let access = Access::of(&config.control)?;
    let ipvs = IpvsSocket::listen(socket.path())?;
    let runtime = control_runtime().map_err(CtrlError::Runtime)?;
    let mut signals = Signals::take_over().map_err(CtrlError::Runtime)?;
    let (ended_in, mut ended) = mpsc::unbounded_channel();
    let door =
        metrics::open(&Door::default(), config.metrics.listen).map_err(CtrlError::Metrics)?;
    let running = startup::start(file, config, access, &ended_in)?;
    running.state.metrics.put_into_use(door);
    announce(&running, &socket);
    let outcome = runtime.block_on(serve(&running, (&socket, &ipvs), &mut signals, &mut ended));
    drop(ipvs);
    shutdown::run(socket, runtime, running);
    outcome
}

/// The control thread's runtime: this thread alone, so that nothing runs beside the workers.
fn control_runtime() -> std::io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

/// Answers clients until a signal comes or a worker ends.
async fn serve(
    running: &Running,
    (socket, ipvs): (&ControlSocket, &IpvsSocket),
    signals: &mut Signals,
    ended: &mut UnboundedReceiver<u32>,
) -> Result<(), CtrlError> {
    let listener = socket.listener().and_then(UnixListener::from_std).map_err(CtrlError::Serve)?;
    let router = api::router(Arc::clone(&running.state));
    let server = Server::new(router, Arc::clone(&running.state.access));
    let hang_up = signals.hang_up();
    tokio::select! {
        never = server.serve_socket(&listener) => match never {},
        never = server.serve_tcp() => match never {},
        served = ipvs.serve(&running.state) => {
            served.map(|never| match never {})
        }
        name = signals.stop() => {
            tracing::info!("{name}: stopping");
            Ok(())
        }
        never = apply::reload_on(&hang_up, &running.state) => match never {},
        never = links::watch(&running.state) => match never {},
        never = local_ports::watch(&running.state) => match never {},
        never = rates::watch(&running.state) => match never {},
        never = metrics::serve(&running.state) => match never {},
        Some(lcore) = ended.recv() => Err(CtrlError::WorkerEnded { lcore }),
    }
}

/// Says what was started.
fn announce(running: &Running, socket: &ControlSocket) {
    let state: &State = &running.state;
    let config = &state.in_force.load().config;
    for (port, conf) in state.ports.iter().zip(&config.ports) {
        let offloads =
            if port.offloads.is_empty() { "none".to_owned() } else { port.offloads.join(", ") };
        let addresses: Vec<_> = conf.addresses.iter().map(ToString::to_string).collect();
        tracing::info!(
            "port {}: {} ({}), MAC {}, MTU {}, addresses [{}], {} queues, steering {}, offloads \
             {offloads}",
            port.name,
            port.device,
            port.driver,
            dataplane::wire::Mac(port.facts.mac),
            port.facts.mtu,
            addresses.join(", "),
            port.queues,
            port.steering.method.name(),
        );
        for why in &port.steering.why {
            tracing::info!("port {}: {why}", port.name);
        }
    }
    for warning in check::warnings(config) {
        tracing::warn!("{warning}");
    }
    let workers: Vec<_> = state.workers.iter().map(|seat| seat.lcore.to_string()).collect();
    tracing::info!(
        "rvs {} ({}) is forwarding on CPU {}: {}; {}; control socket {}{}",
        env!("CARGO_PKG_VERSION"),
        state.dpdk,
        workers.join(", "),
        check::summary(config),
        state.memory,
        socket.path().display(),
        config.control.tcp.as_ref().map(|tcp| format!(" and {}", tcp.listen)).unwrap_or_default(),
    );
}
