//! Changes to a document: a list of operations (RFC 6902) or the members that change (RFC 7396). Operations are read
//! in either case, because some clients write them in capitals.

use super::fault::SegmentFault;
use crate::fault::E3;
use http::StatusCode;
use prokura_engine::Refusal;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The most operations of one change.
const MAX_OPERATIONS: usize = 200;

#[derive(Deserialize)]
struct Operation {
    op: String,
    path: String,
    from: Option<String>,
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
}

/// Keeps `null` apart from nothing at all.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Applies `change` to `document`; after a refusal the document is of no more use.
pub(super) fn apply(document: &mut Value, change: &Value) -> Result<(), SegmentFault> {
    match change {
        Value::Array(operations) if operations.len() > MAX_OPERATIONS => {
            Err(Refusal::invalid("body", format!("at most {MAX_OPERATIONS} operations")).into())
        }
        Value::Array(operations) => operations.iter().try_for_each(|operation| {
            let operation = Operation::deserialize(operation).map_err(|fault| Refusal::invalid("body", fault))?;
            operate(document, operation)
        }),
        Value::Object(members) => {
            merge(document, members);
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err(Refusal::invalid("body", "a list of operations or an object").into())
        }
    }
}

fn operate(document: &mut Value, operation: Operation) -> Result<(), SegmentFault> {
    let Operation { op, path, from, value } = operation;
    let value = || value.clone().ok_or_else(|| wrong("an operation lacks its value"));
    let from = || from.clone().ok_or_else(|| wrong("an operation lacks its from"));
    match op.to_ascii_lowercase().as_str() {
        "add" => add(document, &path, value()?),
        "replace" => {
            *document.pointer_mut(&path).ok_or_else(|| missing(&path))? = value()?;
            Ok(())
        }
        "remove" => remove(document, &path).map(drop),
        "move" => {
            let taken = remove(document, &from()?)?;
            add(document, &path, taken)
        }
        "copy" => {
            let from = from()?;
            let copied = document.pointer(&from).cloned().ok_or_else(|| missing(&from))?;
            add(document, &path, copied)
        }
        "test" if document.pointer(&path) == Some(&value()?) => Ok(()),
        "test" => {
            let message = "The document is not as the test expects.";
            Err(E3::new(StatusCode::CONFLICT, message).detail(&path).into())
        }
        _ => Err(wrong("op is one of add, replace, remove, move, copy, test")),
    }
}

fn wrong(reason: &str) -> SegmentFault {
    Refusal::invalid("body", reason).into()
}

fn missing(path: &str) -> SegmentFault {
    Refusal::invalid("path", format!("there is nothing at \"{path}\"")).into()
}

/// The place above `path`, and the name in it.
fn parent<'d>(document: &'d mut Value, path: &str) -> Result<(&'d mut Value, String), SegmentFault> {
    let (above, name) = path.rsplit_once('/').ok_or_else(|| missing(path))?;
    let name = name.replace("~1", "/").replace("~0", "~");
    Ok((document.pointer_mut(above).ok_or_else(|| missing(path))?, name))
}

fn add(document: &mut Value, path: &str, value: Value) -> Result<(), SegmentFault> {
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    match parent(document, path)? {
        (Value::Object(members), name) => {
            members.insert(name, value);
            Ok(())
        }
        (Value::Array(elements), name) => {
            let at = if name == "-" { Some(elements.len()) } else { name.parse().ok() };
            let at = at.filter(|at| *at <= elements.len()).ok_or_else(|| missing(path))?;
            elements.insert(at, value);
            Ok(())
        }
        // A description that was never given is an empty one.
        _ => Err(missing(path)),
    }
}

fn remove(document: &mut Value, path: &str) -> Result<Value, SegmentFault> {
    let removed = match parent(document, path)? {
        (Value::Object(members), name) => members.shift_remove(&name),
        (Value::Array(elements), name) => {
            name.parse().ok().filter(|at| *at < elements.len()).map(|at| elements.remove(at))
        }
        _ => None,
    };
    removed.ok_or_else(|| missing(path))
}

fn merge(document: &mut Value, change: &Map<String, Value>) {
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    let Value::Object(members) = document else { return };
    for (name, value) in change {
        match value {
            Value::Null => {
                members.shift_remove(name);
            }
            Value::Object(inner) => merge(members.entry(name.clone()).or_insert(Value::Null), inner),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                members.insert(name.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changed(change: &Value) -> Option<Value> {
        let mut document = json!({ "name": { "en": "One", "a/b": "x" }, "status": "ACTIVE", "list": [1, 2] });
        apply(&mut document, change).ok().map(|()| document)
    }

    #[test]
    fn operations_are_applied_in_their_order() {
        let document = changed(&json!([
            { "op": "REPLACE", "path": "/status", "value": "INACTIVE" },
            { "op": "add", "path": "/name/de", "value": "Eins" },
            { "op": "remove", "path": "/name/a~1b" },
            { "op": "add", "path": "/list/-", "value": 3 },
            { "op": "remove", "path": "/list/0" },
            { "op": "copy", "from": "/name/de", "path": "/name/at" },
            { "op": "move", "from": "/name/de", "path": "/name/ch" },
            { "op": "test", "path": "/name/ch", "value": "Eins" },
            { "op": "add", "path": "/nothing", "value": null },
        ]));
        let expected = json!({
            "name": { "en": "One", "at": "Eins", "ch": "Eins" }, "status": "INACTIVE", "list": [2, 3], "nothing": null,
        });
        assert_eq!(document, Some(expected));
    }

    #[test]
    fn what_is_not_there_cannot_be_changed() {
        for bad in [
            json!([{ "op": "replace", "path": "/nope", "value": 1 }]),
            json!([{ "op": "remove", "path": "/name/fr" }]),
            json!([{ "op": "remove", "path": "" }]),
            json!([{ "op": "add", "path": "/list/9", "value": 1 }]),
            json!([{ "op": "add", "path": "/status/x", "value": 1 }]),
            json!([{ "op": "add", "path": "/name/de" }]),
            json!([{ "op": "move", "path": "/name/de" }]),
            json!([{ "op": "test", "path": "/status", "value": "INACTIVE" }]),
            json!([{ "op": "grow", "path": "/status", "value": 1 }]),
            json!(["add"]),
            json!("add"),
        ] {
            assert_eq!(changed(&bad), None, "{bad}");
        }
    }

    #[test]
    fn members_are_merged_and_null_removes() {
        let document =
            changed(&json!({ "name": { "en": null, "de": "Eins" }, "list": [3], "validity": { "from": "x" } }));
        let expected = json!({
            "name": { "a/b": "x", "de": "Eins" }, "status": "ACTIVE", "list": [3], "validity": { "from": "x" },
        });
        assert_eq!(document, Some(expected));
    }
}
