//! `GET /v1/config`: a configuration as the text of a file.

use axum::extract::{Query, State as Shared};
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Here, aside};

/// What `/v1/config` may be asked with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigQuery {
    /// Which configuration; the one that runs if left out.
    of: Option<Which>,
}

/// A configuration.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Which {
    /// The one that runs.
    #[default]
    Running,
    /// The one last read from a file and put into force, without what commands changed since.
    File,
}

/// Answers with a configuration.
pub(super) async fn config(
    Shared(state): Here,
    Query(ConfigQuery { of }): Query<ConfigQuery>,
) -> Response {
    aside(move || {
        let text = match of.unwrap_or_default() {
            Which::Running => conf::emit(&state.desk.desired().0.config()),
            Which::File => conf::emit(&state.from_file.load().config()),
        };
        ([(CONTENT_TYPE, "application/yaml")], text)
    })
    .await
}
