//! The description of this surface (OpenAPI 3.1): what the handlers say of themselves, completed with what holds for
//! every one of them, as bytes made once.

use super::fault::Fault;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

/// The one operation without a token.
const OPEN: &str = "/admin/v1/set-up";

/// The description, as text with a line end.
pub fn openapi() -> String {
    let mut document = serde_json::to_value(super::documented().split_for_parts().1).unwrap_or_default();
    complete(&mut document);
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// `GET /openapi.json`
pub(super) async fn serve(headers: HeaderMap) -> Response {
    static DOCUMENT: OnceLock<(String, String)> = OnceLock::new();
    let (text, etag) = DOCUMENT.get_or_init(|| {
        let text = openapi();
        let etag = format!("\"{}\"", prokura_jose::SecretHash::of(&text));
        (text, etag)
    });
    let has_it = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| value.as_bytes() == etag.as_bytes());
    let mut response =
        if has_it { StatusCode::NOT_MODIFIED.into_response() } else { (StatusCode::OK, text.as_str()).into_response() };
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    if let Ok(value) = HeaderValue::from_str(etag) {
        fields.insert(header::ETAG, value);
    }
    response
}

/// What no handler has to repeat: ids in paths, the token, and the problems any request can meet.
fn complete(document: &mut Value) {
    let Some(root) = document.as_object_mut() else { return };
    root.insert(
        "info".to_owned(),
        json!({
            "title": "Prokura administration",
            "version": "1",
            "summary": "Tenants and what belongs to them",
            "description": "JSON in and out. Lists are paged by cursors. An ETag is the version of a thing: send it back \
                            as If-Match, and a change that somebody else made meanwhile is not lost. Errors are problems \
                            (RFC 9457). What is not there and what an operator has no right to is answered alike.",
            "license": { "name": "Apache-2.0 OR MIT" }
        }),
    );
    let components = root.entry("components").or_insert_with(|| json!({}));
    if let Some(components) = components.as_object_mut() {
        components.insert(
            "securitySchemes".to_owned(),
            json!({ "operator": { "type": "http", "scheme": "bearer", "description": "The token of an operator." } }),
        );
        if let Some(schemas) = components.entry("schemas").or_insert_with(|| json!({})).as_object_mut() {
            schemas.insert("Problem".to_owned(), problem());
        }
    }
    let Some(paths) = root.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for (path, item) in paths {
        let Some(item) = item.as_object_mut() else { continue };
        for (method, operation) in item {
            if let Some(operation) = operation.as_object_mut() {
                complete_operation(path, method, operation);
            }
        }
    }
}

fn complete_operation(path: &str, method: &str, operation: &mut Map<String, Value>) {
    let is_open = path == OPEN;
    if !is_open {
        operation.insert("security".to_owned(), json!([{ "operator": [] }]));
    }
    let mut parameters = path_parameters(path);
    let mut has_if_match = false;
    if let Some(Value::Array(declared)) = operation.remove("parameters") {
        for mut parameter in declared {
            if parameter.get("in").is_some_and(|place| place == "header") {
                has_if_match |= parameter.get("name").is_some_and(|name| name == "If-Match");
                describe_header(&mut parameter);
            }
            parameters.push(parameter);
        }
    }
    let has_body = operation.contains_key("requestBody");
    let has_parameters = !parameters.is_empty();
    if has_parameters {
        operation.insert("parameters".to_owned(), Value::Array(parameters));
    }
    let mut problems = vec![(503, "The database or another part is away; try again")];
    if !is_open {
        problems.push((401, "No operator's token, or one that is not good"));
        problems.push((404, "There is no such thing, or the operator's role does not reach it"));
    }
    if has_body || has_parameters {
        problems.push((400, "Not JSON, or a parameter that is not right"));
    }
    if has_body {
        problems.push((413, "More than one mebibyte"));
        problems.push((415, "Not application/json"));
        problems.push((422, "A field that is not right, named in errors"));
        problems.push((429, "Too many passwords are being hashed; try again"));
    }
    if has_if_match {
        problems.push((412, "Somebody changed it meanwhile"));
    }
    if method == "put" {
        problems.push((428, "Neither If-Match nor If-None-Match was sent"));
    }
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    let Some(responses) = responses.as_object_mut() else { return };
    for (status, description) in problems {
        responses.entry(status.to_string()).or_insert_with(|| json!({ "description": description }));
    }
    for (status, response) in responses.iter_mut() {
        let is_problem = status.starts_with('4') || status.starts_with('5');
        if let Some(response) = response.as_object_mut().filter(|_| is_problem) {
            response.insert(
                "content".to_owned(),
                json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }),
            );
        }
    }
    responses.sort_keys();
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            let pattern = if name == "tenant" { "^[a-z][a-z0-9]{2,15}$" } else { "^[A-Za-z0-9_-]{1,66}$" };
            json!({
                "name": name, "in": "path", "required": true, "description": format!("The id of the {name}."),
                "schema": { "type": "string", "pattern": pattern }
            })
        })
        .collect()
}

fn describe_header(parameter: &mut Value) {
    let Some(parameter) = parameter.as_object_mut() else { return };
    let (description, pattern) = if parameter.get("name").is_some_and(|name| name == "If-Match") {
        ("The ETag of what is changed: the change is made only if nobody else made one since.", "^\"[0-9]{1,18}\"$")
    } else {
        ("`*` when there is to be none yet.", "^\\*$")
    };
    parameter.insert("description".to_owned(), json!(description));
    parameter.insert("schema".to_owned(), json!({ "type": "string", "pattern": pattern }));
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "required": ["type", "title", "status"],
        "properties": {
            "type": { "type": "string", "description": "Always about:blank: status and code say it all." },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "code": { "type": "string", "description": "A word a program can branch on." },
            "detail": { "type": "string", "description": "What is wrong and what would be right." },
            "errors": {
                "type": "array",
                "description": "The fields that are wrong.",
                "items": {
                    "type": "object",
                    "required": ["field", "detail"],
                    "properties": { "field": { "type": "string" }, "detail": { "type": "string" } }
                }
            }
        }
    })
}

/// What is not there.
pub(super) async fn nowhere() -> Fault {
    Fault::not_found()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_says_what_it_does_and_how_it_fails() {
        let document: Value = serde_json::from_str(&openapi()).unwrap();
        assert_eq!(document["openapi"].as_str().unwrap().get(..3), Some("3.1"));
        let mut ids = std::collections::HashSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let at = format!("{method} {path}");
                assert!(operation["summary"].is_string(), "{at} has no summary");
                assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{at} has no id of its own");
                assert_eq!(operation["security"].is_array(), path != OPEN, "{at}");
                let responses = operation["responses"].as_object().unwrap();
                assert!(responses.contains_key("503") && responses.contains_key("404"), "{at}");
                assert!(path == OPEN || responses.contains_key("401"), "{at}");
                for (status, response) in responses {
                    let is_problem = status.starts_with('4') || status.starts_with('5');
                    let content = &response["content"]["application/problem+json"];
                    assert_eq!(content.is_object(), is_problem, "{at} {status}");
                }
                let named = path.matches('{').count();
                let described = operation["parameters"].as_array().map_or(0, |list| {
                    list.iter().filter(|parameter| parameter["in"] == "path" && parameter["required"] == true).count()
                });
                assert_eq!(named, described, "{at}");
            }
        }
        assert!(ids.len() > 20);
    }
}
