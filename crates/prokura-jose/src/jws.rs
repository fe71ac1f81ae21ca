//! The one parser for compact JWS (RFC 7515 section 7.1), for our tokens and for those of partners. Which algorithms
//! and keys count is the caller's configuration; the token only says which of them it wants (RFC 8725).

use crate::{JwsAlgorithm, PublicKey, base64url, json};
use prokura_domain::Timestamp;
use serde_json::{Map, Value};
use thiserror::Error;

/// The longest token, in bytes. Header fields end not far above.
pub(crate) const MAX_TOKEN: usize = 16 * 1024;

/// How far the clock of another machine may be ahead, in seconds (`nbf`, `iat`).
const SKEW_SECONDS: i64 = 60;

/// Header members that bring their own key or change how the token is read; all refused (S-43).
const REFUSED_MEMBERS: [&str; 8] = ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"];

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// It is not a compact JWS, or its header has what we refuse.
    #[error("malformed token")]
    Malformed,
    /// No key of this issuer has the name and the algorithm it wants.
    #[error("signed with an unknown key or algorithm")]
    UnknownKey,
    /// It is a token for something else (`typ`).
    #[error("wrong type of token")]
    WrongType,
    /// Nobody we know issued it.
    #[error("unknown issuer")]
    WrongIssuer,
    /// It is for somebody else.
    #[error("issued for another audience")]
    WrongAudience,
    /// It is bound to a key, and nobody showed that they have it (RFC 9449).
    #[error("bound to a key that was not shown")]
    Bound,
    /// The signature is not the key's.
    #[error("bad signature")]
    BadSignature,
    /// A claim is missing or has the wrong type.
    #[error("bad claims")]
    BadClaims,
    /// It is not valid yet.
    #[error("not valid yet")]
    NotYetValid,
    /// It is over.
    #[error("expired")]
    Expired,
    /// It was revoked.
    #[error("revoked")]
    Revoked,
}

/// The parts of a compact JWS, decoded but not verified.
pub(crate) struct Compact<'t> {
    /// What the signature is about.
    pub(crate) signed: &'t str,
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// The header members that matter.
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) kid: Option<String>,
    pub(crate) typ: Option<String>,
    /// The key it brings along; only ever read of a proof that one has a key.
    pub(crate) jwk: Option<Value>,
    /// `jku`, where it is a label that says who issued it; never an address.
    pub(crate) label: Option<String>,
}

/// What a header may have beside its usual members.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Brings {
    Nothing,
    /// `jwk`, which must be there.
    Key,
    /// `jku`, as a label.
    Label,
}

impl<'t> Compact<'t> {
    /// Takes `token` apart. Costs no signature.
    pub(crate) fn parse(token: &'t str) -> Result<Self, Rejection> {
        Self::take_apart(token, Brings::Nothing).ok_or(Rejection::Malformed)
    }

    /// The same for a proof that brings its own key along (RFC 9449 section 4.2).
    pub(crate) fn parse_with_key(token: &'t str) -> Result<Self, Rejection> {
        Self::take_apart(token, Brings::Key).ok_or(Rejection::Malformed)
    }

    /// The same for an access token of our own: a dialect may put a label where others put the address of keys. Whoever
    /// calls holds it against the one label that is right.
    pub(crate) fn parse_labeled(token: &'t str) -> Result<Self, Rejection> {
        Self::take_apart(token, Brings::Label).ok_or(Rejection::Malformed)
    }

    fn take_apart(token: &'t str, brings: Brings) -> Option<Self> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        // A dot more would be in the payload, and a dot is not base64url.
        let header = Header::parse(&base64url::decode(header)?, brings)?;
        Some(Self { signed, header, payload: base64url::decode(payload)?, signature: base64url::decode(signature)? })
    }
}

impl Header {
    fn parse(bytes: &[u8], brings: Brings) -> Option<Self> {
        let mut members = json::parse_object(bytes)?;
        let jwk = if brings == Brings::Key { Some(members.swap_remove("jwk")?) } else { None };
        let label = if brings == Brings::Label { take_string(&mut members, "jku").ok()? } else { None };
        if REFUSED_MEMBERS.iter().any(|name| members.contains_key(*name)) {
            return None;
        }
        Some(Self {
            jwk,
            label,
            alg: take_string(&mut members, "alg").ok()??,
            kid: take_string(&mut members, "kid").ok()?,
            typ: take_string(&mut members, "typ").ok()?,
        })
    }

    /// Whether `typ` is `expected`; a media type may leave `application/` out, and case does not matter (RFC 7515
    /// section 4.1.9).
    pub(crate) fn has_type(&self, expected: &str) -> bool {
        let short = |text: &str| {
            let lower = text.to_ascii_lowercase();
            lower.strip_prefix("application/").map_or_else(|| lower.clone(), str::to_owned)
        };
        self.typ.as_deref().is_some_and(|typ| typ == expected || short(typ) == short(expected))
    }
}

/// A token whose signature is right. Nothing is said yet about its claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedJws {
    /// The name of the key, when it has one.
    pub kid: Option<String>,
    /// The algorithm.
    pub alg: JwsAlgorithm,
    /// The type the header names.
    pub typ: Option<String>,
    /// The decoded payload; for claims see [`Claims::parse`].
    pub payload: Vec<u8>,
}

/// Verifies a compact JWS with one of `keys` and one of the `allowed` algorithms.
///
/// A header with `kid` needs the key of that name; without `kid`, exactly one key may fit its algorithm.
pub fn verify_jws(
    token: &str,
    keys: &[PublicKey],
    allowed: &[JwsAlgorithm],
    expected_typ: Option<&str>,
) -> Result<VerifiedJws, Rejection> {
    let compact = Compact::parse(token)?;
    let header = compact.header;
    if expected_typ.is_some_and(|expected| !header.has_type(expected)) {
        return Err(Rejection::WrongType);
    }
    let alg: JwsAlgorithm = header.alg.parse().map_err(|_| Rejection::UnknownKey)?;
    if !allowed.contains(&alg) {
        return Err(Rejection::UnknownKey);
    }
    let mut fitting = keys
        .iter()
        .filter(|key| key.algorithm() == alg && header.kid.as_deref().is_none_or(|wanted| key.kid() == Some(wanted)));
    let (Some(key), None) = (fitting.next(), fitting.next()) else {
        return Err(Rejection::UnknownKey);
    };
    if !key.verify(compact.signed.as_bytes(), &compact.signature) {
        return Err(Rejection::BadSignature);
    }
    Ok(VerifiedJws { kid: key.kid().map(str::to_owned), alg, typ: header.typ, payload: compact.payload })
}

/// The claims every token must have, typed, and all others as they came (S-44).
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// `iss`
    pub issuer: String,
    /// `sub`
    pub subject: String,
    /// `aud`, at least one.
    pub audience: Vec<String>,
    /// `exp`
    pub expires_at: Timestamp,
    /// `iat`
    pub issued_at: Timestamp,
    /// `nbf`
    pub not_before: Option<Timestamp>,
    /// Every other claim.
    pub others: Map<String, Value>,
}

impl Claims {
    /// Reads a payload. A claim of the wrong type is a refusal, never the same as an absent one.
    pub fn parse(payload: &[u8]) -> Result<Self, Rejection> {
        let mut members = json::parse_object(payload).ok_or(Rejection::BadClaims)?;
        Ok(Self {
            issuer: take_string(&mut members, "iss")?.ok_or(Rejection::BadClaims)?,
            subject: take_string(&mut members, "sub")?.ok_or(Rejection::BadClaims)?,
            audience: take_audience(&mut members)?,
            expires_at: take_moment(&mut members, "exp")?.ok_or(Rejection::BadClaims)?,
            issued_at: take_moment(&mut members, "iat")?.ok_or(Rejection::BadClaims)?,
            not_before: take_moment(&mut members, "nbf")?,
            others: members,
        })
    }

    /// Whether the token is valid at `now`; another machine's clock may be a minute ahead, but no token lives longer
    /// for it.
    pub fn check_time(&self, now: Timestamp) -> Result<(), Rejection> {
        check_time(self.expires_at, [Some(self.issued_at), self.not_before], now)
    }
}

fn check_time(expires_at: Timestamp, starts: [Option<Timestamp>; 2], now: Timestamp) -> Result<(), Rejection> {
    if expires_at <= now {
        return Err(Rejection::Expired);
    }
    let latest = now.plus_seconds(SKEW_SECONDS);
    if starts.into_iter().flatten().any(|start| start > latest) { Err(Rejection::NotYetValid) } else { Ok(()) }
}

/// Verifies a token of HS256 with a shared key, and returns its claims. `exp` must be there; `nbf` and `iat` count
/// when they are.
pub fn verify_hs256(key: &crate::HmacKey, token: &str, now: Timestamp) -> Result<Map<String, Value>, Rejection> {
    let compact = Compact::parse(token)?;
    if compact.header.alg != "HS256" {
        return Err(Rejection::UnknownKey);
    }
    if !key.verify(compact.signed.as_bytes(), &compact.signature) {
        return Err(Rejection::BadSignature);
    }
    let claims = json::parse_object(&compact.payload).ok_or(Rejection::BadClaims)?;
    let expires_at = moment(&claims, "exp")?.ok_or(Rejection::BadClaims)?;
    check_time(expires_at, [moment(&claims, "iat")?, moment(&claims, "nbf")?], now)?;
    Ok(claims)
}

pub(crate) fn take_string(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Rejection> {
    match members.swap_remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Rejection::BadClaims),
    }
}

fn take_audience(members: &mut Map<String, Value>) -> Result<Vec<String>, Rejection> {
    match members.swap_remove("aud") {
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(values)) if !values.is_empty() => values
            .into_iter()
            .map(|value| match value {
                Value::String(text) => Ok(text),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    Err(Rejection::BadClaims)
                }
            })
            .collect(),
        Some(_) | None => Err(Rejection::BadClaims),
    }
}

fn take_moment(members: &mut Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Rejection> {
    let moment = moment(members, name)?;
    members.swap_remove(name);
    Ok(moment)
}

fn moment(members: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Rejection> {
    members.get(name).map(|value| value.as_i64().map(Timestamp::from_seconds).ok_or(Rejection::BadClaims)).transpose()
}

#[cfg(test)]
mod tests;
