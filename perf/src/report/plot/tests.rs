//! Plots are well-formed SVG, say what they show, and show it in the right place.

use super::*;
use crate::report::figure::Finding;
use crate::report::run::tests::example;

fn plot(run: &Run, name: &str) -> String {
    let plots = all(run);
    let plot = plots.into_iter().find(|plot| plot.name == name).expect("there is such a plot");
    plot.document.expect("it is drawn")
}

/// The value of an attribute of every `element` that also has `mark` in it.
fn attributes(document: &str, element: &str, mark: &str, attribute: &str) -> Vec<f64> {
    let start = format!("{attribute}=\"");
    let tags = document.split('<').filter(|tag| tag.starts_with(element) && tag.contains(mark));
    tags.filter_map(|tag| tag.split_once(&start)?.1.split_once('"')?.0.parse().ok()).collect()
}

/// Checks that tags are closed in order and that no text holds a bare `&`.
fn assert_well_formed(document: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = document;
    while let Some((text, after)) = rest.split_once('<') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&apos;"];
        let valid: usize = known.iter().map(|entity| text.matches(entity).count()).sum();
        assert_eq!(text.matches('&').count(), valid, "{text:?}");
        let (tag, after) = after.split_once('>').expect("a tag ends");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name.trim()), "{tag:?}");
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().expect("a name"));
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_run_has_all_its_plots_and_each_is_well_formed() {
    let plots = all(&example());
    let names: Vec<&str> = plots.iter().map(|plot| plot.name).collect();
    assert_eq!(names, ["rates-memif", "rates-memory", "stages", "workers"]);
    for plot in plots {
        let document = plot.document.expect("it is drawn");
        assert_well_formed(&document);
        for part in ["Example CPU &lt;x&gt; &amp; Co", "TSC 2700 MHz", "revision abcdef0"] {
            assert!(document.contains(part), "{part:?} is missing in {}", plot.name);
        }
        assert!(!document.contains("missing."), "{}", plot.name);
    }
}

#[test]
fn axes_and_series_are_named() {
    let rates = ["million packets a second", "flows, in random order", "MAC swap", "DR requests"];
    let stages = ["cycles per packet", "DR 10k", "FULLNAT 1M", "parse", "look up", "forward"];
    let workers = ["workers, each", "twice one worker", "Two workers do 1.98 times what one does."];
    for (name, parts) in
        [("rates-memif", &rates[..]), ("stages", &stages[..]), ("workers", &workers[..])]
    {
        let document = plot(&example(), name);
        for part in parts {
            assert!(document.contains(part), "{part:?} is missing in {name}:\n{document}");
        }
    }
    assert!(plot(&example(), "rates-memory").contains("FULLNAT both"));
}

#[test]
fn rates_have_a_mark_for_each_figure_and_the_axis_of_flows_is_logarithmic() {
    let document = plot(&example(), "rates-memif");
    let x = attributes(&document, "circle", "", "cx");
    // Three kinds of packets and the ceiling, at 1, 10,000 and a million flows.
    assert_eq!(x.len(), 12, "{document}");
    let (first, second, third) = (x[0], x[1], x[2]);
    assert!(first < 200.0 && third > 650.0, "{x:?} leave much of the sheet empty");
    let scale = (third - first) / (second - first);
    assert!((scale - 1.5).abs() < 0.02, "1M is {scale} times as far as 10k");
    for label in ["\n1\n", "\n10k\n", "\n1M\n"] {
        assert!(document.contains(label), "{label:?} is missing in\n{document}");
    }
    // The ceiling is twice as high as one flow, from the axis at the bottom.
    let ceiling = attributes(&document, "circle", "#6E6E6E", "cy");
    assert_eq!(ceiling.len(), 3, "{document}");
    assert!(attributes(&document, "circle", "#0072B2", "cy").iter().all(|y| *y > ceiling[0]));
}

#[test]
fn the_parts_of_a_bar_are_as_long_as_its_stages() {
    let document = plot(&example(), "stages");
    let widths = |color| attributes(&document, "rect", color, "width");
    // The legend's square comes first, then the topmost bar's part last.
    let (ports, look_up) = (widths("#6E6E6E"), widths("#E69F00"));
    assert_eq!((ports.len(), look_up.len()), (3, 3), "{document}");
    let scale = ports[1] / 45.0;
    assert!((look_up[1] / scale - 70.0).abs() < 1.0, "{look_up:?}, {ports:?}");
    assert!((look_up[2] / scale - 20.0).abs() < 1.0, "{look_up:?}, {ports:?}");
}

#[test]
fn bars_fill_the_chart_unless_there_is_only_one() {
    let mut run = example();
    for (count, filled) in [(2, 300.0), (1, 150.0)] {
        let document = plot(&run, "stages");
        let heights = attributes(&document, "rect", "#0072B2", "height");
        // One of them is the legend's.
        assert_eq!(heights.len(), count + 1, "{document}");
        assert!(heights.iter().sum::<f64>() > filled, "{heights:?}");
        run.figures.retain(|figure| figure.scenario.to_string() != "memory/stages/dr/10k");
    }
}

#[test]
fn one_number_of_flows_is_a_plot_too() {
    let mut run = example();
    run.figures.retain(|figure| figure.scenario.to_string().ends_with("/requests/1M"));
    let x = attributes(&plot(&run, "rates-memory"), "circle", "", "cx");
    assert!(x.len() == 3 && x.iter().all(|x| (300.0..600.0).contains(x)), "{x:?}");
}

#[test]
fn a_plot_says_what_it_does_not_show() {
    let mut run = example();
    for figure in &mut run.figures {
        if figure.scenario.to_string() == "memif/established/dr/requests/1M" {
            figure.finding = Finding::Invalid("lost".to_owned());
        }
    }
    let document = plot(&run, "rates-memif");
    assert!(document.contains("1 invalid figure is missing."), "{document}");
    assert_eq!(attributes(&document, "circle", "", "cx").len(), 11);
    run.figures.retain(|figure| figure.measured().is_none());
    assert!(all(&run).is_empty());
}
