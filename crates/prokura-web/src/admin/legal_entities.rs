//! Legal entities: the companies and subsidiaries that customers may act for.

use super::{
    answer::{Found, Made, Put},
    caller::{Item, Managing, Viewing},
    fault::Fault,
    request::{Body, Page, Precondition, Search, Unconditional},
    wire::{Id, Line, Name, Word, company_kind_schema, id_schema, line_schema, name_schema, object_schema, stamp},
};
use crate::Web;
use axum::Json;
use http::StatusCode;
use prokura_domain::{CompanyKind, LegalEntityId};
use prokura_engine::{
    CreateLegalEntity, LegalEntity, LegalEntityDetails, LegalEntityFilter, PutLegalEntity, PutMode, PutOutcome,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(get, put, delete)).routes(routes!(set_state))
}

/// Which legal entities.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EntityQuery {
    /// The most items to return.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// Only subsidiaries of this one.
    #[param(pattern = "^[A-Za-z0-9_-]{1,66}$")]
    parent: Option<String>,
    /// Only the one with this registration number.
    #[param(max_length = 200)]
    registration_id: Option<String>,
}

/// A legal entity.
#[derive(Serialize, ToSchema)]
struct EntityView {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
    /// Whether it stands for itself.
    #[schema(schema_with = company_kind_schema)]
    kind: &'static str,
    /// What it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    /// Whether anybody may act for it.
    is_active: bool,
    /// Legal name.
    #[serde(skip_serializing_if = "Option::is_none")]
    legal_name: Option<String>,
    /// Country of registration (ISO 3166).
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    /// Registration number; what a sign-up names to join.
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_id: Option<String>,
    /// Tax number.
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_registration_number: Option<String>,
    /// The most an order may cost before somebody approves.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_limit: Option<Limit>,
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

/// The most an order may cost before somebody approves.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Limit {
    /// The currency (ISO 4217).
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    /// How much.
    #[schema(minimum = 0)]
    value: f64,
}

/// A legal entity to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewEntity {
    /// Its id; a new one when absent.
    #[serde(default)]
    #[schema(schema_with = id_schema)]
    id: Option<Id<LegalEntityId>>,
    /// Its name.
    #[schema(schema_with = name_schema)]
    name: Name,
    /// `SUBSIDIARY` when it has a parent, `COMPANY` else, when absent.
    #[serde(default)]
    #[schema(schema_with = company_kind_schema)]
    kind: Option<Word<CompanyKind>>,
    /// What it belongs to.
    #[serde(default)]
    #[schema(schema_with = id_schema)]
    parent_id: Option<Id<LegalEntityId>>,
    /// Legal name.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    legal_name: Option<Line>,
    /// Country of registration (ISO 3166).
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    country: Option<Line>,
    /// Registration number; what a sign-up names to join.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    registration_id: Option<Line>,
    /// Tax number.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    tax_registration_number: Option<Line>,
    /// The most an order may cost before somebody approves.
    #[serde(default)]
    account_limit: Option<Limit>,
    /// Free objects by name.
    #[serde(default)]
    #[schema(schema_with = object_schema)]
    mixins: Map<String, Value>,
}

/// A legal entity as it should be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EntityBody {
    /// Its name.
    #[schema(schema_with = name_schema)]
    name: Name,
    /// `SUBSIDIARY` when it has a parent, `COMPANY` else, when absent.
    #[serde(default)]
    #[schema(schema_with = company_kind_schema)]
    kind: Option<Word<CompanyKind>>,
    /// What it belongs to.
    #[serde(default)]
    #[schema(schema_with = id_schema)]
    parent_id: Option<Id<LegalEntityId>>,
    /// Legal name.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    legal_name: Option<Line>,
    /// Country of registration (ISO 3166).
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    country: Option<Line>,
    /// Registration number; what a sign-up names to join.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    registration_id: Option<Line>,
    /// Tax number.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    tax_registration_number: Option<Line>,
    /// The most an order may cost before somebody approves.
    #[serde(default)]
    account_limit: Option<Limit>,
    /// Free objects by name.
    #[serde(default)]
    #[schema(schema_with = object_schema)]
    mixins: Map<String, Value>,
}

/// Whether anybody may act for it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EntityState {
    /// Switching it off ends every token for it; switching it on lets the same tokens hold again.
    is_active: bool,
}

impl EntityBody {
    /// The entity under `id`; what this surface does not show of `before` is kept.
    fn into_request(self, id: Option<LegalEntityId>, before: LegalEntityDetails) -> Result<CreateLegalEntity, Fault> {
        let text = |line: Option<Line>| line.map(|line| line.0);
        let account_limit = match self.account_limit {
            Some(limit) if limit.currency.len() != 3 || !limit.currency.bytes().all(|b| b.is_ascii_uppercase()) => {
                return Err(Fault::invalid("account_limit.currency", "three capital letters, as EUR"));
            }
            Some(limit) if !(limit.value.is_finite() && limit.value >= 0.0) => {
                return Err(Fault::invalid("account_limit.value", "zero or more"));
            }
            Some(limit) => Some((limit.currency, limit.value)),
            None => None,
        };
        let usual = if self.parent_id.is_some() { CompanyKind::Subsidiary } else { CompanyKind::Company };
        Ok(CreateLegalEntity {
            id,
            name: self.name.0,
            kind: self.kind.map_or(usual, |kind| kind.0),
            parent: self.parent_id.map(|parent| parent.0),
            details: LegalEntityDetails {
                account_limit,
                legal_name: text(self.legal_name),
                country: text(self.country),
                registration_id: text(self.registration_id),
                tax_registration_number: text(self.tax_registration_number),
                mixins: self.mixins,
                ..before
            },
        })
    }
}

fn view(entity: LegalEntity) -> EntityView {
    let details = entity.details;
    EntityView {
        id: entity.id.to_string(),
        name: entity.name,
        kind: entity.kind.as_str(),
        parent_id: entity.parent.map(|parent| parent.to_string()),
        is_active: entity.is_active,
        legal_name: details.legal_name,
        country: details.country,
        registration_id: details.registration_id,
        tax_registration_number: details.tax_registration_number,
        account_limit: details.account_limit.map(|(currency, value)| Limit { currency, value }),
        mixins: details.mixins,
        version: entity.version,
        created_at: stamp(entity.created_at),
        modified_at: stamp(entity.modified_at),
    }
}

fn location(at: &Managing, id: &LegalEntityId) -> String {
    format!("/admin/v1/tenants/{}/legal-entities/{id}", at.tenant.id)
}

/// List legal entities
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/legal-entities", tag = "legal entities",
    operation_id = "list_legal_entities", params(EntityQuery),
    responses((status = 200, description = "Legal entities by id", body = Page<EntityView>)))]
async fn list(at: Viewing, Search(query): Search<EntityQuery>) -> Result<Json<Page<EntityView>>, Fault> {
    let window = at.window("legal-entities", query.limit, query.cursor.as_deref())?;
    let parent = query.parent.as_deref().map(str::parse).transpose();
    let parent = parent.map_err(|fault| Fault::bad_request("invalid_query", format!("parent: {fault}")))?;
    let registration_id = query.registration_id;
    if registration_id.as_ref().is_some_and(|text| text.chars().count() > 200 || text.chars().any(char::is_control)) {
        return Err(Fault::bad_request("invalid_query", "registration_id: at most 200 characters on one line"));
    }
    let filter = LegalEntityFilter { parent, registration_id, ..LegalEntityFilter::default() };
    let found = at.engine.legal_entities(&at.tenant, &filter, &window.after, window.fetch()).await?;
    Ok(window.page(found, |entity| entity.id.to_string(), view))
}

/// Make a legal entity
///
/// With its predefined groups.
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/legal-entities", tag = "legal entities",
    operation_id = "create_legal_entity", request_body = NewEntity,
    responses((status = 201, description = "The legal entity", body = EntityView),
              (status = 409, description = "There is such a legal entity already")))]
async fn create(by: Managing, Body(body): Body<NewEntity>) -> Result<Made<EntityView>, Fault> {
    let engine = &by.engine;
    let id = body.id.map(|id| id.0);
    let body = EntityBody {
        name: body.name,
        kind: body.kind,
        parent_id: body.parent_id,
        legal_name: body.legal_name,
        country: body.country,
        registration_id: body.registration_id,
        tax_registration_number: body.tax_registration_number,
        account_limit: body.account_limit,
        mixins: body.mixins,
    };
    let request = body.into_request(id, LegalEntityDetails::default())?;
    let id = engine.create_legal_entity(&by.tenant, &request, &by.actor, &by.origin).await?;
    let entity = engine.legal_entity(&by.tenant, &id).await?;
    Ok(Made { location: location(&by, &id), version: Some(entity.version), body: view(entity) })
}

/// Read a legal entity
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/legal-entities/{legal_entity}", tag = "legal entities",
    operation_id = "get_legal_entity", responses((status = 200, description = "The legal entity", body = EntityView)))]
async fn get(at: Viewing, Item(id): Item<LegalEntityId>) -> Result<Found<EntityView>, Fault> {
    let entity = at.engine.legal_entity(&at.tenant, &id).await?;
    Ok(Found { version: entity.version, body: view(entity) })
}

/// Make or replace a legal entity
///
/// Nothing changes for the people who act for it.
#[utoipa::path(put, path = "/admin/v1/tenants/{tenant}/legal-entities/{legal_entity}", tag = "legal entities",
    operation_id = "put_legal_entity",
    params(("If-Match" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)),
    request_body = EntityBody,
    responses((status = 200, description = "The legal entity, replaced", body = EntityView),
              (status = 201, description = "The legal entity, made", body = EntityView)))]
async fn put(
    by: Managing,
    Item(id): Item<LegalEntityId>,
    precondition: Precondition,
    Body(body): Body<EntityBody>,
) -> Result<Put<EntityView>, Fault> {
    let engine = &by.engine;
    let (mode, before) = match precondition.replaces()? {
        None => (PutMode::Create, LegalEntityDetails::default()),
        Some(version) => {
            let details = engine.legal_entity(&by.tenant, &id).await?.details;
            (PutMode::Upsert { version: Some(version) }, details)
        }
    };
    let entity = body.into_request(Some(id), before)?;
    let request = PutLegalEntity { entity, locations: None, groups: None };
    let (id, outcome) =
        engine.put_legal_entity(&by.tenant, &request, mode, &by.actor, &by.origin).await.map_err(Precondition::told)?;
    let entity = engine.legal_entity(&by.tenant, &id).await?;
    Ok(Put {
        is_new: outcome == PutOutcome::Created,
        location: location(&by, &id),
        version: entity.version,
        body: view(entity),
    })
}

/// Delete a legal entity
///
/// With everything that is only its own; every token for it ends.
#[utoipa::path(delete, path = "/admin/v1/tenants/{tenant}/legal-entities/{legal_entity}", tag = "legal entities",
    operation_id = "delete_legal_entity",
    responses((status = 204, description = "Deleted"), (status = 409, description = "It has subsidiaries")))]
async fn delete(by: Managing, Item(id): Item<LegalEntityId>, _: Unconditional) -> Result<StatusCode, Fault> {
    by.engine.delete_legal_entity(&by.tenant, &id, &by.actor, &by.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Switch a legal entity off or on
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/legal-entities/{legal_entity}/state", tag = "legal entities",
    operation_id = "set_legal_entity_state", request_body = EntityState,
    responses((status = 204, description = "The legal entity stands there now")))]
async fn set_state(
    by: Managing,
    Item(id): Item<LegalEntityId>,
    Body(body): Body<EntityState>,
) -> Result<StatusCode, Fault> {
    by.engine.set_legal_entity_active(&by.tenant, &id, body.is_active, &by.actor, &by.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
