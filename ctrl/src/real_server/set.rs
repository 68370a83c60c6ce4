//! `rvs set`: weight and thresholds.

use std::str::FromStr;

use clap::Args;
use serde_json::{Map, Value};

use super::{Place, told};
use crate::cli;
use crate::error::CtrlError;

/// What to change.
#[derive(Debug, Args)]
pub(crate) struct Set {
    #[command(flatten)]
    place: Place,
    /// weight=N, upper=N (connections at which it takes no new ones; 0 for no limit), lower=N
    /// (below which it takes new ones again; 0 for three quarters of the upper).
    #[arg(value_name = "NAME=N", required = true)]
    settings: Vec<Setting>,
}

/// One value.
#[derive(Clone, Debug)]
struct Setting {
    /// Its name in the API.
    field: &'static str,
    value: u32,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("it has to look like weight=3")?;
        let field = match name {
            "weight" => "weight",
            "upper" => "upper_threshold",
            "lower" => "lower_threshold",
            _ => return Err(format!("`{name}` is none of weight, upper, lower")),
        };
        let wrong = |_| format!("`{value}` is no number from 0 to {}", u32::MAX);
        let value = value.parse().map_err(wrong)?;
        Ok(Self { field, value })
    }
}

impl Set {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        let mut body = Map::new();
        for Setting { field, value } in &self.settings {
            if body.insert((*field).to_owned(), (*value).into()).is_some() {
                return Err(CtrlError::Usage(format!("{field} is given twice.")));
            }
        }
        let found = self.place.find()?;
        let edited = found.change(&Value::Object(body))?;
        cli::print(&format!("{} of {}: changed{}\n", found.name, found.service, told(edited)))
    }
}
