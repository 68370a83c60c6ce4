//! `rvs show flows`: which ones, in which order, or only how many.

use clap::Args;

use crate::api::flows::{CountOptions, ListOptions};
use crate::api::proto::FlowCount;
use crate::select::{self, FlowFilter, TemplateChoice};

use super::table::Column::{Left, Right};
use super::table::render;

/// Flows in a table unless `--limit` says otherwise.
const TABLE_FLOWS_MAX: usize = 1000;

/// Which flows, and what of them.
#[derive(Debug, Args)]
pub(super) struct ShowFlows {
    #[command(flatten)]
    filter: FlowFilter,
    #[command(flatten)]
    templates: TemplateChoice,
    #[command(flatten, next_help_heading = "What of them")]
    options: ListOptions,
    /// Print only how many there are.
    #[arg(long, conflicts_with = "sort")]
    count: bool,
    #[command(flatten, next_help_heading = "What of them")]
    counting: CountOptions,
}

impl ShowFlows {
    /// Whether they are only counted.
    pub(super) fn counts(&self) -> bool {
        self.count || self.counting.by.is_some()
    }

    /// The resource that answers, and what it is asked with.
    pub(super) fn request(&self, json: bool) -> (&'static str, Vec<(String, String)>) {
        let filter = self.filter.with_template(self.templates.kind());
        let mut parameters = select::parameters(&filter);
        let limit = self.options.limit;
        if self.counts() {
            let counting = CountOptions { limit, ..self.counting };
            parameters.extend(select::parameters(&counting));
            return ("/v1/flows/count", parameters);
        }
        // A table has an end; so has what is sorted, where the daemon says which.
        let default = (!json && self.options.sort.is_none()).then_some(TABLE_FLOWS_MAX);
        let options = ListOptions { limit: limit.or(default), ..self.options };
        parameters.extend(select::parameters(&options));
        ("/v1/flows", parameters)
    }
}

/// Counts as a table: the number alone if there are no groups.
pub(super) fn counts(answer: &FlowCount) -> String {
    let FlowCount { count, groups, other } = answer;
    if groups.is_empty() && *other == 0 {
        return format!("{count}\n");
    }
    let mut rows: Vec<_> =
        groups.iter().map(|group| vec![group.count.to_string(), named(&group.value)]).collect();
    if *other > 0 {
        rows.push(vec![other.to_string(), "(others)".to_owned()]);
    }
    render(&[Right("FLOWS"), Left("OF")], rows) + &format!("{count} in all\n")
}

fn named(value: &str) -> String {
    if value.is_empty() { "-".to_owned() } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::proto::FlowGroup;

    #[test]
    fn groups_are_told_with_what_is_left() {
        let alone = FlowCount { count: 7, groups: Vec::new(), other: 0 };
        assert_eq!(counts(&alone), "7\n");
        let group = |value: &str, count| FlowGroup { value: value.to_owned(), count };
        let groups = vec![group("10.0.0.11:80", 4), group("", 2)];
        let expected = "FLOWS  OF\n    4  10.0.0.11:80\n    2  -\n    1  (others)\n7 in all\n";
        assert_eq!(counts(&FlowCount { count: 7, groups, other: 1 }), expected);
    }
}
