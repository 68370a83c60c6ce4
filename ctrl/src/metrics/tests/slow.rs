//! Scrapes that are slow, many, or large.

use std::future::Future;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::super::{SCRAPES_MAX, collect};
use super::*;

/// So many services with ten real servers each, more text than sockets and pieces hold.
fn large(services: usize) -> Rig {
    let reals: Vec<_> = (1..=10).map(|last| format!("{{address: 10.0.0.{last}}}")).collect();
    let service = |number: usize| {
        let (third, last) = (number / 250, number % 250);
        format!(
            "  s{number}: {{vip: \"192.88.{third}.{last}:80\", protocol: tcp, mode: dr, \
             real_servers: [{}]}}\n",
            reals.join(", ").replace("10.0.0.", "10.0.0.1")
        )
    };
    let all: String = (0..services).map(service).collect();
    let limits = format!("services: {services}, real_servers: {}", 10 * services);
    Rig::turning_on(&text(&all).replace("services: 8, real_servers: 16", &limits))
}

#[test]
fn others_on_the_control_thread_have_their_turn_while_a_large_one_is_read() {
    let rig = large(1000);
    let mut reading = pin!(collect(&rig.state));
    let mut context = Context::from_waker(Waker::noop());
    let mut pauses = 0;
    let encoder = loop {
        match reading.as_mut().poll(&mut context) {
            Poll::Pending => pauses += 1,
            Poll::Ready(encoder) => break encoder,
        }
    };
    assert_eq!(pauses, 5, "a pause after some 2048 of 10,000 real servers");
    let pieces: Vec<usize> = encoder.map(|piece| piece.len()).collect();
    assert!(pieces.len() > 50, "{} pieces", pieces.len());
    assert!(pieces.iter().all(|len| *len < 200 << 10), "{pieces:?}");
}

#[test]
fn clients_that_do_not_read_take_places_and_no_more() {
    let rig = large(500);
    let server = Server::start(&rig.state);
    let ask = || {
        let mut stream = UnixStream::connect(server.socket()).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        (stream, String::from_utf8(start.to_vec()).unwrap())
    };
    let slow: Vec<_> = (0..SCRAPES_MAX).map(|_| ask()).collect();
    assert!(slow.iter().all(|(_, start)| start == "HTTP/1.1 200"));
    assert_eq!(ask().1, "HTTP/1.1 503");
    // Everything else is answered.
    let status: serde_json::Value = Daemon::at(server.socket()).ask("/v1/status", &[]).unwrap();
    assert_eq!(status["services"], 500);
    drop(slow);
    while ask().1 != "HTTP/1.1 200" {
        std::thread::yield_now();
    }
    let found = loop {
        let answer =
            Daemon::at(server.socket()).send(Method::GET, "/metrics", &[], Content::default());
        if let Ok(answer) = answer {
            break Exposition::of(&String::from_utf8(answer).unwrap());
        }
    };
    assert!(found.value("rvs_metrics_scrapes_refused_total") >= 1.0);
    assert_eq!(found.count("rvs_real_server_weight"), 5000);
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_client_takes_too_long_breaks_off_and_leaves_its_place() {
    use axum::extract::State as Shared;
    use http_body_util::BodyExt as _;

    let rig = large(500);
    let answer = super::super::scrape::metrics(Shared(std::sync::Arc::clone(&rig.state))).await;
    let mut body = answer.into_body();
    let first = body.frame().await.unwrap().unwrap();
    assert!(first.is_data());
    tokio::time::sleep(std::time::Duration::from_secs(61)).await;
    let rest = body.collect().await;
    assert!(rest.is_err(), "the rest was not all");
    assert_eq!(rig.state.metrics.places.available_permits(), SCRAPES_MAX);
}
