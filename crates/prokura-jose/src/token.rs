//! Access tokens, and the minting of every kind of JSON web token. An access token is a dated copy of a standing; its
//! claims are written by hand into one buffer, because every request to a shop begins with one.

mod standing;

use crate::{
    Audience, HmacKey, KeyError, Rejection, SigningKey, base64url,
    dpop::Thumbprint,
    json,
    jws::{Claims, MAX_TOKEN, take_string},
};
use prokura_domain::{ClientId, Standing, Timestamp, TokenId};
use serde_json::{Map, Value};
use std::{io::Write as _, sync::Arc};

/// The `typ` of an access token (RFC 9068 section 2.1).
pub(crate) const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// The most actors one after another that a token names (RFC 8693 section 4.1).
pub const MAX_ACTORS: usize = 4;

/// Somebody who acts for the subject of a token (`act`, RFC 8693 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorClaim {
    /// `sub`
    pub subject: String,
    /// `client_id`
    pub client: ClientId,
}

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// `iss`: the tenant's issuer.
    pub issuer: Arc<str>,
    /// `aud`: the issuer, for whatever is the tenant's; or the resources the token is for (RFC 8707).
    pub audience: Audience,
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
    /// `cnf.jkt`: the key whoever sends it must show (RFC 9449 section 6); `None` for a bearer token.
    pub bound_to: Option<Thumbprint>,
    /// `act`: who acts for the subject, the latest first, at most [`MAX_ACTORS`].
    pub actors: Vec<ActorClaim>,
}

/// Mints the access tokens of one tenant with one key. What never changes is encoded once.
#[derive(Debug)]
pub struct TokenMinter {
    key: Arc<SigningKey>,
    issuer: Arc<str>,
    audience: Audience,
    /// The encoded header and the dot behind it.
    head: String,
    /// The claims up to and with the colon before the value of `sub`, of tokens for the usual audience.
    opening: Vec<u8>,
}

/// How a dialect spells an access token for clients that read it. Whatever it adds stands beside the claims every
/// verifier goes by, never in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accent<'a> {
    /// `iss`, one the verifier trusts for the tenant.
    pub issuer: &'a str,
    /// `aud`, the one that goes with the issuer.
    pub audience: &'a str,
    /// `typ`, the one that goes with the issuer.
    pub token_type: &'a str,
    /// `sub`
    pub subject: &'a str,
    /// `jti`; as unique as the token's own id, which it stands for.
    pub id: &'a str,
    /// Further members of the header.
    pub header: &'a [(&'a str, &'a str)],
    /// Further claims.
    pub claims: &'a Map<String, Value>,
}

impl TokenMinter {
    /// A minter for tokens of `issuer` for `audience`.
    pub fn new(key: Arc<SigningKey>, issuer: Arc<str>, audience: Arc<str>) -> Self {
        let head = head(&key, ACCESS_TOKEN_TYPE, &[]);
        let audience = Audience::from(audience);
        let opening = opening(&issuer, &audience);
        Self { key, issuer, audience, head, opening }
    }

    /// The issuer it mints for; what [`AccessToken::issuer`] should be.
    pub fn issuer(&self) -> &Arc<str> {
        &self.issuer
    }

    /// The usual audience; what [`AccessToken::audience`] is unless the token is for resources alone.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// The key it signs with.
    pub fn key(&self) -> &Arc<SigningKey> {
        &self.key
    }

    /// Signs `token`. The issuer is the minter's own, whatever the token says.
    pub fn mint(&self, token: &AccessToken) -> Result<String, KeyError> {
        let mut claims = Vec::with_capacity(1024);
        if token.audience == self.audience {
            claims.extend_from_slice(&self.opening);
        } else {
            claims.extend_from_slice(&opening(&self.issuer, &token.audience));
        }
        write_core(token, &token.subject, token.id.as_str(), &mut claims);
        claims.push(b'}');
        bounded(sign(&self.key, &self.head, &claims)?)
    }

    /// Signs `token` as a dialect spells it.
    pub fn mint_as(&self, token: &AccessToken, accent: &Accent<'_>) -> Result<String, KeyError> {
        let mut claims = opening(accent.issuer, &Audience::from(accent.audience));
        write_core(token, accent.subject, accent.id, &mut claims);
        for (name, value) in accent.claims {
            claims.push(b',');
            json::write_string(name, &mut claims);
            write!(claims, ":{value}").expect("memory takes what is written");
        }
        claims.push(b'}');
        bounded(sign(&self.key, &head(&self.key, accent.token_type, accent.header), &claims)?)
    }
}

impl AccessToken {
    /// Reads verified claims; every one of them must make sense.
    pub(crate) fn from_claims(issuer: Arc<str>, audience: Audience, mut claims: Claims) -> Result<Self, Rejection> {
        let id = standing::required(&mut claims.others, "jti")?;
        let standing = standing::read(&mut claims.others)?;
        let bound_to = read_key(claims.others.swap_remove("cnf"))?;
        let actors = read_actors(claims.others.swap_remove("act"))?;
        Ok(Self {
            issuer,
            audience,
            subject: claims.subject,
            id,
            issued_at: claims.issued_at,
            expires_at: claims.expires_at,
            standing,
            bound_to,
            actors,
        })
    }
}

/// The claims up to and with the colon before the value of `sub`.
fn opening(issuer: &str, audience: &Audience) -> Vec<u8> {
    let mut opening = b"{\"iss\":".to_vec();
    json::write_string(issuer, &mut opening);
    opening.extend_from_slice(b",\"aud\":");
    audience.write(&mut opening);
    opening.extend_from_slice(b",\"sub\":");
    opening
}

/// Appends everything behind the colon of `sub`, without the closing brace.
fn write_core(token: &AccessToken, subject: &str, id: &str, out: &mut Vec<u8>) {
    json::write_string(subject, out);
    write!(out, ",\"exp\":{},\"iat\":{}", token.expires_at.seconds(), token.issued_at.seconds())
        .expect("memory takes what is written");
    json::write_member("jti", id, out);
    standing::write(&token.standing, out);
    if let Some(key) = &token.bound_to {
        // Base64url needs no escape.
        write!(out, ",\"cnf\":{{\"jkt\":\"{key}\"}}").expect("memory takes what is written");
    }
    write_actors(&token.actors, out);
}

/// What no verifier would read is not handed out.
fn bounded(token: String) -> Result<String, KeyError> {
    if token.len() > MAX_TOKEN { Err(KeyError::TooLong(token.len())) } else { Ok(token) }
}

/// Appends `act` with a comma before it; each actor holds the one before.
fn write_actors(actors: &[ActorClaim], out: &mut Vec<u8>) {
    for actor in actors {
        out.extend_from_slice(b",\"act\":{\"sub\":");
        json::write_string(&actor.subject, out);
        json::write_member("client_id", actor.client.as_str(), out);
    }
    out.extend(actors.iter().map(|_| b'}'));
}

/// `cnf`; a token that is bound in a way we do not know is refused, never taken for a bearer token.
fn read_key(cnf: Option<Value>) -> Result<Option<Thumbprint>, Rejection> {
    match cnf {
        None => Ok(None),
        Some(Value::Object(mut members)) if members.len() == 1 => {
            let text = take_string(&mut members, "jkt")?.ok_or(Rejection::BadClaims)?;
            text.parse().map(Some).map_err(|_| Rejection::BadClaims)
        }
        Some(_) => Err(Rejection::BadClaims),
    }
}

fn read_actors(act: Option<Value>) -> Result<Vec<ActorClaim>, Rejection> {
    let (mut actors, mut next) = (Vec::new(), act);
    while let Some(value) = next {
        let Value::Object(mut members) = value else { return Err(Rejection::BadClaims) };
        if actors.len() == MAX_ACTORS {
            return Err(Rejection::BadClaims);
        }
        let subject = take_string(&mut members, "sub")?.ok_or(Rejection::BadClaims)?;
        actors.push(ActorClaim { subject, client: standing::required(&mut members, "client_id")? });
        next = members.swap_remove("act");
    }
    Ok(actors)
}

/// Signs any other token: `typ` says which kind, such as `JWT` for an ID token or `logout+jwt`.
pub fn sign_jwt(key: &SigningKey, typ: &str, claims: &Value) -> Result<String, KeyError> {
    sign(key, &head(key, typ, &[]), claims.to_string().as_bytes())
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

fn head(key: &SigningKey, typ: &str, further: &[(&str, &str)]) -> String {
    let mut header = format!("{{\"alg\":\"{}\"", key.algorithm()).into_bytes();
    json::write_member("kid", key.kid().as_str(), &mut header);
    json::write_member("typ", typ, &mut header);
    for (name, value) in further {
        json::write_member(name, value, &mut header);
    }
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
