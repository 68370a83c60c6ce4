//! The description of the API, OpenAPI 3.1, made from the table of routes and the types themselves.
//!
//! `docs/openapi.json` is a copy that a test keeps equal; `GET /v1/openapi.json` sends it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::operation::{Answer, Operation};
use super::proto::Refusal;
use super::role::Role;
use super::routes::Route;

/// Where schemas are in the document.
const SCHEMAS: &str = "/components/schemas";

const ABOUT: &str = "\
A daemon's state and everything that can be done to it while it runs. docs/API.md says how to \
connect, who may do what, and what the numbers mean. Names and meanings of version 1 are kept; \
fields are added, so ignore those you do not know.";

/// The document, made when it is first asked for.
static TEXT: LazyLock<Bytes> = LazyLock::new(|| text(&super::routes().table).into());

/// Answers with the document.
pub(super) async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], TEXT.clone()).into_response()
}

/// The document about these routes.
pub(super) fn text(table: &[Route]) -> String {
    format!("{:#}\n", document(table))
}

/// Makes the schemas: what is sent always has all fields, what is taken in may lack some.
struct Schemas {
    sent: SchemaGenerator,
    taken: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = SCHEMAS.into();
                settings.meta_schema = None;
            })
        };
        Self {
            sent: settings().for_serialize().into_generator(),
            taken: settings().for_deserialize().into_generator(),
        }
    }

    fn all(mut self) -> Map<String, Value> {
        let mut all = self.taken.take_definitions(true);
        all.extend(self.sent.take_definitions(true));
        all
    }
}

fn document(table: &[Route]) -> Value {
    let mut schemas = Schemas::new();
    let refusal = schemas.sent.subschema_for::<Refusal>();
    let mut paths = Map::new();
    for route in table {
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = methods {
            let method = route.method.as_str().to_ascii_lowercase();
            methods.insert(method, operation(route, &mut schemas));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "RVS", "version": "1", "description": ABOUT,
                 "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [
            {"url": "http://localhost",
             "description": "The control socket: HTTP over /run/rvs/rvs.sock, no token"},
            {"url": "http://127.0.0.1:9181", "description": "`control.tcp`, with a token"},
        ],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {"Refusal": {
                "description": "Nothing was done; `error` says why.",
                "content": {"application/json": {"schema": refusal}},
            }},
            "schemas": schemas.all(),
        },
    })
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let Operation { id, summary, query, is_conditional, body, answer, refusals } = &route.operation;
    let mut described = Map::new();
    let mut say = |key: &str, value| described.insert(key.to_owned(), value);
    say("operationId", json!(id));
    say("summary", json!(summary));
    say("x-role", json!(if route.is_change { Role::Admin } else { Role::ReadOnly }));
    let mut parameters = path_parameters(route);
    for make in query {
        parameters.extend(query_parameters(make(&mut schemas.taken).as_value()));
    }
    if *is_conditional {
        parameters.push(if_match());
    }
    if !parameters.is_empty() {
        say("parameters", parameters.into());
    }
    if let Some(taken) = body {
        let schema = match taken.schema {
            Some(make) => make(&mut schemas.taken).to_value(),
            None => json!({"type": "string"}),
        };
        let content = json!({taken.media_type: {"schema": schema}});
        say("requestBody", json!({"required": true, "content": content}));
    }
    let content = match answer {
        Answer::Json(make) => json!({"application/json": {"schema": make(&mut schemas.sent)}}),
        Answer::Other(media_type) => json!({*media_type: {"schema": {}}}),
    };
    let done = json!({"description": "OK", "content": content});
    let mut responses = refused(common_refusals(route).into_iter().chain(refusals.iter().copied()));
    responses.insert("200".to_owned(), done);
    say("responses", responses.into());
    described.into()
}

/// Refusals by their status, with everything that may be meant by it.
fn refused(refusals: impl Iterator<Item = (StatusCode, &'static str)>) -> Map<String, Value> {
    let mut told: BTreeMap<StatusCode, String> = BTreeMap::new();
    for (status, why) in refusals {
        let text = told.entry(status).or_default();
        let and = if text.is_empty() { "" } else { "; " };
        text.push_str(and);
        text.push_str(why);
    }
    let response = |(status, why): (StatusCode, String)| {
        let mut refusal = json!({"description": why});
        // That one comes from the library, before there is anything to answer.
        if status != StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE {
            refusal = json!({"$ref": "#/components/responses/Refusal", "description": why});
        }
        (status.as_str().to_owned(), refusal)
    };
    told.into_iter().map(response).collect()
}

/// What every operation refuses, and what those do that have a body.
fn common_refusals(route: &Route) -> Vec<(StatusCode, &'static str)> {
    let forbidden = if route.is_change {
        "the client may read only, or it is a page in a browser"
    } else {
        "the client is a page in a browser"
    };
    let mut common = vec![
        (StatusCode::BAD_REQUEST, "the request is malformed"),
        (StatusCode::UNAUTHORIZED, "over TCP without a valid token"),
        (StatusCode::FORBIDDEN, forbidden),
        (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too many headers, or too long ones"),
        (StatusCode::SERVICE_UNAVAILABLE, "too many connections"),
    ];
    if let Some(taken) = &route.operation.body {
        common.push((StatusCode::REQUEST_TIMEOUT, "the body arrives too slowly"));
        common.push((StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"));
        if taken.schema.is_some() {
            common.push((StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is not called JSON"));
            common.push((StatusCode::UNPROCESSABLE_ENTITY, "the body is not of this form"));
        }
    }
    common
}

fn path_parameters(route: &Route) -> Vec<Value> {
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name| {
        let schema = json!({"type": "string", "minLength": 1});
        json!({"name": name, "in": "path", "required": true, "schema": schema})
    };
    names.map(parameter).collect()
}

fn if_match() -> Value {
    let description = "Only while the configuration of this generation is in force, as `\"7\"`, \
                       and nothing is on the way to take its place; always if it is `*`.";
    json!({
        "name": "If-Match", "in": "header", "required": false, "description": description,
        "schema": {"type": "string"},
    })
}

/// The properties of an object as parameters of a query.
fn query_parameters(object: &Value) -> Vec<Value> {
    let required = object.get("required").and_then(Value::as_array);
    let required = required.cloned().unwrap_or_default();
    let properties = object.get("properties").and_then(Value::as_object);
    let properties = properties.cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let is_required = required.contains(&Value::from(name.as_str()));
        let mut description = Value::from("");
        if let Value::Object(schema) = &mut schema {
            description = schema.remove("description").unwrap_or(description);
            without_null(schema);
        }
        json!({
            "name": name, "in": "query", "required": is_required, "description": description,
            "schema": schema,
        })
    };
    properties.into_iter().map(parameter).collect()
}

/// What is left out of a query is not there: there is no null.
fn without_null(schema: &mut Map<String, Value>) {
    schema.remove("default");
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            let kind = kind.clone();
            schema.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(forms)) = schema.get_mut("anyOf") {
        forms.retain(|form| form.get("type").is_none_or(|kind| kind != "null"));
    }
}
