//! vsftpd on a real server, with its own configuration: anonymous users fetch files and put some.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use super::real_server::RealServer;
use super::{LabError, Mode, command, wait};

/// How long vsftpd may take to listen.
const START_LIMIT: Duration = Duration::from_secs(5);
/// The user that Debian's vsftpd serves anonymous users as.
const USER: &str = "ftp";

/// A running vsftpd; it ends when this is dropped.
#[derive(Debug)]
pub struct FtpServer {
    root: PathBuf,
    vsftpd: Child,
}

impl FtpServer {
    /// Starts vsftpd on a real server.
    ///
    /// # Errors
    /// [`LabError`] when it does not listen in time, with its own words.
    pub fn start(server: &RealServer, mode: Mode) -> Result<Self, LabError> {
        let directory = server.served_files().with_file_name("ftp");
        let (root, jail) = (directory.join("root"), directory.join("empty"));
        let incoming = root.join("incoming");
        for path in [&incoming, &jail] {
            fs::create_dir_all(path).map_err(LabError::file(path))?;
        }
        // vsftpd wants a root that its user cannot write to.
        let anyone = fs::Permissions::from_mode(0o777);
        fs::set_permissions(&incoming, anyone).map_err(LabError::file(&incoming))?;
        let path = directory.join("vsftpd.conf");
        let port = mode.ftp_rport();
        fs::write(&path, configuration(&root, &jail, port)).map_err(LabError::file(&path))?;
        let errors = directory.join("error.log");
        let log = fs::File::create(&errors).map_err(LabError::file(&errors))?;
        let said = log.try_clone().map_err(LabError::file(&errors))?;
        let mut vsftpd = server.namespace().command("vsftpd");
        vsftpd.arg(&path).stdin(Stdio::null()).stdout(said).stderr(log);
        let started = vsftpd.spawn();
        let started = started.map_err(|error| command::failed(&vsftpd, error.to_string()))?;
        let mut running = Self { root, vsftpd: started };
        let what = || format!("vsftpd on {} did not start listening", server.name());
        wait::until(START_LIMIT, what, || {
            if let Ok(Some(status)) = running.vsftpd.try_wait() {
                let words = fs::read_to_string(&errors).unwrap_or_default();
                return Err(command::failed(&vsftpd, format!("{status}: {}", words.trim())));
            }
            let here = (std::net::Ipv4Addr::LOCALHOST, port);
            let listens = server.namespace().enter(|| std::net::TcpStream::connect(here))?;
            Ok(listens.ok().map(drop))
        })?;
        Ok(running)
    }

    /// Where files put here are served from.
    #[must_use]
    pub fn served_files(&self) -> PathBuf {
        self.root.clone()
    }

    /// Where a file put to `incoming/<name>` ends up.
    #[must_use]
    pub fn uploaded(&self, name: &str) -> PathBuf {
        self.root.join("incoming").join(name)
    }
}

impl Drop for FtpServer {
    fn drop(&mut self) {
        // It may be gone already, killed together with its namespace.
        let _ = self.vsftpd.kill().and_then(|()| self.vsftpd.wait());
    }
}

fn configuration(root: &Path, jail: &Path, port: u16) -> String {
    let (root, jail) = (root.display(), jail.display());
    let data_port = port - 1;
    // vsftpd's own sandboxes want rights that containers may not have.
    format!(
        "listen=YES\nbackground=NO\nlisten_port={port}\nftp_data_port={data_port}\n\
         connect_from_port_20=YES\nanonymous_enable=YES\nno_anon_password=YES\n\
         ftp_username={USER}\nanon_root={root}\nsecure_chroot_dir={jail}\n\
         write_enable=YES\nanon_upload_enable=YES\nanon_umask=022\n\
         anon_world_readable_only=NO\nxferlog_enable=NO\n\
         seccomp_sandbox=NO\nisolate=NO\nisolate_network=NO\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::addresses;
    use super::*;

    #[test]
    fn data_comes_from_the_port_below() {
        let text = configuration(Path::new("/root"), Path::new("/jail"), addresses::FTP_RPORT);
        assert!(text.contains("listen_port=2121\nftp_data_port=2120\n"), "{text}");
        assert!(text.contains("anon_root=/root\nsecure_chroot_dir=/jail\n"), "{text}");
    }
}
