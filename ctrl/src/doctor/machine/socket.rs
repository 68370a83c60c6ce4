//! Where the control socket is to be.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::root::{Seen, Unseen, if_there};

/// The longest path of a socket (`sun_path` of `struct sockaddr_un`, less its end).
const LENGTH_MAX: usize = 107;
/// Everyone may make and remove files; only their owners may remove them.
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    if case.daemon.is_some() {
        return Ok(Vec::new());
    }
    let socket = &case.socket;
    let text = socket.display();
    if socket.as_os_str().len() > LENGTH_MAX {
        return Ok(vec![
            Finding::problem(format!("the path of the control socket is longer than {LENGTH_MAX}"))
                .why(format!("the kernel takes no longer one than that: {text}."))
                .advice("Shorten `control.socket`."),
        ]);
    }
    let directory = socket.parent().filter(|it| !it.as_os_str().is_empty());
    let directory = directory.unwrap_or_else(|| Path::new("."));
    if let Some(found) = if_there(fs::symlink_metadata(socket).map_err(Unseen::at(socket)))? {
        return Ok(vec![if found.file_type().is_socket() {
            Finding::note(format!("{text} is there, and nobody answers"))
                .why("a daemon that was killed left it; the next start replaces it.")
        } else {
            Finding::problem(format!("{text} is there and is no socket"))
                .why("the daemon does not start: it removes nothing but a socket of its own.")
                .now(format!("ls -l {text}"))
        }]);
    }
    let Some(found) = if_there(fs::metadata(directory).map_err(Unseen::at(directory)))? else {
        return Ok(vec![Finding::ok(format!("{} will be made at the start", directory.display()))]);
    };
    let directory = directory.display();
    Ok(vec![if !found.is_dir() {
        Finding::problem(format!("{directory} is no directory"))
            .why("the control socket is to be in it.")
            .advice("Correct `control.socket`.")
    } else if found.mode() & OTHERS_WRITE != 0 && found.mode() & STICKY == 0 {
        Finding::warning(format!("anyone may replace files in {directory}"))
            .why("who puts a socket of theirs there gets the commands meant for the daemon.")
            .now(format!("chmod o-w {directory}"))
    } else {
        Finding::ok(format!("the control socket {text}"))
    }])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::doctor::finding::Severity::{Note, Ok as Fine, Problem, Warning};
    use crate::doctor::fixture::{PCI, Tree, only};

    #[test]
    fn the_place_of_the_socket_is_looked_at() {
        let tree = Tree::new();
        let mut case = tree.case(PCI);
        case.socket = tree.path().join("run/rvs.sock");
        only(&check(&case).unwrap(), Fine, &["will be made"]);
        let tree = tree.dir("run");
        let run = tree.path().join("run");
        fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
        only(&check(&case).unwrap(), Fine, &["run/rvs.sock"]);
        fs::set_permissions(&run, fs::Permissions::from_mode(0o777)).unwrap();
        only(&check(&case).unwrap(), Warning, &["chmod o-w"]);
        fs::set_permissions(&run, fs::Permissions::from_mode(0o1777)).unwrap();
        only(&check(&case).unwrap(), Fine, &[]);
        drop(UnixListener::bind(&case.socket).unwrap());
        only(&check(&case).unwrap(), Note, &["nobody answers"]);
        fs::remove_file(&case.socket).unwrap();
        fs::write(&case.socket, "").unwrap();
        only(&check(&case).unwrap(), Problem, &["is no socket"]);
        case.socket = case.socket.join("x");
        assert!(!check(&case).unwrap()[0].found.is_empty());
        case.socket = Path::new("/").join("x".repeat(107));
        only(&check(&case).unwrap(), Problem, &["longer than 107"]);
    }
}
