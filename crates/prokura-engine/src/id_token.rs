//! What a client may know about a customer: the claims of the scopes it was granted (OpenID Connect Core section 5.4), in
//! the ID token and at the userinfo endpoint.

use crate::{Customer, Engine, Error, Refusal, Tenant, store::Reader};
use prokura_domain::{ClientId, LegalEntityId, Scopes, Standing};
use prokura_jose::sign_jwt;
use serde_json::{Map, Value, json};

/// The `typ` of an ID token.
const ID_TOKEN_TYPE: &str = "JWT";

/// What an ID token says beside the standing.
pub(crate) struct IdTokenFacts {
    pub(crate) nonce: Option<String>,
    pub(crate) company: Map<String, Value>,
    /// How the customer proved who they are (RFC 8176), blank separated.
    pub(crate) amr: Option<String>,
}

impl Engine {
    /// The claims a bearer may ask for, by the scopes of its token (OpenID Connect Core section 5.3).
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is behind it; [`Refusal::MissingScope`] without `openid`.
    pub async fn userinfo(&self, tenant: &Tenant, standing: &Standing) -> Result<Map<String, Value>, Error> {
        let customer = standing.customer().ok_or(Refusal::InvalidToken)?;
        if !standing.scopes.contains("openid") {
            return Err(Refusal::MissingScope("openid").into());
        }
        let mut reader = self.store.read().await?;
        let row = reader.customer(&tenant.id, customer).await?.ok_or(Refusal::InvalidToken)?;
        let mut claims = person(&row, &standing.scopes);
        claims.extend(company(&mut reader, tenant, standing, &standing.scopes).await?);
        Ok(claims)
    }

    /// The ID token that goes with an access token.
    pub(crate) fn id_token(
        &self,
        tenant: &Tenant,
        standing: &Standing,
        facts: IdTokenFacts,
        access_seconds: u32,
    ) -> Result<Option<String>, Error> {
        let Some(customer) = standing.customer().filter(|_| standing.scopes.contains("openid")) else {
            return Ok(None);
        };
        let now = self.clock.now();
        let mut claims = facts.company;
        claims.insert("iss".to_owned(), json!(&*tenant.issuer));
        claims.insert("sub".to_owned(), json!(customer.as_str()));
        claims.insert("aud".to_owned(), json!(standing.client.as_str()));
        claims.insert("exp".to_owned(), json!(now.plus_seconds(access_seconds.into()).seconds()));
        claims.insert("iat".to_owned(), json!(now.seconds()));
        if let Some(at) = standing.authenticated_at {
            claims.insert("auth_time".to_owned(), json!(at.seconds()));
        }
        if let Some(acr) = standing.acr() {
            claims.insert("acr".to_owned(), json!(acr));
        }
        if let Some(amr) = facts.amr {
            claims.insert("amr".to_owned(), json!(amr.split_ascii_whitespace().collect::<Vec<_>>()));
        }
        if let Some(session) = &standing.session {
            claims.insert("sid".to_owned(), json!(session.as_str()));
        }
        if let Some(nonce) = facts.nonce {
            claims.insert("nonce".to_owned(), json!(nonce));
        }
        let token = sign_jwt(tenant.minter.key(), ID_TOKEN_TYPE, &Value::Object(claims)).map_err(Error::crypto)?;
        Ok(Some(token))
    }

    /// Reads an ID token of ours back, expired or not: the hint of a logout (OpenID Connect RP-Initiated Logout 1.0).
    /// `None` when it is not one of this tenant's. Returns its client, subject and session.
    pub fn id_token_hint(&self, tenant: &Tenant, token: &str) -> Option<(ClientId, String, Option<String>)> {
        let keys = tenant.public_keys();
        let allowed: Vec<_> = keys.iter().map(prokura_jose::PublicKey::algorithm).collect();
        let verified = prokura_jose::verify_jws(token, keys, &allowed, Some(ID_TOKEN_TYPE)).ok()?;
        let claims = prokura_jose::Claims::parse(&verified.payload).ok()?;
        let [audience] = claims.audience.as_slice() else { return None };
        if claims.issuer != *tenant.issuer || claims.issued_at > self.clock.now().plus_seconds(60) {
            return None;
        }
        let session = claims.others.get("sid").and_then(Value::as_str).map(str::to_owned);
        Some((audience.parse().ok()?, claims.subject, session))
    }
}

/// How the customer of a session proved who they are, where an ID token is going to say it.
pub(crate) async fn amr(reader: &mut Reader, tenant: &Tenant, standing: &Standing) -> Result<Option<String>, Error> {
    let Some(session) = standing.session.as_ref().filter(|_| standing.scopes.contains("openid")) else {
        return Ok(None);
    };
    Ok(reader.session(&tenant.id, session).await?.and_then(|session| session.amr))
}

/// What an ID token says about the person because the client asked for it by name (OpenID Connect Core section 5.5).
pub(crate) async fn asked_for(
    reader: &mut Reader,
    tenant: &Tenant,
    standing: &Standing,
    names: &[String],
) -> Result<Map<String, Value>, Error> {
    let mut claims = Map::new();
    let Some(customer) = standing.customer().filter(|_| !names.is_empty()) else { return Ok(claims) };
    if let Some(found) = reader.customer(&tenant.id, customer).await? {
        claims.extend(person(&found, &standing.scopes).into_iter().filter(|(name, _)| names.contains(name)));
    }
    Ok(claims)
}

/// The company's claims, when `legal_entity` was granted and one is chosen.
pub(crate) async fn company(
    reader: &mut Reader,
    tenant: &Tenant,
    standing: &Standing,
    scopes: &Scopes,
) -> Result<Map<String, Value>, Error> {
    let mut claims = Map::new();
    let (Some(acting_for), Some(customer)) = (&standing.acting_for, standing.customer()) else { return Ok(claims) };
    if !scopes.contains("legal_entity") {
        return Ok(claims);
    }
    let entity: &LegalEntityId = &acting_for.legal_entity;
    claims.insert("legal_entity_id".to_owned(), json!(entity.as_str()));
    if let Some(found) = reader.legal_entity(&tenant.id, entity).await? {
        claims.insert("legal_entity_name".to_owned(), json!(found.name));
    }
    if let Some(found) = reader.assignment(&tenant.id, &acting_for.assignment).await? {
        claims.insert("assignment_type".to_owned(), json!(found.kind.as_str()));
    }
    let groups = reader.groups_of_member(&tenant.id, customer.as_str(), 200).await?;
    let names: Vec<String> = groups
        .into_iter()
        .filter(|group| group.legal_entity.as_ref().is_none_or(|of| of == entity))
        .map(|group| group.code.map_or_else(|| group.id.to_string(), |code| code.clone()))
        .collect();
    claims.insert("groups".to_owned(), json!(names));
    Ok(claims)
}

/// Who the customer is, as far as the scopes reach.
fn person(customer: &Customer, scopes: &Scopes) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() && value.as_str() != Some("") {
            claims.insert(name.to_owned(), value);
        }
    };
    let profile = &customer.profile;
    put("sub", json!(customer.id.as_str()));
    if scopes.contains("profile") {
        let name = format!("{} {}", profile.given_name, profile.family_name);
        put("name", json!(name.trim()));
        put("given_name", json!(profile.given_name));
        put("family_name", json!(profile.family_name));
        put("middle_name", json!(profile.middle_name));
        put("picture", json!(profile.photo_url));
        put("locale", json!(profile.language.as_deref().map(|language| language.replace('_', "-"))));
        put("updated_at", json!(customer.modified_at.seconds()));
    }
    if scopes.contains("email") {
        put("email", json!(customer.email));
        put("email_verified", json!(customer.email.as_ref().map(|_| customer.email_verified_at.is_some())));
    }
    if scopes.contains("phone") {
        put("phone_number", json!(profile.phone));
    }
    claims
}
