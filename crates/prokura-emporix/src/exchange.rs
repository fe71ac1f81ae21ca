//! `POST /customer/{tenant}/exchangeauthtoken`: a token of the shop's own identity provider for one of ours. The
//! provider's keys stand in the tenant's settings, so nobody is asked while somebody waits.

use crate::{
    caller::{Caller, DIALECT},
    fault::{E1, E2},
    tokens::customer_token,
    wire,
};
use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use prokura_engine::{Partner, PartnerIdentifier, Tenant};
use prokura_http::{Edge, Params};
use prokura_jose::PublicKey;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where the configuration stands among what this dialect keeps in a tenant's settings.
const SETTING: &str = "tokenExchange";
/// The name of the configuration that counts when none is named.
const DEFAULT: &str = "default";
/// The answer's idle time, in seconds; nobody acts on it.
const IDLE_SECONDS: u32 = 120;

pub(crate) fn routes() -> Router<Edge> {
    Router::new().route("/customer/{tenant}/exchangeauthtoken", post(exchange))
}

/// What a tenant keeps: a configuration for all, and others by name.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Setting {
    default: Option<Section>,
    sites: BTreeMap<String, Section>,
    sso_customer_autoprovisioning_disabled: bool,
    sso_customer_identifier_field: Option<Identifier>,
}

/// One provider. The names are the vendor's, but for `emailDomains`, which is ours.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    issuer: String,
    audience: Audience,
    token_client_id: Option<String>,
    jwks: KeySet,
    #[serde(default, rename = "emailDomains")]
    email_domains: Vec<String>,
    #[serde(rename = "ssoCustomerAutoprovisioningDisabled")]
    autoprovisioning_disabled: Option<bool>,
    #[serde(rename = "ssoCustomerIdentifierField")]
    identifier_field: Option<Identifier>,
}

#[derive(Debug, Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Identifier {
    Email,
    Subject,
}

/// Why a configuration cannot be used.
#[derive(Debug, PartialEq, Eq)]
enum Unusable {
    /// There is none of that name.
    Unknown,
    /// There is one, and it is wrong.
    Wrong(String),
}

/// The provider a configuration describes.
fn partner(setting: Option<&Value>, name: &str) -> Result<Partner, Unusable> {
    let setting = match setting {
        Some(setting) => Setting::deserialize(setting).map_err(|fault| Unusable::Wrong(fault.to_string()))?,
        None => Setting::default(),
    };
    let section = if name == DEFAULT { setting.default.as_ref() } else { setting.sites.get(name) };
    let section = section.ok_or(Unusable::Unknown)?;
    let audiences = match &section.audience {
        Audience::One(audience) => vec![audience.clone()],
        Audience::Several(audiences) => audiences.clone(),
    };
    if section.issuer.is_empty() || audiences.is_empty() || audiences.iter().any(String::is_empty) {
        return Err(Unusable::Wrong("issuer and audience are required".to_owned()));
    }
    let keys = section.jwks.keys.iter().map(|jwk| {
        // The configuration, never the token, says how a key is used.
        if jwk.get("alg").and_then(Value::as_str).is_none() {
            return Err(Unusable::Wrong("every key needs its alg".to_owned()));
        }
        PublicKey::from_jwk(jwk).map_err(|fault| Unusable::Wrong(fault.to_string()))
    });
    let keys: Vec<PublicKey> = keys.collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Err(Unusable::Wrong("jwks needs a key".to_owned()));
    }
    let is_disabled = section.autoprovisioning_disabled.unwrap_or(setting.sso_customer_autoprovisioning_disabled);
    let identifier = section.identifier_field.or(setting.sso_customer_identifier_field);
    Ok(Partner {
        // Who somebody is, is the issuer's word; two configurations of one issuer mean the same people.
        name: section.issuer.clone(),
        issuer: section.issuer.clone(),
        audiences,
        authorized_party: section.token_client_id.clone(),
        keys,
        email_domains: section.email_domains.iter().map(|domain| domain.to_ascii_lowercase()).collect(),
        identifier: match identifier {
            Some(Identifier::Email) => PartnerIdentifier::Email,
            Some(Identifier::Subject) | None => PartnerIdentifier::Subject,
        },
        creates_customers: !is_disabled,
    })
}

/// The configuration `name` of a tenant.
fn configured(tenant: &Tenant, name: &str) -> Result<Partner, E2> {
    let setting = tenant.settings.dialect.get(DIALECT).and_then(|dialect| dialect.get(SETTING));
    partner(setting, name).map_err(|fault| {
        let message = match fault {
            Unusable::Unknown => "There is no such configuration.",
            Unusable::Wrong(reason) => {
                tracing::error!(tenant = %tenant.id, reason, "the token exchange is configured wrongly");
                "The configuration cannot be used."
            }
        };
        E2::bad_request(message).detail("config", "invalid_value", message)
    })
}

async fn exchange(State(edge): State<Edge>, caller: Caller, params: Params) -> Result<Response, E2> {
    if !caller.is_guest() {
        return Err(E1::invalid_access_token().into());
    }
    let partner = configured(&caller.tenant, params.one("config")?.unwrap_or(DEFAULT))?;
    let subject_token = params.one("subjectAccessToken")?.ok_or_else(|| {
        let message = "The parameter subjectAccessToken is needed.";
        E2::bad_request(message).detail("subjectAccessToken", "missing_value", message)
    })?;
    let engine = &edge.engine;
    let granted =
        engine.exchange_partner_token(&caller.tenant, caller.bearer(), &partner, subject_token, &caller.origin).await?;
    let mut token = customer_token(engine, &caller.tenant, &granted)?;
    token.insert("subject_access_token".to_owned(), json!(subject_token));
    token.insert("subjectAccessToken".to_owned(), json!(subject_token));
    token.insert("session_idle_time".to_owned(), json!(IDLE_SECONDS));
    token.insert("scope".to_owned(), json!(wire::scope_text(&granted.standing().scopes, &caller.tenant.id)));
    Ok(Json(token).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section() -> Value {
        json!({
            "issuer": "https://idp.example", "audience": "shop",
            "jwks": { "keys": [{
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "k1",
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            }] },
        })
    }

    #[test]
    fn a_configuration_is_found_by_its_name_or_by_default() {
        let setting = json!({
            "default": section(),
            "sites": { "main": { "issuer": "https://b.example", "audience": ["x"], "jwks": section()["jwks"],
                                 "ssoCustomerIdentifierField": "EMAIL" } },
            "ssoCustomerAutoprovisioningDisabled": true,
        });
        let found = partner(Some(&setting), DEFAULT).unwrap();
        assert_eq!((found.identifier, found.creates_customers), (PartnerIdentifier::Subject, false));
        let found = partner(Some(&setting), "main").unwrap();
        assert_eq!((found.identifier, found.name.as_str()), (PartnerIdentifier::Email, "https://b.example"));
        assert_eq!(partner(Some(&setting), "nope").unwrap_err(), Unusable::Unknown);
        assert_eq!(partner(None, DEFAULT).unwrap_err(), Unusable::Unknown);
    }

    #[test]
    fn s43_keys_are_asymmetric_and_name_their_algorithm() {
        for (member, value) in [
            ("alg", Value::Null),
            ("alg", json!("HS256")),
            ("alg", json!("none")),
            ("kty", json!("oct")),
            ("d", json!("AAAA")),
        ] {
            let mut wrong = section();
            wrong["jwks"]["keys"][0][member] = value.clone();
            let setting = json!({ "default": wrong });
            assert!(matches!(partner(Some(&setting), DEFAULT), Err(Unusable::Wrong(_))), "{member} {value}");
        }
        for wrong in [json!({ "keys": [] }), json!({})] {
            let mut broken = section();
            broken["jwks"] = wrong;
            assert!(matches!(partner(Some(&json!({ "default": broken })), DEFAULT), Err(Unusable::Wrong(_))));
        }
        let mut broken = section();
        broken["audience"] = json!("");
        assert!(matches!(partner(Some(&json!({ "default": broken })), DEFAULT), Err(Unusable::Wrong(_))));
    }
}
