//! What bodies of the companies service and of IAM have in common: references, metadata, free objects.

use http::StatusCode;
use prokura_domain::{InvalidId, Timestamp};
use prokura_engine::{FieldFault, PutMode, PutOutcome, Refusal};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::str::FromStr;

use crate::{fault::E3, wire::iso};
use axum::{
    Json,
    response::{IntoResponse, Response},
};

/// The most bytes of free objects.
const MAX_MIXINS: usize = 64 * 1024;
/// The most characters of a name and of any other text.
const MAX_TEXT: usize = 500;

/// A reference to something by its id; whatever else an echoed answer carries is not looked at.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Reference {
    pub(crate) id: String,
}

/// What a caller may say about versions and schemas.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MetadataBody {
    pub(crate) version: Option<i64>,
    pub(crate) mixins: Option<Map<String, Value>>,
}

/// `POST …/search`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SearchBody {
    pub(crate) q: String,
}

/// Gathers everything that is wrong with a body before saying so.
#[derive(Default)]
pub(crate) struct Checked(Vec<FieldFault>);

impl Checked {
    pub(crate) fn wrong(&mut self, field: &'static str, reason: impl Into<String>) {
        self.0.push(FieldFault { field, reason: reason.into() });
    }

    /// An id, when there is one.
    pub(crate) fn id<T: FromStr<Err = InvalidId>>(&mut self, field: &'static str, text: Option<&str>) -> Option<T> {
        text.and_then(|text| text.parse().map_err(|fault: InvalidId| self.wrong(field, fault.to_string())).ok())
    }

    /// The ids of references, when there are any.
    pub(crate) fn ids<T: FromStr<Err = InvalidId>>(
        &mut self,
        field: &'static str,
        references: Option<Vec<Reference>>,
    ) -> Option<Vec<T>> {
        let references = references?;
        Some(references.iter().filter_map(|reference| self.id(field, Some(&reference.id))).collect())
    }

    /// One of the words of a list.
    pub(crate) fn word<T: FromStr>(&mut self, field: &'static str, text: Option<&str>) -> Option<T>
    where
        T::Err: ToString,
    {
        text.and_then(|text| text.parse().map_err(|fault: T::Err| self.wrong(field, fault.to_string())).ok())
    }

    /// A text that must be there and not blank.
    pub(crate) fn name(&mut self, field: &'static str, text: Option<String>) -> String {
        let text = self.text(field, text).unwrap_or_default();
        if text.trim().is_empty() {
            self.wrong(field, "is required and must not be blank");
        }
        text
    }

    /// A text of bounded length.
    pub(crate) fn text(&mut self, field: &'static str, text: Option<String>) -> Option<String> {
        if text.as_ref().is_some_and(|text| text.chars().count() > MAX_TEXT) {
            self.wrong(field, format!("has at most {MAX_TEXT} characters"));
        }
        text
    }

    /// Texts of bounded length and number.
    pub(crate) fn texts(&mut self, field: &'static str, texts: Option<Vec<String>>, most: usize) -> Vec<String> {
        let texts = texts.unwrap_or_default();
        if texts.len() > most {
            self.wrong(field, format!("has at most {most} elements"));
        }
        texts.into_iter().filter_map(|text| self.text(field, Some(text))).collect()
    }

    /// Free objects and their schemas.
    pub(crate) fn mixins(
        &mut self,
        mixins: Option<Map<String, Value>>,
        metadata: Option<MetadataBody>,
    ) -> (Map<String, Value>, Map<String, Value>) {
        let (mixins, schemas) = (mixins.unwrap_or_default(), metadata.unwrap_or_default().mixins.unwrap_or_default());
        if [&mixins, &schemas].map(|map| json!(map).to_string().len()).iter().sum::<usize>() > MAX_MIXINS {
            self.wrong("mixins", format!("have at most {MAX_MIXINS} bytes as JSON"));
        }
        (mixins, schemas)
    }

    /// The id in the path and the one in the body, which must not contradict each other.
    pub(crate) fn path_id<T: FromStr<Err = InvalidId>>(&mut self, path: Option<&str>, body: Option<&str>) -> Option<T> {
        if let (Some(path), Some(body)) = (path, body)
            && path != body
        {
            self.wrong("id", "is another one than in the path");
        }
        self.id("id", path.or(body))
    }

    /// Says what is wrong, if anything is.
    pub(crate) fn done(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::Invalid(self.0)) }
    }
}

/// What a `PUT` with this metadata may replace.
pub(crate) fn upsert(metadata: Option<&MetadataBody>) -> PutMode {
    PutMode::Upsert { version: metadata.and_then(|metadata| metadata.version) }
}

/// The `metadata` of an answer.
pub(crate) fn metadata(
    version: i64,
    created_at: Timestamp,
    modified_at: Timestamp,
    schemas: &Map<String, Value>,
) -> Value {
    let mut metadata = json!({ "version": version, "createdAt": iso(created_at), "modifiedAt": iso(modified_at) });
    if let Value::Object(members) = &mut metadata
        && !schemas.is_empty()
    {
        members.insert("mixins".to_owned(), json!(schemas));
    }
    metadata
}

/// An object without the members that are null.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(members.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => value,
    }
}

/// 201 with the id, or 204.
pub(crate) fn put_answer(id: &str, outcome: PutOutcome) -> Response {
    match outcome {
        PutOutcome::Created => (StatusCode::CREATED, Json(json!({ "id": id }))).into_response(),
        PutOutcome::Replaced => StatusCode::NO_CONTENT.into_response(),
    }
}

/// An id from a path. What cannot be an id is as unknown as one that was never given.
pub(crate) fn known<T: FromStr>(text: &str, what: &'static str) -> Result<T, E3> {
    text.parse().map_err(|_| Refusal::NotFound(what).into())
}

/// Adds a clause to a query: a parameter of its own narrows a list like a clause of `q`.
pub(crate) fn narrow(q: &mut String, clause: &str, value: &str) {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    for part in [" ", clause, "\"", &value, "\""] {
        q.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Fields, Filter};

    #[test]
    fn a_parameter_is_one_clause_whatever_it_holds() {
        let mut q = "name:a".to_owned();
        narrow(&mut q, "name:", "x\" id:\\b");
        let filter = Filter::parse(&q, &Fields::new(&["id", "name"], 1)).unwrap();
        assert!(filter.matches(&json!({ "name": ["a", "x\" id:\\b"] })));
        assert!(!filter.matches(&json!({ "name": ["a", "x"], "id": "b" })));
    }
}
