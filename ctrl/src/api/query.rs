//! Queries of two parts: which things are meant, and what is to be told of them.
//!
//! Each part is a struct that knows its own parameters; what neither knows is refused.

use std::collections::BTreeSet;

use axum::extract::Query;
use axum::http::{StatusCode, Uri};
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;

/// Both parts of the query of `uri`, or what is wrong with it.
pub(super) fn parts<A, B>(uri: &Uri) -> Result<(A, B), (StatusCode, String)>
where
    A: DeserializeOwned + JsonSchema,
    B: DeserializeOwned + JsonSchema,
{
    let Query(given): Query<Vec<(String, String)>> = of(uri)?;
    let known: BTreeSet<String> = names::<A>().into_iter().chain(names::<B>()).collect();
    if let Some((name, _)) = given.iter().find(|(name, _)| !known.contains(name)) {
        let known: Vec<_> = known.into_iter().collect();
        let error = format!("there is no parameter `{name}`, only {}", known.join(", "));
        return Err((StatusCode::BAD_REQUEST, error));
    }
    let (Query(first), Query(second)) = (of(uri)?, of(uri)?);
    Ok((first, second))
}

fn of<T: DeserializeOwned>(uri: &Uri) -> Result<Query<T>, (StatusCode, String)> {
    Query::try_from_uri(uri).map_err(|error| (error.status(), error.body_text()))
}

/// The names of a part's parameters.
fn names<T: JsonSchema>() -> Vec<String> {
    let schema = T::json_schema(&mut SchemaGenerator::default());
    let properties = schema.get("properties").and_then(serde_json::Value::as_object);
    properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}
