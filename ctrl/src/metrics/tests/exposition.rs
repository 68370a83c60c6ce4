//! A strict reader of OpenMetrics text, by its specification (version 1.0).

use std::collections::{BTreeMap, BTreeSet};

/// A metric.
#[derive(Debug, PartialEq)]
pub(super) struct Family {
    pub(super) kind: String,
    pub(super) help: String,
    pub(super) unit: Option<String>,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    pub(super) families: BTreeMap<String, Family>,
    /// By name with labels, as they stand in the text.
    pub(super) series: BTreeMap<String, f64>,
}

impl Exposition {
    /// Reads `text`.
    ///
    /// # Panics
    /// If it is not as the specification says.
    pub(super) fn of(text: &str) -> Self {
        let text = text.strip_suffix("# EOF\n").expect("the text ends with its end");
        let (mut all, mut current) = (Self::default(), String::new());
        for line in text.lines() {
            match line.strip_prefix("# ") {
                Some(about) => all.read_head(about, &mut current),
                None => all.read_series(line, &current),
            }
        }
        for (name, family) in &all.families {
            assert!(!family.kind.is_empty() && !family.help.is_empty(), "{name}: {family:?}");
            assert!(family.help.ends_with('.'), "{name}: {}", family.help);
            assert!(!family.help.contains(['\\', '"', '\n']), "{name} needs escapes");
        }
        all
    }

    /// The value of a series.
    pub(super) fn value(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("{series} is not in {self:#?}"))
    }

    /// All series whose name with labels begins like this.
    pub(super) fn count(&self, start: &str) -> usize {
        self.series.keys().filter(|series| series.starts_with(start)).count()
    }

    /// The names of all series there can be.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let suffixed = |(name, family): (&String, &Family)| {
            let suffixes = suffixes(&family.kind).iter();
            suffixes.map(|suffix| format!("{name}{suffix}")).collect::<Vec<_>>()
        };
        self.families.iter().flat_map(suffixed).collect()
    }

    fn read_head(&mut self, about: &str, current: &mut String) {
        let mut words = about.splitn(3, ' ');
        let [keyword, name, text] = [(); 3].map(|()| words.next().expect("three words"));
        if keyword == "HELP" {
            assert!(!self.families.contains_key(name), "{name} stands in two places");
            assert!(is_name(name), "{name} is no name");
            let family = Family { kind: String::new(), help: text.to_owned(), unit: None };
            self.families.insert(name.to_owned(), family);
            name.clone_into(current);
            return;
        }
        assert_eq!(name, current, "{keyword} belongs to its own metric");
        let family = self.families.get_mut(name).unwrap();
        match keyword {
            "TYPE" => text.clone_into(&mut family.kind),
            "UNIT" => {
                assert!(name.ends_with(&format!("_{text}")), "{name} is not in {text}");
                family.unit = Some(text.to_owned());
            }
            _ => panic!("# {about}"),
        }
    }

    fn read_series(&mut self, line: &str, current: &str) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect("a brace")),
            None => (series, ""),
        };
        let family = &self.families[current];
        let suffix = name.strip_prefix(current).expect("a series of its metric");
        assert!(suffixes(&family.kind).contains(&suffix), "{name} is a {}", family.kind);
        let mut names = BTreeSet::new();
        let mut rest = labels;
        while !rest.is_empty() {
            let (label, after) = rest.split_once("=\"").expect("a label");
            assert!(is_name(label) && names.insert(label), "{label} in {line}");
            rest = after_value(after).expect("a quote");
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        let value: f64 = value.parse().expect("a number");
        assert!(value.is_finite() && value >= 0.0, "{line}");
        assert!(self.series.insert(series.to_owned(), value).is_none(), "{series} stands twice");
    }
}

/// What names of series may have behind that of their metric.
fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "info" => &["_info"],
        "gauge" => &[""],
        "histogram" => &["_sum", "_count", "_bucket"],
        _ => panic!("{kind} is no kind"),
    }
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(fits)
}

/// What comes behind the quote that ends a value.
fn after_value(text: &str) -> Option<&str> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return text.get(at + 1..),
            '\\' => {
                let (_, escaped) = chars.next()?;
                assert!(['\\', '"', 'n'].contains(&escaped), "{text}");
            }
            _ => {}
        }
    }
    None
}
