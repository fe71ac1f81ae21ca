//! The `Authorization` header (RFC 6750 section 2.1).

use http::{HeaderMap, header};
use thiserror::Error;

/// Why there is no bearer token to look at.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BearerFault {
    /// No `Authorization` header.
    #[error("no bearer token")]
    Missing,
    /// Two of them: two parsers could each read another one.
    #[error("more than one Authorization header")]
    Repeated,
    /// Another scheme, or not a token.
    #[error("not a bearer token")]
    Malformed,
}

/// The bearer token of a request. The scheme is compared without case.
///
/// # Errors
/// [`BearerFault`].
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, BearerFault> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(BearerFault::Missing)?;
    if values.next().is_some() {
        return Err(BearerFault::Repeated);
    }
    let text = value.to_str().map_err(|_| BearerFault::Malformed)?;
    let (scheme, token) = text.split_once(' ').ok_or(BearerFault::Malformed)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.contains(' ') {
        return Err(BearerFault::Malformed);
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn exactly_one_bearer_token_counts() {
        assert_eq!(bearer_token(&headers(&["bEaReR abc"])), Ok("abc"));
        assert_eq!(bearer_token(&headers(&[])), Err(BearerFault::Missing));
        assert_eq!(bearer_token(&headers(&["Bearer a", "Bearer b"])), Err(BearerFault::Repeated));
        for malformed in ["Basic abc", "Bearer", "Bearer ", "Bearer a b", "abc"] {
            assert_eq!(bearer_token(&headers(&[malformed])), Err(BearerFault::Malformed), "{malformed}");
        }
    }
}
