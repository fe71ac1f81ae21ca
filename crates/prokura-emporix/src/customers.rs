//! Customers, as a backend or an administrator of a company manages them. An administrator reaches the people of the
//! company the token counts for, and changes nobody who also belongs to another one.

pub(crate) mod addresses;
mod import;
mod joins;
pub(crate) mod wire;

use crate::{
    account::duplicate,
    caller::Caller,
    fault::E2,
    params::Body,
    query::{Fields, ListQuery, Page, collect_counted},
};
use addresses::Owner;
use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use prokura_domain::{CustomerId, CustomerKind, CustomerState, Email, LegalEntityId};
use prokura_engine::{CreateCustomer, Customer, CustomerChange, Engine, Error, NewPassword, Profile, Refusal};
use prokura_http::{Edge, Params};
use serde_json::{Map, Value, json};
use wire::{Faults, Reader, Writer};

/// What lists may be narrowed and sorted by.
const FIELDS: Fields = Fields::new(
    &[
        "id",
        "customerNumber=id",
        "title",
        "firstName",
        "middleName",
        "lastName",
        "jobTitle",
        "contactEmail",
        "contactPhone",
        "company",
        "preferredLanguage",
        "preferredCurrency",
        "preferredSite",
        "restriction",
        "type",
        "active",
        "onHold",
        "accounts.id",
        "lastLogin",
        "b2b.companyRegistrationId",
        "mixins.*",
        "metadata.version",
        "metadata.createdAt",
        "metadata.modifiedAt",
        "metadata.mixins.*",
    ],
    60,
);

/// How many customers are read at once.
const BATCH: u32 = 500;
/// With more customers than this, matches of a query are not counted unless asked for.
const MAX_COUNTED: u64 = 100_000;
/// How many customers a list has in all.
const COUNT: HeaderName = HeaderName::from_static("count");

const READ: [&str; 2] = ["customer.customer_read", "customer.customer_read_own"];
const MANAGE: [&str; 2] = ["customer.customer_manage", "customer.customer_manage_own"];

pub(crate) fn routes() -> Router<Edge> {
    let mut routes = Router::new();
    // The second prefix is older; one of the storefronts still uses it.
    for prefix in ["/customer/{tenant}/customers", "/caas-customer/{tenant}/customers"] {
        routes = routes
            .route(prefix, get(list).post(create))
            .route(&format!("{prefix}/search"), post(search))
            .route(&format!("{prefix}/import"), post(import::import))
            .route(&format!("{prefix}/{{customer}}"), get(show).put(put).patch(patch).delete(delete))
            .merge(addresses::routes::<Managed>(&format!("{prefix}/{{customer}}/addresses")));
    }
    routes.merge(joins::routes())
}

/// Whom a caller reaches.
enum Reach {
    /// Everybody.
    Tenant,
    /// The people of one company.
    Company(LegalEntityId),
}

impl Reach {
    /// The reach of a caller with one of two scopes, the first of which reaches everybody.
    async fn of(edge: &Edge, caller: &Caller, scopes: &[&'static str; 2]) -> Result<Self, E2> {
        let own = caller.require(&edge.engine, scopes).await?;
        if own.contains(scopes[0]) {
            return Ok(Self::Tenant);
        }
        match caller.own_entity(&edge.engine).await? {
            Some(entity) => Ok(Self::Company(entity)),
            None => Err(Refusal::Forbidden("choose a legal entity first").into()),
        }
    }

    fn entity(&self) -> Option<&LegalEntityId> {
        match self {
            Self::Tenant => None,
            Self::Company(entity) => Some(entity),
        }
    }

    fn writer(&self) -> Writer {
        match self {
            Self::Tenant => Writer::Tenant,
            Self::Company(_) => Writer::Company,
        }
    }
}

/// The one answer for never existed, deleted, and not within reach.
fn not_found() -> E2 {
    E2::new(StatusCode::NOT_FOUND, "application/json", "Customer not Found")
}

/// A customer the caller may see.
async fn visible(engine: &Engine, caller: &Caller, reach: &Reach, id: &str) -> Result<Customer, E2> {
    let id: CustomerId = id.parse().map_err(|_| not_found())?;
    let customer = match engine.customer(&caller.tenant, &id).await {
        Err(Error::Refused(Refusal::NotFound(_))) => return Err(not_found()),
        other => other?,
    };
    if let Some(entity) = reach.entity() {
        let companies = engine.assignments_of(&caller.tenant, &id).await?;
        if !companies.iter().any(|(_, company)| company.id == *entity) {
            return Err(not_found());
        }
    }
    Ok(customer)
}

/// Whether a customer belongs to no company but `entity`, and to what follows from it.
async fn is_only_of(engine: &Engine, caller: &Caller, id: &CustomerId, entity: &LegalEntityId) -> Result<bool, E2> {
    let companies = engine.assignments_of(&caller.tenant, id).await?;
    let here = companies.iter().find(|(_, company)| company.id == *entity).map(|(assignment, _)| &assignment.id);
    Ok(companies.iter().all(|(assignment, company)| {
        company.id == *entity || (assignment.origin.is_some() && assignment.origin.as_ref() == here)
    }))
}

/// A customer the caller may change.
async fn manageable(engine: &Engine, caller: &Caller, reach: &Reach, id: &str) -> Result<Customer, E2> {
    let customer = visible(engine, caller, reach, id).await?;
    if let Some(entity) = reach.entity()
        && !is_only_of(engine, caller, &customer.id, entity).await?
    {
        return Err(Refusal::Forbidden("the customer belongs to another company as well").into());
    }
    Ok(customer)
}

/// Addresses of a customer who is managed.
struct Managed;

impl Owner for Managed {
    async fn owner(edge: &Edge, caller: &Caller, named: Option<&str>, is_change: bool) -> Result<CustomerId, E2> {
        let id = named.unwrap_or_default();
        if is_change {
            let reach = Reach::of(edge, caller, &MANAGE).await?;
            return Ok(manageable(&edge.engine, caller, &reach, id).await?.id);
        }
        let reach = Reach::of(edge, caller, &READ).await?;
        Ok(visible(&edge.engine, caller, &reach, id).await?.id)
    }
}

/// `GET …/customers`
async fn list(State(edge): State<Edge>, caller: Caller, params: Params, headers: HeaderMap) -> Result<Response, E2> {
    let reach = Reach::of(&edge, &caller, &READ).await?;
    let list = ListQuery::parse(&params, &headers, &FIELDS)?;
    answer(&edge, &caller, &reach, list).await
}

/// `POST …/customers/search`
async fn search(
    State(edge): State<Edge>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    Body(body, _): Body<Map<String, Value>, E2>,
) -> Result<Response, E2> {
    let reach = Reach::of(&edge, &caller, &READ).await?;
    let q = match body.get("q") {
        None | Some(Value::Null) => "",
        Some(Value::String(q)) => q,
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(E2::validation_failure("The request is not valid.").detail(
                "q",
                "invalid_value",
                "A text is needed.",
            ));
        }
    };
    let list = ListQuery::parse_search(&params, &headers, q, &FIELDS)?;
    answer(&edge, &caller, &reach, list).await
}

async fn answer(edge: &Edge, caller: &Caller, reach: &Reach, list: ListQuery) -> Result<Response, E2> {
    let (engine, tenant) = (&edge.engine, &caller.tenant);
    let all = engine.count_customers(tenant, reach.entity()).await?;
    let known = list.filter.is_empty().then_some(all);
    let counted = if known.is_some() || all <= MAX_COUNTED { list.counting() } else { list };
    // Who asks for one address is asking for one row.
    let email = counted.filter.equals("contactEmail").or_else(|| counted.filter.equals("accounts.id"));
    let email_key = email.map(str::to_lowercase);
    let id: Option<CustomerId> = counted.filter.equals("id").and_then(|id| id.parse().ok());
    let page = collect_counted(&counted.whole(), known, |after: String| {
        let (email_key, id) = (email_key.as_deref(), id.as_ref());
        async move {
            let found = match id {
                Some(id) if after.is_empty() => match visible(engine, caller, reach, id.as_str()).await {
                    Ok(customer) => vec![customer],
                    Err(_) => Vec::new(),
                },
                Some(_) => Vec::new(),
                None => engine.find_customers(tenant, reach.entity(), email_key, &after, BATCH).await?,
            };
            let rows = found.iter().map(|found| (found.id.to_string(), Value::Object(wire::customer(found))));
            Ok::<_, E2>(rows.collect::<Vec<_>>())
        }
    })
    .await?;
    let page = complete(edge, caller, &counted, page).await?;
    let mut response = counted.project(page.clone()).into_response();
    if let Some(total) = page.total {
        response.headers_mut().insert(COUNT, HeaderValue::from(total));
    }
    Ok(response)
}

/// Adds what is looked up per customer, for the page alone.
async fn complete(edge: &Edge, caller: &Caller, list: &ListQuery, mut page: Page) -> Result<Page, E2> {
    for item in &mut page.items {
        let Value::Object(shown) = item else { continue };
        let Some(id) = shown.get("id").and_then(Value::as_str).and_then(|id| id.parse::<CustomerId>().ok()) else {
            continue;
        };
        let companies = edge.engine.assignments_of(&caller.tenant, &id).await?;
        let addresses =
            if list.expands("addresses") { Some(edge.engine.addresses(&caller.tenant, &id).await?) } else { None };
        wire::complete(shown, &companies, addresses.as_deref());
    }
    Ok(page)
}

/// `GET …/customers/{customer}`
async fn show(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    params: Params,
) -> Result<Json<Value>, E2> {
    let reach = Reach::of(&edge, &caller, &READ).await?;
    let customer = visible(&edge.engine, &caller, &reach, &id).await?;
    let expand = params.one("expand")?.unwrap_or_default();
    shown(&edge, &caller, &customer, expand.split(',').any(|word| word.trim() == "addresses")).await
}

async fn shown(edge: &Edge, caller: &Caller, customer: &Customer, wants_addresses: bool) -> Result<Json<Value>, E2> {
    let mut shown = wire::customer(customer);
    let companies = edge.engine.assignments_of(&caller.tenant, &customer.id).await?;
    let addresses =
        if wants_addresses { Some(edge.engine.addresses(&caller.tenant, &customer.id).await?) } else { None };
    wire::complete(&mut shown, &companies, addresses.as_deref());
    Ok(Json(Value::Object(shown)))
}

/// What only who runs the tenant may say.
fn refuse_reserved(body: &Reader<'_>, writer: Writer, faults: &mut Faults) -> Result<(), E2> {
    let is_contact = wire::kind(body, faults) == CustomerKind::Contact;
    let has_restriction = body.text("restriction", faults).flatten().is_some();
    if writer != Writer::Tenant && (is_contact || has_restriction) {
        return Err(Refusal::Forbidden("type and restriction are set by the shop").into());
    }
    Ok(())
}

/// `POST …/customers`
async fn create(
    State(edge): State<Edge>,
    caller: Caller,
    params: Params,
    Body(body, _): Body<Map<String, Value>, E2>,
) -> Result<Response, E2> {
    let reach = Reach::of(&edge, &caller, &MANAGE).await?;
    let reader = Reader::new(&body);
    let mut faults = Faults::default();
    let request = read_new(&reader, reach.writer(), None, &mut faults)?;
    faults.check()?;
    let id = make(&edge, &caller, &reach, &request).await?;
    if params.flag("sendPasswordResetNotifications")? && request.kind == CustomerKind::Customer {
        edge.engine.send_password_mail(&caller.tenant, &id, &caller.actor(), &caller.origin).await?;
    }
    Ok((StatusCode::CREATED, Json(json!({ "id": id.as_str() }))).into_response())
}

/// A customer to be made, from a body; `id` when the path names it.
fn read_new(
    body: &Reader<'_>,
    writer: Writer,
    id: Option<CustomerId>,
    faults: &mut Faults,
) -> Result<CreateCustomer, E2> {
    refuse_reserved(body, writer, faults)?;
    let kind = wire::kind(body, faults);
    let mut profile = Profile::default();
    wire::apply_profile(body, &mut profile, writer, faults);
    let email = match kind {
        CustomerKind::Customer => body.required_email("contactEmail", faults),
        CustomerKind::Contact => body.email("contactEmail", faults),
    };
    let id = id.or_else(|| body.id("id", faults));
    let password = body.secret("password", faults);
    if password.is_some() && writer != Writer::Tenant {
        let message = "It is chosen by the customer: use sendPasswordResetNotifications.";
        faults.invalid("password", message);
    }
    let state = wire::state(CustomerState::Active, body.switch("active", faults), body.switch("onHold", faults));
    Ok(CreateCustomer {
        id,
        kind,
        email,
        profile,
        state: state.unwrap_or(CustomerState::Active),
        password: password.map(|password| (NewPassword::Plain(password), true)),
    })
}

async fn make(edge: &Edge, caller: &Caller, reach: &Reach, request: &CreateCustomer) -> Result<CustomerId, E2> {
    let (tenant, actor, origin) = (&caller.tenant, caller.actor(), &caller.origin);
    let made = match reach.entity() {
        None => edge.engine.create_customer(tenant, request, &actor, origin).await,
        Some(entity) => edge.engine.create_customer_of(tenant, request, entity, &actor, origin).await,
    };
    match made {
        Err(Error::Refused(Refusal::AlreadyExists(_))) => {
            Err(duplicate(caller, request.email.as_ref().map_or("", Email::as_str)))
        }
        other => Ok(other?),
    }
}

/// `PUT …/customers/{customer}`: makes or replaces.
async fn put(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    Body(body, _): Body<Map<String, Value>, E2>,
) -> Result<Response, E2> {
    let reach = Reach::of(&edge, &caller, &MANAGE).await?;
    let reader = Reader::new(&body);
    let mut faults = Faults::default();
    let wanted: CustomerId = id.parse().map_err(|_| not_found())?;
    let before = match (edge.engine.customer(&caller.tenant, &wanted).await, &reach) {
        (Err(Error::Refused(Refusal::NotFound(_))), Reach::Tenant) => None,
        // An administrator makes people with `POST`; whether an id is taken elsewhere is not theirs to know.
        _ => Some(manageable(&edge.engine, &caller, &reach, &id).await?),
    };
    let Some(before) = before else {
        let request = read_new(&reader, reach.writer(), Some(wanted), &mut faults)?;
        faults.check()?;
        let id = make(&edge, &caller, &reach, &request).await?;
        return Ok((StatusCode::CREATED, Json(json!({ "id": id.as_str() }))).into_response());
    };
    refuse_reserved(&reader, reach.writer(), &mut faults)?;
    change(&edge, &caller, &reader, &reach, &before.id, true).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `PATCH …/customers/{customer}`
async fn patch(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    Body(body, _): Body<Map<String, Value>, E2>,
) -> Result<Json<Value>, E2> {
    let reach = Reach::of(&edge, &caller, &MANAGE).await?;
    let before = manageable(&edge.engine, &caller, &reach, &id).await?;
    let reader = Reader::new(&body);
    let mut faults = Faults::default();
    refuse_reserved(&reader, reach.writer(), &mut faults)?;
    change(&edge, &caller, &reader, &reach, &before.id, false).await?;
    let customer = visible(&edge.engine, &caller, &reach, &id).await?;
    shown(&edge, &caller, &customer, false).await
}

/// Writes what a body says over a customer, or over nothing when it replaces them.
async fn change(
    edge: &Edge,
    caller: &Caller,
    body: &Reader<'_>,
    reach: &Reach,
    id: &CustomerId,
    is_replacement: bool,
) -> Result<(), E2> {
    let writer = reach.writer();
    let mut faults = Faults::default();
    let edit = |before: &Customer| {
        faults = Faults::default();
        let mut profile = if is_replacement { replaced(&before.profile, writer) } else { before.profile.clone() };
        wire::apply_profile(body, &mut profile, writer, &mut faults);
        wire::apply_contact_email(body, before.email.as_deref(), &mut profile, &mut faults);
        let (active, on_hold) = (body.switch("active", &mut faults), body.switch("onHold", &mut faults));
        let version = body.version(&mut faults);
        let state = wire::state(before.state, active, on_hold);
        faults.is_empty().then_some(CustomerChange { profile, state, version })
    };
    edge.engine.edit_customer(&caller.tenant, id, edit, &caller.actor(), &caller.origin).await?;
    faults.check()
}

/// What stays of a profile that is replaced: what the writer has no say over.
fn replaced(before: &Profile, writer: Writer) -> Profile {
    match writer {
        Writer::Tenant => Profile::default(),
        Writer::Own | Writer::Company => Profile {
            restriction: before.restriction.clone(),
            photo_url: before.photo_url.clone(),
            company_registration_id: before.company_registration_id.clone(),
            ..Profile::default()
        },
    }
}

/// `DELETE …/customers/{customer}`. An administrator takes people out of the company; their account is their own.
async fn delete(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, E2> {
    let reach = Reach::of(&edge, &caller, &MANAGE).await?;
    let customer = visible(&edge.engine, &caller, &reach, &id).await?;
    let (tenant, actor, origin) = (&caller.tenant, caller.actor(), &caller.origin);
    match reach.entity() {
        None => {
            let state = CustomerState::Deleted;
            edge.engine.set_customer_state(tenant, &customer.id, state, &actor, origin).await?;
        }
        Some(entity) => {
            let companies = edge.engine.assignments_of(tenant, &customer.id).await?;
            let here = companies.iter().find(|(_, company)| company.id == *entity);
            let (assignment, _) = here.ok_or_else(not_found)?;
            edge.engine.unassign(tenant, &assignment.id, &actor, origin).await?;
        }
    }
    Ok(StatusCode::ACCEPTED)
}
