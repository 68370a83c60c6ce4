//! The order in which a running daemon ends.
//!
//! 1. The control socket: its file goes first, so that nobody asks a daemon that is about to end.
//!    Requests under way are cut off.
//! 2. The workers: told to stop, waited for. Each sends what it has buffered and frees what it
//!    holds, on its own thread.
//! 3. The ports: stopped and closed, which gives their buffers back.
//! 4. The pools, then the EAL, on the thread that started it: memory is unmapped, huge pages are
//!    free again.
//! 5. The lock beside the control socket: the next daemon may start.
//!
//! A second signal ends the process at once (`signals.rs`); the kernel then does the same less
//! politely, and the next daemon replaces the socket that is left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dpdk::Eal;
use tokio::runtime::Runtime;

use crate::numa::Pools;
use crate::socket::ControlSocket;
use crate::startup::RuntimeDirectory;
use crate::state::State;
use crate::worker::Workers;

/// How long the end waits for the check of a file that is under way.
const CHECK_PATIENCE: Duration = Duration::from_millis(200);

/// Everything that runs. Fields are dropped in this order, also when a start fails half-way.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) workers: Workers,
    pub(crate) state: Arc<State>,
    pub(crate) pools: Pools,
    pub(crate) eal: Arc<Eal>,
    pub(crate) directory: RuntimeDirectory,
}

/// Ends everything in the order above.
pub(crate) fn run(socket: ControlSocket, runtime: Runtime, running: Running) {
    let start = Instant::now();
    socket.remove();
    // Requests hold the state, and with it the ports. A file that is being checked holds nothing.
    runtime.shutdown_timeout(CHECK_PATIENCE);
    let Running { workers, state, pools, eal, directory } = running;
    drop(workers);
    tracing::debug!("all workers have stopped");
    drop(state);
    tracing::debug!("all ports are closed");
    drop(pools);
    drop(eal);
    drop(directory);
    tracing::info!("stopped within {} ms", start.elapsed().as_millis());
    drop(socket);
}
