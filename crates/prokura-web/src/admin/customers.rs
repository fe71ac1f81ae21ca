//! Customers of a tenant, as the shop looks after them. A password goes in and never comes out.

use super::{
    answer::{Found, Made},
    caller::{Item, Managing, Viewing},
    fault::Fault,
    request::{Body, Page, Precondition, Search, Unconditional},
    wire::{
        Address, Change, Id, Line, Word, customer_kind_schema, customer_state_schema, email_schema, id_or_null_schema,
        id_schema, line_or_null_schema, line_schema, object_schema, stamp,
    },
};
use crate::Web;
use axum::Json;
use http::StatusCode;
use prokura_domain::{CustomerId, CustomerKind, CustomerState, Email, SiteId};
use prokura_engine::{CreateCustomer, Customer, NewPassword, Profile};
use prokura_jose::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(get, change, delete))
        .routes(routes!(set_state))
        .routes(routes!(set_password))
        .routes(routes!(remove_factors))
}

/// Which part of the list, and whose.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CustomerQuery {
    /// The most items to return.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// Only the customer with this address.
    email: Option<String>,
}

/// A customer.
#[derive(Serialize, ToSchema)]
struct CustomerView {
    /// Their id, which is their number as well.
    id: String,
    /// `CONTACT` cannot log in.
    #[schema(schema_with = customer_kind_schema)]
    kind: &'static str,
    /// What they log in with.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// When they showed that mails to it reach them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    email_verified_at: Option<String>,
    /// Whether they may log in.
    #[schema(schema_with = customer_state_schema)]
    state: &'static str,
    /// Given name.
    given_name: String,
    /// Family name.
    family_name: String,
    /// The company they say they work for; says nothing about assignments.
    company_name: String,
    /// Preferred language.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// Preferred currency (ISO 4217).
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    /// Preferred storefront.
    #[serde(skip_serializing_if = "Option::is_none")]
    site_id: Option<String>,
    /// Form of address.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// Job title.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_title: Option<String>,
    /// Telephone.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    /// Where to write to, when it is not the login address.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_email: Option<String>,
    /// Free objects by name.
    #[schema(schema_with = object_schema)]
    mixins: Map<String, Value>,
    /// When they last logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    last_login_at: Option<String>,
    /// Counts changes.
    version: i64,
    /// When they were made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When they were last changed.
    #[schema(format = DateTime)]
    modified_at: String,
}

/// A customer to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCustomer {
    /// Their id; a new number when absent.
    #[serde(default)]
    #[schema(schema_with = id_schema)]
    id: Option<Id<CustomerId>>,
    /// `CUSTOMER` when absent; a `CONTACT` cannot log in.
    #[serde(default)]
    #[schema(schema_with = customer_kind_schema)]
    kind: Option<Word<CustomerKind>>,
    /// What they log in with; a contact may have none.
    #[serde(default)]
    #[schema(schema_with = email_schema)]
    email: Option<Address>,
    /// `active` when absent.
    #[serde(default)]
    #[schema(schema_with = customer_state_schema)]
    state: Option<Word<CustomerState>>,
    /// Given name.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    given_name: Option<Line>,
    /// Family name.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    family_name: Option<Line>,
    /// The company they say they work for.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    company_name: Option<Line>,
    /// Preferred language.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    language: Option<Line>,
    /// Preferred currency (ISO 4217).
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    currency: Option<Line>,
    /// Preferred storefront.
    #[serde(default)]
    #[schema(schema_with = id_schema)]
    site_id: Option<Id<SiteId>>,
    /// Form of address.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    title: Option<Line>,
    /// Job title.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    job_title: Option<Line>,
    /// Telephone.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    phone: Option<Line>,
    /// Free objects by name.
    #[serde(default)]
    #[schema(schema_with = object_schema)]
    mixins: Map<String, Value>,
    /// Their password; without one they come in once they have set it by a link.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 1024, write_only)]
    password: Option<String>,
    /// A hash from elsewhere instead: an Argon2 PHC string or bcrypt.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 512, write_only)]
    password_hash: Option<String>,
    /// Whether somebody else chose the password, so that they should change it.
    #[serde(default)]
    is_password_initial: bool,
}

/// A change of a customer's profile; what is absent stays, null takes away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CustomerPatch {
    /// Given name.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    given_name: Option<Line>,
    /// Family name.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    family_name: Option<Line>,
    /// The company they say they work for.
    #[serde(default)]
    #[schema(schema_with = line_schema)]
    company_name: Option<Line>,
    /// Preferred language.
    #[serde(default)]
    #[schema(schema_with = line_or_null_schema)]
    language: Change<Line>,
    /// Preferred currency (ISO 4217).
    #[serde(default)]
    #[schema(schema_with = line_or_null_schema)]
    currency: Change<Line>,
    /// Preferred storefront.
    #[serde(default)]
    #[schema(schema_with = id_or_null_schema)]
    site_id: Change<Id<SiteId>>,
    /// Form of address.
    #[serde(default)]
    #[schema(schema_with = line_or_null_schema)]
    title: Change<Line>,
    /// Job title.
    #[serde(default)]
    #[schema(schema_with = line_or_null_schema)]
    job_title: Change<Line>,
    /// Telephone.
    #[serde(default)]
    #[schema(schema_with = line_or_null_schema)]
    phone: Change<Line>,
    /// Free objects by name, replaced as a whole.
    #[serde(default)]
    #[schema(schema_with = object_schema)]
    mixins: Option<Map<String, Value>>,
}

/// Where a customer is to stand.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StateBody {
    /// Whoever is not `active` loses every session at once; `deleted` is final.
    #[schema(schema_with = customer_state_schema)]
    state: Word<CustomerState>,
}

/// A password to be set; one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    /// In clear.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 1024, write_only)]
    password: Option<String>,
    /// A hash from elsewhere: an Argon2 PHC string or bcrypt.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 512, write_only)]
    password_hash: Option<String>,
    /// Whether they should change it.
    #[serde(default)]
    is_initial: bool,
}

fn new_password(password: Option<String>, hash: Option<String>) -> Result<Option<NewPassword>, Fault> {
    match (password, hash) {
        (Some(_), Some(_)) => Err(Fault::invalid("password_hash", "a password or a hash of one, not both")),
        (Some(password), None) => Ok(Some(NewPassword::Plain(Secret::from(password)))),
        (None, Some(hash)) => Ok(Some(NewPassword::Hash(hash))),
        (None, None) => Ok(None),
    }
}

fn view(customer: Customer) -> CustomerView {
    let profile = customer.profile;
    CustomerView {
        id: customer.id.to_string(),
        kind: customer.kind.as_str(),
        email: customer.email,
        email_verified_at: customer.email_verified_at.map(stamp),
        state: customer.state.as_str(),
        given_name: profile.given_name,
        family_name: profile.family_name,
        company_name: profile.company_name,
        language: profile.language,
        currency: profile.currency,
        site_id: profile.site.map(|site| site.to_string()),
        title: profile.title,
        job_title: profile.job_title,
        phone: profile.phone,
        contact_email: profile.contact_email,
        mixins: profile.mixins,
        last_login_at: customer.last_login_at.map(stamp),
        version: customer.version,
        created_at: stamp(customer.created_at),
        modified_at: stamp(customer.modified_at),
    }
}

/// List customers
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/customers", tag = "customers", operation_id = "list_customers",
    params(CustomerQuery), responses((status = 200, description = "Customers by id", body = Page<CustomerView>)))]
async fn list(at: Viewing, Search(query): Search<CustomerQuery>) -> Result<Json<Page<CustomerView>>, Fault> {
    let engine = &at.engine;
    let window = at.window("customers", query.limit, query.cursor.as_deref())?;
    let found = match &query.email {
        Some(email) => match Email::parse(email) {
            Ok(email) => engine.customer_by_email(&at.tenant, &email).await?.into_iter().collect(),
            Err(fault) => return Err(Fault::bad_request("invalid_query", format!("email: {fault}"))),
        },
        None => engine.customers(&at.tenant, &window.after, window.fetch()).await?,
    };
    Ok(window.page(found, |customer| customer.id.to_string(), view))
}

/// Make a customer
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/customers", tag = "customers", operation_id = "create_customer",
    request_body = NewCustomer,
    responses((status = 201, description = "The customer", body = CustomerView),
              (status = 409, description = "The id was used before, or somebody has this address")))]
async fn create(by: Managing, Body(body): Body<NewCustomer>) -> Result<Made<CustomerView>, Fault> {
    let engine = &by.engine;
    let state = body.state.map_or(CustomerState::Active, |state| state.0);
    if state == CustomerState::Deleted {
        return Err(Fault::invalid("state", "nobody is made deleted"));
    }
    let text = |line: Option<Line>| line.map(|line| line.0);
    let request = CreateCustomer {
        id: body.id.map(|id| id.0),
        kind: body.kind.map_or(CustomerKind::Customer, |kind| kind.0),
        email: body.email.map(|email| email.0),
        profile: Profile {
            title: text(body.title),
            given_name: text(body.given_name).unwrap_or_default(),
            family_name: text(body.family_name).unwrap_or_default(),
            company_name: text(body.company_name).unwrap_or_default(),
            language: text(body.language),
            currency: text(body.currency),
            site: body.site_id.map(|id| id.0),
            job_title: text(body.job_title),
            phone: text(body.phone),
            mixins: body.mixins,
            ..Profile::default()
        },
        state,
        password: new_password(body.password, body.password_hash)?.map(|password| (password, body.is_password_initial)),
    };
    let id = engine.create_customer(&by.tenant, &request, &by.actor, &by.origin).await?;
    let customer = engine.customer(&by.tenant, &id).await?;
    Ok(Made {
        location: format!("/admin/v1/tenants/{}/customers/{id}", by.tenant.id),
        version: Some(customer.version),
        body: view(customer),
    })
}

/// Read a customer
#[utoipa::path(get, path = "/admin/v1/tenants/{tenant}/customers/{customer}", tag = "customers",
    operation_id = "get_customer", responses((status = 200, description = "The customer", body = CustomerView)))]
async fn get(at: Viewing, Item(id): Item<CustomerId>) -> Result<Found<CustomerView>, Fault> {
    let customer = at.engine.customer(&at.tenant, &id).await?;
    Ok(Found { version: customer.version, body: view(customer) })
}

/// Change a customer's profile
#[utoipa::path(patch, path = "/admin/v1/tenants/{tenant}/customers/{customer}", tag = "customers",
    operation_id = "change_customer", params(("If-Match" = Option<String>, Header)), request_body = CustomerPatch,
    responses((status = 200, description = "The customer after the change", body = CustomerView)))]
async fn change(
    by: Managing,
    Item(id): Item<CustomerId>,
    precondition: Precondition,
    Body(body): Body<CustomerPatch>,
) -> Result<Found<CustomerView>, Fault> {
    let engine = &by.engine;
    let seen = precondition.version()?;
    let customer = engine.customer(&by.tenant, &id).await?;
    let mut profile = customer.profile;
    let set = |field: &mut String, line: Option<Line>| {
        if let Some(line) = line {
            *field = line.0;
        }
    };
    set(&mut profile.given_name, body.given_name);
    set(&mut profile.family_name, body.family_name);
    set(&mut profile.company_name, body.company_name);
    let text = |line: Line| line.0;
    body.language.apply(&mut profile.language, text);
    body.currency.apply(&mut profile.currency, text);
    body.title.apply(&mut profile.title, text);
    body.job_title.apply(&mut profile.job_title, text);
    body.phone.apply(&mut profile.phone, text);
    body.site_id.apply(&mut profile.site, |id| id.0);
    if let Some(mixins) = body.mixins {
        profile.mixins = mixins;
    }
    // The rest of the profile stays as it was read, so the change rests on that version in any case.
    let version = Some(seen.unwrap_or(customer.version));
    engine.update_profile(&by.tenant, &id, &profile, version, &by.actor, &by.origin).await?;
    let customer = engine.customer(&by.tenant, &id).await?;
    Ok(Found { version: customer.version, body: view(customer) })
}

/// Delete a customer
///
/// Sessions end, assignments, addresses and password go, the id is never used again.
#[utoipa::path(delete, path = "/admin/v1/tenants/{tenant}/customers/{customer}", tag = "customers",
    operation_id = "delete_customer", responses((status = 204, description = "Deleted")))]
async fn delete(by: Managing, Item(id): Item<CustomerId>, _: Unconditional) -> Result<StatusCode, Fault> {
    by.engine.set_customer_state(&by.tenant, &id, CustomerState::Deleted, &by.actor, &by.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Switch a customer off or on
///
/// Whoever is not active loses every session, on every node within seconds.
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/customers/{customer}/state", tag = "customers",
    operation_id = "set_customer_state", request_body = StateBody,
    responses((status = 204, description = "The customer stands there now")))]
async fn set_state(by: Managing, Item(id): Item<CustomerId>, Body(body): Body<StateBody>) -> Result<StatusCode, Fault> {
    by.engine.set_customer_state(&by.tenant, &id, body.state.0, &by.actor, &by.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Set a customer's password
///
/// Every session of theirs ends.
#[utoipa::path(post, path = "/admin/v1/tenants/{tenant}/customers/{customer}/password", tag = "customers",
    operation_id = "set_customer_password", request_body = PasswordBody,
    responses((status = 204, description = "Set")))]
async fn set_password(
    by: Managing,
    Item(id): Item<CustomerId>,
    Body(body): Body<PasswordBody>,
) -> Result<StatusCode, Fault> {
    let password = new_password(body.password, body.password_hash)?
        .ok_or_else(|| Fault::invalid("password", "a password, or a hash of one"))?;
    let engine = &by.engine;
    // Hashing is dear; nobody pays for somebody who is not there.
    engine.customer(&by.tenant, &id).await?;
    engine.set_password(&by.tenant, &id, &password, body.is_initial, None, &by.actor, &by.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a customer's second factor away
///
/// For somebody who lost their app and their recovery codes, once you know that it is them. Nobody can read a factor;
/// every session of theirs ends, and the password alone lets them in again.
#[utoipa::path(delete, path = "/admin/v1/tenants/{tenant}/customers/{customer}/factors", tag = "customers",
    operation_id = "remove_customer_factors", responses((status = 204, description = "Taken away")))]
async fn remove_factors(by: Managing, Item(id): Item<CustomerId>, _: Unconditional) -> Result<StatusCode, Fault> {
    by.engine.remove_factors(&by.tenant, &id, &by.actor, &by.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
