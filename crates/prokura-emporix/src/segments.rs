//! Customer segments (`/customer-segment/{tenant}`): who sees which goods. With the right to read, a backend sees
//! everything; with the right to read their own, customers see the active segments that count for the company they act
//! for, and nothing tells them that there are others.

mod fault;
mod items;
mod members;
mod patch;
mod views;
mod wire;

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
    routing::{get, post},
};
use fault::SegmentFault;
use prokura_domain::{SegmentId, SiteId};
use prokura_engine::{Engine, Error, PutMode, Refusal, Segment, SegmentFilter, SegmentViewer};
use prokura_http::{Edge, Params};
use serde_json::{Value, json};
pub(crate) use wire::{CATEGORY_EXTRAS, category_json};
use wire::{FIELDS, SegmentBody, localize, segment_json};

const READ: &str = "customersegment.segment_read";
const READ_OWN: &str = "customersegment.segment_read_own";
pub(crate) const MANAGE: &str = "customersegment.segment_manage";

/// How many rows are read from the engine at a time.
const BATCH: u32 = 500;
/// The most elements of a bulk call.
const MAX_BULK: usize = 200;

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route("/customer-segment/{tenant}/segments", get(list).post(create))
        .route("/customer-segment/{tenant}/segments/search", post(search))
        .route("/customer-segment/{tenant}/segments/bulk", post(create_many).put(put_many).delete(delete_many))
        .route("/customer-segment/{tenant}/segments/{id}", get(one).put(put).patch(patch_one).delete(delete))
        .merge(members::routes())
        .merge(items::routes())
        .merge(views::routes())
}

/// How far a reader's right goes.
enum Reach {
    /// Everything there is.
    All,
    /// The active segments of a customer.
    Own(SegmentViewer),
}

/// Decides how far the caller may read. A customer's own view is all they ever get; which right is missing is told by
/// who asks.
async fn reach(engine: &Engine, caller: &Caller, params: &Params) -> Result<Reach, SegmentFault> {
    if caller.is_service() {
        caller.require(engine, &[READ]).await?;
        return Ok(Reach::All);
    }
    Ok(Reach::Own(viewer(engine, caller, params).await?))
}

async fn viewer(engine: &Engine, caller: &Caller, params: &Params) -> Result<SegmentViewer, SegmentFault> {
    caller.require(engine, &[READ_OWN]).await?;
    if caller.is_service() {
        // The right is a customer's; a machine has nothing of its own.
        return Err(Refusal::MissingScope(READ).into());
    }
    Ok(engine.segment_viewer(&caller.tenant, caller.standing(), params.one("legalEntityId")?).await?)
}

/// The storefront a list is for; `Err` when there can be none of that name.
fn site(params: &Params) -> Result<Option<SiteId>, SegmentFault> {
    let parsed = params.one("siteCode")?.map(str::parse).transpose();
    parsed.map_err(|fault| Refusal::invalid("site_code", fault).into())
}

/// The rest of a list whose parameters name something that cannot be.
fn nothing(list: &ListQuery) -> Page {
    Page { items: Vec::new(), total: list.wants_total().then_some(0) }
}

async fn list(
    State(edge): State<Edge>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
) -> Result<Page, SegmentFault> {
    let q = params.one("q")?.unwrap_or_default();
    found(&edge.engine, &caller, &params, &headers, q).await
}

async fn search(
    State(edge): State<Edge>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    Body(body, _): Body<SearchBody, SegmentFault>,
) -> Result<Page, SegmentFault> {
    found(&edge.engine, &caller, &params, &headers, &body.q).await
}

async fn found(
    engine: &Engine,
    caller: &Caller,
    params: &Params,
    headers: &HeaderMap,
    q: &str,
) -> Result<Page, SegmentFault> {
    let reach = reach(engine, caller, params).await?;
    let list = ListQuery::parse_search(params, headers, q, &FIELDS)?;
    let site = site(params)?;
    let row = |segment: &Segment| (segment.id.to_string(), segment_json(segment));
    let mut page = match &reach {
        Reach::Own(viewer) => {
            let site = site.as_ref();
            collect::<_, _, SegmentFault>(&list, |after| async move {
                let batch = engine.segments_seen(&caller.tenant, viewer, site, &after, BATCH).await?;
                Ok(batch.iter().map(row).collect())
            })
            .await?
        }
        Reach::All => {
            let Ok(filter) = filter(&list, params, site)? else { return Ok(nothing(&list)) };
            let filter = &filter;
            collect::<_, _, SegmentFault>(&list, |after| async move {
                let batch = engine.segments(&caller.tenant, filter, &after, BATCH).await?;
                Ok(batch.iter().map(row).collect())
            })
            .await?
        }
    };
    localize(&mut page.items, headers);
    Ok(page)
}

/// What the database can decide of a backend's list; the inner `Err` when nothing can fit.
fn filter(list: &ListQuery, params: &Params, site: Option<SiteId>) -> Result<Result<SegmentFilter, ()>, SegmentFault> {
    let (customer, entity) = (params.one("customerId")?, params.one("legalEntityId")?);
    let parsed = || {
        Ok(SegmentFilter {
            state: list.filter.equals("status").map(wire::state).transpose().map_err(drop)?,
            site,
            active_at: None,
            customer: customer.map(str::parse).transpose().map_err(drop)?,
            legal_entity: entity.map(str::parse).transpose().map_err(drop)?,
        })
    };
    Ok(parsed())
}

async fn one(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
) -> Result<Json<Value>, SegmentFault> {
    let reach = reach(&edge.engine, &caller, &params).await?;
    let id: SegmentId = known(&id, "segment")?;
    let segment = match &reach {
        Reach::All => edge.engine.segment(&caller.tenant, &id).await?,
        Reach::Own(viewer) => edge.engine.segment_seen(&caller.tenant, viewer, &id).await?,
    };
    let mut items = [segment_json(&segment)];
    localize(&mut items, &headers);
    let [item] = items;
    Ok(Json(item))
}

async fn create(
    State(edge): State<Edge>,
    caller: Caller,
    headers: HeaderMap,
    Body(body, _): Body<SegmentBody, SegmentFault>,
) -> Result<Response, SegmentFault> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let request = body.read(None, &wire::content_language(&headers))?;
    let (actor, origin) = (caller.actor(), &caller.origin);
    let (id, outcome) = edge.engine.put_segment(&caller.tenant, &request, PutMode::Create, &actor, origin).await?;
    Ok(put_answer(id.as_str(), outcome))
}

async fn put(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body, _): Body<SegmentBody, SegmentFault>,
) -> Result<Response, SegmentFault> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let mode = body.mode();
    let request = body.read(Some(&id), &wire::content_language(&headers))?;
    let (actor, origin) = (caller.actor(), &caller.origin);
    let (id, outcome) = edge.engine.put_segment(&caller.tenant, &request, mode, &actor, origin).await?;
    Ok(put_answer(id.as_str(), outcome))
}

/// `PATCH`, as a list of operations (RFC 6902) or as the members that change (RFC 7396). Without a version it is
/// applied to whatever there is when it is written.
async fn patch_one(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    Body(change, _): Body<Value, SegmentFault>,
) -> Result<StatusCode, SegmentFault> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let segment: SegmentId = known(&id, "segment")?;
    let language = wire::content_language(&headers);
    for _ in 0..5 {
        let before = edge.engine.segment(&caller.tenant, &segment).await?;
        let mut document = wire::patchable(&before);
        patch::apply(&mut document, &change)?;
        let body: SegmentBody = serde_json::from_value(document).map_err(|fault| Refusal::invalid("body", fault))?;
        let seen = body.version();
        let mode = PutMode::Upsert { version: Some(seen.unwrap_or(before.version)) };
        let request = body.read(Some(&id), &language)?;
        match edge.engine.put_segment(&caller.tenant, &request, mode, &caller.actor(), &caller.origin).await {
            Err(Error::Refused(Refusal::StaleVersion)) if seen.is_none() => {}
            result => {
                result?;
                return Ok(StatusCode::NO_CONTENT);
            }
        }
    }
    Err(Refusal::StaleVersion.into())
}

async fn delete(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    params: Params,
) -> Result<StatusCode, SegmentFault> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let id = known(&id, "segment")?;
    let is_forced = params.flag("forceDelete")?;
    edge.engine.delete_segment(&caller.tenant, &id, is_forced, &caller.actor(), &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The answer to a bulk call: one entry for each element, counted from 1.
struct Bulk(Vec<Value>);

impl Bulk {
    /// Refuses calls with more elements than one may have.
    fn sized<T>(elements: &[T]) -> Result<Self, SegmentFault> {
        if elements.is_empty() || elements.len() > MAX_BULK {
            return Err(Refusal::invalid("body", format!("1 to {MAX_BULK} elements")).into());
        }
        Ok(Self(Vec::with_capacity(elements.len())))
    }

    /// The next element went well.
    fn done(&mut self, id: Option<&str>, status: StatusCode) {
        let mut entry = json!({
            "index": self.0.len() + 1,
            "code": status.as_u16(),
            "status": status.canonical_reason().unwrap_or_default(),
        });
        if let (Some(id), Some(members)) = (id, entry.as_object_mut()) {
            members.insert("id".to_owned(), json!(id));
        }
        self.0.push(entry);
    }

    /// The next element was refused.
    fn refused(&mut self, id: Option<&str>, fault: SegmentFault) {
        let mut entry = fault.into_body();
        if let Some(members) = entry.as_object_mut() {
            members.insert("index".to_owned(), json!(self.0.len() + 1));
            if let Some(id) = id {
                members.insert("id".to_owned(), json!(id));
            }
        }
        self.0.push(entry);
    }
}

impl axum::response::IntoResponse for Bulk {
    fn into_response(self) -> Response {
        (StatusCode::MULTI_STATUS, Json(self.0)).into_response()
    }
}

async fn create_many(
    State(edge): State<Edge>,
    caller: Caller,
    headers: HeaderMap,
    Body(elements, _): Body<Vec<Value>, SegmentFault>,
) -> Result<Bulk, SegmentFault> {
    write_many(&edge.engine, &caller, &headers, elements, false).await
}

async fn put_many(
    State(edge): State<Edge>,
    caller: Caller,
    headers: HeaderMap,
    Body(elements, _): Body<Vec<Value>, SegmentFault>,
) -> Result<Bulk, SegmentFault> {
    write_many(&edge.engine, &caller, &headers, elements, true).await
}

/// Writes segments one by one; a fault of ours ends the call, for whoever repeats it then loses nothing.
async fn write_many(
    engine: &Engine,
    caller: &Caller,
    headers: &HeaderMap,
    elements: Vec<Value>,
    is_put: bool,
) -> Result<Bulk, SegmentFault> {
    caller.require(engine, &[MANAGE]).await?;
    let mut bulk = Bulk::sized(&elements)?;
    let language = wire::content_language(headers);
    for element in elements {
        let id = element.get("id").and_then(Value::as_str).map(str::to_owned);
        match write_one(engine, caller, element, &language, is_put).await {
            Ok((id, status)) => bulk.done(Some(id.as_str()), status),
            Err(Error::Refused(refusal)) => bulk.refused(id.as_deref(), refusal.into()),
            Err(fault @ Error::Fault(_)) => return Err(fault.into()),
        }
    }
    Ok(bulk)
}

async fn write_one(
    engine: &Engine,
    caller: &Caller,
    element: Value,
    language: &str,
    is_put: bool,
) -> Result<(SegmentId, StatusCode), Error> {
    let body: SegmentBody = serde_json::from_value(element).map_err(|fault| Refusal::invalid("body", fault))?;
    let mode = if is_put { body.mode() } else { PutMode::Create };
    let request = body.read(None, language)?;
    if is_put && request.id.is_none() {
        return Err(Refusal::invalid("id", "is required").into());
    }
    let (id, outcome) = engine.put_segment(&caller.tenant, &request, mode, &caller.actor(), &caller.origin).await?;
    Ok((id, wire::status(outcome)))
}

async fn delete_many(
    State(edge): State<Edge>,
    caller: Caller,
    params: Params,
    Body(ids, _): Body<Vec<String>, SegmentFault>,
) -> Result<Bulk, SegmentFault> {
    let engine = &edge.engine;
    caller.require(engine, &[MANAGE]).await?;
    let is_forced = params.flag("forceDelete")?;
    let mut bulk = Bulk::sized(&ids)?;
    for id in &ids {
        let result = match id.parse() {
            Err(_) => Err(Refusal::NotFound("segment").into()),
            Ok(segment) => {
                engine.delete_segment(&caller.tenant, &segment, is_forced, &caller.actor(), &caller.origin).await
            }
        };
        match result {
            Ok(()) => bulk.done(Some(id), StatusCode::NO_CONTENT),
            Err(Error::Refused(refusal)) => bulk.refused(Some(id), refusal.into()),
            Err(fault @ Error::Fault(_)) => return Err(fault.into()),
        }
    }
    Ok(bulk)
}
