//! Tests of the writer: what is parsed from its text is what was written.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::testing::{self, Dice, parsed};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_configuration_comes_back(seed in any::<u64>()) {
        let config = testing::config(&mut Dice(seed));
        let text = emit(&config);
        prop_assert_eq!(parsed(&text), config, "{}", text);
        prop_assert!(text.is_ascii() || text.contains('\u{e9}'), "{}", text);
    }

    #[test]
    fn every_text_comes_back_as_key_and_value_in_line_and_in_brackets(
        text in "\\PC*|[\\x00-\\x7f\u{80}-\u{a0}\u{2028}\u{feff}]*",
    ) {
        let quoted = scalar::quoted(&text);
        let yaml = format!("- {quoted}: {quoted}\n- [{quoted}, {{{quoted}: {quoted}}}]\n");
        let found: serde_json::Value = serde_yaml::from_str(&yaml).expect("YAML");
        let expected = serde_json::json!([
            {text.clone(): text.clone()}, [text.clone(), {text.clone(): text.clone()}],
        ]);
        // Numbers may stand without quotes: their text is taken as it is written.
        if text.parse::<f64>().is_err() {
            prop_assert_eq!(found, expected, "{}", yaml);
        }
    }
}

#[test]
fn all_files_of_this_crate_come_back() {
    for directory in ["examples", "tests/good"] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let config = parsed(&fs::read_to_string(&path).expect("readable"));
                let text = emit(&config);
                assert_eq!(parsed(&text), config, "{text}");
                assert_eq!(emit(&parsed(&text)), text);
            }
        }
    }
}

#[test]
fn the_text_is_what_an_operator_would_write() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/fullnat.yaml");
    let config = parsed(&fs::read_to_string(path).expect("readable"));
    let expected = r#"version: 1
dpdk: {memory: 2G}
workers: [1]
ports:
  wan: {device: "net_af_packet0,iface=wan0", addresses: [192.0.2.2/24]}
  lan:
    device: "0000:3b:00.0"
    addresses: [10.0.0.2/24]
    rx_descriptors: 2048
    tx_descriptors: 2048
routes:
  - {to: 0.0.0.0/0, via: 192.0.2.1}
services:
  web:
    vip: 192.0.2.10:80
    protocol: tcp
    mode: fullnat
    local_addresses: [10.0.0.100-10.0.0.103]
    scheduler: wrr
    real_servers:
      - {address: 10.0.0.11:8080, weight: 2}
      - {address: 10.0.0.12:8080}
  dns:
    vip: 192.0.2.10:53
    protocol: udp
    mode: fullnat
    local_addresses: [10.0.0.100-10.0.0.103]
    scheduler: rr
    real_servers:
      - {address: 10.0.0.21:5353}
      - {address: 10.0.0.22:5353}
limits: {flows: 2000000}
"#;
    assert_eq!(emit(&config), expected);
}

#[test]
fn what_does_not_fit_into_a_line_has_one_for_each_value() {
    let mut config =
        parsed("version: 1\nworkers: [0]\nports: {lan: {device: net_null0}}\nservices: {}\n");
    config.dpdk.eal_args = (0..12).map(|index| format!("--log-level=lib{index}")).collect();
    let text = emit(&config);
    assert!(text.contains("dpdk:\n  eal_args:\n    - \"--log-level=lib0\"\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= LINE_MAX), "{text}");
    assert_eq!(parsed(&text), config);
}
