//! Tenants: made by whoever runs the installation, looked after by their own operators.

use super::{
    answer::{Found, Made},
    caller::{Caller, Installation, Managing, Viewing},
    fault::Fault,
    request::{Body, ListQuery, Page, Precondition, Search, Window, field_fault},
    wire::{Id, Name, name_schema, object_schema, stamp, tenant_schema},
};
use crate::{
    Web,
    pages::theme::{Theme, ThemeFault},
};
use axum::Json;
use prokura_domain::TenantId;
use prokura_engine::{CreateTenant, Engine, Error, Operator, Refusal, Tenant, TenantSettings, TenantSummary};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// How often a change is tried again when somebody else changed the tenant meanwhile and the caller held on to nothing.
const ATTEMPTS: usize = 4;

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(get, change))
}

/// Whether a tenant is open.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum TenantState {
    Active,
    Suspended,
}

impl TenantState {
    fn of(is_active: bool) -> Self {
        if is_active { Self::Active } else { Self::Suspended }
    }
}

/// A tenant, as lists show it.
#[derive(Serialize, ToSchema)]
struct TenantItem {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// Whether it is open.
    state: TenantState,
    /// Counts changes.
    version: i64,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    modified_at: String,
}

/// A tenant.
#[derive(Serialize, ToSchema)]
struct TenantView {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// Whether it is open.
    state: TenantState,
    /// The issuer of its tokens.
    issuer: String,
    /// Its settings.
    #[schema(schema_with = object_schema)]
    settings: Value,
    /// Counts changes.
    version: i64,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    modified_at: String,
}

/// A tenant to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTenant {
    /// Its id; part of its issuer, and never changed.
    #[schema(schema_with = tenant_schema)]
    id: Id<TenantId>,
    /// Its name.
    #[schema(schema_with = name_schema)]
    name: Name,
    /// Settings that differ from those of the installation's template, as a merge patch (RFC 7396).
    #[serde(default)]
    #[schema(schema_with = object_schema)]
    settings: Map<String, Value>,
}

/// A change of a tenant; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TenantPatch {
    /// Its name.
    #[serde(default)]
    #[schema(schema_with = name_schema)]
    name: Option<Name>,
    /// Suspending reaches every door within seconds: no token of the tenant is good any more.
    #[serde(default)]
    state: Option<TenantState>,
    /// Settings to be changed, as a merge patch (RFC 7396).
    #[serde(default)]
    #[schema(schema_with = object_schema)]
    settings: Map<String, Value>,
}

fn summary_view(tenant: TenantSummary) -> TenantItem {
    TenantItem {
        id: tenant.id.to_string(),
        name: tenant.name,
        state: TenantState::of(tenant.is_active),
        version: tenant.version,
        created_at: stamp(tenant.created_at),
        modified_at: stamp(tenant.modified_at),
    }
}

fn view(tenant: &Tenant) -> TenantView {
    TenantView {
        id: tenant.id.to_string(),
        name: tenant.name.clone(),
        state: TenantState::of(tenant.is_active),
        issuer: tenant.issuer.to_string(),
        settings: serde_json::to_value(&tenant.settings).unwrap_or_default(),
        version: tenant.version,
        created_at: stamp(tenant.created_at),
        modified_at: stamp(tenant.modified_at),
    }
}

/// Lays a merge patch over settings (RFC 7396): objects merge, null takes away (back to the default), the rest replaces.
fn merge(settings: &TenantSettings, patch: Map<String, Value>) -> Result<TenantSettings, Fault> {
    fn merge_into(target: &mut Value, change: Value) {
        let Value::Object(fields) = change else {
            *target = change;
            return;
        };
        if !target.is_object() {
            *target = Value::Object(Map::new());
        }
        if let Value::Object(target) = target {
            for (name, value) in fields {
                if value.is_null() {
                    target.remove(&name);
                } else {
                    merge_into(target.entry(name).or_insert(Value::Null), value);
                }
            }
        }
    }
    if patch.is_empty() {
        return Ok(settings.clone());
    }
    let mut merged = serde_json::to_value(settings).unwrap_or_default();
    merge_into(&mut merged, Value::Object(patch));
    let merged: TenantSettings = serde_path_to_error::deserialize(merged).map_err(|error| {
        let place = error.path().to_string();
        let place = if place == "." { "settings".to_owned() } else { format!("settings.{place}") };
        field_fault(&place, &error.into_inner().to_string())
    })?;
    Theme::of_settings(&merged.pages).map_err(|fault| {
        let place = match fault {
            ThemeFault::NotAColor => "settings.pages",
            ThemeFault::TooLight { .. } => "settings.pages.accent",
            ThemeFault::TooDark { .. } => "settings.pages.accent_dark",
            ThemeFault::LogoElsewhere => "settings.pages.logo",
        };
        Fault::invalid(place, &fault.to_string())
    })?;
    Ok(merged)
}

/// The engine names settings as they stand; here they stand under `settings`.
fn under_settings(error: Error) -> Fault {
    match error {
        Error::Refused(Refusal::Invalid(faults)) => match faults.first() {
            Some(fault) if fault.field != "id" => Fault::invalid(&format!("settings.{}", fault.field), &fault.reason),
            Some(_) | None => Refusal::Invalid(faults).into(),
        },
        other @ (Error::Refused(_) | Error::Fault(_)) => other.into(),
    }
}

/// List tenants
///
/// Those the operator has a role in.
#[utoipa::path(get, path = "/admin/v1/tenants", tag = "tenants", operation_id = "list_tenants", params(ListQuery),
    responses((status = 200, description = "Tenants by id", body = Page<TenantItem>)))]
async fn list(caller: Caller, Search(query): Search<ListQuery>) -> Result<Json<Page<TenantItem>>, Fault> {
    let engine = &caller.engine;
    let window = Window::open(engine, ["*", "tenants"], query.limit, query.cursor.as_deref())?;
    let found = if caller.operator.may_view("*") {
        engine.list_tenants(&window.after, window.fetch()).await?
    } else {
        own_tenants(engine, &caller.operator, &window.after, window.fetch()).await?
    };
    Ok(window.page(found, |tenant| tenant.id.to_string(), summary_view))
}

/// The tenants somebody has a role in; roles come in the order of tenants.
async fn own_tenants(
    engine: &Engine,
    operator: &Operator,
    after: &str,
    limit: u32,
) -> Result<Vec<TenantSummary>, Fault> {
    let mut found = Vec::new();
    for (scope, _) in operator.roles.iter().filter(|(scope, _)| scope.as_str() > after).take(limit as usize) {
        let Ok(id) = scope.parse::<TenantId>() else { continue };
        match engine.any_tenant(&id).await {
            Ok(tenant) => found.push(TenantSummary {
                id,
                name: tenant.name.clone(),
                is_active: tenant.is_active,
                version: tenant.version,
                created_at: tenant.created_at,
                modified_at: tenant.modified_at,
            }),
            Err(Error::Refused(_)) => {}
            Err(fault @ Error::Fault(_)) => return Err(fault.into()),
        }
    }
    Ok(found)
}

/// Make a tenant
///
/// With its first keys and the settings of the installation's template.
#[utoipa::path(post, path = "/admin/v1/tenants", tag = "tenants", operation_id = "create_tenant", request_body = NewTenant,
    responses((status = 201, description = "The tenant", body = TenantView),
              (status = 409, description = "There is such a tenant already")))]
async fn create(by: Installation, Body(body): Body<NewTenant>) -> Result<Made<TenantView>, Fault> {
    let engine = &by.engine;
    let settings = merge(engine.tenant_template(), body.settings)?;
    let request = CreateTenant { id: body.id.0, name: body.name.0, settings: Some(settings) };
    let tenant = engine.create_tenant(&request, &by.actor, &by.origin).await.map_err(under_settings)?;
    Ok(Made {
        location: format!("/admin/v1/tenants/{}", tenant.id),
        version: Some(tenant.version),
        body: view(&tenant),
    })
}

/// Read a tenant
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}", tag = "tenants", operation_id = "get_tenant",
    responses((status = 200, description = "The tenant", body = TenantView)))]
async fn get(at: Viewing) -> Result<Found<TenantView>, Fault> {
    let tenant = at.engine.fresh_tenant(&at.tenant.id).await?;
    Ok(Found { version: tenant.version, body: view(&tenant) })
}

/// Change a tenant
///
/// Name, state and single settings. Suspending reaches every door of every node within seconds.
#[utoipa::path(patch, path = "/admin/v1/tenants/{tenant}", tag = "tenants", operation_id = "change_tenant",
    params(("If-Match" = Option<String>, Header)), request_body = TenantPatch,
    responses((status = 200, description = "The tenant after the change", body = TenantView)))]
async fn change(
    by: Managing,
    precondition: Precondition,
    Body(body): Body<TenantPatch>,
) -> Result<Found<TenantView>, Fault> {
    let engine = &by.engine;
    let seen = precondition.version()?;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let tenant = engine.fresh_tenant(&by.tenant.id).await?;
        let settings = merge(&tenant.settings, body.settings.clone())?;
        let name = body.name.as_ref().map_or(tenant.name.as_str(), |name| name.0.as_str());
        let is_active = body.state.map_or(tenant.is_active, |state| state == TenantState::Active);
        let version = seen.unwrap_or(tenant.version);
        let changed =
            engine.update_tenant(&tenant, name, is_active, &settings, Some(version), &by.actor, &by.origin).await;
        match changed {
            Ok(tenant) => return Ok(Found { version: tenant.version, body: view(&tenant) }),
            Err(Error::Refused(Refusal::StaleVersion)) if seen.is_none() && attempt < ATTEMPTS => {}
            Err(error) => return Err(under_settings(error)),
        }
    }
}
