//! Locations: the places of companies, each of which may serve several of them.

use super::{
    BATCH,
    wire::{Checked, MetadataBody, SearchBody, known, metadata, narrow, put_answer, upsert, without_nulls},
};
use crate::{
    caller::Caller,
    fault::E3,
    params::Body,
    query::{Fields, ListQuery, Page, collect},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{get, post},
};
use prokura_domain::LocationKind;
use prokura_engine::{Engine, Location, LocationDetails, LocationFilter, PutLocation, PutMode, Refusal};
use prokura_http::{Edge, Params};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const READ: &str = "customermanagement.location_read";
const MANAGE: &str = "customermanagement.location_manage";
/// The most e-mail addresses, telephones and tags.
const MAX_ENTRIES: usize = 50;

const FIELDS: Fields = Fields::new(&["id", "name", "type", "contactDetails.*", "metadata.*", "mixins.*"], 16);
const CONTACT_DETAILS: [&str; 9] = [
    "contactDetails.emails",
    "contactDetails.phones",
    "contactDetails.addressLine1",
    "contactDetails.addressLine2",
    "contactDetails.city",
    "contactDetails.state",
    "contactDetails.postcode",
    "contactDetails.countryCode",
    "contactDetails.tags",
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LocationBody {
    id: Option<String>,
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    contact_details: Option<ContactDetailsBody>,
    mixins: Option<Map<String, Value>>,
    metadata: Option<MetadataBody>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContactDetailsBody {
    emails: Option<Vec<String>>,
    phones: Option<Vec<String>>,
    address_line1: Option<String>,
    address_line2: Option<String>,
    city: Option<String>,
    state: Option<String>,
    postcode: Option<String>,
    country_code: Option<String>,
    tags: Option<Vec<String>>,
}

pub(super) fn routes() -> Router<Edge> {
    Router::new()
        .route("/customer-management/{tenant}/locations", get(list).post(create))
        .route("/customer-management/{tenant}/locations/search", post(search))
        .route("/customer-management/{tenant}/locations/{id}", get(one).put(put).delete(delete))
}

pub(super) fn json(location: &Location) -> Value {
    let details = &location.details;
    json!({
        "id": location.id.as_str(),
        "name": location.name,
        "type": location.kind.as_str(),
        "contactDetails": without_nulls(json!({
            "emails": details.emails,
            "phones": details.phones,
            "addressLine1": details.address_line_1,
            "addressLine2": details.address_line_2,
            "city": details.city,
            "state": details.state,
            "postcode": details.postcode,
            "countryCode": details.country_code,
            "tags": details.tags,
        })),
        "metadata": metadata(location.version, location.created_at, location.modified_at, &details.mixin_schemas),
        "mixins": details.mixins,
    })
}

impl LocationBody {
    fn read(self, path_id: Option<&str>) -> Result<PutLocation, Refusal> {
        let mut checked = Checked::default();
        let id = checked.path_id(path_id, self.id.as_deref());
        let name = checked.name("name", self.name);
        if self.kind.is_none() {
            checked.wrong("type", "is required");
        }
        let kind = checked.word("type", self.kind.as_deref()).unwrap_or(LocationKind::Office);
        if self.contact_details.is_none() {
            checked.wrong("contact_details", "is required");
        }
        let contact = self.contact_details.unwrap_or_default();
        let (mixins, mixin_schemas) = checked.mixins(self.mixins, self.metadata);
        let details = LocationDetails {
            emails: checked.texts("contact_details.emails", contact.emails, MAX_ENTRIES),
            phones: checked.texts("contact_details.phones", contact.phones, MAX_ENTRIES),
            address_line_1: checked.text("contact_details.address_line1", contact.address_line1),
            address_line_2: checked.text("contact_details.address_line2", contact.address_line2),
            city: checked.text("contact_details.city", contact.city),
            state: checked.text("contact_details.state", contact.state),
            postcode: checked.text("contact_details.postcode", contact.postcode),
            country_code: checked.text("contact_details.country_code", contact.country_code),
            tags: checked.texts("contact_details.tags", contact.tags, MAX_ENTRIES),
            mixins,
            mixin_schemas,
        };
        checked.done()?;
        Ok(PutLocation { id, name, kind, details })
    }
}

async fn list(State(edge): State<Edge>, caller: Caller, params: Params, headers: HeaderMap) -> Result<Page, E3> {
    let q = params.one("q")?.unwrap_or_default();
    found(&edge.engine, &caller, &params, &headers, q).await
}

async fn search(
    State(edge): State<Edge>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    Body(body, _): Body<SearchBody, E3>,
) -> Result<Page, E3> {
    found(&edge.engine, &caller, &params, &headers, &body.q).await
}

async fn found(engine: &Engine, caller: &Caller, params: &Params, headers: &HeaderMap, q: &str) -> Result<Page, E3> {
    caller.require(engine, &[READ]).await?;
    let mut q = q.to_owned();
    for name in ["type"].iter().chain(&CONTACT_DETAILS) {
        if let Some(value) = params.one(name)? {
            narrow(&mut q, &format!("{name}:"), value);
        }
    }
    let list = ListQuery::parse_search(params, headers, &q, &FIELDS)?;
    let legal_entity = params.one_of(&["legalEntityId", "legalEntity.id"])?.map(str::parse).transpose();
    let kind = list.filter.equals("type").map(str::parse).transpose();
    let (Ok(legal_entity), Ok(kind)) = (legal_entity, kind) else {
        return Ok(Page { items: Vec::new(), total: list.wants_total().then_some(0) });
    };
    let filter = &LocationFilter { legal_entity, kind, name_part: params.one("name")?.map(str::to_owned) };
    collect::<_, _, E3>(&list, |after| async move {
        let batch = engine.locations(&caller.tenant, filter, &after, BATCH).await?;
        Ok(batch.iter().map(|location| (location.id.to_string(), json(location))).collect())
    })
    .await
}

async fn one(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, E3> {
    caller.require(&edge.engine, &[READ]).await?;
    Ok(Json(json(&edge.engine.location(&caller.tenant, &known(&id, "location")?).await?)))
}

async fn create(
    State(edge): State<Edge>,
    caller: Caller,
    Body(body, _): Body<LocationBody, E3>,
) -> Result<(StatusCode, Json<Value>), E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let request = body.read(None)?;
    let (actor, origin) = (caller.actor(), &caller.origin);
    let (id, _) = edge.engine.put_location(&caller.tenant, &request, PutMode::Create, &actor, origin).await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id.as_str() }))))
}

async fn put(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    Body(body, _): Body<LocationBody, E3>,
) -> Result<Response, E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let mode = upsert(body.metadata.as_ref());
    let request = body.read(Some(&id))?;
    let (actor, origin) = (caller.actor(), &caller.origin);
    let (id, outcome) = edge.engine.put_location(&caller.tenant, &request, mode, &actor, origin).await?;
    Ok(put_answer(id.as_str(), outcome))
}

async fn delete(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let id = known(&id, "location")?;
    edge.engine.delete_location(&caller.tenant, &id, &caller.actor(), &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
