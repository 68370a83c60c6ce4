//! Replacing a file in one step: whoever reads it gets the old text or the new one, whole.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use tempfile::Builder;

use crate::error::CtrlError;

/// Mode of a file that was not there: the configuration is no secret.
const MODE: u32 = 0o644;

/// Gives the file at `path` the text `new`, if it still has the text `old` (`None` if there was no
/// file). It keeps its owner and mode.
pub(super) fn replace(path: &Path, old: Option<&str>, new: &str) -> Result<(), CtrlError> {
    let fail = |why: String| CtrlError::Save { file: path.to_path_buf(), why };
    match in_one_step(path, old, new) {
        Ok(true) => Ok(()),
        Ok(false) => Err(fail("somebody else has changed it meanwhile; try again".to_owned())),
        Err(error) => Err(fail(error.to_string())),
    }
}

/// Whether the file had the old text still.
fn in_one_step(path: &Path, old: Option<&str>, new: &str) -> io::Result<bool> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = Builder::new().prefix(".rvs-save-").tempfile_in(directory)?;
    file.write_all(new.as_bytes())?;
    let mode = match old {
        Some(_) => {
            let metadata = fs::metadata(path)?;
            fchown(file.as_file(), Some(metadata.uid()), Some(metadata.gid()))?;
            metadata.permissions().mode()
        }
        None => MODE,
    };
    file.as_file().set_permissions(fs::Permissions::from_mode(mode & 0o7777))?;
    file.as_file().sync_all()?;
    let found = match fs::read(path) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if found.as_deref() != old {
        return Ok(false);
    }
    file.persist(path).map_err(|error| error.error)?;
    // The name is not on the disk before the directory is.
    File::open(directory)?.sync_all()?;
    Ok(true)
}
