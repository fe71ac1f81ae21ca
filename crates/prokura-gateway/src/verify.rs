//! Finding the credential in a request: a bearer token, or one that is bound to a key with the proof of it (RFC 9449).
//! What they say is the verifier's business.

use crate::refusal::Refusal;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use memchr::memchr3;

/// The header with the proof of a key.
pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");
/// The longest token that is looked at.
const MAX_TOKEN: usize = 16 * 1024;

/// What a request brings along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// Nothing.
    Absent,
    /// A bearer token: the whole field, and where the token begins in it. Sharing the field copies nothing.
    Bearer { field: HeaderValue, from: usize },
    /// The same with the proof of a key.
    Bound { field: HeaderValue, from: usize, proof: HeaderValue },
}

impl Credential {
    /// Reads `Authorization`. More than one is ambiguous; another scheme, or an impossible token, is a bad credential.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut fields = headers.get_all(header::AUTHORIZATION).iter();
        let Some(field) = fields.next() else { return Ok(Self::Absent) };
        if fields.next().is_some() {
            return Err(Refusal::Ambiguous);
        }
        let text = text(field).ok_or(Refusal::InvalidCredential)?;
        let (scheme, token) = text.split_once(' ').ok_or(Refusal::InvalidCredential)?;
        let token = token.trim_start_matches(' ');
        // Which characters a token has is the verifier's business; here it must only be one token.
        let is_one =
            !token.is_empty() && token.len() <= MAX_TOKEN && memchr3(b' ', b'\t', b',', token.as_bytes()).is_none();
        if !is_one {
            return Err(Refusal::InvalidCredential);
        }
        let from = text.len() - token.len();
        if scheme.eq_ignore_ascii_case("bearer") {
            return Ok(Self::Bearer { field: field.clone(), from });
        }
        if !scheme.eq_ignore_ascii_case("dpop") {
            return Err(Refusal::InvalidCredential);
        }
        let mut proofs = headers.get_all(DPOP).iter();
        match (proofs.next(), proofs.next()) {
            (Some(proof), None) => Ok(Self::Bound { field: field.clone(), from, proof: proof.clone() }),
            (Some(_), Some(_)) => Err(Refusal::Ambiguous),
            (None, _) => Err(Refusal::InvalidProof),
        }
    }

    /// The proof of a key, when there is one.
    pub(crate) fn proof(&self) -> Option<&str> {
        match self {
            Self::Absent | Self::Bearer { .. } => None,
            // What is no text is no proof either.
            Self::Bound { proof, .. } => Some(text(proof).unwrap_or_default()),
        }
    }

    /// The token, when there is one.
    pub(crate) fn token(&self) -> Option<&str> {
        match self {
            Self::Absent => None,
            Self::Bearer { field, from } | Self::Bound { field, from, .. } => {
                text(field).and_then(|text| text.get(*from..))
            }
        }
    }
}

/// The field as text. Unlike `HeaderValue::to_str` this looks at many bytes at a time: a token has a thousand.
fn text(field: &HeaderValue) -> Option<&str> {
    str::from_utf8(field.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[&[u8]]) -> Result<Option<String>, Refusal> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(field).unwrap());
        }
        Credential::of(&headers).map(|credential| credential.token().map(str::to_owned))
    }

    #[test]
    fn s56_only_one_well_formed_bearer_token_counts() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b"Bearer a.b-c_d~e+f/g="]), Ok(Some("a.b-c_d~e+f/g=".to_owned())));
        assert_eq!(read(&[b"bEARER  x"]), Ok(Some("x".to_owned())));
        assert_eq!(read(&[b"Bearer x", b"Bearer x"]), Err(Refusal::Ambiguous));
        for bad in [
            &b""[..],
            b"Bearer",
            b"Bearer ",
            b"Basic YTpi",
            b"Bearer a b",
            b"Bearer a,b",
            b"x",
            b"Bearer \xff",
            b"Bearer\tx",
        ] {
            assert_eq!(read(&[bad]), Err(Refusal::InvalidCredential), "{:?}", String::from_utf8_lossy(bad));
        }
        assert_eq!(read(&[b"DPoP x"]), Err(Refusal::InvalidProof), "without a proof");
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN + 1));
        assert_eq!(read(&[long.as_bytes()]), Err(Refusal::InvalidCredential));
    }
}
