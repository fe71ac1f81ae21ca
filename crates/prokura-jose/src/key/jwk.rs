//! Public keys as JSON (RFC 7517, RFC 7518 section 6, RFC 8037). Reading is strict: what a partner publishes decides
//! whom we let in.

use super::{
    JwsAlgorithm, KeyError,
    public::{Material, PublicKey},
};
use crate::base64url;
use serde_json::{Map, Value, json};

/// Members that only a private or a shared key has.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The longest `kid` of a partner, in bytes.
const MAX_KID: usize = 256;

impl PublicKey {
    /// The key as a JWK, with public members only.
    pub fn to_jwk(&self) -> Value {
        let mut jwk = Map::new();
        if let Some(kid) = self.kid() {
            jwk.insert("kid".to_owned(), json!(kid));
        }
        jwk.insert("use".to_owned(), json!("sig"));
        jwk.insert("alg".to_owned(), json!(self.algorithm().as_str()));
        let members = match self.material() {
            Material::Ec { crv, x, y } => vec![
                ("kty", "EC".to_owned()),
                ("crv", (*crv).to_owned()),
                ("x", base64url::encode(x)),
                ("y", base64url::encode(y)),
            ],
            Material::Okp { x } => {
                vec![("kty", "OKP".to_owned()), ("crv", "Ed25519".to_owned()), ("x", base64url::encode(x))]
            }
            Material::Rsa { n, e } => {
                vec![("kty", "RSA".to_owned()), ("n", base64url::encode(n)), ("e", base64url::encode(e))]
            }
        };
        jwk.extend(members.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))));
        Value::Object(jwk)
    }

    /// Reads a JWK. Without `alg` the curve decides, and an RSA key is taken for RS256, the default of OpenID Connect.
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        Self::read(jwk, JwsAlgorithm::Rs256)
    }

    /// Reads a JWK that is to verify `algorithm`, as configured for a partner whose RSA keys do not say.
    pub fn from_jwk_for(jwk: &Value, algorithm: JwsAlgorithm) -> Result<Self, KeyError> {
        let key = Self::read(jwk, algorithm)?;
        if key.algorithm() == algorithm { Ok(key) } else { Err(KeyError::Misfit(algorithm)) }
    }

    fn read(jwk: &Value, rsa_default: JwsAlgorithm) -> Result<Self, KeyError> {
        let jwk = jwk.as_object().ok_or(KeyError::Member("kty"))?;
        if let Some(name) = PRIVATE_MEMBERS.into_iter().find(|name| jwk.contains_key(*name)) {
            return Err(KeyError::Private(name));
        }
        check_purpose(jwk)?;
        let kid = optional(jwk, "kid")?;
        if kid.is_some_and(|kid| kid.is_empty() || kid.len() > MAX_KID) {
            return Err(KeyError::Member("kid"));
        }
        let algorithm = optional(jwk, "alg")?.map(str::parse::<JwsAlgorithm>).transpose()?;
        match optional(jwk, "kty")? {
            Some("EC") => {
                let by_curve = match optional(jwk, "crv")? {
                    Some("P-256") => JwsAlgorithm::Es256,
                    Some("P-384") => JwsAlgorithm::Es384,
                    Some("P-521") => JwsAlgorithm::Es512,
                    _ => return Err(KeyError::Member("crv")),
                };
                fits(algorithm, by_curve)?;
                let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
                if x.len() != y.len() {
                    return Err(KeyError::Member("y"));
                }
                Self::ec(kid, by_curve, &[&[4], x.as_slice(), y.as_slice()].concat())
            }
            Some("OKP") => {
                if optional(jwk, "crv")? != Some("Ed25519") {
                    return Err(KeyError::Member("crv"));
                }
                fits(algorithm, JwsAlgorithm::EdDsa)?;
                Self::ed25519(kid, &bytes(jwk, "x")?)
            }
            Some("RSA") => Self::rsa(kid, algorithm.unwrap_or(rsa_default), &bytes(jwk, "n")?, &bytes(jwk, "e")?),
            _ => Err(KeyError::Member("kty")),
        }
    }
}

/// Refuses keys that are for something else than verifying (RFC 7517 sections 4.2 and 4.3).
fn check_purpose(jwk: &Map<String, Value>) -> Result<(), KeyError> {
    if optional(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(KeyError::Member("use"));
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => Ok(()),
        Some(_) => Err(KeyError::Member("key_ops")),
    }
}

fn fits(named: Option<JwsAlgorithm>, by_curve: JwsAlgorithm) -> Result<(), KeyError> {
    match named {
        Some(named) if named != by_curve => Err(KeyError::Misfit(named)),
        Some(_) | None => Ok(()),
    }
}

fn optional<'j>(jwk: &'j Map<String, Value>, name: &'static str) -> Result<Option<&'j str>, KeyError> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(KeyError::Member(name)),
    }
}

fn bytes(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyError> {
    optional(jwk, name)?.and_then(base64url::decode).ok_or(KeyError::Member(name))
}
