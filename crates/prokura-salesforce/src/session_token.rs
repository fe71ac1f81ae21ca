//! Signed proofs of a session of a shop's own pages: a page hands one out, and a client redeems it for tokens. They name
//! the session without being it.

use crate::{accent, call::names, fault::SlasFault};
use prokura_domain::Timestamp;
use prokura_engine::{Customer, ShopPages, Tenant};
use prokura_jose::{Claims, JwsAlgorithm, SecretHash, verify_jws};
use serde_json::{Value, json};

/// How long a proof lives, in seconds.
const LIFE_SECONDS: i64 = 600;
/// The media type in the header: nothing else of ours has it.
const TYPE: &str = "dwsession+jwt";

/// What a proof says about who is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `dwsgst`: a guest.
    Guest,
    /// `dwsrst`: somebody who is logged in.
    Registered,
}

impl Kind {
    /// `type` and `vers`.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Guest => ("G", "1"),
            Self::Registered => ("R", "2"),
        }
    }
}

/// The proof of a session.
pub(crate) fn make(
    tenant: &Tenant,
    pages: &ShopPages,
    guest_id: &str,
    person: Option<&Customer>,
    now: Timestamp,
) -> Result<String, SlasFault> {
    let kind = if person.is_some() { Kind::Registered } else { Kind::Guest };
    let (word, version) = kind.words();
    let mut claims = json!({
        "type": word,
        "vers": version,
        "sub": guest_id,
        "aud": &*names(tenant)?.audience,
        "iss": issuer(tenant)?,
        "tenantId": instance(tenant)?.to_ascii_uppercase(),
        "dwsid": pages.handle.as_str(),
        "customerId": guest_id,
        "iat": now.seconds(),
        "exp": now.seconds() + LIFE_SECONDS,
    });
    if let (Some(person), Some(members)) = (person, claims.as_object_mut()) {
        for (name, value) in [
            ("rcustomerId", json!(accent::customer_id(tenant, &person.id))),
            ("fname", json!(person.profile.given_name)),
            ("lname", json!(person.profile.family_name)),
            ("email", json!(person.email)),
            ("phone", json!(person.profile.phone)),
        ] {
            members.insert(name.to_owned(), value);
        }
    }
    Ok(tenant.sign_claims(TYPE, &claims)?)
}

/// What names the session, of a proof that holds and is of this kind.
///
/// # Errors
/// 401 for every other one: forged, another tenant's or kind's, or past its end.
pub(crate) fn read(tenant: &Tenant, token: &str, kind: Kind, now: Timestamp) -> Result<SecretHash, SlasFault> {
    let keys = tenant.public_keys();
    let allowed: Vec<JwsAlgorithm> = keys.iter().map(prokura_jose::PublicKey::algorithm).collect();
    let refused = || SlasFault::unauthorized();
    let verified = verify_jws(token, keys, &allowed, Some(TYPE)).map_err(|_| refused())?;
    let claims = Claims::parse(&verified.payload).map_err(|_| refused())?;
    claims.check_time(now).map_err(|_| refused())?;
    let text = |name: &str| claims.others.get(name).and_then(Value::as_str);
    let (word, version) = kind.words();
    let is_ours = claims.issuer == issuer(tenant)?
        && text("type") == Some(word)
        && text("vers") == Some(version)
        && text("tenantId").is_some_and(|named| instance(tenant).is_ok_and(|own| named.eq_ignore_ascii_case(own)));
    if !is_ours {
        return Err(refused());
    }
    text("dwsid").and_then(|hash| hash.parse().ok()).ok_or_else(refused)
}

fn instance(tenant: &Tenant) -> Result<&str, SlasFault> {
    Ok(names(tenant)?.issuer.rsplit('/').next().unwrap_or_default())
}

/// Another one than that of access tokens, so neither is ever taken for the other.
fn issuer(tenant: &Tenant) -> Result<String, SlasFault> {
    Ok(format!("commercecloud/sessions/{}", instance(tenant)?.replace('_', "")))
}
