//! Signals: SIGTERM and SIGINT stop the daemon, SIGHUP has it read its file again.
//!
//! A thread of its own takes them, so that a second signal works whatever the control thread is
//! busy with.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals as Taken;
use signal_hook::low_level;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// Exit status after a second signal.
const AT_ONCE: i32 = 1;
/// Signals that follow the first one so closely are the same one, sent to the process and to its
/// group, as `timeout` and some service managers do.
const ECHO: Duration = Duration::from_millis(250);

/// The signals, as they come.
#[derive(Debug)]
pub(crate) struct Signals {
    stop: UnboundedReceiver<&'static str>,
    hang_up: Arc<Notify>,
}

impl Signals {
    /// Takes the signals over. One that comes before [`Self::stop`] is called is not lost; a second
    /// one ends the process wherever it is.
    pub(crate) fn take_over() -> io::Result<Self> {
        let (sender, stop) = mpsc::unbounded_channel();
        let hang_up = Arc::new(Notify::new());
        let hung_up = Arc::clone(&hang_up);
        let mut taken = Taken::new([SIGTERM, SIGINT, SIGHUP])?;
        thread::Builder::new().name("rvs-signals".to_owned()).spawn(move || {
            let mut first: Option<Instant> = None;
            for signal in taken.forever() {
                match first {
                    _ if signal == SIGHUP => hung_up.notify_one(),
                    None => {
                        first = Some(Instant::now());
                        // Nobody listens when a start has failed, and the process is ending then.
                        let _ = sender.send(name(signal));
                    }
                    Some(first) if first.elapsed() < ECHO => {}
                    Some(_) => {
                        tracing::warn!("{}: a second signal, ending at once", name(signal));
                        low_level::exit(AT_ONCE);
                    }
                }
            }
        })?;
        Ok(Self { stop, hang_up })
    }

    /// Tells of SIGHUP; several at once may be one.
    pub(crate) fn hang_up(&self) -> Arc<Notify> {
        Arc::clone(&self.hang_up)
    }

    /// Waits for the signal to stop and returns its name.
    pub(crate) async fn stop(&mut self) -> &'static str {
        self.stop.recv().await.unwrap_or("no signals can be taken any more")
    }
}

fn name(signal: i32) -> &'static str {
    if signal == SIGINT { "SIGINT" } else { "SIGTERM" }
}
