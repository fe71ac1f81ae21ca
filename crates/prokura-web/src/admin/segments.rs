//! Segments: who sees which goods. Members are customers, companies, or customers for a company; items are products and
//! categories by the shop's own ids.

use super::{
    answer::{Found, Put},
    caller::{Item, Managing, Viewing},
    fault::Fault,
    request::{Body, ListQuery, Page, Precondition, Search, Unconditional},
    wire::{
        Id, Moment, Text, Word, id_schema, item_kind_schema, moment_schema, object_schema, segment_state_schema, stamp,
    },
};
use crate::Web;
use axum::Json;
use http::StatusCode;
use prokura_domain::{CustomerId, LegalEntityId, SegmentId, SegmentItemKind, SegmentState, SiteId, Validity};
use prokura_engine::{
    ItemFilter, ItemKey, MemberFilter, PutMode, PutOutcome, PutSegment, Refusal, Segment, SegmentEntry, SegmentFilter,
    SegmentItem, SegmentMember, SegmentMembership,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

/// The most members or items in one request.
const MAX_AT_ONCE: usize = 200;

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(get, put, delete))
        .routes(routes!(list_members, add_members))
        .routes(routes!(remove_members))
        .routes(routes!(list_items, add_items))
        .routes(routes!(remove_items))
}

/// A segment.
#[derive(Serialize, ToSchema)]
struct SegmentView {
    /// Its id.
    id: String,
    /// Its name by language.
    #[schema(schema_with = object_schema)]
    name: Map<String, Value>,
    /// Its description by language.
    #[schema(schema_with = object_schema)]
    description: Map<String, Value>,
    /// The storefront it is for; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    site_id: Option<String>,
    /// Whether it counts.
    #[schema(schema_with = segment_state_schema)]
    state: &'static str,
    /// From when on it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    valid_from: Option<String>,
    /// Until when it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    valid_until: Option<String>,
    /// Free objects by name.
    #[schema(schema_with = object_schema)]
    mixins: Map<String, Value>,
    /// Counts changes.
    version: i64,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    modified_at: String,
}

/// A segment as it should be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SegmentBody {
    /// Its name by language, in at least one.
    #[schema(schema_with = object_schema)]
    name: Map<String, Value>,
    /// Its description by language.
    #[serde(default)]
    #[schema(schema_with = object_schema)]
    description: Map<String, Value>,
    /// The storefront it is for; absent for all.
    #[serde(default)]
    #[schema(schema_with = id_schema)]
    site_id: Option<Id<SiteId>>,
    /// `active` when absent.
    #[serde(default)]
    #[schema(schema_with = segment_state_schema)]
    state: Option<Word<SegmentState>>,
    /// From when on it counts.
    #[serde(default)]
    #[schema(schema_with = moment_schema)]
    valid_from: Option<Moment>,
    /// Until when it counts.
    #[serde(default)]
    #[schema(schema_with = moment_schema)]
    valid_until: Option<Moment>,
    /// Free objects by name.
    #[serde(default)]
    #[schema(schema_with = object_schema)]
    mixins: Map<String, Value>,
}

/// How a segment is deleted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeleteQuery {
    /// Whether members and items go with it; otherwise a segment that has some stays.
    #[serde(default)]
    with_contents: bool,
}

/// Who belongs to a segment: a customer, everybody who acts for a company, or a customer when acting for it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Member {
    /// The customer.
    #[serde(default)]
    #[schema(pattern = "^[A-Za-z0-9_-]{1,66}$")]
    customer_id: Option<String>,
    /// The company.
    #[serde(default)]
    #[schema(pattern = "^[A-Za-z0-9_-]{1,66}$")]
    legal_entity_id: Option<String>,
}

/// A member, as lists show it.
#[derive(Serialize, ToSchema)]
struct MemberView {
    /// The customer; absent for everybody who acts for the company.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<String>,
    /// The company; absent for the customer as a private person.
    #[serde(skip_serializing_if = "Option::is_none")]
    legal_entity_id: Option<String>,
    /// The name of the company.
    #[serde(skip_serializing_if = "Option::is_none")]
    legal_entity_name: Option<String>,
    /// Since when.
    #[schema(format = DateTime)]
    created_at: String,
}

/// Members to be put in or taken out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Members {
    /// Who; each names at least one of the two.
    #[schema(min_items = 1, max_items = 200)]
    members: Vec<Member>,
}

/// What belongs to a segment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewItem {
    /// Product or category.
    #[schema(schema_with = item_kind_schema)]
    kind: Word<SegmentItemKind>,
    /// The shop's id of it.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    id: Text<1, 200>,
    /// What else there is to know about it; kept as it is.
    #[serde(default)]
    #[schema(schema_with = object_schema)]
    details: Map<String, Value>,
}

/// Items to be put in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Items {
    /// Which.
    #[schema(min_items = 1, max_items = 200)]
    items: Vec<NewItem>,
}

/// An item's name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ItemName {
    /// Product or category.
    #[schema(schema_with = item_kind_schema)]
    kind: Word<SegmentItemKind>,
    /// The shop's id of it.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    id: Text<1, 200>,
}

/// Items to be taken out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ItemNames {
    /// Which.
    #[schema(min_items = 1, max_items = 200)]
    items: Vec<ItemName>,
}

/// An item, as lists show it.
#[derive(Serialize, ToSchema)]
struct ItemView {
    /// Product or category.
    #[schema(schema_with = item_kind_schema)]
    kind: &'static str,
    /// The shop's id of it.
    id: String,
    /// What else there is to know about it.
    #[schema(schema_with = object_schema)]
    details: Map<String, Value>,
    /// Since when.
    #[schema(format = DateTime)]
    created_at: String,
}

/// What became of each, in the order they were sent.
#[derive(Serialize, ToSchema)]
struct Outcomes {
    /// One each.
    results: Vec<OutcomeView>,
}

/// What became of one.
#[derive(Serialize, ToSchema)]
struct OutcomeView {
    /// `added`, `replaced`, `removed` or `refused`.
    outcome: &'static str,
    /// Why not, when refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

fn view(segment: Segment) -> SegmentView {
    SegmentView {
        id: segment.id.to_string(),
        name: segment.name,
        description: segment.description,
        site_id: segment.site.map(|site| site.to_string()),
        state: segment.state.as_str(),
        valid_from: segment.validity.from.map(stamp),
        valid_until: segment.validity.until.map(stamp),
        mixins: segment.details,
        version: segment.version,
        created_at: stamp(segment.created_at),
        modified_at: stamp(segment.modified_at),
    }
}

fn member_view(found: SegmentMembership) -> MemberView {
    MemberView {
        customer_id: found.member.customer.map(|id| id.to_string()),
        legal_entity_id: found.member.legal_entity.map(|id| id.to_string()),
        legal_entity_name: found.legal_entity_name,
        created_at: stamp(found.created_at),
    }
}

fn item_view(entry: SegmentEntry) -> ItemView {
    ItemView {
        kind: entry.item.kind.as_str(),
        id: entry.item.item,
        details: entry.item.details,
        created_at: stamp(entry.created_at),
    }
}

fn outcomes<T>(results: Vec<Result<T, Refusal>>, word: impl Fn(T) -> &'static str) -> Json<Outcomes> {
    let told = |result| match result {
        Ok(done) => OutcomeView { outcome: word(done), detail: None },
        Err(Refusal::Invalid(faults)) => {
            let reasons: Vec<_> = faults.into_iter().map(|fault| fault.reason).collect();
            OutcomeView { outcome: "refused", detail: Some(reasons.join("; ")) }
        }
        Err(refusal) => OutcomeView { outcome: "refused", detail: Some(refusal.to_string()) },
    };
    Json(Outcomes { results: results.into_iter().map(told).collect() })
}

fn put_word(outcome: PutOutcome) -> &'static str {
    match outcome {
        PutOutcome::Created => "added",
        PutOutcome::Replaced => "replaced",
    }
}

fn check_count(field: &str, count: usize) -> Result<(), Fault> {
    if (1..=MAX_AT_ONCE).contains(&count) {
        Ok(())
    } else {
        Err(Fault::invalid(field, &format!("1 to {MAX_AT_ONCE} of them")))
    }
}

fn members(body: Members) -> Result<Vec<SegmentMember>, Fault> {
    check_count("members", body.members.len())?;
    let read = |(index, member): (usize, Member)| {
        let wrong = |name: &str, reason: &str| Fault::invalid(&format!("members[{index}].{name}"), reason);
        let customer = member.customer_id.map(|id| id.parse::<CustomerId>()).transpose();
        let legal_entity = member.legal_entity_id.map(|id| id.parse::<LegalEntityId>()).transpose();
        Ok(SegmentMember {
            customer: customer.map_err(|fault| wrong("customer_id", &fault.to_string()))?,
            legal_entity: legal_entity.map_err(|fault| wrong("legal_entity_id", &fault.to_string()))?,
        })
    };
    body.members.into_iter().enumerate().map(read).collect()
}

/// List segments
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/segments", tag = "segments", operation_id = "list_segments",
    params(ListQuery), responses((status = 200, description = "Segments by id", body = Page<SegmentView>)))]
async fn list(at: Viewing, Search(query): Search<ListQuery>) -> Result<Json<Page<SegmentView>>, Fault> {
    let window = at.window("segments", query.limit, query.cursor.as_deref())?;
    let found = at.engine.segments(&at.tenant, &SegmentFilter::default(), &window.after, window.fetch()).await?;
    Ok(window.page(found, |segment| segment.id.to_string(), view))
}

/// Read a segment
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/segments/{segment}", tag = "segments",
    operation_id = "get_segment", responses((status = 200, description = "The segment", body = SegmentView)))]
async fn get(at: Viewing, Item(id): Item<SegmentId>) -> Result<Found<SegmentView>, Fault> {
    let segment = at.engine.segment(&at.tenant, &id).await?;
    Ok(Found { version: segment.version, body: view(segment) })
}

/// Make or replace a segment
///
/// Members and items stay. Whoever belongs to it sees the change at once.
#[utoipa::path(put, path = "/admin/v1/tenants/{tenant}/segments/{segment}", tag = "segments",
    operation_id = "put_segment",
    params(("If-Match" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)),
    request_body = SegmentBody,
    responses((status = 200, description = "The segment, replaced", body = SegmentView),
              (status = 201, description = "The segment, made", body = SegmentView)))]
async fn put(
    by: Managing,
    Item(id): Item<SegmentId>,
    precondition: Precondition,
    Body(body): Body<SegmentBody>,
) -> Result<Put<SegmentView>, Fault> {
    let engine = &by.engine;
    let mode = match precondition.replaces()? {
        None => PutMode::Create,
        Some(version) => {
            engine.segment(&by.tenant, &id).await?;
            PutMode::Upsert { version: Some(version) }
        }
    };
    let request = PutSegment {
        id: Some(id),
        name: body.name,
        description: body.description,
        site: body.site_id.map(|site| site.0),
        state: body.state.map_or(SegmentState::Active, |state| state.0),
        validity: Validity {
            from: body.valid_from.map(|moment| moment.0),
            until: body.valid_until.map(|moment| moment.0),
        },
        details: body.mixins,
    };
    let (id, outcome) =
        engine.put_segment(&by.tenant, &request, mode, &by.actor, &by.origin).await.map_err(Precondition::told)?;
    let segment = engine.segment(&by.tenant, &id).await?;
    Ok(Put {
        is_new: outcome == PutOutcome::Created,
        location: format!("/admin/v1/tenants/{}/segments/{id}", by.tenant.id),
        version: segment.version,
        body: view(segment),
    })
}

/// Delete a segment
#[utoipa::path(delete, path = "/admin/v1/tenants/{tenant}/segments/{segment}", tag = "segments",
    operation_id = "delete_segment", params(DeleteQuery),
    responses((status = 204, description = "Deleted"),
              (status = 409, description = "It has members or items, and they were not to go with it")))]
async fn delete(
    by: Managing,
    Item(id): Item<SegmentId>,
    _: Unconditional,
    Search(query): Search<DeleteQuery>,
) -> Result<StatusCode, Fault> {
    by.engine.delete_segment(&by.tenant, &id, query.with_contents, &by.actor, &by.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List members of a segment
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/segments/{segment}/members", tag = "segments",
    operation_id = "list_segment_members", params(ListQuery),
    responses((status = 200, description = "Members by customer and company", body = Page<MemberView>)))]
async fn list_members(
    at: Viewing,
    Item(id): Item<SegmentId>,
    Search(query): Search<ListQuery>,
) -> Result<Json<Page<MemberView>>, Fault> {
    let engine = &at.engine;
    let route = format!("segments/{id}/members");
    let window = at.window(&route, query.limit, query.cursor.as_deref())?;
    // Neither id can hold a slash; an absent one is empty.
    let after = window
        .after
        .split_once('/')
        .map(|(customer, entity)| SegmentMember { customer: customer.parse().ok(), legal_entity: entity.parse().ok() });
    let filter = MemberFilter { after, ..MemberFilter::default() };
    let found = engine.segment_members(&at.tenant, &id, &filter, window.fetch()).await?;
    let key = |found: &SegmentMembership| {
        let text = |id: Option<&str>| id.unwrap_or_default().to_owned();
        let member = &found.member;
        let customer = text(member.customer.as_ref().map(CustomerId::as_str));
        format!("{customer}/{}", text(member.legal_entity.as_ref().map(LegalEntityId::as_str)))
    };
    Ok(window.page(found, key, member_view))
}

/// Put members into a segment
///
/// Each has an outcome of its own. Tokens and gateways hear of it within seconds.
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/segments/{segment}/members", tag = "segments",
    operation_id = "add_segment_members", request_body = Members,
    responses((status = 200, description = "What became of each", body = Outcomes)))]
async fn add_members(
    by: Managing,
    Item(id): Item<SegmentId>,
    Body(body): Body<Members>,
) -> Result<Json<Outcomes>, Fault> {
    let members = members(body)?;
    let results = by.engine.put_segment_members(&by.tenant, &id, &members, &by.actor, &by.origin).await?;
    Ok(outcomes(results, put_word))
}

/// Take members out of a segment
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/segments/{segment}/members/remove", tag = "segments",
    operation_id = "remove_segment_members", request_body = Members,
    responses((status = 200, description = "What became of each", body = Outcomes)))]
async fn remove_members(
    by: Managing,
    Item(id): Item<SegmentId>,
    Body(body): Body<Members>,
) -> Result<Json<Outcomes>, Fault> {
    let members = members(body)?;
    let results = by.engine.remove_segment_members(&by.tenant, &id, &members, &by.actor, &by.origin).await?;
    Ok(outcomes(results, |()| "removed"))
}

/// List items of a segment
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/segments/{segment}/items", tag = "segments",
    operation_id = "list_segment_items", params(ListQuery),
    responses((status = 200, description = "Items by kind and id", body = Page<ItemView>)))]
async fn list_items(
    at: Viewing,
    Item(id): Item<SegmentId>,
    Search(query): Search<ListQuery>,
) -> Result<Json<Page<ItemView>>, Fault> {
    let engine = &at.engine;
    let route = format!("segments/{id}/items");
    let window = at.window(&route, query.limit, query.cursor.as_deref())?;
    let after = window.after.split_once('/').and_then(|(kind, item)| {
        Some(ItemKey { segment: id.clone(), kind: kind.parse().ok()?, item: item.to_owned() })
    });
    let filter = ItemFilter { segment: Some(id.clone()), after, ..ItemFilter::default() };
    let found = engine.segment_items(&at.tenant, &filter, window.fetch()).await?;
    Ok(window.page(found, |entry| format!("{}/{}", entry.item.kind.as_str(), entry.item.item), item_view))
}

/// Put items into a segment
///
/// Each has an outcome of its own.
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/segments/{segment}/items", tag = "segments",
    operation_id = "add_segment_items", request_body = Items,
    responses((status = 200, description = "What became of each", body = Outcomes)))]
async fn add_items(by: Managing, Item(id): Item<SegmentId>, Body(body): Body<Items>) -> Result<Json<Outcomes>, Fault> {
    check_count("items", body.items.len())?;
    let item = |item: NewItem| SegmentItem { kind: item.kind.0, item: item.id.0, details: item.details };
    let items: Vec<_> = body.items.into_iter().map(item).collect();
    let results = by.engine.put_segment_items(&by.tenant, &id, &items, &by.actor, &by.origin).await?;
    Ok(outcomes(results, put_word))
}

/// Take items out of a segment
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/segments/{segment}/items/remove", tag = "segments",
    operation_id = "remove_segment_items", request_body = ItemNames,
    responses((status = 200, description = "What became of each", body = Outcomes)))]
async fn remove_items(
    by: Managing,
    Item(id): Item<SegmentId>,
    Body(body): Body<ItemNames>,
) -> Result<Json<Outcomes>, Fault> {
    check_count("items", body.items.len())?;
    let items: Vec<_> = body.items.into_iter().map(|item| (item.kind.0, item.id.0)).collect();
    let results = by.engine.remove_segment_items(&by.tenant, &id, &items, &by.actor, &by.origin).await?;
    Ok(outcomes(results, |()| "removed"))
}
