//! nginx on a real server, with its own configuration and access log, and a UDP echo server.
//!
//! Every answer names the server that gave it, in the body and in the header `X-Real-Server`. Every
//! request is a connection of its own (no keep-alive), so that counting requests counts what the
//! scheduler did.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use super::udp_echo::UdpEcho;
use super::{LabError, Mode, Namespace, addresses, command, wait};

/// How long nginx may take to listen.
const START_LIMIT: Duration = Duration::from_secs(5);
/// How long a request that the client has seen answered may take to appear in the access log.
const LOG_LIMIT: Duration = Duration::from_secs(5);

/// One real server: a namespace with nginx in it.
#[derive(Debug)]
pub struct RealServer {
    name: String,
    address: Ipv4Addr,
    namespace: Namespace,
    directory: PathBuf,
    nginx: Option<Child>,
    /// The UDP echo server.
    pub echo: UdpEcho,
}

/// One line of the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Who connected, as nginx saw it.
    pub client: Ipv4Addr,
    /// Address and port that the connection was made to, as nginx saw it.
    pub server: SocketAddrV4,
    /// GET, PUT ...
    pub method: String,
    /// The path asked for.
    pub path: String,
    /// The answer's status.
    pub status: u16,
}

impl RealServer {
    /// Starts nginx and the echo server in `namespace`; files go to `directory`.
    pub(super) fn start(
        namespace: Namespace,
        name: &str,
        address: Ipv4Addr,
        directory: PathBuf,
        mode: Mode,
    ) -> Result<Self, LabError> {
        // A reply leaves from the address its socket is bound to, and that has to be the one the
        // client's packet arrived with.
        let echo_address = if mode.real_server_owns_vip() { addresses::VIP } else { address };
        let echo = UdpEcho::start(&namespace, SocketAddrV4::new(echo_address, mode.echo_rport()))?;
        for subdirectory in ["temp", "files", "uploads"] {
            let path = directory.join(subdirectory);
            fs::create_dir_all(&path).map_err(LabError::file(path))?;
        }
        let path = directory.join("nginx.conf");
        fs::write(&path, configuration(name, &directory)).map_err(LabError::file(path))?;
        let name = name.to_owned();
        let mut server = Self { name, address, namespace, directory, nginx: None, echo };
        server.restart()?;
        Ok(server)
    }

    /// Its name, as its answers give it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// RIP.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Where files put here are served from, as `/files/<name>`.
    #[must_use]
    pub fn served_files(&self) -> PathBuf {
        self.directory.join("files")
    }

    /// Where a file put to `/uploads/<name>` ends up.
    #[must_use]
    pub fn uploaded(&self, name: &str) -> PathBuf {
        self.directory.join("uploads").join(name)
    }

    /// Kills nginx without a warning: connections break, and new ones are refused by the kernel.
    ///
    /// # Errors
    /// [`LabError::Command`] when it was not running.
    pub fn kill(&mut self) -> Result<(), LabError> {
        let gone = |reason: String| LabError::Command { command: "nginx".into(), reason };
        let mut nginx = self.nginx.take().ok_or_else(|| gone("is not running".into()))?;
        nginx.kill().and_then(|()| nginx.wait()).map_err(|error| gone(error.to_string()))?;
        Ok(())
    }

    /// Starts nginx (again) and waits until it listens.
    ///
    /// # Errors
    /// [`LabError`] when it does not, with its own words.
    pub fn restart(&mut self) -> Result<(), LabError> {
        drop(self.nginx.take().map(|mut old| old.kill().and_then(|()| old.wait())));
        let errors = self.directory.join("error.log");
        let stderr = fs::File::create(&errors).map_err(LabError::file(&errors))?;
        let mut nginx = self.namespace.command("nginx");
        nginx.arg("-c").arg(self.directory.join("nginx.conf"));
        nginx.arg("-e").arg(&errors).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let child = nginx.spawn().map_err(|error| command::failed(&nginx, error.to_string()))?;
        let child = self.nginx.insert(child);
        let what = || format!("nginx on {} did not start listening", self.name);
        wait::until(START_LIMIT, what, || {
            if let Ok(Some(status)) = child.try_wait() {
                let words = fs::read_to_string(&errors).unwrap_or_default();
                return Err(command::failed(&nginx, format!("{status}: {}", words.trim())));
            }
            let listens = self.namespace.enter(|| TcpStream::connect(("127.0.0.1", 80)))?;
            Ok(listens.ok().map(drop))
        })
    }

    /// Everything logged so far.
    ///
    /// # Errors
    /// [`LabError`] when the log cannot be read or understood.
    pub fn log(&self) -> Result<Vec<Logged>, LabError> {
        let path = self.directory.join("access.log");
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(&path).map_err(LabError::file(&path))?;
        // A line without its end is still being written.
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        lines.map(|line| read_line(&path, line.trim_end())).collect()
    }

    /// The log once it has `count` lines: nginx writes a line just after the client has its answer.
    ///
    /// # Errors
    /// [`LabError::Timeout`] when there are not so many in time.
    pub fn log_of(&self, count: usize) -> Result<Vec<Logged>, LabError> {
        let what = || format!("{} did not log {count} requests", self.name);
        wait::until(LOG_LIMIT, what, || {
            let log = self.log()?;
            Ok((log.len() >= count).then_some(log))
        })
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        if let Some(mut nginx) = self.nginx.take() {
            // It may be gone already, killed together with its namespace.
            let _ = nginx.kill().and_then(|()| nginx.wait());
        }
    }
}

/// One process, so that killing it kills the server; both ports, so that one configuration serves
/// modes that translate ports and modes that do not.
fn configuration(name: &str, directory: &Path) -> String {
    let dir = directory.display();
    format!(
        r#"daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 4096; }}
http {{
    log_format lab "$remote_addr $server_addr $server_port $request_method $uri $status";
    access_log {dir}/access.log lab;
    client_body_temp_path {dir}/temp;
    proxy_temp_path {dir}/temp;
    fastcgi_temp_path {dir}/temp;
    uwsgi_temp_path {dir}/temp;
    scgi_temp_path {dir}/temp;
    default_type application/octet-stream;
    keepalive_timeout 0;
    sendfile on;
    client_max_body_size 0;
    server {{
        listen 80 backlog=4096;
        listen 8080 backlog=4096;
        add_header X-Real-Server {name} always;
        location / {{ return 200 "{name}\n"; }}
        location /files/ {{ alias {dir}/files/; }}
        location /uploads/ {{ alias {dir}/uploads/; dav_methods PUT; }}
    }}
}}
"#
    )
}

fn read_line(path: &Path, line: &str) -> Result<Logged, LabError> {
    let words: Vec<_> = line.split(' ').collect();
    let read = || -> Option<Logged> {
        let [client, address, port, method, path, status] = words[..] else { return None };
        Some(Logged {
            client: client.parse().ok()?,
            server: SocketAddrV4::new(address.parse().ok()?, port.parse().ok()?),
            method: method.to_owned(),
            path: path.to_owned(),
            status: status.parse().ok()?,
        })
    };
    read().ok_or_else(|| LabError::Unreadable {
        from: path.display().to_string(),
        why: "not a line of the lab's log format".into(),
        text: line.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_access_log_is_read() {
        let line = "198.51.100.2 192.0.2.10 80 GET /files/a 200";
        let logged = read_line(Path::new("access.log"), line).unwrap();
        assert_eq!(logged.client, addresses::CLIENT);
        assert_eq!(logged.server, SocketAddrV4::new(addresses::VIP, 80));
        assert_eq!((logged.method.as_str(), logged.path.as_str()), ("GET", "/files/a"));
        assert_eq!(logged.status, 200);
    }

    #[test]
    fn another_line_is_refused_with_its_text() {
        let error = read_line(Path::new("access.log"), "198.51.100.2 - oops").unwrap_err();
        assert!(error.to_string().contains("198.51.100.2 - oops"), "{error}");
    }
}
