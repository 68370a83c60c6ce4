//! Tests of requests that change single things, over a real socket.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::testing::{ECHO, Rig, Server};

/// A daemon and its socket.
struct Site {
    rig: Rig,
    server: Server,
}

impl Site {
    fn new() -> Self {
        let rig = Rig::turning(ECHO);
        let server = Server::start(&rig.state);
        Self { rig, server }
    }

    fn send(&self, method: &str, target: &str, headers: &str, body: &str) -> (u16, Value) {
        let length = body.len();
        let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{kind}{headers}\
             content-length: {length}\r\n\r\n{body}"
        );
        let mut stream = UnixStream::connect(self.server.socket()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    fn ask(&self, method: &str, target: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, target, "", &body)
    }

    /// Changes something; the generation that has it.
    fn change(&self, method: &str, target: &str, body: &Value) -> u64 {
        let (status, answer) = self.ask(method, target, body);
        assert_eq!(status, 200, "{method} {target} {body}: {answer}");
        assert_eq!(answer["running"], true);
        answer["generation"].as_u64().unwrap()
    }

    /// Is refused; why.
    fn refused(&self, status: u16, method: &str, target: &str, body: &Value) -> String {
        let before = self.rig.state.desk.revision();
        let (got, answer) = self.ask(method, target, body);
        assert_eq!(got, status, "{method} {target} {body}: {answer}");
        assert_eq!(self.rig.state.desk.revision(), before, "something was changed");
        answer["error"].as_str().unwrap().to_owned()
    }

    fn services(&self) -> Vec<Value> {
        let (status, answer) = self.ask("GET", "/v1/services", &Value::Null);
        assert_eq!(status, 200);
        answer["services"].as_array().unwrap().clone()
    }
}

#[test]
fn a_service_is_added_changed_and_removed() {
    let site = Site::new();
    let web = json!({
        "protocol": "tcp", "vip": "192.0.2.11", "vport": 80, "name": "web", "mode": "nat",
        "scheduler": "sh", "scheduler_flags": ["sh-port"], "persistence_s": 300,
        "persistence_mask": "255.255.255.0", "timeouts": {"tcp_s": 60}, "real_servers": [
            {"rip": "10.0.0.13", "rport": 8080, "weight": 3}, {"rip": "10.0.0.14", "drain": true},
        ],
    });
    assert_eq!(site.change("POST", "/v1/services", &web), 2);
    let service = site.services()[1].clone();
    assert_eq!((&service["name"], &service["mode"]), (&json!("web"), &json!("nat")));
    assert_eq!(service["scheduler_flags"], json!(["sh-port"]));
    let real = |place: usize| {
        let real = &service["real_servers"][place];
        json!([real["rip"], real["rport"], real["weight"], real["drain"], real["mode"]])
    };
    assert_eq!(real(0), json!(["10.0.0.13", 8080, 3, false, "nat"]));
    assert_eq!(real(1), json!(["10.0.0.14", 80, 1, true, "nat"]), "the port of the service");

    let other = json!({"scheduler": "rr", "mode": "nat"});
    assert_eq!(site.change("PUT", "/v1/services/web", &other), 3);
    let service = site.services()[1].clone();
    assert_eq!((&service["name"], &service["scheduler"]), (&json!("web"), &json!("rr")));
    assert_eq!(service["real_servers"].as_array().unwrap().len(), 2, "they stay");
    let renamed = json!({"name": "www", "protocol": "tcp", "vip": "192.0.2.11", "vport": 80});
    assert_eq!(site.change("PUT", "/v1/services/tcp:192.0.2.11:80", &renamed), 4);
    assert_eq!(site.change("DELETE", "/v1/services/www", &Value::Null), 5);
    assert_eq!(site.services().len(), 1);
}

#[test]
fn a_real_server_is_added_changed_and_removed() {
    let site = Site::new();
    let all = "/v1/services/echo/real-servers";
    assert_eq!(site.change("POST", all, &json!({"rip": "10.0.0.13"})), 2);
    let one = "/v1/services/udp:192.0.2.10:7/real-servers/10.0.0.13:7";
    let change = json!({"weight": 5, "upper_threshold": 10, "lower_threshold": 2, "drain": true});
    assert_eq!(site.change("PATCH", one, &change), 3);
    assert_eq!(site.change("PATCH", one, &json!({"drain": false})), 4);
    let real = site.services()[0]["real_servers"][2].clone();
    assert_eq!((&real["weight"], &real["upper_threshold"]), (&json!(5), &json!(10)));
    assert_eq!(real["drain"], false);
    let short = "/v1/services/echo/real-servers/10.0.0.13";
    assert_eq!(site.change("PATCH", short, &json!({"mode": "tun"})), 5);
    assert_eq!(site.services()[0]["real_servers"][2]["mode"], "tun");
    assert_eq!(site.change("PATCH", short, &json!({})), 5, "nothing to do");
    let capital = "/v1/services/UDP:192.0.2.10:7/real-servers/10.0.0.13:7";
    assert_eq!(site.change("PATCH", capital, &json!({"weight": 6})), 6, "filters know it, too");
    assert_eq!(site.change("DELETE", short, &Value::Null), 7);
    assert_eq!(site.services()[0]["real_servers"].as_array().unwrap().len(), 2);
}

#[test]
fn a_list_is_carried_out_as_a_whole_or_not_at_all() {
    let site = Site::new();
    let add = |vport: u16| {
        let settings = json!({
            "name": format!("s{vport}"), "protocol": "udp", "vip": "192.0.2.11", "vport": vport,
        });
        json!({"op": "add-service", "settings": settings})
    };
    let mut edits = vec![
        json!({"op": "flush"}),
        add(1),
        json!({"op": "add-real-server", "service": "s1",
               "real_server": {"rip": "10.0.0.13", "mode": "nat"}}),
        json!({"op": "set-service", "service": "s1", "settings": {"name": "first"}}),
        json!({"op": "set-real-server", "service": "first", "address": "10.0.0.13",
               "settings": {"weight": 7}}),
        add(2),
        json!({"op": "remove-service", "service": "udp:192.0.2.11:2"}),
        json!({"op": "set-timeouts", "timeouts": {"udp_s": 9}}),
    ];
    let whole = json!({"edits": edits});
    edits.push(json!({"op": "remove-real-server", "service": "first", "address": "10.0.0.99"}));
    let error = site.refused(404, "POST", "/v1/edits", &json!({"edits": edits}));
    assert_eq!(error, "edits[8]: service udp 192.0.2.11:1 has no real server 10.0.0.99:1");
    assert_eq!(site.change("POST", "/v1/edits", &whole), 2);
    let services = site.services();
    assert_eq!(services.len(), 1);
    let (service, real) = (&services[0], &services[0]["real_servers"][0]);
    assert_eq!((&service["name"], &service["mode"]), (&json!("first"), &json!("nat")));
    assert_eq!((&real["rip"], &real["weight"]), (&json!("10.0.0.13"), &json!(7)));
    assert_eq!(site.rig.state.in_force.load().config.timeouts.udp_s, 9);
    let (_, status) = site.ask("GET", "/v1/status", &Value::Null);
    assert_eq!(status["edits"], 1, "one list");
}

#[test]
fn a_change_may_name_the_generation_that_it_means() {
    let site = Site::new();
    let target = "/v1/services/echo/real-servers/10.0.0.11";
    let with = |generation: &str, weight: u32| {
        let header = format!("if-match: {generation}\r\n");
        site.send("PATCH", target, &header, &json!({"weight": weight}).to_string())
    };
    assert_eq!(with("\"1\"", 5).0, 200);
    let (status, answer) = with("\"1\"", 6);
    assert_eq!(status, 412);
    assert!(answer["error"].as_str().unwrap().contains("generation 2 is in force"), "{answer}");
    assert_eq!(with("2", 6).0, 200);
    assert_eq!(with("*", 7).0, 200);
    let (status, answer) = with("yesterday", 8);
    assert_eq!((status, answer["error"].as_str().unwrap().contains("If-Match")), (400, true));
}

#[test]
fn who_does_not_want_to_wait_need_not() {
    let rig = Rig::standing(ECHO);
    let site = Site { server: Server::start(&rig.state), rig };
    let target = "/v1/services/echo/real-servers/10.0.0.11?wait_s=0";
    let (status, answer) = site.ask("PATCH", target, &json!({"weight": 5}));
    assert_eq!((status, &answer["running"]), (200, &json!(false)));
    let weight = site.rig.state.desk.read(|draft| {
        let key = draft.named("echo").unwrap();
        draft.service(key).unwrap().real_servers[0].weight
    });
    assert_eq!(weight, 5, "accepted");
    site.refused(400, "PATCH", &target.replace("=0", "=61"), &json!({"weight": 6}));
    site.refused(400, "PATCH", &target.replace("=0", "=x"), &json!({"weight": 6}));
}

#[test]
fn counters_begin_anew() {
    let site = Site::new();
    site.rig.datagrams("192.0.2.10:7", 4);
    assert_eq!(site.services()[0]["connections"], 4);
    assert_eq!(site.change("POST", "/v1/zero", &json!({"service": "echo"})), 1);
    assert_eq!(site.services()[0]["connections"], 0);
    site.rig.datagrams("192.0.2.10:7", 1);
    assert_eq!(site.services()[0]["in_packets"], 1);
    assert_eq!(site.change("POST", "/v1/zero", &json!({})), 1);
    assert_eq!(site.services()[0]["in_packets"], 0);
    let zero = |generation: u64| {
        let header = format!("if-match: \"{generation}\"\r\n");
        site.send("POST", "/v1/zero", &header, "{}").0
    };
    site.rig.datagrams("192.0.2.10:7", 1);
    assert_eq!((zero(2), &site.services()[0]["in_packets"]), (412, &json!(1)));
    assert_eq!((zero(1), &site.services()[0]["in_packets"]), (200, &json!(0)));
    site.refused(404, "POST", "/v1/zero", &json!({"service": "none"}));
    site.refused(404, "POST", "/v1/zero", &json!({"service": "tcp:192.0.2.99:1"}));
}

#[test]
fn what_cannot_be_is_refused_with_its_status_and_in_words() {
    let site = Site::new();
    let (add, echo) = ("/v1/services", "/v1/services/echo");
    let reals = "/v1/services/echo/real-servers";
    let real = "/v1/services/echo/real-servers/10.0.0.11";
    let tcp = |more: Value| {
        let mut body = json!({"protocol": "tcp", "vip": "192.0.2.11", "vport": 80});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (status, method, target, body, words) in [
        (404, "DELETE", "/v1/services/none", Value::Null, "no service `none`"),
        (404, "DELETE", "/v1/services/tcp:1.2.3.4:5", Value::Null, "no service tcp 1.2.3.4:5"),
        (404, "DELETE", "/v1/services/mark:7", Value::Null, "no service mark 7"),
        (404, "DELETE", "/v1/services/mark:0", Value::Null, "no service `mark:0`"),
        (404, "PATCH", "/v1/services/echo/real-servers/10.0.0.99", json!({}), "10.0.0.99:7"),
        (422, "PATCH", "/v1/services/echo/real-servers/here", json!({}), "not an address"),
        (409, "POST", reals, json!({"rip": "10.0.0.11"}), "already"),
        (409, "POST", add, tcp(json!({"name": "echo"})), "the name echo belongs to"),
        (422, "POST", add, tcp(json!({"name": "1st"})), "cannot be a name"),
        (422, "POST", add, tcp(json!({"mode": "fast"})), "known are dr, nat, tun, fullnat"),
        (422, "POST", add, tcp(json!({"scheduler": "best"})), "unknown scheduler `best`"),
        (422, "POST", add, tcp(json!({"scheduler_flags": ["sh-port"]})), "unknown scheduler flag"),
        (422, "POST", add, tcp(json!({"persistence_s": 0})), "out of range"),
        (422, "POST", add, tcp(json!({"persistence_engine": "sip"})), "without `persistence_s`"),
        (422, "POST", add, tcp(json!({"mark": 7})), "and none of them"),
        (422, "POST", add, json!({"mark": 0}), "from 1 on"),
        (422, "POST", add, json!({}), "a service needs"),
        (422, "POST", add, tcp(json!({"colour": "red"})), "colour"),
        (422, "POST", add, tcp(json!({"vport": 65_536})), "65536"),
        (422, "PUT", echo, tcp(json!({})), "add another service"),
        (422, "PUT", echo, json!({"real_servers": [{"rip": "10.0.0.9"}]}), "leave `real_servers`"),
        (422, "PATCH", real, json!({"weight": -1}), "-1"),
        (422, "PATCH", real, json!({"weight": 2_147_483_648_u32}), "is more than"),
        (422, "PATCH", real, json!({"lower_threshold": 9}), "above the upper"),
        (422, "PUT", "/v1/timeouts", json!({"tcp_s": 0}), "from 1 s"),
        (422, "PUT", "/v1/timeouts", json!({"tcp_s": 2_678_401}), "31 days"),
        (422, "POST", "/v1/edits", json!({"edits": [{"op": "explode"}]}), "explode"),
    ] {
        let error = site.refused(status, method, target, &body);
        assert!(error.contains(words), "{words:?} is not in: {error}");
    }
    let many = vec![json!({"op": "flush"}); super::asked::EDITS_MAX + 1];
    let error = site.refused(422, "POST", "/v1/edits", &json!({"edits": many}));
    assert!(error.contains("10001 edits"), "{error}");
    let (status, answer) = site.send("POST", add, "", "{\"protocol\": ");
    assert_eq!(status, 400, "{answer}");
    let (status, answer) = site.send("PUT", "/v1/timeouts", "", "");
    assert_eq!(status, 415, "{answer}");
}
