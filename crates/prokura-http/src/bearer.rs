//! The `Authorization` header with an access token: as a bearer token (RFC 6750 section 2.1), or bound to a key that the
//! `DPoP` header shows (RFC 9449 section 7.1).

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

/// An access token, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// Whoever has it may use it.
    Bearer(&'a str),
    /// With a proof of the key it is bound to.
    Dpop {
        /// The token.
        token: &'a str,
        /// The proof.
        proof: &'a str,
    },
}

/// The bearer token of a request. The scheme is compared without case.
///
/// # Errors
/// [`BearerFault`].
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, BearerFault> {
    let (scheme, token) = credential(headers)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token) } else { Err(BearerFault::Malformed) }
}

/// The access token of a request, for doors that take both kinds.
///
/// # Errors
/// [`BearerFault`].
pub fn presented_token(headers: &HeaderMap) -> Result<Presented<'_>, BearerFault> {
    let (scheme, token) = credential(headers)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Presented::Bearer(token));
    }
    let proof = dpop_proof(headers)?.filter(|_| scheme.eq_ignore_ascii_case("dpop"));
    Ok(Presented::Dpop { token, proof: proof.ok_or(BearerFault::Malformed)? })
}

/// The proof in the `DPoP` header; one at most (RFC 9449 section 4.3).
///
/// # Errors
/// [`BearerFault`].
pub fn dpop_proof(headers: &HeaderMap) -> Result<Option<&str>, BearerFault> {
    let mut values = headers.get_all("dpop").iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(BearerFault::Repeated);
    }
    value.to_str().map(Some).map_err(|_| BearerFault::Malformed)
}

fn credential(headers: &HeaderMap) -> Result<(&str, &str), BearerFault> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(BearerFault::Missing)?;
    if values.next().is_some() {
        return Err(BearerFault::Repeated);
    }
    let text = value.to_str().map_err(|_| BearerFault::Malformed)?;
    let (scheme, token) = text.split_once(' ').ok_or(BearerFault::Malformed)?;
    let token = token.trim();
    if token.is_empty() || token.contains(' ') { Err(BearerFault::Malformed) } else { Ok((scheme, token)) }
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
    fn s11_a_bound_token_comes_with_one_proof() {
        let mut headers = headers(&["dpop abc"]);
        assert_eq!(presented_token(&headers), Err(BearerFault::Malformed));
        assert_eq!(bearer_token(&headers), Err(BearerFault::Malformed));
        headers.append("dpop", HeaderValue::from_static("p1"));
        assert_eq!(presented_token(&headers), Ok(Presented::Dpop { token: "abc", proof: "p1" }));
        headers.append("dpop", HeaderValue::from_static("p2"));
        assert_eq!(presented_token(&headers), Err(BearerFault::Repeated));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
        assert_eq!(presented_token(&headers), Ok(Presented::Bearer("abc")));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic abc"));
        headers.insert("dpop", HeaderValue::from_static("p1"));
        assert_eq!(presented_token(&headers), Err(BearerFault::Malformed));
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
