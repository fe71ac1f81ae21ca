//! The copy of the shop's categories that category trees are answered from (`/category/{tenant}/categories`). The shop
//! stays the truth: whoever keeps it in step writes here with the right to manage segments. Nothing of the vendor's
//! category service beyond this is answered.

use crate::{
    caller::Caller,
    companies::wire::{MetadataBody, metadata, put_answer, upsert},
    fault::E3,
    params::Body,
    query::{Fields, ListQuery, Page, collect},
    segments::{CATEGORY_EXTRAS, MANAGE, category_json},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::get,
};
use prokura_engine::{Category, PutCategory, Refusal};
use prokura_http::{Edge, Params};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const FIELDS: Fields = Fields::new(&["id", "parentId", "code", "name.*", "published", "position"], 60);

/// How many rows are read from the engine at a time.
const BATCH: u32 = 500;

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route("/category/{tenant}/categories", get(list))
        .route("/category/{tenant}/categories/{id}", get(one).put(put).delete(delete))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CategoryBody {
    id: Option<String>,
    parent_id: Option<String>,
    code: Option<String>,
    #[serde(alias = "localizedName")]
    name: Option<Map<String, Value>>,
    position: Option<i64>,
    published: Option<bool>,
    metadata: Option<MetadataBody>,
    #[serde(flatten)]
    extras: Map<String, Value>,
}

impl CategoryBody {
    fn read(mut self, id: &str) -> Result<PutCategory, Refusal> {
        if self.id.as_deref().is_some_and(|named| named != id) {
            return Err(Refusal::invalid("id", "is another one than in the path"));
        }
        let name = self.name.unwrap_or_default();
        if !name.values().all(Value::is_string) {
            return Err(Refusal::invalid("name", "a text for each language"));
        }
        self.extras.retain(|name, value| CATEGORY_EXTRAS.contains(&name.as_str()) && !value.is_null());
        Ok(PutCategory {
            id: id.to_owned(),
            parent: self.parent_id.filter(|parent| !parent.is_empty()),
            code: self.code.unwrap_or_else(|| id.to_owned()),
            name,
            position: self.position.unwrap_or(0),
            is_published: self.published.unwrap_or(true),
            details: self.extras,
        })
    }
}

fn json(category: &Category) -> Value {
    let mut answer = category_json(category);
    if let Value::Object(members) = &mut answer {
        members.extend(category.parent.as_ref().map(|parent| ("parentId".to_owned(), json!(parent))));
        let metadata = metadata(category.version, category.created_at, category.modified_at, &Map::new());
        members.insert("metadata".to_owned(), metadata);
    }
    answer
}

async fn list(State(edge): State<Edge>, caller: Caller, params: Params, headers: HeaderMap) -> Result<Page, E3> {
    let engine = &edge.engine;
    caller.require(engine, &[MANAGE]).await?;
    let list = ListQuery::parse(&params, &headers, &FIELDS)?;
    let (parent, caller) = (list.filter.equals("parentId"), &caller);
    collect::<_, _, E3>(&list, |after| async move {
        let batch = engine.categories(&caller.tenant, parent, &after, BATCH).await?;
        Ok(batch.iter().map(|category| (category.id.clone(), json(category))).collect())
    })
    .await
}

async fn one(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    Ok(Json(json(&edge.engine.category(&caller.tenant, &id).await?)))
}

async fn put(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    Body(body, _): Body<CategoryBody, E3>,
) -> Result<Response, E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let mode = upsert(body.metadata.as_ref());
    let request = body.read(&id)?;
    let outcome = edge.engine.put_category(&caller.tenant, &request, mode, &caller.actor(), &caller.origin).await?;
    Ok(put_answer(&id, outcome))
}

async fn delete(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    edge.engine.delete_category(&caller.tenant, &id, &caller.actor(), &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
