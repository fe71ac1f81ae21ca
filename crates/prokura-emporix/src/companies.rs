//! The companies service (`/customer-management/{tenant}`): legal entities, contact assignments, locations. Customers
//! see the companies they may act for, and all of them at once: the pickers of storefronts do not page.

mod contacts;
mod entity;
mod locations;
pub(crate) mod wire;

use crate::{
    caller::Caller,
    fault::E3,
    params::Body,
    query::{Fields, ListQuery, Page, collect},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{get, post},
};
use entity::EntityBody;
use prokura_domain::{LegalEntityId, Scopes};
use prokura_engine::{Engine, Error, LegalEntityFilter, PutMode, Refusal, Tenant};
use prokura_http::{Edge, Params};
use serde_json::{Value, json};
use wire::{SearchBody, known, narrow, put_answer, upsert};

const READ: &str = "customermanagement.legalentity_read";
const READ_OWN: &str = "customermanagement.legalentity_read_own";
const MANAGE: &str = "customermanagement.legalentity_manage";

/// How many rows of the database are read at a time.
const BATCH: u32 = 500;
/// The most companies a customer is told of.
const MAX_OWN: u32 = 1_000;

const NAMES: &[&str] =
    &["id", "name", "type", "parentId", "accountLimit.*", "legalInfo.*", "restrictions", "metadata.*", "mixins.*"];
const FIELDS: Fields = Fields::new(NAMES, 16);
const OWN_FIELDS: Fields = Fields::new(NAMES, MAX_OWN);
const LEGAL_INFO: [&str; 6] = [
    "legalInfo.legalName",
    "legalInfo.registrationDate",
    "legalInfo.taxRegistrationNumber",
    "legalInfo.registrationAgency",
    "legalInfo.countryOfRegistration",
    "legalInfo.registrationId",
];

/// Every route of the service. Only what is listed has a method; the rest of them is 405.
pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route("/customer-management/{tenant}/legal-entities", get(list).post(create))
        .route("/customer-management/{tenant}/legal-entities/search", post(search))
        .route("/customer-management/{tenant}/legal-entities/{id}", get(one).put(put).delete(delete))
        .route("/customer-management/{tenant}/legal-entities/{id}/parent-hierarchy", get(parent_hierarchy))
        .merge(contacts::routes())
        .merge(locations::routes())
}

async fn list(State(edge): State<Edge>, caller: Caller, params: Params, headers: HeaderMap) -> Result<Page, E3> {
    let q = params.one("q")?.unwrap_or_default();
    found(&edge.engine, &caller, &params, &headers, q).await
}

async fn search(
    State(edge): State<Edge>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    Body(body, _): Body<SearchBody, E3>,
) -> Result<Page, E3> {
    found(&edge.engine, &caller, &params, &headers, &body.q).await
}

async fn found(engine: &Engine, caller: &Caller, params: &Params, headers: &HeaderMap, q: &str) -> Result<Page, E3> {
    let scopes = caller.require(engine, &[READ, READ_OWN]).await?;
    let sees_all = scopes.contains(READ);
    let mut q = q.to_owned();
    for name in ["type", "parentId"].iter().chain(&LEGAL_INFO) {
        if let Some(value) = params.one(name)? {
            narrow(&mut q, &format!("{name}:"), value);
        }
    }
    if let Some(part) = params.one("name")? {
        narrow(&mut q, "name:~", part);
    }
    let id = params.one("id")?;
    let fields = if sees_all { &FIELDS } else { &OWN_FIELDS };
    let asked = ListQuery::parse_search(params, headers, &q, fields)?;
    let list = asked.whole();
    let mut page = if sees_all {
        let Ok(filter) = filter(&list, id, params.one("name")?) else {
            return Ok(Page { items: Vec::new(), total: list.wants_total().then_some(0) });
        };
        let filter = &filter;
        collect::<_, _, E3>(&list, |after| async move {
            let batch = engine.legal_entities(&caller.tenant, filter, &after, BATCH).await?;
            Ok(batch.iter().map(|entity| (entity.id.to_string(), entity::json(entity))).collect())
        })
        .await?
    } else {
        let own = own_entities(engine, caller, id).await?;
        let own = &own;
        // All of them come at once, in the order storefronts rely on.
        collect::<_, _, E3>(&list, |after| async move { Ok(if after.is_empty() { own.clone() } else { Vec::new() }) })
            .await?
    };
    expand(engine, &caller.tenant, &mut page.items).await?;
    Ok(asked.project(page))
}

/// What the database can decide of a list request; `Err` when nothing can fit.
fn filter(list: &ListQuery, id: Option<&str>, name_part: Option<&str>) -> Result<LegalEntityFilter, ()> {
    Ok(LegalEntityFilter {
        id: id.or(list.filter.equals("id")).map(str::to_owned),
        name_part: name_part.map(str::to_owned),
        kind: list.filter.equals("type").map(str::parse).transpose().map_err(drop)?,
        parent: list.filter.equals("parentId").map(str::parse).transpose().map_err(drop)?,
        registration_id: list.filter.equals("legalInfo.registrationId").map(str::to_owned),
    })
}

/// The caller's companies, the token's first.
async fn own_entities(engine: &Engine, caller: &Caller, id: Option<&str>) -> Result<Vec<(String, Value)>, Error> {
    let Some(customer) = caller.standing().customer() else { return Ok(Vec::new()) };
    let first = caller.standing().legal_entity();
    let own = engine.legal_entities_of(&caller.tenant, customer, first, MAX_OWN).await?;
    let fits = |own: &&prokura_engine::LegalEntity| id.is_none_or(|id| own.id.as_str().eq_ignore_ascii_case(id));
    Ok(own.iter().filter(fits).map(|entity| (entity.id.to_string(), entity::json(entity))).collect())
}

/// Replaces references by what they name.
async fn expand(engine: &Engine, tenant: &Tenant, items: &mut [Value]) -> Result<(), E3> {
    let references: Vec<(LegalEntityId, Vec<String>)> = items.iter().filter_map(entity::references).collect();
    let parts = engine.parts_of(tenant, &references).await?;
    for (item, parts) in items.iter_mut().zip(parts) {
        entity::expand(item, &parts);
    }
    Ok(())
}

async fn one(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, E3> {
    let scopes = caller.require(&edge.engine, &[READ, READ_OWN]).await?;
    let id: LegalEntityId = known(&id, "legal entity")?;
    check_visible(&edge.engine, &caller, &scopes, &id).await?;
    let mut items = [entity::json(&edge.engine.legal_entity(&caller.tenant, &id).await?)];
    expand(&edge.engine, &caller.tenant, &mut items).await?;
    let [item] = items;
    Ok(Json(item))
}

/// Whoever sees only their own companies cannot tell another one from none.
async fn check_visible(engine: &Engine, caller: &Caller, scopes: &Scopes, id: &LegalEntityId) -> Result<(), Error> {
    if scopes.contains(READ) || scopes.contains(MANAGE) {
        return Ok(());
    }
    let own = match caller.standing().customer() {
        Some(customer) => engine.legal_entities_of(&caller.tenant, customer, Some(id), 1).await?,
        None => Vec::new(),
    };
    if own.first().is_some_and(|own| own.id == *id) { Ok(()) } else { Err(Refusal::NotFound("legal entity").into()) }
}

async fn parent_hierarchy(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Vec<Value>>, E3> {
    caller.require(&edge.engine, &[READ, MANAGE]).await?;
    let chain = edge.engine.parent_hierarchy(&caller.tenant, &known(&id, "legal entity")?).await?;
    let mut items: Vec<_> = chain.iter().map(entity::json).collect();
    expand(&edge.engine, &caller.tenant, &mut items).await?;
    Ok(Json(items))
}

async fn create(
    State(edge): State<Edge>,
    caller: Caller,
    Body(body, _): Body<EntityBody, E3>,
) -> Result<(StatusCode, Json<Value>), E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let request = body.read(None)?;
    let (actor, origin) = (caller.actor(), &caller.origin);
    let (id, _) = edge.engine.put_legal_entity(&caller.tenant, &request, PutMode::Create, &actor, origin).await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id.as_str() }))))
}

async fn put(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    Body(body, _): Body<EntityBody, E3>,
) -> Result<Response, E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let mode = upsert(body.metadata.as_ref());
    let request = body.read(Some(&id))?;
    let (actor, origin) = (caller.actor(), &caller.origin);
    let (id, outcome) = edge.engine.put_legal_entity(&caller.tenant, &request, mode, &actor, origin).await?;
    Ok(put_answer(id.as_str(), outcome))
}

async fn delete(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let id = known(&id, "legal entity")?;
    edge.engine.delete_legal_entity(&caller.tenant, &id, &caller.actor(), &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
