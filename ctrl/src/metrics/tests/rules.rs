//! The Grafana dashboard and the alerting rules ask for what there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use promql_parser::label::Matcher;
use promql_parser::parser::{self, Expr, LabelModifier, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde_json::Value;

use super::*;

/// Labels that Prometheus adds.
const ADDED: [&str; 2] = ["instance", "job"];
/// Series that Prometheus makes itself for what it scrapes.
const ITS_OWN: [&str; 1] = ["up"];

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a query asks for.
#[derive(Debug, Default)]
struct Asked {
    /// Names of series, each with the labels it is asked by.
    series: Vec<(String, Vec<String>)>,
    /// Labels that sums are made by, and that are matched.
    grouped: BTreeSet<String>,
}

impl ExprVisitor for Asked {
    type Error = std::convert::Infallible;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Self::Error> {
        if let Expr::VectorSelector(selector) = expr {
            self.add(selector);
        } else if let Expr::MatrixSelector(matrix) = expr {
            self.add(&matrix.vs);
        } else if let Expr::Aggregate(aggregate) = expr {
            self.group(aggregate.modifier.as_ref());
        } else if let Expr::Binary(binary) = expr {
            let modifier = binary.modifier.as_ref();
            self.group(modifier.and_then(|modifier| modifier.matching.as_ref()));
        }
        Ok(true)
    }
}

impl Asked {
    fn of(query: &str) -> Self {
        // Grafana puts these in.
        let query = query.replace("$__rate_interval", "5m").replace("$__interval", "5m");
        let expr = parser::parse(&query).unwrap_or_else(|error| panic!("{query}: {error}"));
        let mut asked = Self::default();
        walk_expr(&mut asked, &expr).unwrap();
        assert!(!asked.series.is_empty() || query.contains("time()"), "{query} asks for nothing");
        asked
    }

    fn add(&mut self, selector: &VectorSelector) {
        let labels = selector.matchers.matchers.iter().map(|Matcher { name, .. }| name.clone());
        let name = selector.name.clone().expect("a name of a series");
        self.series.push((name, labels.collect()));
    }

    fn group(&mut self, modifier: Option<&LabelModifier>) {
        if let Some(LabelModifier::Include(labels) | LabelModifier::Exclude(labels)) = modifier {
            self.grouped.extend(labels.labels.iter().cloned());
        }
    }

    /// Sees to it that all of it is in `found`.
    fn assert_in(&self, found: &Exposition, query: &str) {
        let names = found.names();
        let mut labels: BTreeSet<String> = ADDED.map(str::to_owned).into();
        for (name, by) in &self.series {
            if ITS_OWN.contains(&name.as_str()) {
                continue;
            }
            assert!(names.contains(name), "there is no {name}: {query}");
            let known = labels_of(found, name);
            for label in by {
                let is_known = ADDED.contains(&label.as_str()) || known.contains(label);
                assert!(is_known, "{name} has no {label}: {query}");
            }
            labels.extend(known);
        }
        let unknown: Vec<_> = self.grouped.difference(&labels).collect();
        assert!(unknown.is_empty(), "{unknown:?} in {query}");
    }
}

/// The labels that series of this name have.
fn labels_of(found: &Exposition, name: &str) -> BTreeSet<String> {
    let start = format!("{name}{{");
    let series = found.series.keys().filter_map(|series| series.strip_prefix(&start));
    // No value in here has an equals sign.
    series
        .flat_map(|labels| labels.split(','))
        .filter_map(|label| Some(label.split_once('=')?.0.to_owned()))
        .collect()
}

/// All strings under this key, wherever they are.
fn all<'a>(value: &'a Value, key: &str, into: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            into.extend(fields.get(key).and_then(Value::as_str));
            fields.values().for_each(|value| all(value, key, into));
        }
        Value::Array(items) => items.iter().for_each(|value| all(value, key, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn found() -> Exposition {
    let rig = rig_with("");
    scrape(&Server::start(&rig.state))
}

#[test]
fn the_dashboard_asks_for_what_there_is_and_says_in_which_unit() {
    let (found, board) = (found(), read("grafana/rvs.json"));
    let board: Value = serde_json::from_str(&board).unwrap();
    let mut queries = Vec::new();
    all(&board, "expr", &mut queries);
    assert!(queries.len() > 30, "{} queries", queries.len());
    for query in queries {
        Asked::of(query).assert_in(&found, query);
    }
    for panel in board["panels"].as_array().unwrap() {
        if panel["type"] != "row" {
            let unit = panel["fieldConfig"]["defaults"]["unit"].as_str();
            assert!(unit.is_some_and(|unit| !unit.is_empty()), "{}", panel["title"]);
        }
    }
    let variables = board["templating"]["list"].as_array().unwrap();
    let names: Vec<_> = variables.iter().map(|variable| variable["name"].as_str()).collect();
    assert_eq!(names, [Some("datasource"), Some("instance"), Some("service")]);
    for variable in variables.iter().filter(|variable| variable["type"] == "query") {
        let query = variable["definition"].as_str().unwrap();
        let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (series, label) = inner.and_then(|inner| inner.rsplit_once(", ")).unwrap();
        let asked = Asked::of(series);
        asked.assert_in(&found, query);
        let known = labels_of(&found, &asked.series[0].0);
        assert!(ADDED.contains(&label) || known.contains(label), "{query}");
    }
}

#[test]
fn alerts_ask_for_what_there_is_and_lead_to_what_to_do() {
    let (found, rules) = (found(), read("alerts/rvs.yaml"));
    let rules: Value = serde_yaml::from_str(&rules).unwrap();
    let operations = read("OPERATIONS.md").to_lowercase();
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    let mut names = BTreeSet::new();
    for rule in rules {
        let (name, query) = (rule["alert"].as_str().unwrap(), rule["expr"].as_str().unwrap());
        assert!(names.insert(name), "{name} stands twice");
        Asked::of(query).assert_in(&found, query);
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["info", "warning", "critical"].contains(&severity), "{name}: {severity}");
        assert!(rule["annotations"]["summary"].is_string(), "{name} has no summary");
        let runbook = rule["annotations"]["runbook_url"].as_str().unwrap();
        let anchor = runbook.strip_prefix("docs/OPERATIONS.md#").expect("a place in OPERATIONS.md");
        assert!(operations.contains(&format!("\n### {anchor}\n")), "{name}: {runbook}");
    }
    assert!(rules.len() > 10);
}

#[test]
#[should_panic(expected = "there is no rvs_worker_turn_total")]
fn a_wrong_name_is_noticed() {
    let query = "rate(rvs_worker_turn_total[5m])";
    Asked::of(query).assert_in(&found(), query);
}

#[test]
#[should_panic(expected = "rvs_worker_turns_total has no port")]
fn a_wrong_label_is_noticed() {
    let query = "rate(rvs_worker_turns_total{port=\"wan\"}[5m])";
    Asked::of(query).assert_in(&found(), query);
}
