//! The port for metrics alone.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use super::super::{Door, open, serve};
use super::*;
use crate::state::State;

/// An address that nobody uses, which the kernel chooses.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn get(address: SocketAddr, target: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Does `work` elsewhere while the door is served.
async fn meanwhile(state: &Arc<State>, work: impl FnOnce() + Send + 'static) {
    let work = tokio::task::spawn_blocking(work);
    tokio::select! {
        never = serve(state) => match never {},
        done = work => done.unwrap(),
    }
}

#[tokio::test]
async fn it_shows_metrics_to_anybody_and_nothing_else() {
    let rig = rig_with("");
    let address = free();
    let opened = rig.state.metrics.door.open(Some(address)).unwrap();
    rig.state.metrics.door.put_into_use(opened);
    meanwhile(&rig.state, move || {
        let answer = get(address, "/metrics").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
        assert!(answer.contains(kind), "{answer}");
        assert!(answer.contains("rvs_build_info{version=") && answer.contains("# EOF\n"));
        for target in ["/", "/v1/status", "/v1/services", "/metrics/x"] {
            let answer = get(address, target).unwrap();
            assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{target}: {answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn it_is_opened_moved_and_closed_while_the_daemon_runs() {
    let rig = rig_with("");
    let (first, second) = (free(), free());
    let state = Arc::clone(&rig.state);
    meanwhile(&rig.state, move || {
        let door = &state.metrics.door;
        let reaches = |address| get(address, "/metrics").is_ok_and(|text| text.contains("# EOF"));
        let changes = [
            (Some(first), [true, false]),
            (Some(first), [true, false]),
            (Some(second), [false, true]),
            (None, [false, false]),
            (Some(first), [true, false]),
        ];
        for (wanted, expected) in changes {
            door.put_into_use(door.open(wanted).unwrap());
            // Closed by whoever serves it, a moment later.
            while [first, second].map(reaches) != expected {
                std::thread::yield_now();
            }
        }
    })
    .await;
}

#[test]
fn an_address_that_cannot_be_had_is_an_error_and_changes_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = open(&Door::default(), Some(address)).unwrap_err().to_string();
    let start = format!("metrics cannot be served at {address}: Address already in use");
    assert!(error.starts_with(&start) && error.contains("metrics: {listen: ...}"), "{error}");
    // An address of nobody here (RFC 5737).
    let other = "203.0.113.1:9180".parse().unwrap();
    let error = open(&Door::default(), Some(other)).unwrap_err();
    assert!(error.to_string().contains("203.0.113.1:9180"), "{error}");
}

#[tokio::test]
async fn a_configuration_with_such_an_address_is_refused_as_a_whole() {
    let rig = Rig::turning(ECHO);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = format!("metrics: {{listen: \"{}\"}}\n", taken.local_addr().unwrap());
    let other = text(&ECHO.replace("scheduler: rr", "scheduler: wrr"));
    let apply = |text: String| {
        crate::apply::apply(&rig.state, "test", "test.yaml".to_owned(), text.into_bytes())
    };
    let error = apply(other.clone() + &metrics).await.unwrap_err().to_string();
    assert!(error.contains("metrics cannot be served at"), "{error}");
    assert_eq!(rig.state.in_force.load().generation, 1);
    drop(taken);
    let applied = apply(other + &metrics).await.unwrap();
    assert_eq!((applied.generation, applied.settings), (2, 1));
}
