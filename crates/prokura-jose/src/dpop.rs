//! Proofs that whoever sends a token has the key it is bound to (DPoP, RFC 9449). Everything a proof says about itself is
//! checked here and nowhere else; that it comes only once is for whoever can remember it.

use crate::{
    JwsAlgorithm, PublicKey, base64url, json,
    jws::{Compact, take_string},
};
use aws_lc_rs::{digest, hmac};
use prokura_domain::Timestamp;
use std::{fmt, str::FromStr};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

/// What proofs may be signed with, by the names that are understood: `Ed25519` is the new one for `EdDSA` with that curve
/// (RFC 9864), and some clients know no other.
pub const DPOP_ALGORITHMS: [&str; 4] = ["ES256", "EdDSA", "Ed25519", "RS256"];

/// The algorithm of that name, if proofs may be signed with it.
fn algorithm(name: &str) -> Option<JwsAlgorithm> {
    match name {
        "ES256" => Some(JwsAlgorithm::Es256),
        "EdDSA" | "Ed25519" => Some(JwsAlgorithm::EdDsa),
        "RS256" => Some(JwsAlgorithm::Rs256),
        _ => None,
    }
}

/// How far the time in a proof may be from ours, in seconds, either way.
pub const PROOF_SECONDS: i64 = 60;

/// The type of a proof (RFC 9449 section 4.2).
const PROOF_TYPE: &str = "dpop+jwt";
/// The longest proof and the longest `jti`, in bytes.
const MAX_PROOF: usize = 8 * 1024;
const MAX_ID: usize = 256;
/// How long one nonce is handed out, in seconds; it is good for as long again.
const NONCE_SECONDS: i64 = 300;

/// The thumbprint of a public key (RFC 7638, SHA-256): what a token is bound to (`cnf.jkt`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Thumbprint(Box<str>);

/// A text that is no thumbprint.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a thumbprint is 43 characters of base64url")]
pub struct InvalidThumbprint;

impl Thumbprint {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(base64url::encode(digest::digest(&digest::SHA256, bytes)).into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Thumbprint {
    type Err = InvalidThumbprint;

    fn from_str(text: &str) -> Result<Self, InvalidThumbprint> {
        let bytes = base64url::decode(text).ok_or(InvalidThumbprint)?;
        if bytes.len() == digest::SHA256_OUTPUT_LEN { Ok(Self(text.into())) } else { Err(InvalidThumbprint) }
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
pub enum ProofFault {
    /// It is no compact JWS of the type `dpop+jwt` with a public key of its own.
    #[error("not a DPoP proof with a public key in it")]
    Malformed,
    /// Its algorithm is not among [`DPOP_ALGORITHMS`], or does not fit its key.
    #[error("signed with an algorithm that is not accepted")]
    Algorithm,
    /// The signature is not the key's.
    #[error("bad signature")]
    Signature,
    /// A claim is missing or has the wrong type.
    #[error("bad claims")]
    Claims,
    /// It is for another method or another address.
    #[error("made for another request")]
    Target,
    /// Its time is too far from ours.
    #[error("made too long ago, or in the future")]
    Time,
    /// It belongs to another access token, or to none.
    #[error("made for another access token")]
    Token,
}

/// The request a proof came with.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The method.
    pub method: &'a str,
    /// The address as its sender sees it; query and fragment do not count.
    pub uri: &'a str,
    /// The access token beside the proof; `None` where none is sent, as to a token endpoint.
    pub access_token: Option<&'a str>,
}

/// A proof whose sender has the key. It counts once: whoever accepts it remembers [`Proof::id`] until [`Proof::until`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Which key it is.
    pub thumbprint: Thumbprint,
    /// Which proof it is; two keys never share one.
    pub id: String,
    /// From when on it is too old.
    pub until: Timestamp,
    /// The nonce in it.
    pub nonce: Option<String>,
    /// What it was signed with.
    pub algorithm: JwsAlgorithm,
}

/// Checks a proof for `target` (RFC 9449 section 4.3), but for its nonce and for having been seen before.
pub fn check_proof(text: &str, target: Target<'_>, now: Timestamp) -> Result<Proof, ProofFault> {
    if text.len() > MAX_PROOF {
        return Err(ProofFault::Malformed);
    }
    let compact = Compact::parse_with_key(text).map_err(|_| ProofFault::Malformed)?;
    if compact.header.typ.as_deref() != Some(PROOF_TYPE) {
        return Err(ProofFault::Malformed);
    }
    let algorithm = algorithm(&compact.header.alg).ok_or(ProofFault::Algorithm)?;
    let jwk = compact.header.jwk.as_ref().ok_or(ProofFault::Malformed)?;
    let key = PublicKey::from_jwk_for(jwk, algorithm).map_err(|_| ProofFault::Malformed)?;
    if !key.verify(compact.signed.as_bytes(), &compact.signature) {
        return Err(ProofFault::Signature);
    }
    let mut claims = json::parse_object(&compact.payload).ok_or(ProofFault::Claims)?;
    let mut text = |name: &str| take_string(&mut claims, name).map_err(|_| ProofFault::Claims);
    let (id, method, uri) = (text("jti")?, text("htm")?, text("htu")?);
    let (nonce, hash) = (text("nonce")?, text("ath")?);
    let id = id.filter(|id| !id.is_empty() && id.len() <= MAX_ID).ok_or(ProofFault::Claims)?;
    let (method, uri) = (method.ok_or(ProofFault::Claims)?, uri.ok_or(ProofFault::Claims)?);
    let issued_at = claims.get("iat").and_then(serde_json::Value::as_i64).ok_or(ProofFault::Claims)?;
    if method != target.method
        || normalized(&uri).ok_or(ProofFault::Target)? != normalized(target.uri).unwrap_or_default()
    {
        return Err(ProofFault::Target);
    }
    if now.seconds().checked_sub(issued_at).is_none_or(|age| age.abs() > PROOF_SECONDS) {
        return Err(ProofFault::Time);
    }
    if let Some(token) = target.access_token {
        let expected = base64url::encode(digest::digest(&digest::SHA256, token.as_bytes()));
        if !hash.is_some_and(|hash| hash.as_bytes().ct_eq(expected.as_bytes()).into()) {
            return Err(ProofFault::Token);
        }
    }
    let thumbprint = key.thumbprint();
    let id = format!("{thumbprint}/{id}");
    // A second more than it is accepted for, because seconds are whole.
    let until = Timestamp::from_seconds(issued_at + PROOF_SECONDS + 1);
    Ok(Proof { thumbprint, id, until, nonce, algorithm })
}

/// An address in the form in which addresses are compared (RFC 3986 section 6.2): scheme and host in lower case, no
/// usual port, no query and no fragment, percent signs only where they are needed.
fn normalized(uri: &str) -> Option<String> {
    let uri = uri.split(['?', '#']).next()?;
    let (scheme, rest) = uri.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let usual = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let authority = authority.to_ascii_lowercase();
    let authority = authority.strip_suffix(usual).unwrap_or(&authority);
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    let mut text = format!("{scheme}://{authority}");
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let octet = rest.get(1..3).filter(|_| first == '%').and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match octet.map(char::from) {
            Some(plain) if plain.is_ascii_alphanumeric() || "-._~".contains(plain) => text.push(plain),
            Some(_) => text.push_str(&rest.get(..3)?.to_ascii_uppercase()),
            None => text.push(first),
        }
        rest = rest.get(if octet.is_some() { 3 } else { first.len_utf8() }..)?;
    }
    Some(text)
}

/// Makes and knows the nonces of a server (RFC 9449 section 8) without remembering any: all nodes with the same key make
/// the same ones, each good for five to ten minutes.
pub struct NonceSource(hmac::Key);

impl NonceSource {
    /// A source whose nonces nobody foretells without `key`.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The nonce to hand out for `context` now.
    pub fn current(&self, context: &str, now: Timestamp) -> String {
        self.of_period(context, now.seconds().div_euclid(NONCE_SECONDS))
    }

    /// Whether `nonce` was handed out for `context` lately.
    pub fn knows(&self, nonce: &str, context: &str, now: Timestamp) -> bool {
        let period = now.seconds().div_euclid(NONCE_SECONDS);
        [period, period - 1]
            .into_iter()
            .any(|period| self.of_period(context, period).as_bytes().ct_eq(nonce.as_bytes()).into())
    }

    fn of_period(&self, context: &str, period: i64) -> String {
        let tag = hmac::sign(&self.0, format!("dpop nonce v1\n{period}\n{context}").as_bytes());
        base64url::encode(tag.as_ref().get(..18).unwrap_or_default())
    }
}

impl fmt::Debug for NonceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceSource(…)")
    }
}

/// Makes proofs, as a client does.
#[derive(Debug)]
pub struct ProofMaker<'a> {
    /// The client's key.
    pub key: &'a crate::SigningKey,
}

impl ProofMaker<'_> {
    /// The proof `id` for `target`, made at `now`.
    pub fn make(
        &self,
        target: Target<'_>,
        id: &str,
        nonce: Option<&str>,
        now: Timestamp,
    ) -> Result<String, crate::KeyError> {
        let mut claims =
            serde_json::json!({ "htm": target.method, "htu": target.uri, "jti": id, "iat": now.seconds() });
        if let (Some(nonce), Some(members)) = (nonce, claims.as_object_mut()) {
            members.insert("nonce".to_owned(), nonce.into());
        }
        if let (Some(token), Some(members)) = (target.access_token, claims.as_object_mut()) {
            let hash = base64url::encode(digest::digest(&digest::SHA256, token.as_bytes()));
            members.insert("ath".to_owned(), hash.into());
        }
        let mut jwk = self.key.public().to_jwk();
        if let Some(members) = jwk.as_object_mut() {
            members.retain(|name, _| !matches!(name.as_str(), "kid" | "use" | "alg"));
        }
        let header = serde_json::json!({ "typ": PROOF_TYPE, "alg": self.key.algorithm().as_str(), "jwk": jwk });
        let mut text = base64url::encode(header.to_string());
        text.push('.');
        base64url::encode_onto(claims.to_string().as_bytes(), &mut text);
        let signature = self.key.sign(text.as_bytes())?;
        text.push('.');
        base64url::encode_onto(&signature, &mut text);
        Ok(text)
    }
}

#[cfg(test)]
mod tests;
