//! Signing keys of a tenant: published before use, kept after it, thrown out at once when somebody else may have them.

use super::{
    answer::Made,
    caller::{Item, Managing, Viewing},
    fault::Fault,
    request::{Body, ListQuery, Page, Search},
    wire::stamp,
};
use crate::Web;
use axum::Json;
use http::StatusCode;
use prokura_domain::KeyId;
use prokura_engine::KeySummary;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(rotate)).routes(routes!(retire))
}

/// A signing key.
#[derive(Serialize, ToSchema)]
struct KeyView {
    /// Its `kid`.
    id: String,
    /// `ES256`, `EdDSA`, `RS256`, or `HS256` for the key of companion tokens.
    algorithm: String,
    /// `next`, `active`, `retired` or `compromised`.
    state: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// Since when verifiers can know it.
    #[schema(format = DateTime)]
    published_at: String,
    /// Since when it signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    activated_at: Option<String>,
    /// Since when it signs no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    retired_at: Option<String>,
}

/// How the next key comes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KeyRotation {
    /// Whether it signs now instead of waiting until every verifier can have seen it. Tokens are refused wherever the
    /// key set is cached.
    #[serde(default)]
    is_at_once: bool,
}

/// How a key goes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Retirement {
    /// Whether somebody else may have it: then every token it signed is refused at once, and another key takes over.
    #[serde(default)]
    is_compromised: bool,
}

fn view(key: KeySummary) -> KeyView {
    KeyView {
        id: key.kid.to_string(),
        algorithm: key.algorithm,
        state: key.state,
        created_at: stamp(key.created_at),
        published_at: stamp(key.published_at),
        activated_at: key.activated_at.map(stamp),
        retired_at: key.retired_at.map(stamp),
    }
}

/// List keys
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/keys", tag = "keys", operation_id = "list_keys",
    params(ListQuery), responses((status = 200, description = "Keys by id", body = Page<KeyView>)))]
async fn list(at: Viewing, Search(query): Search<ListQuery>) -> Result<Json<Page<KeyView>>, Fault> {
    let window = at.window("keys", query.limit, query.cursor.as_deref())?;
    // A tenant has a handful.
    let mut keys = at.engine.keys(&at.tenant).await?;
    keys.sort_by(|a, b| a.kid.cmp(&b.kid));
    keys.retain(|key| key.kid.as_str() > window.after.as_str());
    keys.truncate(window.fetch() as usize);
    Ok(window.page(keys, |key| key.kid.to_string(), view))
}

/// Publish the next key
///
/// It takes over by itself once every verifier can have seen it.
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/keys/rotate", tag = "keys", operation_id = "rotate_keys",
    request_body = KeyRotation,
    responses((status = 201, description = "The new key", body = KeyView),
              (status = 409, description = "A next key waits already")))]
async fn rotate(by: Managing, Body(body): Body<KeyRotation>) -> Result<Made<KeyView>, Fault> {
    let key = by.engine.rotate_keys(&by.tenant, body.is_at_once, &by.actor, &by.origin).await?;
    Ok(Made { location: format!("/admin/v1/tenants/{}/keys", by.tenant.id), version: None, body: view(key) })
}

/// Take a key out
///
/// A key whose tokens may still live is only taken out as compromised.
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/keys/{key}/retire", tag = "keys", operation_id = "retire_key",
    request_body = Retirement,
    responses((status = 204, description = "Out"), (status = 409, description = "Tokens it signed may still live")))]
async fn retire(by: Managing, Item(id): Item<KeyId>, Body(body): Body<Retirement>) -> Result<StatusCode, Fault> {
    by.engine.retire_key(&by.tenant, &id, body.is_compromised, &by.actor, &by.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
