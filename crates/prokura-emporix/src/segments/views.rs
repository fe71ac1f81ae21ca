//! What a customer may see, across all their segments; and which segments hold an item.

use super::{
    MANAGE, MAX_BULK, Reach,
    fault::SegmentFault,
    items, nothing, reach, site, viewer,
    wire::{ITEM_FIELDS, category_json, localize},
};
use crate::{
    caller::Caller,
    params::Body,
    query::{ListQuery, Page},
};
use axum::{
    Json, Router,
    extract::State,
    http::HeaderMap,
    routing::{get, post},
};
use prokura_domain::SiteId;
use prokura_engine::{CategoryNode, ItemFilter, Refusal};
use prokura_http::{Edge, Params};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashSet;

pub(super) fn routes() -> Router<Edge> {
    Router::new()
        .route("/customer-segment/{tenant}/segments/items", get(seen))
        .route("/customer-segment/{tenant}/segments/items/category-trees", get(trees))
        .route("/customer-segment/{tenant}/segments/match", post(matching))
}

/// `GET …/segments/items`. For customers always as if `onlyActive` were set.
async fn seen(
    State(edge): State<Edge>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
) -> Result<Page, SegmentFault> {
    let engine = &edge.engine;
    let reach = reach(engine, &caller, &params).await?;
    let list = ListQuery::parse(&params, &headers, &ITEM_FIELDS)?;
    let mut filter = ItemFilter { site: site(&params)?, ..ItemFilter::default() };
    if let Reach::All = reach {
        let customer = params.one("customerId")?.map(str::parse).transpose();
        let entity = params.one("legalEntityId")?.map(str::parse).transpose();
        let (Ok(customer), Ok(legal_entity)) = (customer, entity) else { return Ok(nothing(&list)) };
        (filter.customer, filter.legal_entity) = (customer, legal_entity);
        filter.active_at = params.flag("onlyActive")?.then(|| engine.now());
    }
    items::found(engine, &caller, &reach, filter, &list, &headers).await
}

/// `GET …/segments/items/category-trees`
async fn trees(
    State(edge): State<Edge>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
) -> Result<Json<Vec<Value>>, SegmentFault> {
    let viewer = viewer(&edge.engine, &caller, &params).await?;
    let site = site(&params)?;
    let nodes = edge.engine.category_trees_seen(&caller.tenant, &viewer, site.as_ref()).await?;
    let mut items: Vec<Value> = nodes.iter().map(node_json).collect();
    localize(&mut items, &headers);
    Ok(Json(items))
}

fn node_json(node: &CategoryNode) -> Value {
    let mut answer = category_json(&node.category);
    if let Value::Object(members) = &mut answer {
        members.insert("isSegmentAssigned".to_owned(), json!(node.is_assigned));
        let below: Vec<Value> = node.children.iter().map(node_json).collect();
        members.insert("subcategories".to_owned(), Value::Array(below));
    }
    answer
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MatchBody {
    #[serde(default)]
    items: Vec<Named>,
    #[serde(default)]
    segment_ids: Vec<String>,
    /// The documentation spells it both ways.
    #[serde(alias = "site")]
    site_code: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Named {
    Id(String),
    Object { id: String },
}

/// `POST …/segments/match`
async fn matching(
    State(edge): State<Edge>,
    caller: Caller,
    Body(body, _): Body<MatchBody, SegmentFault>,
) -> Result<Json<Vec<Value>>, SegmentFault> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    if body.items.len() > MAX_BULK || body.segment_ids.len() > MAX_BULK {
        return Err(Refusal::invalid("items", format!("at most {MAX_BULK} items and {MAX_BULK} segments")).into());
    }
    let site = body.site_code.as_deref().map(str::parse::<SiteId>).transpose();
    let site = site.map_err(|fault| Refusal::invalid("site_code", fault))?;
    let items: Vec<String> = body
        .items
        .into_iter()
        .map(|item| match item {
            Named::Id(id) | Named::Object { id } => id,
        })
        .collect();
    let wanted: HashSet<&str> = body.segment_ids.iter().map(String::as_str).collect();
    let found = edge.engine.match_segments(&caller.tenant, &items, site.as_ref()).await?;
    let found = found.iter().filter(|id| wanted.is_empty() || wanted.contains(id.as_str()));
    Ok(Json(found.map(|id| json!({ "id": id.as_str() })).collect()))
}
