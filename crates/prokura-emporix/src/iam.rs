//! IAM (`/iam/{tenant}`): what somebody may do, and the groups that let them. Scopes are those of this moment. A right
//! that ends in `_own` reaches the groups and people of the one company the caller acts for.

mod catalog;
mod groups;
mod members;

use crate::{
    caller::Caller,
    companies::wire::{known, without_nulls},
    fault::E3,
    wire::scope_text,
};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::HeaderMap,
    routing::get,
};
use prokura_domain::{CustomerId, LegalEntityId, MemberKind, Scopes};
use prokura_engine::{Engine, Error, Refusal, Tenant};
use prokura_http::{Edge, Params};
use serde_json::{Map, Value, json};

const SCOPE_READ: &str = "iam.scope_read";
const ACCESS_READ: &str = "iam.access_read";
const GROUP_READ: &str = "iam.group_read";

/// The number every guest has.
const GUEST: &str = "00000000";
/// The group of customers without a company. It is not kept: being in it is having no company.
const DEFAULT_GROUP: &str = "CUSTOMER";
/// The most groups somebody is told to be in.
const MAX_GROUPS: u32 = 1_000;

/// Every route of the service.
pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route("/iam/{tenant}/users/me", get(me))
        .route("/iam/{tenant}/users/me/scopes", get(my_scopes))
        .route("/iam/{tenant}/users/me/access-controls", get(my_access_controls))
        .route("/iam/{tenant}/users/{member}/scopes", get(scopes_of))
        .route("/iam/{tenant}/users/{member}/access-controls", get(access_controls_of))
        .route("/iam/{tenant}/users/{member}/groups", get(groups_of))
        .merge(catalog::routes())
        .merge(groups::routes())
        .merge(members::routes())
}

/// A scope as the access control that gives it: there are no others here.
fn access_control(scope: &str) -> Value {
    let domain = scope.split_once('.').map_or(scope, |(domain, _)| domain);
    json!({ "id": scope, "domain": domain, "name": { "en": scope }, "scopes": [scope] })
}

fn user_id(caller: &Caller) -> &str {
    match caller.standing().customer() {
        Some(customer) => customer.as_str(),
        None if caller.is_guest() => GUEST,
        None => caller.standing().client.as_str(),
    }
}

/// How the wire spells who can be in a group.
fn user_type(kind: MemberKind) -> &'static str {
    match kind {
        MemberKind::Customer => "CUSTOMER",
        MemberKind::Employee => "EMPLOYEE",
    }
}

/// Reads the wire's word for who can be in a group, ignoring case.
fn member_kind(text: &str) -> Result<MemberKind, Refusal> {
    if text.eq_ignore_ascii_case("customer") {
        Ok(MemberKind::Customer)
    } else if text.eq_ignore_ascii_case("employee") {
        Ok(MemberKind::Employee)
    } else {
        Err(Refusal::invalid("user_type", "is EMPLOYEE or CUSTOMER"))
    }
}

/// The one company an `_own` right reaches; `None` when the caller has `all` and so is not confined.
async fn confinement(
    engine: &Engine,
    caller: &Caller,
    all: &'static str,
    own: &'static str,
) -> Result<Option<LegalEntityId>, Error> {
    let scopes = caller.require(engine, &[all, own]).await?;
    if scopes.contains(all) {
        return Ok(None);
    }
    let entity = caller.own_entity(engine).await?;
    Ok(Some(entity.ok_or(Refusal::Forbidden("choose a legal entity first"))?))
}

/// The language a caller wants localized texts in; `None` for all of them.
fn wanted_language(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(http::header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    let first = text.split([',', ';']).next().unwrap_or_default().trim();
    (!first.is_empty() && first != "*").then(|| first.to_owned())
}

/// A localized text as asked for: whole, or one text of it, the nearest there is.
fn localized(texts: &Map<String, Value>, language: Option<&str>) -> Value {
    let Some(language) = language else { return json!(texts) };
    let short = language.split(['-', '_']).next().unwrap_or(language);
    let found = [language, short, "en"].iter().find_map(|language| texts.get(*language));
    found.or_else(|| texts.values().next()).cloned().unwrap_or_else(|| json!(""))
}

async fn my_scopes(State(edge): State<Edge>, caller: Caller) -> Result<Json<Value>, E3> {
    let scopes = caller.scopes(&edge.engine).await?;
    Ok(Json(json!({ "userId": user_id(&caller), "scopes": scope_text(&scopes, &caller.tenant.id) })))
}

async fn my_access_controls(State(edge): State<Edge>, caller: Caller) -> Result<Json<Vec<Value>>, E3> {
    let scopes = caller.scopes(&edge.engine).await?;
    Ok(Json(scopes.iter().map(|scope| access_control(scope.as_str())).collect()))
}

async fn me(State(edge): State<Edge>, caller: Caller, params: Params, headers: HeaderMap) -> Result<Json<Value>, E3> {
    let kind = if caller.is_service() { MemberKind::Employee } else { MemberKind::Customer };
    let mut me = json!({ "id": user_id(&caller), "userType": user_type(kind) });
    let expand = params.one("expand")?.unwrap_or_default();
    let Value::Object(members) = &mut me else { return Ok(Json(me)) };
    if let Some(id) = caller.standing().customer() {
        let customer = edge.engine.customer(&caller.tenant, id).await?;
        members.insert("firstName".to_owned(), json!(customer.profile.given_name));
        members.insert("lastName".to_owned(), json!(customer.profile.family_name));
        members.insert("email".to_owned(), json!(customer.email));
    }
    if expand.split(',').any(|word| word.trim() == "groups") {
        let groups = match caller.standing().customer() {
            Some(customer) => memberships(&edge.engine, &caller.tenant, customer, &headers).await?,
            None => Vec::new(),
        };
        members.insert("groups".to_owned(), json!(groups));
    }
    Ok(Json(without_nulls(me)))
}

/// The groups a customer is in, the one of customers without a company included.
async fn memberships(
    engine: &Engine,
    tenant: &Tenant,
    customer: &CustomerId,
    headers: &HeaderMap,
) -> Result<Vec<Value>, Error> {
    let language = wanted_language(headers);
    let mut found: Vec<_> = engine
        .groups_of(tenant, customer.as_str(), MAX_GROUPS)
        .await?
        .iter()
        .map(|group| groups::json(group, language.as_deref()))
        .collect();
    if engine.legal_entities_of(tenant, customer, None, 1).await?.is_empty() {
        found.insert(0, groups::default_group(tenant, language.as_deref()));
    }
    Ok(found)
}

async fn scopes_of(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, E3> {
    let scopes = somebodys_scopes(&edge.engine, &caller, &id, SCOPE_READ).await?;
    Ok(Json(json!({ "userId": id, "scopes": scope_text(&scopes, &caller.tenant.id) })))
}

async fn access_controls_of(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Vec<Value>>, E3> {
    let scopes = somebodys_scopes(&edge.engine, &caller, &id, ACCESS_READ).await?;
    Ok(Json(scopes.iter().map(|scope| access_control(scope.as_str())).collect()))
}

/// What a customer may do without having chosen a company.
async fn somebodys_scopes(engine: &Engine, caller: &Caller, id: &str, scope: &'static str) -> Result<Scopes, E3> {
    caller.require(engine, &[scope]).await?;
    let customer = known(id, "user")?;
    engine.customer(&caller.tenant, &customer).await?;
    Ok(engine.rights(&caller.tenant, &customer, None).await?.scopes.clone())
}

async fn groups_of(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Vec<Value>>, E3> {
    caller.require(&edge.engine, &[GROUP_READ]).await?;
    let customer = known(&id, "user")?;
    edge.engine.customer(&caller.tenant, &customer).await?;
    Ok(Json(memberships(&edge.engine, &caller.tenant, &customer, &headers).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_is_chosen_and_never_none() {
        let texts: Map<String, Value> = serde_json::from_value(json!({ "en": "Admin", "de": "Verwalter" })).unwrap();
        for (language, expected) in
            [(Some("de"), "Verwalter"), (Some("de-AT"), "Verwalter"), (Some("fr"), "Admin"), (Some("en_US"), "Admin")]
        {
            assert_eq!(localized(&texts, language), json!(expected), "{language:?}");
        }
        assert_eq!(localized(&texts, None), json!(texts));
        assert_eq!(localized(&Map::new(), Some("de")), json!(""));
    }
}
