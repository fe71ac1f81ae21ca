//! Contact assignments: who may act for which company. For backends only; customers see companies instead.

use super::{
    BATCH,
    wire::{Checked, MetadataBody, Reference, SearchBody, known, metadata, narrow, put_answer, upsert, without_nulls},
};
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
use prokura_domain::{AssignmentKind, GroupCode};
use prokura_engine::{
    AssignmentDetails, Contact, ContactFilter, Engine, NewAssignment, PutAssignment, PutMode, Refusal,
};
use prokura_http::{Edge, Params};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const READ: &str = "customermanagement.contactassignment_read";
const MANAGE: &str = "customermanagement.contactassignment_manage";

const FIELDS: Fields = Fields::new(
    &[
        "id",
        "type",
        "primary",
        "legalEntityId=legalEntity.id",
        "customerId=customer.id",
        "legalEntity.*",
        "customer.*",
        "metadata.*",
        "mixins.*",
    ],
    16,
);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContactBody {
    id: Option<String>,
    legal_entity: Option<Reference>,
    customer: Option<Reference>,
    #[serde(rename = "type")]
    kind: Option<String>,
    primary: Option<bool>,
    mixins: Option<Map<String, Value>>,
    metadata: Option<MetadataBody>,
}

pub(super) fn routes() -> Router<Edge> {
    Router::new()
        .route("/customer-management/{tenant}/contact-assignments", get(list).post(create))
        .route("/customer-management/{tenant}/contact-assignments/search", post(search))
        .route("/customer-management/{tenant}/contact-assignments/{id}", get(one).put(put).delete(delete))
}

pub(super) fn json(contact: &Contact) -> Value {
    let assignment = &contact.assignment;
    json!({
        "id": assignment.id.as_str(),
        "legalEntity": {
            "id": assignment.legal_entity.as_str(),
            "name": contact.entity_name,
            "type": contact.entity_kind.as_str(),
        },
        "customer": without_nulls(json!({
            "id": assignment.customer.as_str(),
            "name": contact.given_name,
            "surname": contact.family_name,
            "email": contact.email,
            "phone": contact.phone,
        })),
        "type": assignment.kind.as_str(),
        "primary": assignment.is_primary,
        "metadata": metadata(
            assignment.version, assignment.created_at, assignment.modified_at, &assignment.details.mixin_schemas
        ),
        "mixins": assignment.details.mixins,
    })
}

impl ContactBody {
    fn read(self, path_id: Option<&str>) -> Result<PutAssignment, Refusal> {
        let mut checked = Checked::default();
        let id = checked.path_id(path_id, self.id.as_deref());
        let legal_entity = checked.id("legal_entity.id", self.legal_entity.as_ref().map(|reference| &*reference.id));
        let customer = checked.id("customer.id", self.customer.as_ref().map(|reference| &*reference.id));
        if self.legal_entity.is_none() {
            checked.wrong("legal_entity", "is required");
        }
        if self.customer.is_none() {
            checked.wrong("customer", "is required");
        }
        if path_id.is_some() && self.kind.is_none() {
            checked.wrong("type", "is required");
        }
        let kind = checked.word("type", self.kind.as_deref()).unwrap_or(AssignmentKind::Contact);
        let (mixins, mixin_schemas) = checked.mixins(self.mixins, self.metadata);
        checked.done()?;
        let (Some(legal_entity), Some(customer)) = (legal_entity, customer) else {
            return Err(Refusal::Invalid(Vec::new()));
        };
        let is_primary = self.primary.unwrap_or(false);
        // Whoever belongs to a company is among its contacts; further rights are given by other groups.
        let group = Some(GroupCode::Contact);
        Ok(PutAssignment {
            assignment: NewAssignment { id, legal_entity, customer, kind, is_primary, group },
            details: AssignmentDetails { mixins, mixin_schemas },
        })
    }
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
    caller.require(engine, &[READ]).await?;
    let mut q = q.to_owned();
    for (names, path) in [
        (["legalEntity.id", "legalEntityId"].as_slice(), "legalEntity.id"),
        (["customer.id", "customerId"].as_slice(), "customer.id"),
        (["type"].as_slice(), "type"),
        (["primary"].as_slice(), "primary"),
    ] {
        if let Some(value) = params.one_of(names)? {
            narrow(&mut q, &format!("{path}:"), value);
        }
    }
    let list = ListQuery::parse_search(params, headers, &q, &FIELDS)?;
    let Ok(filter) = filter(&list) else {
        return Ok(Page { items: Vec::new(), total: list.wants_total().then_some(0) });
    };
    let filter = &filter;
    collect::<_, _, E3>(&list, |after| async move {
        let batch = engine.contacts(&caller.tenant, filter, &after, BATCH).await?;
        Ok(batch.iter().map(|contact| (contact.assignment.id.to_string(), json(contact))).collect())
    })
    .await
}

/// What the database can decide of a list request; `Err` when nothing can fit.
fn filter(list: &ListQuery) -> Result<ContactFilter, ()> {
    Ok(ContactFilter {
        legal_entity: list.filter.equals("legalEntity.id").map(str::parse).transpose().map_err(drop)?,
        customer: list.filter.equals("customer.id").map(str::parse).transpose().map_err(drop)?,
        kind: list.filter.equals("type").map(str::parse).transpose().map_err(drop)?,
        is_primary: list.filter.equals("primary").map(str::parse).transpose().map_err(drop)?,
    })
}

async fn one(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, E3> {
    caller.require(&edge.engine, &[READ]).await?;
    let contact = edge.engine.contact(&caller.tenant, &known(&id, "contact assignment")?).await?;
    Ok(Json(json(&contact)))
}

async fn create(
    State(edge): State<Edge>,
    caller: Caller,
    Body(body, _): Body<ContactBody, E3>,
) -> Result<(StatusCode, Json<Value>), E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let request = body.read(None)?;
    let (actor, origin) = (caller.actor(), &caller.origin);
    let (id, _) = edge.engine.put_assignment(&caller.tenant, &request, PutMode::Create, &actor, origin).await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id.as_str() }))))
}

async fn put(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    Body(body, _): Body<ContactBody, E3>,
) -> Result<Response, E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let mode = upsert(body.metadata.as_ref());
    let request = body.read(Some(&id))?;
    let (actor, origin) = (caller.actor(), &caller.origin);
    let (id, outcome) = edge.engine.put_assignment(&caller.tenant, &request, mode, &actor, origin).await?;
    Ok(put_answer(id.as_str(), outcome))
}

async fn delete(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let id = known(&id, "contact assignment")?;
    edge.engine.unassign(&caller.tenant, &id, &caller.actor(), &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
