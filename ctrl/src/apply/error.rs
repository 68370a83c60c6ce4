//! Why a configuration was not put into force.

use crate::error::CtrlError;
use crate::identity::Shortage;
use crate::metrics::ListenError;

/// Why a configuration is not in force, or not everywhere.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// The file is wrong, or this version cannot run it.
    #[error(transparent)]
    File(#[from] CtrlError),
    /// It changes what is set up at start.
    #[error(
        "{file} changes what is set up at start, so nothing of it was put into force:\n{}\n\
         Stop the daemon and start it with this file, or take these changes back.",
        changes.iter().map(|change| format!("  {change}")).collect::<Vec<_>>().join("\n")
    )]
    NeedsRestart {
        /// The file.
        file: String,
        /// What it changes, each with its line.
        changes: Vec<String>,
    },
    /// There are no numbers left for new services or real servers.
    #[error("{}", no_room(.0))]
    NoRoom(Shortage),
    /// Metrics cannot be served where it says.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Clients cannot be let in as it says.
    #[error(transparent)]
    Access(CtrlError),
    /// A worker has not taken up the configuration before.
    #[error(
        "worker {lcore} does not run generation {generation} yet, which is in force, so no other \
         is published. If it stands still for good, that is a defect of RVS: see `rvs show \
         workers`."
    )]
    Behind {
        /// Its lcore.
        lcore: u32,
        /// The generation in force.
        generation: u64,
    },
    /// A worker does not take up the configuration.
    #[error(
        "the configuration is in force as generation {generation}, but worker {lcore} has not \
         taken it up within 5 s; it will as soon as it turns again. See `rvs show workers`."
    )]
    Silent {
        /// Its lcore.
        lcore: u32,
        /// The generation in force.
        generation: u64,
    },
    /// Others are being applied and take too long.
    #[error("other configurations are being applied; try again.")]
    Busy,
    /// The daemon is ending.
    #[error("the daemon is stopping.")]
    Stopping,
}

fn no_room(shortage: &Shortage) -> String {
    let Shortage { limit, missing, retired } = *shortage;
    let noun = if limit == "services" { "services" } else { "real servers" };
    let waiting = match retired {
        0 => String::new(),
        count => format!(" {count} removed before still have flows and count, too."),
    };
    format!(
        "there is no room for {missing} of the new {noun}: `limits.{limit}` of the running daemon \
         is reached. What is removed counts until its flows have ended, and all that the same file \
         removes.{waiting} Remove some first and apply again, or restart with a higher limit."
    )
}
