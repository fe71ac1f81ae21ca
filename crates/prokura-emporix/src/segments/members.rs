//! Who belongs to a segment: `…/customers`. Backends see everybody; a customer sees their own memberships in segments
//! that count for them.

use super::{
    BATCH, Bulk, MANAGE, READ, Reach,
    fault::SegmentFault,
    nothing, reach,
    wire::{self, MEMBER_FIELDS, member_json},
};
use crate::{
    caller::Caller,
    companies::wire::{SearchBody, known, put_answer},
    params::Body,
    query::{ListQuery, Page, collect},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{get, post, put},
};
use prokura_domain::{CustomerId, LegalEntityId, SegmentId};
use prokura_engine::{Engine, Error, MemberFilter, PutOutcome, Refusal, SegmentMember, SegmentMembership};
use prokura_http::{Edge, Params};
use serde::Deserialize;
use serde_json::Value;

pub(super) fn routes() -> Router<Edge> {
    Router::new()
        .route("/customer-segment/{tenant}/segments/{id}/customers", get(list))
        .route("/customer-segment/{tenant}/segments/{id}/customers/search", post(search))
        .route("/customer-segment/{tenant}/segments/{id}/customers/bulk", put(put_many).delete(delete_many))
        .route(
            "/customer-segment/{tenant}/segments/{id}/customers/{customer}",
            get(private).put(put_private).delete(delete_private),
        )
        .route(
            "/customer-segment/{tenant}/segments/{id}/customers/{customer}/{entity}",
            get(acting).put(put_acting).delete(delete_acting),
        )
}

async fn list(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
) -> Result<Page, SegmentFault> {
    let reach = reach(&edge.engine, &caller, &params).await?;
    let q = params.one("q")?.unwrap_or_default();
    found(&edge.engine, &caller, &reach, &id, (&params, &headers, q)).await
}

async fn search(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
    Body(body, _): Body<SearchBody, SegmentFault>,
) -> Result<Page, SegmentFault> {
    caller.require(&edge.engine, &[READ]).await?;
    let reach = reach(&edge.engine, &caller, &params).await?;
    found(&edge.engine, &caller, &reach, &id, (&params, &headers, &body.q)).await
}

async fn found(
    engine: &Engine,
    caller: &Caller,
    reach: &Reach,
    id: &str,
    (params, headers, q): (&Params, &HeaderMap, &str),
) -> Result<Page, SegmentFault> {
    let id: SegmentId = known(id, "segment")?;
    let list = ListQuery::parse_search(params, headers, q, &MEMBER_FIELDS)?;
    let wanted = |path: &str, parameter: &str| -> Result<Option<String>, SegmentFault> {
        Ok(list.filter.equals(path).or(params.one(parameter)?).map(str::to_owned))
    };
    let mut filter = MemberFilter::default();
    match reach {
        // Only their own rows; whether anybody else is in the segment is not theirs to know.
        Reach::Own(viewer) => {
            engine.segment_seen(&caller.tenant, viewer, &id).await?;
            filter.customer = Some(viewer.customer.clone());
            if !viewer.is_private {
                filter.legal_entity.clone_from(&viewer.legal_entity);
            }
        }
        Reach::All => {
            engine.segment(&caller.tenant, &id).await?;
            let customer = wanted("customer.id", "customerId")?.map(|text| text.parse()).transpose();
            let entity = wanted("legalEntity.id", "legalEntityId")?.map(|text| text.parse()).transpose();
            let (Ok(customer), Ok(legal_entity)) = (customer, entity) else { return Ok(nothing(&list)) };
            filter = MemberFilter { customer, legal_entity, after: None };
        }
    }
    let (filter, id) = (&filter, &id);
    let counts = |membership: &SegmentMembership| match reach {
        Reach::All => true,
        Reach::Own(viewer) => {
            let entity = membership.member.legal_entity.as_ref();
            entity == viewer.legal_entity.as_ref() || (entity.is_none() && viewer.is_private)
        }
    };
    collect(&list, |after| async move {
        let filter = MemberFilter { after: key(&after), ..filter.clone() };
        let batch = engine.segment_members(&caller.tenant, id, &filter, BATCH).await?;
        let rows = batch.iter().filter(|membership| counts(membership));
        Ok::<_, SegmentFault>(rows.map(|membership| (key_text(membership), member_json(membership))).collect())
    })
    .await
}

/// A member as the key of a list: no id has a slash in it.
fn key_text(membership: &SegmentMembership) -> String {
    let text = |id: Option<&str>| id.unwrap_or_default().to_owned();
    let member = &membership.member;
    format!(
        "{}/{}",
        text(member.customer.as_ref().map(CustomerId::as_str)),
        text(member.legal_entity.as_ref().map(LegalEntityId::as_str))
    )
}

fn key(text: &str) -> Option<SegmentMember> {
    let (customer, entity) = text.split_once('/')?;
    Some(SegmentMember { customer: customer.parse().ok(), legal_entity: entity.parse().ok() })
}

/// The member a path names.
fn member(customer: &str, entity: Option<&str>) -> Result<SegmentMember, SegmentFault> {
    Ok(SegmentMember {
        customer: Some(known(customer, "customer")?),
        legal_entity: entity.map(|entity| known(entity, "legal entity")).transpose()?,
    })
}

async fn read(engine: &Engine, caller: &Caller, id: &str, member: &SegmentMember) -> Result<Json<Value>, SegmentFault> {
    caller.require(engine, &[READ]).await?;
    let found = engine.segment_member(&caller.tenant, &known(id, "segment")?, member).await?;
    Ok(Json(member_json(&found)))
}

async fn write(engine: &Engine, caller: &Caller, id: &str, member: SegmentMember) -> Result<Response, SegmentFault> {
    caller.require(engine, &[MANAGE]).await?;
    let segment = known(id, "segment")?;
    let members = std::slice::from_ref(&member);
    let outcomes =
        engine.put_segment_members(&caller.tenant, &segment, members, &caller.actor(), &caller.origin).await?;
    let outcome = outcomes.into_iter().next().unwrap_or(Ok(PutOutcome::Replaced))?;
    let id = member.customer.as_ref().map_or("", |customer| customer.as_str());
    Ok(put_answer(id, outcome))
}

async fn remove(engine: &Engine, caller: &Caller, id: &str, member: SegmentMember) -> Result<StatusCode, SegmentFault> {
    caller.require(engine, &[MANAGE]).await?;
    let segment = known(id, "segment")?;
    let members = std::slice::from_ref(&member);
    let outcomes =
        engine.remove_segment_members(&caller.tenant, &segment, members, &caller.actor(), &caller.origin).await?;
    outcomes.into_iter().next().unwrap_or(Ok(()))?;
    Ok(StatusCode::NO_CONTENT)
}

type One = Path<(String, String, String)>;
type Two = Path<(String, String, String, String)>;

async fn private(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id, customer)): One,
) -> Result<Json<Value>, SegmentFault> {
    caller.require(&edge.engine, &[READ]).await?;
    read(&edge.engine, &caller, &id, &member(&customer, None)?).await
}

async fn acting(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id, customer, entity)): Two,
) -> Result<Json<Value>, SegmentFault> {
    caller.require(&edge.engine, &[READ]).await?;
    read(&edge.engine, &caller, &id, &member(&customer, Some(&entity))?).await
}

async fn put_private(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id, customer)): One,
) -> Result<Response, SegmentFault> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    write(&edge.engine, &caller, &id, member(&customer, None)?).await
}

async fn put_acting(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id, customer, entity)): Two,
) -> Result<Response, SegmentFault> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    write(&edge.engine, &caller, &id, member(&customer, Some(&entity))?).await
}

async fn delete_private(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id, customer)): One,
) -> Result<StatusCode, SegmentFault> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    remove(&edge.engine, &caller, &id, member(&customer, None)?).await
}

async fn delete_acting(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id, customer, entity)): Two,
) -> Result<StatusCode, SegmentFault> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    remove(&edge.engine, &caller, &id, member(&customer, Some(&entity))?).await
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MemberBody {
    customer_id: Option<String>,
    legal_entity_id: Option<String>,
}

impl MemberBody {
    fn read(&self) -> Result<SegmentMember, Refusal> {
        let customer = self.customer_id.as_deref().ok_or_else(|| Refusal::invalid("customer_id", "is required"))?;
        let entity = self.legal_entity_id.as_deref().filter(|entity| !entity.is_empty());
        Ok(SegmentMember {
            customer: Some(customer.parse().map_err(|_| Refusal::NotFound("customer"))?),
            legal_entity: entity.map(|id| id.parse().map_err(|_| Refusal::NotFound("legal entity"))).transpose()?,
        })
    }
}

async fn put_many(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    Body(elements, _): Body<Vec<MemberBody>, SegmentFault>,
) -> Result<Bulk, SegmentFault> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let segment: SegmentId = known(&id, "segment")?;
    let (bulk, members, faults) = read_many(&elements)?;
    let outcomes =
        edge.engine.put_segment_members(&caller.tenant, &segment, &members, &caller.actor(), &caller.origin).await?;
    let outcomes = outcomes.into_iter().map(|outcome| outcome.map(wire::status));
    Ok(answered(bulk, &elements, faults, outcomes))
}

async fn delete_many(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    Body(elements, _): Body<Vec<MemberBody>, SegmentFault>,
) -> Result<Bulk, SegmentFault> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let segment: SegmentId = known(&id, "segment")?;
    let (bulk, members, faults) = read_many(&elements)?;
    let outcomes =
        edge.engine.remove_segment_members(&caller.tenant, &segment, &members, &caller.actor(), &caller.origin).await?;
    let outcomes = outcomes.into_iter().map(|outcome| outcome.map(|()| StatusCode::NO_CONTENT));
    Ok(answered(bulk, &elements, faults, outcomes))
}

/// The members that can be read, and for each element what is wrong with it, if anything is.
type Read = (Bulk, Vec<SegmentMember>, Vec<Option<Refusal>>);

fn read_many(elements: &[MemberBody]) -> Result<Read, SegmentFault> {
    let bulk = Bulk::sized(elements)?;
    let mut members = Vec::with_capacity(elements.len());
    let mut faults = Vec::with_capacity(elements.len());
    for element in elements {
        match element.read() {
            Ok(member) => {
                members.push(member);
                faults.push(None);
            }
            Err(refusal) => faults.push(Some(refusal)),
        }
    }
    Ok((bulk, members, faults))
}

/// Puts the outcomes of what could be read back among the elements that could not.
fn answered(
    mut bulk: Bulk,
    elements: &[MemberBody],
    faults: Vec<Option<Refusal>>,
    mut outcomes: impl Iterator<Item = Result<StatusCode, Refusal>>,
) -> Bulk {
    for (element, fault) in elements.iter().zip(faults) {
        let id = element.customer_id.as_deref();
        let outcome = fault.map_or_else(|| outcomes.next(), |fault| Some(Err(fault)));
        match outcome {
            Some(Ok(status)) => bulk.done(id, status),
            Some(Err(refusal)) => bulk.refused(id, refusal.into()),
            None => bulk.refused(id, Error::Fault(prokura_engine::Fault::Worker).into()),
        }
    }
    bulk
}
