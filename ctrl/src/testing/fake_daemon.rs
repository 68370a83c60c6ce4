//! A daemon that is made up: it gives one answer after the other, whatever it is asked.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;

/// A daemon with a socket of its own.
pub(crate) struct FakeDaemon {
    directory: TempDir,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

/// A response with this status and body, after which the connection ends.
pub(crate) fn response(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// Answers one request from each connection while there are any; returns the requests.
pub(crate) fn answer_all<S: Read + Write>(
    mut next: impl FnMut() -> Option<S>,
    answers: Vec<String>,
) -> Vec<String> {
    let answered = |answer: String| Some(answer_one(&mut next()?, &answer));
    answers.into_iter().map_while(answered).collect()
}

fn answer_one(stream: &mut (impl Read + Write), answer: &str) -> String {
    let mut request = Vec::new();
    while !is_whole(&request) {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "the request breaks off: {request:?}");
        request.extend_from_slice(&piece[..length]);
    }
    stream.write_all(answer.as_bytes()).unwrap();
    String::from_utf8(request).unwrap()
}

/// Whether head and body are there.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

impl FakeDaemon {
    /// A daemon with these answers: status and body.
    pub(crate) fn answering(answers: &[(&str, String)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("s")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let answers: Vec<_> = answers.iter().map(|(status, body)| response(status, body)).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let next = move || loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    return Some(stream);
                }
                Err(_) if stopped.load(Ordering::Relaxed) => return None,
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        };
        let thread = thread::spawn(move || answer_all(next, answers));
        Self { directory, stop, thread }
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    /// Ends it; the requests that came.
    pub(crate) fn requests(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
