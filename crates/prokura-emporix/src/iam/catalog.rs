//! What can be given at all: scopes, access controls and templates. They come from the settings and cannot be changed
//! here; an access control is the scope it gives, and a template one of the groups that are made with every company.

use super::{ACCESS_READ, GROUP_READ, SCOPE_READ, access_control, localized, wanted_language};
use crate::{
    caller::Caller,
    fault::E3,
    query::{Fields, ListQuery, Page, collect},
    settings::service_scopes,
};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::HeaderMap,
    routing::get,
};
use prokura_domain::Scopes;
use prokura_engine::{GroupTemplate, Refusal, Tenant};
use prokura_http::{Edge, Params};
use serde_json::{Map, Value, json};

const CONTROL_FIELDS: Fields = Fields::new(&["id", "domain", "name.*", "scopes"], 60);
const TEMPLATE_FIELDS: Fields = Fields::new(&["id", "code", "name.*", "userType", "accessControls"], 60);
const SCOPE_FIELDS: Fields = Fields::new(&["id", "domain"], 60);

pub(super) fn routes() -> Router<Edge> {
    Router::new()
        .route("/iam/{tenant}/access-controls", get(access_controls))
        .route("/iam/{tenant}/access-controls/{id}", get(one_access_control))
        .route("/iam/{tenant}/templates", get(templates))
        .route("/iam/{tenant}/templates/{id}", get(one_template))
        .route("/iam/{tenant}/scopes", get(scopes))
}

/// Every scope somebody of the tenant may have: machines, customers, and those whom a group lets more.
fn known_scopes(tenant: &Tenant) -> Scopes {
    let settings = &tenant.settings;
    let templates = settings.group_templates.iter().map(|template| template.scopes.as_str());
    let mut known = Scopes::default();
    for text in [service_scopes().as_str(), &settings.customer_scopes].into_iter().chain(templates) {
        known.extend(&Scopes::parse(text).unwrap_or_default());
    }
    known
}

fn template_json(template: &GroupTemplate, language: Option<&str>) -> Value {
    let mut name = Map::new();
    name.insert("en".to_owned(), json!(template.name));
    json!({
        "id": template.code,
        "code": template.code,
        "name": localized(&name, language),
        "userType": "CUSTOMER",
        "accessControls": template.scopes.split_ascii_whitespace().collect::<Vec<_>>(),
    })
}

async fn access_controls(
    State(edge): State<Edge>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
) -> Result<Page, E3> {
    caller.require(&edge.engine, &[ACCESS_READ]).await?;
    let list = ListQuery::parse(&params, &headers, &CONTROL_FIELDS)?;
    let known = known_scopes(&caller.tenant);
    page(&list, known.iter().map(|scope| (scope.as_str().to_owned(), access_control(scope.as_str()))).collect()).await
}

async fn one_access_control(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, E3> {
    caller.require(&edge.engine, &[ACCESS_READ]).await?;
    if !known_scopes(&caller.tenant).contains(&id) {
        return Err(Refusal::NotFound("access control").into());
    }
    Ok(Json(access_control(&id)))
}

async fn templates(State(edge): State<Edge>, caller: Caller, params: Params, headers: HeaderMap) -> Result<Page, E3> {
    caller.require(&edge.engine, &[ACCESS_READ, GROUP_READ]).await?;
    let list = ListQuery::parse(&params, &headers, &TEMPLATE_FIELDS)?;
    let language = wanted_language(&headers);
    let found = caller.tenant.settings.group_templates.iter();
    page(&list, found.map(|one| (one.code.clone(), template_json(one, language.as_deref()))).collect()).await
}

async fn one_template(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, E3> {
    caller.require(&edge.engine, &[ACCESS_READ, GROUP_READ]).await?;
    let found = caller.tenant.settings.group_templates.iter().find(|template| template.code.eq_ignore_ascii_case(&id));
    let template = found.ok_or(Refusal::NotFound("template"))?;
    Ok(Json(template_json(template, wanted_language(&headers).as_deref())))
}

async fn scopes(State(edge): State<Edge>, caller: Caller, params: Params, headers: HeaderMap) -> Result<Page, E3> {
    caller.require(&edge.engine, &[SCOPE_READ]).await?;
    let list = ListQuery::parse(&params, &headers, &SCOPE_FIELDS)?;
    let known = known_scopes(&caller.tenant);
    let json =
        |scope: &str| json!({ "id": scope, "domain": scope.split_once('.').map_or(scope, |(domain, _)| domain) });
    page(&list, known.iter().map(|scope| (scope.as_str().to_owned(), json(scope.as_str()))).collect()).await
}

/// A page of what is at hand as a whole.
async fn page(list: &ListQuery, mut items: Vec<(String, Value)>) -> Result<Page, E3> {
    items.sort_by(|(one, _), (other, _)| one.cmp(other));
    let items = &items;
    collect::<_, _, E3>(list, |after| async move { Ok(items.iter().filter(|(id, _)| *id > after).cloned().collect()) })
        .await
}
