//! Waiting for a condition by asking again, with a limit.

use std::thread;
use std::time::{Duration, Instant};

use super::LabError;

const PAUSE: Duration = Duration::from_millis(10);

/// Asks `condition` until it has an answer, for at most `limit`.
///
/// # Errors
/// [`LabError::Timeout`] with `what` did not happen, or the condition's own error.
pub fn until<T>(
    limit: Duration,
    what: impl Fn() -> String,
    mut condition: impl FnMut() -> Result<Option<T>, LabError>,
) -> Result<T, LabError> {
    let start = Instant::now();
    loop {
        if let Some(answer) = condition()? {
            return Ok(answer);
        }
        if start.elapsed() > limit {
            return Err(LabError::Timeout { what: what(), waited: limit });
        }
        thread::sleep(PAUSE);
    }
}
