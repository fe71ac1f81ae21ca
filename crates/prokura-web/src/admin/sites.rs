//! Sites: the storefronts of a tenant.

use super::{
    answer::{Found, Put},
    caller::{Item, Managing, Viewing},
    fault::Fault,
    request::{Body, ListQuery, Page, Precondition, Search},
    wire::{Name, name_schema, stamp},
};
use crate::Web;
use axum::Json;
use prokura_domain::SiteId;
use prokura_engine::Site;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(get, put))
}

/// A storefront.
#[derive(Serialize, ToSchema)]
struct SiteView {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// The language it starts in.
    language: String,
    /// Every language it speaks.
    languages: Vec<String>,
    /// The currency it sells in (ISO 4217).
    currency: String,
    /// The country it sells from (ISO 3166).
    country: String,
    /// Whether it is the one taken when none is named.
    is_default: bool,
    /// Whether it is open.
    is_active: bool,
    /// Counts changes.
    version: i64,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    modified_at: String,
}

/// A storefront as it should be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SiteBody {
    /// Its name.
    #[schema(schema_with = name_schema)]
    name: Name,
    /// The language it starts in, as `en` or `en_US`.
    #[schema(pattern = "^[a-z]{2}([_-][A-Z]{2})?$")]
    language: String,
    /// Every language it speaks; the one it starts in when absent.
    #[serde(default)]
    #[schema(max_items = 100)]
    languages: Vec<String>,
    /// The currency it sells in (ISO 4217).
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    /// The country it sells from (ISO 3166).
    #[schema(pattern = "^[A-Z]{2}$")]
    country: String,
    /// Whether it is the one taken when none is named; the one before is it no more.
    #[serde(default)]
    is_default: bool,
    /// Whether it is open.
    #[serde(default = "yes")]
    is_active: bool,
}

fn yes() -> bool {
    true
}

fn view(site: Site) -> SiteView {
    SiteView {
        id: site.id.to_string(),
        name: site.name,
        language: site.language,
        languages: site.languages,
        currency: site.currency,
        country: site.country,
        is_default: site.is_default,
        is_active: site.is_active,
        version: site.version,
        created_at: stamp(site.created_at),
        modified_at: stamp(site.modified_at),
    }
}

/// List sites
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/sites", tag = "sites", operation_id = "list_sites",
    params(ListQuery), responses((status = 200, description = "Sites by id", body = Page<SiteView>)))]
async fn list(at: Viewing, Search(query): Search<ListQuery>) -> Result<Json<Page<SiteView>>, Fault> {
    let window = at.window("sites", query.limit, query.cursor.as_deref())?;
    let found = at.engine.list_sites(&at.tenant, &window.after, window.fetch()).await?;
    Ok(window.page(found, |site| site.id.to_string(), view))
}

/// Read a site
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/sites/{site}", tag = "sites", operation_id = "get_site",
    responses((status = 200, description = "The site", body = SiteView)))]
async fn get(at: Viewing, Item(id): Item<SiteId>) -> Result<Found<SiteView>, Fault> {
    let site = at.engine.site(&at.tenant, &id).await?;
    Ok(Found { version: site.version, body: view(site) })
}

/// Make or replace a site
#[utoipa::path(put, path = "/admin/v1/tenants/{tenant}/sites/{site}", tag = "sites", operation_id = "put_site",
    params(("If-Match" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)), request_body = SiteBody,
    responses((status = 200, description = "The site, replaced", body = SiteView),
              (status = 201, description = "The site, made", body = SiteView)))]
async fn put(
    by: Managing,
    Item(id): Item<SiteId>,
    precondition: Precondition,
    Body(body): Body<SiteBody>,
) -> Result<Put<SiteView>, Fault> {
    let engine = &by.engine;
    let seen = precondition.replaces()?;
    let now = engine.now();
    let site = Site {
        id,
        name: body.name.0,
        languages: if body.languages.is_empty() { vec![body.language.clone()] } else { body.languages },
        language: body.language,
        currency: body.currency,
        country: body.country,
        is_default: body.is_default,
        is_active: body.is_active,
        version: 0,
        created_at: now,
        modified_at: now,
    };
    let site = engine.save_site(&by.tenant, &site, seen, &by.actor, &by.origin).await.map_err(Precondition::told)?;
    Ok(Put {
        is_new: seen.is_none(),
        location: format!("/admin/v1/tenants/{}/sites/{}", by.tenant.id, site.id),
        version: site.version,
        body: view(site),
    })
}
