//! Tests of saving, against a daemon without DPDK.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use clap::Parser;
use tempfile::TempDir;

use super::*;
use crate::apply;
use crate::testing::{self, ECHO, Rig, Server};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    save: Save,
}

/// A daemon, a file that it has read, and another configuration in force since.
struct Place {
    server: Server,
    rig: Rig,
    directory: TempDir,
    file: PathBuf,
}

impl Place {
    fn new() -> Self {
        let rig = Rig::turning(ECHO);
        let server = Server::start(&rig.state);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("rvs.yaml");
        fs::write(&file, format!("# Ours.\n{}# The end.\n", testing::text(ECHO))).unwrap();
        Self { server, rig, directory, file }
    }

    /// What commands would have done: another weight.
    fn change(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let text = testing::text(&ECHO.replace("weight: 4", "weight: 9"));
        let read = self.rig.state.from_file.load_full();
        let applied = apply::apply(&self.rig.state, "test", "test".to_owned(), text.into());
        runtime.block_on(applied).unwrap();
        self.rig.state.from_file.store(read);
    }

    fn save(&self, arguments: &[&str]) -> Result<(), CtrlError> {
        let (file, socket) = (self.file.display().to_string(), self.server.socket());
        let socket = socket.display().to_string();
        let line = ["save", &file, "--socket", &socket];
        Line::parse_from(line.iter().chain(arguments)).save.run()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }
}

#[test]
fn what_runs_is_written_into_the_file_and_the_rest_of_it_stays() {
    let place = Place::new();
    let before = place.text();
    place.save(&[]).unwrap();
    assert_eq!(place.text(), before);
    place.change();
    place.save(&["--dry-run"]).unwrap();
    assert_eq!(place.text(), before);

    // Through a link, and with the mode that it has.
    let real = place.directory.path().join("real.yaml");
    fs::rename(&place.file, &real).unwrap();
    symlink(&real, &place.file).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    let owner = fs::metadata(&real).unwrap().uid();
    place.save(&[]).unwrap();
    assert_eq!(place.text(), before.replace("weight: 4", "weight: 9"));
    assert!(fs::symlink_metadata(&place.file).unwrap().is_symlink());
    let metadata = fs::metadata(&real).unwrap();
    assert_eq!((metadata.permissions().mode() & 0o777, metadata.uid()), (0o640, owner));
    let left = fs::read_dir(place.directory.path()).unwrap().count();
    assert_eq!(left, 2, "the file and the link");
}

#[test]
fn a_file_that_is_not_there_is_made() {
    let mut place = Place::new();
    place.file = place.directory.path().join("new.yaml");
    place.save(&[]).unwrap();
    assert_eq!(place.text(), conf::emit(&place.rig.state.in_force.load().config));
    assert_eq!(fs::metadata(&place.file).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn what_is_in_the_place_of_a_file_is_left_there() {
    let mut place = Place::new();
    let plain = place.file.clone();
    place.file = place.directory.path().join("link.yaml");
    symlink("elsewhere.yaml", &place.file).unwrap();
    for arguments in [&[][..], &["--force"], &["--dry-run"]] {
        let error = place.save(arguments).unwrap_err();
        assert!(matches!(error, CtrlError::Save { .. }), "{error}");
        assert!(error.to_string().contains("link.yaml cannot be written: "), "{error}");
    }
    assert_eq!(fs::read_link(&place.file).unwrap(), PathBuf::from("elsewhere.yaml"));

    // Below a file there is none.
    place.file = plain.join("below.yaml");
    let error = place.save(&["--dry-run"]).unwrap_err();
    assert!(matches!(error, CtrlError::Save { .. }), "{error}");
    assert_eq!(fs::read_dir(place.directory.path()).unwrap().count(), 2, "the file and the link");
}

#[test]
fn changes_that_were_not_put_into_force_are_not_undone() {
    let place = Place::new();
    place.change();
    let edited = format!("# Others were here.\n{}timeouts: {{udp: 9s}}\n", place.text());
    fs::write(&place.file, &edited).unwrap();
    let error = place.save(&[]).unwrap_err().to_string();
    assert!(error.contains("  ~ timeouts.udp: 5m -> 9s"), "{error}");
    assert!(!error.contains("weight"), "{error}");
    assert_eq!(place.text(), edited);

    // Other comments are no other configuration.
    let commented = edited.replace("timeouts: {udp: 9s}\n", "");
    fs::write(&place.file, &commented).unwrap();
    place.save(&[]).unwrap();
    assert_eq!(place.text(), commented.replace("weight: 4", "weight: 9"));

    fs::write(&place.file, &edited).unwrap();
    place.save(&["--force"]).unwrap();
    let expected = edited.replace("weight: 4", "weight: 9").replace("udp: 9s", "udp: 5m");
    assert_eq!(place.text(), expected);
}

#[test]
fn a_file_with_errors_is_reported_and_written_anew_only_by_force() {
    let place = Place::new();
    fs::write(&place.file, "version: 2\n").unwrap();
    let error = place.save(&[]).unwrap_err();
    let CtrlError::Conf(errors) = &error else { panic!("{error}") };
    assert_eq!(errors.file(), place.file.display().to_string());
    assert_eq!(place.text(), "version: 2\n");
    place.save(&["--force"]).unwrap();
    assert_eq!(place.text(), conf::emit(&place.rig.state.in_force.load().config));
}

#[test]
fn a_file_that_somebody_changes_meanwhile_is_left_alone() {
    let place = Place::new();
    let error = replace::replace(&place.file, Some("what was read"), "new").unwrap_err();
    assert!(error.to_string().contains("changed it meanwhile"), "{error}");
    assert!(place.text().starts_with("# Ours.\n"));
    assert_eq!(fs::read_dir(place.directory.path()).unwrap().count(), 1);
}
