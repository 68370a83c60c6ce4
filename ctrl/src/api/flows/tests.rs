//! Tests of flows over a real socket: chosen, sorted, counted and ended.

use hyper::Method;
use serde_json::{Value, json};

use crate::client::{Content, Daemon};
use crate::error::CtrlError;
use crate::exit::Exit;
use crate::testing::{ECHO, Rig, Server};

fn daemon(server: &Server) -> Daemon {
    Daemon::at(server.socket())
}

fn get(server: &Server, target: &str) -> Value {
    daemon(server).ask(target, &[]).unwrap()
}

fn end(server: &Server, query: &str) -> Result<Value, CtrlError> {
    let target = format!("/v1/flows{query}");
    let daemon = daemon(server);
    let answer = daemon.send(Method::DELETE, &target, &[], Content::default())?;
    daemon.understand(&answer)
}

fn cports(answer: &Value) -> Vec<u64> {
    let flows = answer["flows"].as_array().unwrap();
    flows.iter().map(|flow| flow["cport"].as_u64().unwrap()).collect()
}

#[test]
fn only_what_is_asked_for_comes() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    rig.datagrams("192.0.2.10:7", 100);
    for (query, expected) in [
        ("client=198.51.100.2:10042", vec![10_042]),
        ("client=198.51.100.3", vec![]),
        ("client=198.51.100.0/24&client=x", vec![]),
        ("service=echo&client=:10001", vec![10_001]),
        ("service=udp:192.0.2.10:7&client=:10001&worker=5&mode=dr&state=udp", vec![10_001]),
        ("client=:10001&protocol=tcp", vec![]),
        ("client=:10001&template=true", vec![]),
        ("client=:10001&idle_over=1s", vec![]),
    ] {
        let target = format!("/v1/flows?{query}");
        if query.ends_with("=x") {
            let error = daemon(&server).ask::<Value>(&target, &[]).unwrap_err().to_string();
            assert!(error.contains("client"), "given twice: {error}");
            continue;
        }
        assert_eq!(cports(&get(&server, &target)), expected, "{query}");
    }
}

#[test]
fn the_first_in_an_order_are_told_and_the_others_counted() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    rig.datagrams("192.0.2.10:7", 300);
    // These clients send twice.
    rig.datagrams("192.0.2.10:7", 3);
    rig.pass_s(10);
    rig.datagrams("192.0.2.10:7", 1);
    let of = |query: &str| get(&server, &format!("/v1/flows?{query}"));
    let answer = of("sort=client&limit=3");
    assert_eq!((cports(&answer), &answer["more"]), (vec![10_000, 10_001, 10_002], &json!(297)));
    assert_eq!(cports(&of("sort=client&reverse=true&limit=2")), [10_299, 10_298]);
    let most = of("sort=packets&limit=1");
    assert_eq!((cports(&most), &most["flows"][0]["packets"]), (vec![10_000], &json!(3)));
    assert_eq!((&most["flows"][0]["age_s"], &most["flows"][0]["idle_s"]), (&json!(10), &json!(0)));
    let next = of("sort=expires&reverse=true&limit=1");
    assert_eq!(cports(&next), [10_000]);
    assert_eq!(of("sort=idle&limit=0"), json!({"flows": [], "more": 300}));
    assert_eq!(cports(&of("sort=age")).len(), 300);
}

#[test]
fn flows_are_counted_alone_and_in_groups() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    rig.datagrams("192.0.2.10:7", 101);
    let of = |query: &str| get(&server, &format!("/v1/flows/count?{query}"));
    let alone = |count: u64| json!({"count": count, "groups": [], "other": 0});
    assert_eq!(of(""), alone(101));
    assert_eq!(of("client=:10000"), alone(1));
    assert_eq!(of("protocol=tcp"), alone(0));
    let answer = of("by=real");
    assert_eq!((&answer["count"], &answer["groups"][0]["count"]), (&json!(101), &json!(51)));
    assert_eq!((&answer["groups"][1]["count"], &answer["other"]), (&json!(50), &json!(0)));
    let answer = of("by=real&limit=1");
    assert_eq!((answer["groups"].as_array().unwrap().len(), &answer["other"]), (1, &json!(50)));
    for (by, value) in [
        ("client", "198.51.100.2"),
        ("vip", "192.0.2.10:7"),
        ("local", ""),
        ("service", "echo"),
        ("state", "UDP"),
        ("protocol", "udp"),
        ("mode", "dr"),
        ("worker", "5"),
    ] {
        let group = json!({"value": value, "count": 101});
        assert_eq!(of(&format!("by={by}"))["groups"], json!([group]), "{by}");
    }
}

#[test]
fn flows_end_on_request_and_never_without_a_filter() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    rig.datagrams("192.0.2.10:7", 100);
    let error = end(&server, "").unwrap_err();
    assert!(error.to_string().contains("`all=true`"), "{error}");
    assert!(end(&server, "?template=false").is_err(), "that is no filter");
    assert_eq!(end(&server, "?client=:10007").unwrap(), json!({"ended": 1}));
    assert_eq!(end(&server, "?client=:10007").unwrap(), json!({"ended": 0}));
    assert_eq!(get(&server, "/v1/flows/count")["count"], 99);
    assert_eq!(end(&server, "?all=true").unwrap(), json!({"ended": 99}));
    assert_eq!(get(&server, "/v1/flows/count")["count"], 0);
    assert_eq!(get(&server, "/v1/drops")["ended"]["on_request"], 100);
    let service = &get(&server, "/v1/services")["services"][0];
    assert_eq!(service["real_servers"][0]["inactive"], 0);
}

#[test]
fn what_is_asked_wrongly_is_refused_by_name() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    for (target, why) in [
        ("/v1/flows?most=3", "there is no parameter `most`"),
        ("/v1/flows?limit=many", "limit"),
        ("/v1/flows?sort=colour", "sort"),
        ("/v1/flows?reverse=true", "`reverse` goes with `sort`"),
        ("/v1/flows?sort=age&limit=100001", "at most 100000 flows"),
        ("/v1/flows?client=somebody", "is not NET[:PORT]"),
        ("/v1/flows?state=BUSY", "none of"),
        ("/v1/flows?service=web", "there is no service web"),
        ("/v1/flows?worker=4", "no worker on CPU 4"),
        ("/v1/flows/count?by=colour", "by"),
        ("/v1/flows/count?sort=age", "there is no parameter `sort`"),
        ("/v1/services?service=web", "there is no service web"),
        ("/v1/local-ports?most=3", "most"),
    ] {
        let error = daemon(&server).ask::<Value>(target, &[]).unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Failed, "{target}: {error}");
        assert!(error.to_string().contains(why), "{target}: {error}");
    }
}

#[test]
fn a_worker_that_does_not_answer_is_told_with_what_has_ended() {
    let rig = Rig::standing(ECHO);
    let server = Server::start(&rig.state);
    let error = end(&server, "?all=true").unwrap_err();
    assert!(error.to_string().contains("worker 5 does not answer; 0 flows"), "{error}");
    let error = daemon(&server).ask::<Value>("/v1/flows/count", &[]).unwrap_err();
    assert_eq!(Exit::of(&error), Exit::Busy, "{error}");
}
