//! What belongs to a segment: `…/items`.

use super::{
    BATCH, Bulk, MANAGE, READ, Reach,
    fault::SegmentFault,
    nothing, reach,
    wire::{self, ITEM_FIELDS, Localized, item_json, localize, objects},
};
use crate::{
    caller::Caller,
    companies::wire::{Checked, MetadataBody, SearchBody, known, put_answer},
    params::{Body, read_json},
    query::{ListQuery, Page, collect},
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{get, post, put},
};
use prokura_domain::{SegmentId, SegmentItemKind};
use prokura_engine::{Engine, Error, ItemFilter, ItemKey, PutOutcome, Refusal, SegmentItem};
use prokura_http::{Edge, Params};
use serde::Deserialize;
use serde_json::{Map, Value};

pub(super) fn routes() -> Router<Edge> {
    Router::new()
        .route("/customer-segment/{tenant}/segments/{id}/items", get(list))
        .route("/customer-segment/{tenant}/segments/{id}/items/search", post(search))
        .route("/customer-segment/{tenant}/segments/{id}/items/{kind}/bulk", put(put_many).delete(delete_many))
        .route("/customer-segment/{tenant}/segments/{id}/items/{kind}/{item}", get(one).put(put_one).delete(delete_one))
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
    of_segment(&edge.engine, &caller, &reach, &id, (&params, &headers, q)).await
}

async fn search(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
    Body(body, _): Body<SearchBody, SegmentFault>,
) -> Result<Page, SegmentFault> {
    let reach = reach(&edge.engine, &caller, &params).await?;
    of_segment(&edge.engine, &caller, &reach, &id, (&params, &headers, &body.q)).await
}

async fn of_segment(
    engine: &Engine,
    caller: &Caller,
    reach: &Reach,
    id: &str,
    (params, headers, q): (&Params, &HeaderMap, &str),
) -> Result<Page, SegmentFault> {
    let id: SegmentId = known(id, "segment")?;
    match reach {
        Reach::All => engine.segment(&caller.tenant, &id).await?,
        Reach::Own(viewer) => engine.segment_seen(&caller.tenant, viewer, &id).await?,
    };
    let list = ListQuery::parse_search(params, headers, q, &ITEM_FIELDS)?;
    let filter = ItemFilter { segment: Some(id), ..ItemFilter::default() };
    found(engine, caller, reach, filter, &list, headers).await
}

/// Items as a list, of all segments or of those a customer sees; equality on type, item and segment is left to the
/// database.
pub(super) async fn found(
    engine: &Engine,
    caller: &Caller,
    reach: &Reach,
    mut filter: ItemFilter,
    list: &ListQuery,
    headers: &HeaderMap,
) -> Result<Page, SegmentFault> {
    let kind = list.filter.equals("type").map(str::parse::<SegmentItemKind>).transpose();
    let segment = list.filter.equals("segmentId").map(str::parse::<SegmentId>).transpose();
    let (Ok(kind), Ok(segment)) = (kind, segment) else { return Ok(nothing(list)) };
    filter.kind = filter.kind.or(kind);
    filter.item = filter.item.or_else(|| list.filter.equals("item.id").map(str::to_owned));
    filter.segment = filter.segment.or(segment);
    let filter = &filter;
    let mut page = collect(list, |after| async move {
        let filter = ItemFilter { after: key(&after), ..filter.clone() };
        let batch = match reach {
            Reach::All => engine.segment_items(&caller.tenant, &filter, BATCH).await,
            Reach::Own(viewer) => engine.items_seen(&caller.tenant, viewer, &filter, BATCH).await,
        };
        let batch = match batch {
            // A query may name a segment there is not; the list is empty then.
            Err(Error::Refused(Refusal::NotFound(_))) => Vec::new(),
            batch => batch?,
        };
        Ok::<_, SegmentFault>(batch.iter().map(|entry| (key_text(&entry.key()), item_json(entry))).collect())
    })
    .await?;
    localize(&mut page.items, headers);
    Ok(page)
}

/// An item as the key of a list; only the last part may have a slash in it.
fn key_text(key: &ItemKey) -> String {
    format!("{}/{}/{}", key.segment, key.kind, key.item)
}

fn key(text: &str) -> Option<ItemKey> {
    let (segment, rest) = text.split_once('/')?;
    let (kind, item) = rest.split_once('/')?;
    Some(ItemKey { segment: segment.parse().ok()?, kind: kind.parse().ok()?, item: item.to_owned() })
}

fn item_kind(word: &str) -> Result<SegmentItemKind, Refusal> {
    word.to_ascii_uppercase().parse().map_err(|_| Refusal::invalid("type", "is PRODUCT or CATEGORY"))
}

/// What a writer may say about an item: in the shape of an answer, or flat.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ItemBody {
    id: Option<String>,
    item_id: Option<String>,
    code: Option<String>,
    name: Option<Localized>,
    item: Option<InnerBody>,
    mixins: Option<Map<String, Value>>,
    metadata: Option<MetadataBody>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InnerBody {
    id: Option<String>,
    code: Option<String>,
    name: Option<Localized>,
}

impl ItemBody {
    /// The item's id, wherever it stands.
    fn id(&self) -> Option<&str> {
        let inner = self.item.as_ref().and_then(|item| item.id.as_deref());
        inner.or(self.item_id.as_deref()).or(self.id.as_deref())
    }

    fn read(self, kind: SegmentItemKind, item: &str, language: &str) -> Result<SegmentItem, Refusal> {
        let mut checked = Checked::default();
        let inner = self.item.unwrap_or_default();
        let code = checked.text("code", inner.code.or(self.code));
        let name = inner.name.or(self.name).map(|name| name.read("name", language, &mut checked));
        let (mixins, schemas) = checked.mixins(self.mixins, self.metadata);
        checked.done()?;
        let mut details = objects(mixins, schemas);
        details.extend(code.map(|code| ("code".to_owned(), Value::String(code))));
        details.extend(name.map(|name| ("name".to_owned(), Value::Object(name))));
        Ok(SegmentItem { kind, item: item.to_owned(), details })
    }
}

type One = Path<(String, String, String, String)>;

async fn one(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id, kind, item)): One,
    headers: HeaderMap,
) -> Result<Json<Value>, SegmentFault> {
    caller.require(&edge.engine, &[READ]).await?;
    let segment = known(&id, "segment")?;
    let entry = edge.engine.segment_item(&caller.tenant, &segment, item_kind(&kind)?, &item).await?;
    let mut items = [item_json(&entry)];
    localize(&mut items, &headers);
    let [item] = items;
    Ok(Json(item))
}

/// `PUT`; a body is optional, since the path says it all.
async fn put_one(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id, kind, item)): One,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, SegmentFault> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let segment = known(&id, "segment")?;
    let body: ItemBody = if bytes.is_empty() { ItemBody::default() } else { read_json(&bytes)? };
    if body.id().is_some_and(|named| named != item) {
        return Err(Refusal::invalid("id", "is another one than in the path").into());
    }
    let new = body.read(item_kind(&kind)?, &item, &wire::content_language(&headers))?;
    let outcomes =
        edge.engine.put_segment_items(&caller.tenant, &segment, &[new], &caller.actor(), &caller.origin).await?;
    Ok(put_answer(&item, outcomes.into_iter().next().unwrap_or(Ok(PutOutcome::Replaced))?))
}

async fn delete_one(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id, kind, item)): One,
) -> Result<StatusCode, SegmentFault> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let segment = known(&id, "segment")?;
    let items = [(item_kind(&kind)?, item)];
    let outcomes =
        edge.engine.remove_segment_items(&caller.tenant, &segment, &items, &caller.actor(), &caller.origin).await?;
    outcomes.into_iter().next().unwrap_or(Ok(()))?;
    Ok(StatusCode::NO_CONTENT)
}

/// An element of a bulk call: an item, or its id alone.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Element {
    Id(String),
    Item(Box<ItemBody>),
}

impl Element {
    fn split(self) -> (Option<String>, ItemBody) {
        match self {
            Self::Id(id) => (Some(id), ItemBody::default()),
            Self::Item(body) => (body.id().map(str::to_owned), *body),
        }
    }
}

type Many = Path<(String, String, String)>;

async fn put_many(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id, kind)): Many,
    headers: HeaderMap,
    Body(elements, _): Body<Vec<Element>, SegmentFault>,
) -> Result<Bulk, SegmentFault> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let segment: SegmentId = known(&id, "segment")?;
    let kind = item_kind(&kind)?;
    let bulk = Bulk::sized(&elements)?;
    let language = wire::content_language(&headers);
    let read: Vec<_> = elements
        .into_iter()
        .map(|element| {
            let (id, body) = element.split();
            let item = id.as_deref().ok_or_else(|| Refusal::invalid("id", "is required"));
            let item = item.and_then(|item| body.read(kind, item, &language));
            (id, item)
        })
        .collect();
    let items: Vec<_> = read.iter().filter_map(|(_, item)| item.as_ref().ok().cloned()).collect();
    let outcomes =
        edge.engine.put_segment_items(&caller.tenant, &segment, &items, &caller.actor(), &caller.origin).await?;
    let read = read.into_iter().map(|(id, item)| (id, item.map(drop))).collect();
    Ok(answered(bulk, read, outcomes.into_iter().map(|outcome| outcome.map(wire::status))))
}

async fn delete_many(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id, kind)): Many,
    Body(elements, _): Body<Vec<Element>, SegmentFault>,
) -> Result<Bulk, SegmentFault> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let segment: SegmentId = known(&id, "segment")?;
    let kind = item_kind(&kind)?;
    let bulk = Bulk::sized(&elements)?;
    let ids: Vec<_> = elements.into_iter().map(|element| element.split().0).collect();
    let items: Vec<_> = ids.iter().flatten().map(|id| (kind, id.clone())).collect();
    let outcomes =
        edge.engine.remove_segment_items(&caller.tenant, &segment, &items, &caller.actor(), &caller.origin).await?;
    let read = ids
        .into_iter()
        .map(|id| {
            let is_named = if id.is_some() { Ok(()) } else { Err(Refusal::invalid("id", "is required")) };
            (id, is_named)
        })
        .collect();
    Ok(answered(bulk, read, outcomes.into_iter().map(|outcome| outcome.map(|()| StatusCode::NO_CONTENT))))
}

/// Puts the outcomes of what could be read back among the elements that could not.
fn answered(
    mut bulk: Bulk,
    read: Vec<(Option<String>, Result<(), Refusal>)>,
    mut outcomes: impl Iterator<Item = Result<StatusCode, Refusal>>,
) -> Bulk {
    for (id, item) in read {
        let id = id.as_deref();
        match item.map(|()| outcomes.next()) {
            Ok(Some(Ok(status))) => bulk.done(id, status),
            Ok(Some(Err(refusal))) | Err(refusal) => bulk.refused(id, refusal.into()),
            Ok(None) => bulk.refused(id, Error::Fault(prokura_engine::Fault::Worker).into()),
        }
    }
    bulk
}
