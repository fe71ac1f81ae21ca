//! Reading requests: JSON bodies whose every field is known, pages by sealed cursors, versions by `If-Match`.

use super::fault::Fault;
use crate::Web;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, Request, rejection::BytesRejection},
};
use http::{HeaderMap, HeaderName, StatusCode, header, request::Parts};
use prokura_engine::{Engine, Error, Refusal};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};

/// The most items on a page, and how many there are when nobody says.
const MAX_LIMIT: u32 = 200;
const USUAL_LIMIT: u32 = 50;

/// A JSON body. Fields nobody knows are errors with their name.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Web> for Body<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Fault> {
        if !is_json(request.headers()) {
            return Err(Fault::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "send application/json",
            ));
        }
        let bytes = Bytes::from_request(request, web).await.map_err(|rejection| unread(&rejection))?;
        read_json(&bytes).map(Self)
    }
}

fn unread(rejection: &BytesRejection) -> Fault {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "a body has at most one mebibyte")
    } else {
        Fault::bad_request("malformed", "the body did not arrive whole")
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(value) = values.next().and_then(|value| value.to_str().ok()) else { return false };
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    let charset = parameters.trim().to_ascii_lowercase();
    values.next().is_none()
        && essence.trim().eq_ignore_ascii_case("application/json")
        && matches!(charset.as_str(), "" | "charset=utf-8" | "charset=\"utf-8\"")
}

/// Reads JSON; what is wrong with a field is told with its path.
pub(super) fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            serde_json::error::Category::Data => field_fault(&path, &error.to_string()),
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => Fault::bad_request("malformed", "the body is not JSON"),
        }
    })?;
    reader.end().map_err(|_| Fault::bad_request("malformed", "there is something after the JSON value"))?;
    Ok(value)
}

/// The parser's sentence without its position, at the field it is about.
pub(super) fn field_fault(path: &str, message: &str) -> Fault {
    let reason = message.split(" at line ").next().unwrap_or(message);
    // The path of a field nobody knows and of one that is missing ends at its object; the sentence names the field.
    let named = ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|start| reason.strip_prefix(start).and_then(|rest| rest.split('`').next()));
    let base = if path == "." { "" } else { path };
    let field = match named {
        Some(name) if base.is_empty() || base == name || base.ends_with(&format!(".{name}")) => {
            if base.is_empty() {
                name.to_owned()
            } else {
                base.to_owned()
            }
        }
        Some(name) => format!("{base}.{name}"),
        None if base.is_empty() => "body".to_owned(),
        None => base.to_owned(),
    };
    Fault::invalid(&field, reason)
}

/// A query string whose every name is known.
pub(super) struct Search<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Web> for Search<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Fault> {
        match Query::<T>::from_request_parts(parts, web).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => {
                let text = rejection.body_text();
                let reason = text.split_once(": ").map_or(text.as_str(), |(_, reason)| reason);
                Err(Fault::bad_request("invalid_query", format!("the query string is wrong: {reason}")))
            }
        }
    }
}

/// Which part of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// The most items to return.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub(super) limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    pub(super) cursor: Option<String>,
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The items, in the order of their ids.
    pub(super) items: Vec<T>,
    /// The cursor of the next part; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// Where a page begins and how long it is. Cursors carry a code over the place they were made for: one of another
/// tenant or route, or one somebody changed, opens nothing (S-74).
pub(super) struct Window<'a> {
    engine: &'a Engine,
    scope: [&'a str; 2],
    pub(super) after: String,
    pub(super) limit: u32,
}

impl<'a> Window<'a> {
    /// `scope` is the tenant (or what stands for the installation) and the route.
    pub(super) fn open(
        engine: &'a Engine,
        scope: [&'a str; 2],
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Self, Fault> {
        let limit = limit.unwrap_or(USUAL_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Fault::bad_request("invalid_query", format!("limit is 1 to {MAX_LIMIT}")));
        }
        let after = match cursor {
            None => String::new(),
            Some(cursor) => engine
                .open_cursor(&scope, cursor)
                .ok_or_else(|| Fault::bad_request("invalid_cursor", "the cursor was not made for this list"))?,
        };
        Ok(Self { engine, scope, after, limit })
    }

    /// The page, of up to `limit + 1` items that were asked for: the one too many says that there are more.
    pub(super) fn page<I, T>(
        &self,
        mut items: Vec<I>,
        key: impl Fn(&I) -> String,
        view: impl Fn(I) -> T,
    ) -> axum::Json<Page<T>> {
        let limit = self.limit as usize;
        let has_more = items.len() > limit;
        items.truncate(limit);
        let last = if has_more { items.last().map(key) } else { None };
        let next = last.map(|last| self.engine.cursor(&self.scope, &last));
        axum::Json(Page { items: items.into_iter().map(view).collect(), next })
    }

    /// How many items to ask for.
    pub(super) fn fetch(&self) -> u32 {
        self.limit + 1
    }
}

/// What a change rests on (RFC 9110 section 13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precondition {
    /// Nothing was said.
    None,
    /// `If-Match` with the version the caller has seen.
    Seen(i64),
    /// `If-None-Match: *`: there is none yet.
    Absent,
}

impl Precondition {
    /// The version to hold on to, for changes of single fields, where saying nothing is fine.
    pub(super) fn version(self) -> Result<Option<i64>, Fault> {
        match self {
            Self::None => Ok(None),
            Self::Seen(version) => Ok(Some(version)),
            Self::Absent => Err(Fault::bad_request("invalid_precondition", "If-None-Match is for PUT")),
        }
    }

    /// The version that is replaced, `None` for a new thing. Whoever replaces blindly would undo the changes of others.
    pub(super) fn replaces(self) -> Result<Option<i64>, Fault> {
        match self {
            Self::Seen(version) => Ok(Some(version)),
            Self::Absent => Ok(None),
            Self::None => Err(Fault::new(
                StatusCode::PRECONDITION_REQUIRED,
                "precondition_required",
                "send If-Match with the ETag you have seen, or If-None-Match: * to make a new one",
            )),
        }
    }

    /// What a write that met a thing under this id comes to: with `If-None-Match: *` a condition that did not hold (RFC
    /// 9110 section 13.1.2).
    pub(super) fn told(error: Error) -> Fault {
        match error {
            Error::Refused(Refusal::AlreadyExists(what)) => Fault::new(
                StatusCode::PRECONDITION_FAILED,
                "already_exists",
                format!("there is such a {what} already: read it, and send its ETag as If-Match"),
            ),
            other @ (Error::Refused(_) | Error::Fault(_)) => other.into(),
        }
    }
}

/// A request that rests on no version, as deleting does: what is deleted is gone either way.
pub(super) struct Unconditional;

impl FromRequestParts<Web> for Unconditional {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Fault> {
        match Precondition::from_request_parts(parts, web).await? {
            Precondition::None => Ok(Self),
            Precondition::Seen(_) | Precondition::Absent => {
                Err(Fault::bad_request("invalid_precondition", "this request does not look at versions"))
            }
        }
    }
}

impl FromRequestParts<Web> for Precondition {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &Web) -> Result<Self, Fault> {
        let seen = single(&parts.headers, &header::IF_MATCH)?;
        let absent = single(&parts.headers, &header::IF_NONE_MATCH)?;
        match (seen, absent) {
            (None, None) => Ok(Self::None),
            (None, Some("*")) => Ok(Self::Absent),
            (None, Some(_)) => Err(Fault::bad_request("invalid_precondition", "If-None-Match can only be *")),
            (Some(_), Some(_)) => {
                Err(Fault::bad_request("invalid_precondition", "If-Match and If-None-Match exclude each other"))
            }
            (Some(tag), None) => version(tag).map(Self::Seen),
        }
    }
}

/// A strong tag of ours holds a version. A weak or foreign one can never match (RFC 9110 section 13.1.1).
fn version(tag: &str) -> Result<i64, Fault> {
    let is_tag = |tag: &str| tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"');
    let Some(inner) = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|_| is_tag(tag)) else {
        if tag.strip_prefix("W/").is_some_and(is_tag) {
            return Err(Refusal::StaleVersion.into());
        }
        return Err(Fault::bad_request("invalid_precondition", "If-Match takes one ETag in quotes, as \"7\""));
    };
    let digits = inner.bytes().all(|byte| byte.is_ascii_digit());
    inner.parse().ok().filter(|_| digits).ok_or_else(|| Refusal::StaleVersion.into())
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Fault> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let wrong = || Fault::bad_request("invalid_precondition", format!("{name} is not right"));
    if values.next().is_some() {
        return Err(wrong());
    }
    value.to_str().map(|text| Some(text.trim())).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse as _;

    #[test]
    fn a_version_is_one_strong_tag() {
        for (tag, expected) in [
            ("\"7\"", Ok(7)),
            ("\"x\"", Err(412)),
            ("\"+7\"", Err(412)),
            ("W/\"7\"", Err(412)),
            ("7", Err(400)),
            ("\"", Err(400)),
            ("*", Err(400)),
            ("\"1\", \"2\"", Err(412)),
        ] {
            let found = version(tag).map_err(|fault| fault.into_response().status().as_u16());
            assert_eq!(found, expected, "{tag}");
        }
    }

    #[test]
    fn faults_of_a_body_name_the_field() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Inner {
            #[expect(dead_code, reason = "only its name counts")]
            number: u8,
        }
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Outer {
            #[expect(dead_code, reason = "only its name counts")]
            inner: Inner,
        }
        for (text, status, field) in [
            ("{\"inner\":{\"number\":\"x\"}}", 422, "inner.number"),
            ("{\"inner\":{\"number\":1,\"secret\":2}}", 422, "inner.secret"),
            ("{\"inner\":{}}", 422, "inner.number"),
            ("{}", 422, "inner"),
            ("[]", 422, "body"),
            ("{", 400, ""),
            ("{\"inner\":{\"number\":1}} x", 400, ""),
        ] {
            let fault = read_json::<Outer>(text.as_bytes()).unwrap_err();
            let shown = format!("{:?}", fault.problem());
            assert_eq!(fault.into_response().status().as_u16(), status, "{text}");
            assert!(shown.contains(field), "{text}: {shown}");
        }
    }
}
