//! Tests of changed texts: they say what is wanted, and keep what others wrote.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::form::{Field, Value};
use crate::testing::{self, Comment, Dice, parsed, styled};

/// `text` saying `wanted`, which is checked.
fn saved(text: &str, wanted: &Config) -> Saved {
    let saved = save(text, &parsed(text), wanted);
    assert_eq!(parsed(&saved.text), *wanted, "{}", saved.text);
    saved
}

fn keys(value: &Value) -> &[Field] {
    let Value::Fields(fields) = value else { panic!("no mapping: {value:?}") };
    fields
}

/// Whether what `path` leads to is there.
fn has(fields: &[Field], path: &[String]) -> bool {
    let Some((key, rest)) = path.split_first() else { return true };
    let Some(field) = fields.iter().find(|field| field.key == key) else { return false };
    match &field.value {
        None => false,
        Some(Value::Fields(fields)) => {
            has(fields, rest) && fields.iter().any(|one| one.value.is_some())
        }
        Some(Value::List(items)) => {
            rest.first().is_none_or(|item| items.iter().any(|one| one.shown() == *item))
        }
        Some(Value::Named(members) | Value::Items(members)) => {
            let Some((id, rest)) = rest.split_first() else {
                return field.is_written();
            };
            members.iter().any(|member| member.id == *id && has(keys(&member.value), rest))
        }
        Some(Value::Plain(_) | Value::Text(_)) => true,
    }
}

/// What the finest way led to, where that was not what was wanted.
fn finest(text: &str, old: &Config, new: &Config) -> String {
    let syntax = syntax::read(text).expect("YAML");
    let forms = (form::of(old), form::of(new));
    let Some(found) = attempt(text, &syntax, (&forms.0, &forms.1), Kept::Values) else {
        return "no text".to_owned();
    };
    match load::parse("found", &found, &Machine::default()) {
        Ok(_) => format!("{found}\nwhich says something else"),
        Err(errors) => format!("{found}\n{errors}"),
    }
}

fn check(seed: u64, has_anchors: bool) -> Result<(), TestCaseError> {
    let mut dice = Dice(seed);
    let old = testing::config(&mut dice);
    let new = testing::variant(&old, &mut dice);
    let (text, comments) = styled(&old, &mut dice, has_anchors);
    prop_assert_eq!(parsed(&text), old.clone(), "{}", text);
    let saved = saved(&text, &new);
    if !has_anchors {
        prop_assert_eq!(saved.kept, Kept::Values, "{}\n=>\n{}", text, finest(&text, &old, &new));
    }
    let form = form::of(&new);
    for Comment { text: comment, path } in comments {
        let is_there = saved.text.contains(&comment);
        let told = saved.lost.iter().any(|(line, lost)| {
            *lost == comment
                && text.lines().nth(line - 1).is_some_and(|line| line.contains(&comment))
        });
        prop_assert_ne!(is_there, told, "{} in\n{}\n=>\n{}", comment, text, saved.text);
        if saved.kept < Kept::Nothing && has(keys(&form), &path) {
            prop_assert!(is_there, "{} {:?} of\n{}\n=>\n{}", comment, path, text, saved.text);
        }
    }
    // There and back again, by what was made of it.
    let back = self::saved(&saved.text, &old);
    prop_assert_eq!(parsed(&back.text), old);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_text_comes_to_say_any_configuration_and_keeps_its_comments(seed in any::<u64>()) {
        check(seed, false)?;
    }

    #[test]
    fn aliases_are_written_out_where_they_have_to_be(seed in any::<u64>()) {
        check(seed, true)?;
    }
}

const FILE: &str = "\
# The site's director.
version: 1
workers: [1]
ports:
  lan: {device: net_null0, addresses: [10.0.0.2/24]} # one is enough
services:
  # The shop. Ask Eve before changing it.
  web:
    vip: 192.0.2.10:80
    protocol: tcp
    mode: nat # not dr
    timeouts: {tcp: 900s}
    real_servers:
      # Rack 1.
      - {address: 10.0.0.11, weight: 3} # new disk
      - address: 10.0.0.12:8080
        weight: 2
      # Rack 2.
      - {address: \"10.0.0.13\"}
      # - {address: 10.0.0.14} # in repair

  # Names.
  dns: {vip: '192.0.2.10:53', protocol: udp, mode: nat, real_servers: [{address: 10.0.0.11}]}

# The end.
";

/// `FILE` after `edit`, as a list of what a line-by-line comparison shows.
fn edited(file: &str, edit: impl Fn(&mut Config)) -> Vec<String> {
    let mut config = parsed(file);
    edit(&mut config);
    let saved = saved(file, &config);
    let (old, new): (Vec<_>, Vec<_>) = (file.lines().collect(), saved.text.lines().collect());
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("-{line}"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+{line}"));
    gone.chain(come).collect()
}

#[test]
fn a_value_is_replaced_where_it_stands() {
    let found = edited(FILE, |config| config.services[0].real_servers[0].weight = 5);
    assert_eq!(
        found,
        [
            "-      - {address: 10.0.0.11, weight: 3} # new disk",
            "+      - {address: 10.0.0.11, weight: 5} # new disk",
        ]
    );
    // The default is written where a value was, and a key is added where it has to be.
    let found = edited(FILE, |config| {
        config.services[0].real_servers[1].weight = 1;
        config.services[0].real_servers[2].weight = 0;
        config.services[0].persistence = Some(crate::Persistence {
            timeout_s: 300,
            mask: crate::Persistence::WHOLE_ADDRESS,
            engine: None,
        });
    });
    assert_eq!(
        found,
        [
            "-        weight: 2",
            "-      - {address: \"10.0.0.13\"}",
            "+    persistence: 5m",
            "+        weight: 1",
            "+      - {address: \"10.0.0.13\", weight: 0}",
        ]
    );
}

#[test]
fn real_servers_and_services_come_and_go_as_lines_and_comments_stay() {
    let found = edited(FILE, |config| config.services[0].real_servers.truncate(2));
    assert_eq!(found, ["-      - {address: \"10.0.0.13\"}"]);
    let found = edited(FILE, |config| {
        let mut real = config.services[0].real_servers[0];
        real.address.set_ip([10, 0, 0, 20].into());
        config.services[0].real_servers.push(real);
        config.services[1].real_servers.push(crate::RealServer { weight: 1, ..real });
        config.services[1].real_servers[1].address.set_port(53);
    });
    assert_eq!(
        found,
        [
            "-  dns: {vip: '192.0.2.10:53', protocol: udp, mode: nat, real_servers: [{address: \
         10.0.0.11}]}",
            "+      - {address: 10.0.0.20, weight: 3}",
            "+  dns: {vip: '192.0.2.10:53', protocol: udp, mode: nat, real_servers: [{address: \
         10.0.0.11}, {address: 10.0.0.20}]}",
        ]
    );
    // What is said about a service goes with it, and is told.
    let mut config = parsed(FILE);
    config.services.remove(0);
    let saved = saved(FILE, &config);
    let expected = "\
# The site's director.
version: 1
workers: [1]
ports:
  lan: {device: net_null0, addresses: [10.0.0.2/24]} # one is enough
services:
      # - {address: 10.0.0.14} # in repair

  # Names.
  dns: {vip: '192.0.2.10:53', protocol: udp, mode: nat, real_servers: [{address: 10.0.0.11}]}

# The end.
";
    assert_eq!(saved.text, expected);
    let lost: Vec<_> = saved.lost.iter().map(|(line, text)| (*line, text.as_str())).collect();
    assert_eq!(
        lost,
        [
            (7, "# The shop. Ask Eve before changing it."),
            (11, "# not dr"),
            (14, "# Rack 1."),
            (15, "# new disk"),
            (18, "# Rack 2."),
        ]
    );
}

#[test]
fn services_are_renamed_and_put_in_order_with_their_comments() {
    let mut config = parsed(FILE);
    config.services.swap(0, 1);
    config.services[0].name = "names".to_owned();
    let saved = saved(FILE, &config);
    let (names, web) =
        (saved.text.find("  # Names.\n  names: {"), saved.text.find("  # The shop."));
    assert!(names.is_some() && names < web, "{}", saved.text);
    assert_eq!(saved.lost, []);
    assert_eq!(
        edited(FILE, |config| config.services[0].name = "yes".to_owned()),
        ["-  web:", "+  \"yes\":",]
    );
}

#[test]
fn sections_come_where_they_usually_stand_and_go_again() {
    let mut config = parsed(FILE);
    config.timeouts.udp_s = 60;
    config.routes =
        parsed(&FILE.replace("services:", "routes: [{to: 0.0.0.0/0, via: 10.0.0.1}]\nservices:"))
            .routes;
    let saved = saved(FILE, &config);
    assert!(
        saved.text.contains("\nroutes:\n  - {to: 0.0.0.0/0, via: 10.0.0.1}\nservices:"),
        "{}",
        saved.text
    );
    assert!(saved.text.ends_with("\n# The end.\n"), "{}", saved.text);
    let back = self::saved(&saved.text, &parsed(FILE));
    assert!(
        !back.text.contains("routes:") && back.text.contains("timeouts: {udp: 5m}"),
        "{}",
        back.text
    );
}

#[test]
fn other_ways_to_write_a_file_are_kept() {
    let change = |config: &mut Config| {
        config.services[0].real_servers[0].weight = 5;
        config.services[0].real_servers.remove(1);
    };
    let mut wanted = parsed(FILE);
    change(&mut wanted);
    let plain = saved(FILE, &wanted).text;
    // Ends of lines, a byte order mark, no end of the last line.
    let windows = format!("\u{feff}{}", FILE.replace('\n', "\r\n"));
    let expected = format!("\u{feff}{}", plain.replace('\n', "\r\n"));
    assert_eq!(saved(&windows, &wanted).text, expected);
    assert_eq!(saved(FILE.trim_end(), &wanted).text, plain);
    // JSON.
    let json = r#"{"version": 1, "workers": [1], "ports": {"lan": {"device": "net_null0",
  "addresses": ["10.0.0.2/24"]}}, "services": {"web": {"vip": "192.0.2.10:80",
  "protocol": "tcp", "mode": "nat", "real_servers": [
    {"address": "10.0.0.11", "weight": 3},
    {"address": "10.0.0.12"}
  ]}}}
"#;
    let found = edited(json, |config| {
        config.services[0].real_servers[1].weight = 0;
        let mut real = config.services[0].real_servers[0];
        real.address.set_ip([10, 0, 0, 20].into());
        config.services[0].real_servers.insert(0, real);
    });
    assert_eq!(
        found,
        [
            "-    {\"address\": \"10.0.0.12\"}",
            "+    {address: 10.0.0.20, weight: 3},",
            "+    {\"address\": \"10.0.0.12\", weight: 0}",
        ]
    );
}

#[test]
fn aliases_are_written_out_where_what_they_repeat_changes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good/anchors.yaml");
    let file = fs::read_to_string(path).expect("readable");
    // The service that repeats it alone changes.
    let found = edited(&file, |config| config.services[1].real_servers.truncate(1));
    assert_eq!(
        found,
        [
            "-  secure: {vip: 10.0.0.10:443, protocol: tcp, mode: dr, real_servers: *pool}",
            "+  secure: {vip: 10.0.0.10:443, protocol: tcp, mode: dr, real_servers: [{address: \
         10.0.0.11}]}",
        ]
    );
    // What is repeated changes, and the others do not.
    let found = edited(&file, |config| config.services[0].real_servers[0].weight = 7);
    assert_eq!(
        found,
        [
            "-      - {address: 10.0.0.11}",
            "-  secure: {vip: 10.0.0.10:443, protocol: tcp, mode: dr, real_servers: *pool}",
            "-  merged: {<<: *web, vip: 10.0.0.9:8080, real_servers: []}",
            "+      - {address: 10.0.0.11, weight: 7}",
            "+  secure: {vip: 10.0.0.10:443, protocol: tcp, mode: dr, real_servers: [{address: \
         10.0.0.11}, {address: 10.0.0.12}]}",
            "+  merged: {vip: 10.0.0.9:8080, protocol: tcp, mode: dr, real_servers: []}",
        ]
    );
    // What is merged in is told apart by a key of its own.
    let found = edited(&file, |config| config.services[2].mode = crate::ForwardingMode::Nat);
    assert_eq!(
        found,
        [
            "-  merged: {<<: *web, vip: 10.0.0.9:8080, real_servers: []}",
            "+  merged: {<<: *web, vip: 10.0.0.9:8080, mode: nat, real_servers: []}",
        ]
    );
}

#[test]
fn a_file_that_says_what_is_wanted_stays() {
    assert_eq!(saved(FILE, &parsed(FILE)).text, FILE);
}

#[test]
fn of_thousands_of_services_only_those_that_differ_change() {
    let mut config = parsed(FILE);
    let web = config.services[0].clone();
    config.services = (0..1_000_u32)
        .map(|index| {
            let mut service = web.clone();
            let vip = std::net::Ipv4Addr::from(0xc633_6401 + index);
            service.name = format!("web-{index}");
            service.key = crate::ServiceKey::Endpoint {
                protocol: crate::Protocol::Tcp,
                vip: std::net::SocketAddrV4::new(vip, 80),
            };
            service
        })
        .collect();
    let text = emit(&config);
    let json = keys(&form::of(&config)).iter().fold(String::new(), |text, field| {
        let value = field.value.as_ref().filter(|_| field.is_written());
        let entry = value.map(|value| format!("{}: {},\n", field.key, crate::emit::flow(value)));
        text + &entry.unwrap_or_default()
    });
    config.services.remove(300);
    config.services[700].real_servers[0].weight = 9;
    for text in [text, format!("{{{json}}}")] {
        let saved = saved(&text, &config);
        assert_eq!(saved.kept, Kept::Values);
        assert!(saved.text.len() + 500 > text.len(), "only one went");
    }
}
