//! Huge pages for the time of a run: reserved if there are too few, and given back at the end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const NR_HUGEPAGES: &str = "/proc/sys/vm/nr_hugepages";

/// Huge pages that were reserved for this run. Dropping it gives them back.
#[derive(Debug, Default)]
pub struct Reserved(Option<Change>);

/// A number in a file that was raised.
#[derive(Clone, Debug)]
struct Change {
    file: PathBuf,
    before: u64,
    after: u64,
}

/// Why there are not enough huge pages.
#[derive(Debug, thiserror::Error)]
pub enum TooFew {
    /// The number cannot be read or written.
    #[error("{NR_HUGEPAGES}: {0}; to reserve huge pages takes root")]
    Refused(#[from] io::Error),
    /// The kernel found fewer than it was asked for.
    #[error("{free_mib} MiB of huge pages are free, {wanted_mib} MiB are needed")]
    Short {
        /// What is free now.
        free_mib: u64,
        /// What is needed.
        wanted_mib: u64,
    },
}

/// Sees to it that `wanted_mib` of huge pages are free. Never lowers what is reserved.
///
/// # Errors
/// [`TooFew`]; what could be reserved is given back.
pub fn reserve(wanted_mib: u64) -> Result<Reserved, TooFew> {
    let free_mib = free_mib()?;
    if free_mib >= wanted_mib {
        return Ok(Reserved::default());
    }
    let missing = (wanted_mib - free_mib).div_ceil(page_mib());
    let reserved = raise(Path::new(NR_HUGEPAGES), missing)?;
    let free_mib = self::free_mib()?;
    if free_mib < wanted_mib {
        return Err(TooFew::Short { free_mib, wanted_mib });
    }
    Ok(reserved)
}

impl Reserved {
    /// Gives the pages back now, as dropping it does: for those who leave without dropping.
    pub fn give_back(&self) {
        let Some(Change { file, before, after }) = &self.0 else { return };
        // Whoever changed the number meanwhile knows better.
        if read(file).is_ok_and(|now| now == *after) {
            let _ = fs::write(file, before.to_string());
        }
    }

    /// Another handle that gives the same pages back, for the thread that waits for signals.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Raises the number in `file` by `missing`, as far as the kernel goes along.
fn raise(file: &Path, missing: u64) -> io::Result<Reserved> {
    let before = read(file)?;
    fs::write(file, (before + missing).to_string())?;
    Ok(Reserved(Some(Change { file: file.to_owned(), before, after: read(file)? })))
}

fn free_mib() -> io::Result<u64> {
    Ok(dpdk::hugepages::free_mib(&dpdk::hugepages::list()?))
}

/// The kernel's default size, of which the number above counts.
fn page_mib() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("Hugepagesize:")?.trim().strip_suffix(" kB"))
        .and_then(|kib| kib.trim().parse::<u64>().ok());
    (kib.unwrap_or(2048) / 1024).max(1)
}

fn read(path: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    text.trim().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_changed_where_enough_is_free() {
        assert!(reserve(0).is_ok_and(|reserved| reserved.0.is_none()));
    }

    #[test]
    fn what_was_raised_is_given_back_unless_somebody_else_changed_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("nr_hugepages");
        fs::write(&file, "10\n").unwrap();
        let reserved = raise(&file, 5).unwrap();
        assert_eq!(read(&file).unwrap(), 15);
        drop(reserved);
        assert_eq!(read(&file).unwrap(), 10);

        let reserved = raise(&file, 5).unwrap();
        fs::write(&file, "40").unwrap();
        drop(reserved);
        assert_eq!(read(&file).unwrap(), 40);
        assert!(raise(&dir.path().join("missing"), 1).is_err());
    }

    #[test]
    fn the_page_size_is_that_of_the_kernel() {
        assert!(page_mib().is_power_of_two());
    }
}
