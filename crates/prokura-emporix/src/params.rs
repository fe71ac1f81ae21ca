//! Query parameters and bodies, read with the strictness a token endpoint needs: a parameter that comes twice is
//! refused, one that is not known is not looked at, and a body that is no JSON is a 400 in the service's own words.

use crate::fault::{E2, E3, E4};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    response::Response,
};
use http::{StatusCode, request::Parts};
use serde::de::DeserializeOwned;
use std::convert::Infallible;

/// Name and value pairs of a query or a form, decoded.
pub(crate) struct Params(Vec<(String, String)>);

/// A parameter that came more than once.
#[derive(Debug)]
pub(crate) struct Repeated(String);

impl Params {
    /// Decodes `application/x-www-form-urlencoded` text.
    pub(crate) fn parse(text: &str) -> Self {
        let decode = |part: &str| {
            let spaced = part.replace('+', " ");
            percent_decode(&spaced)
        };
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(pairs.collect())
    }

    /// The value of `name`; `None` when it is absent or empty.
    ///
    /// # Errors
    /// [`Repeated`] when it came twice, even with the same value.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut values = self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() {
            return Err(Repeated(name.to_owned()));
        }
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// The value of the first of `names` that is there; two of them at once count as a repetition.
    ///
    /// # Errors
    /// [`Repeated`].
    pub(crate) fn one_of(&self, names: &[&str]) -> Result<Option<&str>, Repeated> {
        let mut found: Option<&str> = None;
        for name in names {
            match (found, self.one(name)?) {
                (Some(before), Some(value)) if before != value => return Err(Repeated((*name).to_owned())),
                (None, Some(value)) => found = Some(value),
                _ => {}
            }
        }
        Ok(found)
    }

    /// Refuses any name that came twice.
    ///
    /// # Errors
    /// [`Repeated`].
    pub(crate) fn refuse_repeated(&self) -> Result<(), Repeated> {
        self.0.iter().try_for_each(|(name, _)| self.one(name).map(|_| ()))
    }

    /// Whether the flag `name` is set, as in `upsert=true`.
    ///
    /// # Errors
    /// [`Repeated`].
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Repeated> {
        Ok(self.one(name)?.is_some_and(|value| value.eq_ignore_ascii_case("true")))
    }
}

/// Decodes `%41`; a lone percent sign stays what it is, and what is no UTF-8 becomes the replacement character, which
/// no id, token or address contains.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair = if *first == b'%' { after.first_chunk::<2>() } else { None };
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        if let Some(byte) = pair.and_then(|[high, low]| Some(digit(*high)? * 16 + digit(*low)?)) {
            bytes.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Repeated {
    fn message(&self) -> String {
        format!("The parameter {} must not be repeated.", self.0)
    }
}

impl From<Repeated> for E2 {
    fn from(repeated: Repeated) -> Self {
        Self::bad_request(&repeated.message()).detail(&repeated.0, "repeated", &repeated.message())
    }
}

impl From<Repeated> for E3 {
    fn from(repeated: Repeated) -> Self {
        Self::new(StatusCode::BAD_REQUEST, &repeated.message())
    }
}

impl From<Repeated> for E4 {
    fn from(repeated: Repeated) -> Self {
        Self::new(StatusCode::BAD_REQUEST, &repeated.message())
    }
}

/// A body that cannot be read.
#[derive(Debug)]
pub(crate) struct BadBody {
    status: StatusCode,
    message: String,
}

impl From<BadBody> for E2 {
    fn from(bad: BadBody) -> Self {
        Self::new(bad.status, "validation_failure", "The body cannot be read.").detail(
            "body",
            "invalid_json",
            &bad.message,
        )
    }
}

impl From<BadBody> for E3 {
    fn from(bad: BadBody) -> Self {
        Self::new(bad.status, "The body cannot be read.").detail(&bad.message)
    }
}

impl From<BadBody> for E4 {
    fn from(bad: BadBody) -> Self {
        Self::new(bad.status, &format!("The body cannot be read: {}", bad.message))
    }
}

/// The body as JSON, whatever `Content-Type` says: merge patches and plain JSON come under several names.
///
/// # Errors
/// [`BadBody`] says what is wrong; it never repeats values, because they may be secrets.
pub(crate) fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BadBody> {
    serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        let message = match error.classify() {
            serde_json::error::Category::Data => {
                format!("a member is missing, repeated or of the wrong type at {place}")
            }
            serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof
            | serde_json::error::Category::Io => {
                format!("no valid JSON at {place}")
            }
        };
        BadBody { status: StatusCode::BAD_REQUEST, message }
    })
}

/// The body as JSON, with faults in the family `F`.
pub(crate) struct Body<T, F>(pub(crate) T, pub(crate) std::marker::PhantomData<F>);

impl<T, F, S> FromRequest<S> for Body<T, F>
where
    T: DeserializeOwned,
    F: From<BadBody> + axum::response::IntoResponse,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            let message = "the body is too long or did not arrive whole".to_owned();
            F::from(BadBody { status: rejection.status(), message }).into_response()
        })?;
        match read_json(&bytes) {
            Ok(value) => Ok(Self(value, std::marker::PhantomData)),
            Err(bad) => Err(F::from(bad).into_response()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_counts_once() {
        let params = Params::parse("a=1&b=&c=x%20y+z&d=1&d=1&%65=2");
        assert_eq!(params.one("a").unwrap(), Some("1"));
        assert_eq!(params.one("b").unwrap(), None);
        assert_eq!(params.one("c").unwrap(), Some("x y z"));
        assert!(params.one("d").is_err());
        assert_eq!(params.one("e").unwrap(), Some("2"));
        assert_eq!(params.one("f").unwrap(), None);
        assert!(params.refuse_repeated().is_err());
        assert!(Params::parse("tenant=a&hybris-tenant=b").one_of(&["tenant", "hybris-tenant"]).is_err());
    }

    #[test]
    fn percent_signs_are_decoded_or_left_alone() {
        for (text, expected) in [("%41", "A"), ("100%", "100%"), ("%zz", "%zz"), ("%C3%A4", "ä"), ("%2", "%2")] {
            assert_eq!(percent_decode(text), expected);
        }
    }

    #[test]
    fn what_is_wrong_with_a_body_is_told_without_repeating_it() {
        #[derive(Debug, serde::Deserialize)]
        struct LogIn {
            #[expect(dead_code, reason = "only its type matters")]
            password: u8,
        }
        let bad = read_json::<LogIn>(br#"{"password":"hunter2"}"#).unwrap_err();
        assert!(!bad.message.contains("hunter2"), "{}", bad.message);
    }
}
