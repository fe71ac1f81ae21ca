//! Access tokens, and the minting of every kind of JSON web token. An access token is a dated copy of a standing; its
//! claims are written by hand into one buffer, because every request to a shop begins with one.

mod standing;

use crate::{
    HmacKey, KeyError, Rejection, SigningKey, base64url, json,
    jws::{Claims, MAX_TOKEN},
};
use prokura_domain::{Standing, Timestamp, TokenId};
use serde_json::Value;
use std::{io::Write as _, sync::Arc};

/// The `typ` of an access token (RFC 9068 section 2.1).
pub(crate) const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// `iss`: the tenant's issuer.
    pub issuer: Arc<str>,
    /// `aud`: for our tokens the issuer as well.
    pub audience: Arc<str>,
    /// `sub`: the customer, the guest or the client.
    pub subject: String,
    /// `jti`: never the same twice.
    pub id: TokenId,
    /// `iat`, in whole seconds on the wire.
    pub issued_at: Timestamp,
    /// `exp`, in whole seconds on the wire.
    pub expires_at: Timestamp,
    /// Who it is for and by what right.
    pub standing: Standing,
}

/// Mints the access tokens of one tenant with one key. What never changes is encoded once.
#[derive(Debug)]
pub struct TokenMinter {
    key: Arc<SigningKey>,
    issuer: Arc<str>,
    audience: Arc<str>,
    /// The encoded header and the dot behind it.
    head: String,
    /// The claims up to and with the quote that opens `sub`.
    opening: Vec<u8>,
}

impl TokenMinter {
    /// A minter for tokens of `issuer` for `audience`.
    pub fn new(key: Arc<SigningKey>, issuer: Arc<str>, audience: Arc<str>) -> Self {
        let head = head(&key, ACCESS_TOKEN_TYPE);
        let mut opening = b"{\"iss\":".to_vec();
        json::write_string(&issuer, &mut opening);
        opening.extend_from_slice(b",\"aud\":");
        json::write_string(&audience, &mut opening);
        opening.extend_from_slice(b",\"sub\":");
        Self { key, issuer, audience, head, opening }
    }

    /// The issuer it mints for; what [`AccessToken::issuer`] should be.
    pub fn issuer(&self) -> &Arc<str> {
        &self.issuer
    }

    /// The audience it mints for; what [`AccessToken::audience`] should be.
    pub fn audience(&self) -> &Arc<str> {
        &self.audience
    }

    /// The key it signs with.
    pub fn key(&self) -> &Arc<SigningKey> {
        &self.key
    }

    /// Signs `token`. Issuer and audience are the minter's own, whatever the token says.
    pub fn mint(&self, token: &AccessToken) -> Result<String, KeyError> {
        let mut claims = Vec::with_capacity(1024);
        claims.extend_from_slice(&self.opening);
        json::write_string(&token.subject, &mut claims);
        write!(claims, ",\"exp\":{},\"iat\":{}", token.expires_at.seconds(), token.issued_at.seconds())
            .expect("memory takes what is written");
        json::write_member("jti", token.id.as_str(), &mut claims);
        standing::write(&token.standing, &mut claims);
        claims.push(b'}');
        let token = sign(&self.key, &self.head, &claims)?;
        if token.len() > MAX_TOKEN { Err(KeyError::TooLong(token.len())) } else { Ok(token) }
    }
}

impl AccessToken {
    /// Reads verified claims; every one of them must make sense.
    pub(crate) fn from_claims(issuer: Arc<str>, audience: Arc<str>, mut claims: Claims) -> Result<Self, Rejection> {
        let id = standing::required(&mut claims.others, "jti")?;
        let standing = standing::read(&mut claims.others)?;
        Ok(Self {
            issuer,
            audience,
            subject: claims.subject,
            id,
            issued_at: claims.issued_at,
            expires_at: claims.expires_at,
            standing,
        })
    }
}

/// Signs any other token: `typ` says which kind, such as `JWT` for an ID token or `logout+jwt`.
pub fn sign_jwt(key: &SigningKey, typ: &str, claims: &Value) -> Result<String, KeyError> {
    sign(key, &head(key, typ), claims.to_string().as_bytes())
}

/// Signs `claims` with a shared key. Whoever knows the key can mint as well, so this is for links back to ourselves
/// and for dialects that demand it.
pub fn mint_hs256(key: &HmacKey, claims: &Value) -> String {
    let mut token = base64url::encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    token.push('.');
    base64url::encode_onto(claims.to_string().as_bytes(), &mut token);
    key.sign_onto(&mut token);
    token
}

fn head(key: &SigningKey, typ: &str) -> String {
    let mut header = format!("{{\"alg\":\"{}\"", key.algorithm()).into_bytes();
    json::write_member("kid", key.kid().as_str(), &mut header);
    json::write_member("typ", typ, &mut header);
    header.push(b'}');
    let mut head = base64url::encode(header);
    head.push('.');
    head
}

fn sign(key: &SigningKey, head: &str, claims: &[u8]) -> Result<String, KeyError> {
    let mut token = String::with_capacity(head.len() + claims.len().div_ceil(3) * 4 + 1 + 1400);
    token.push_str(head);
    base64url::encode_onto(claims, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    base64url::encode_onto(&signature, &mut token);
    Ok(token)
}

#[cfg(test)]
mod tests;
