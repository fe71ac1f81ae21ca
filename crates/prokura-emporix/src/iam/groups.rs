//! Groups. An access control here is the scope it gives, under the same name; a template is one of the groups that are
//! made with every company. A scope may carry a suffix, as in `scope--DE`, which is part of its text.

use super::{DEFAULT_GROUP, GROUP_READ, confinement, localized, member_kind, user_type, wanted_language};
use crate::{
    caller::Caller,
    companies::wire::{Checked, MetadataBody, SearchBody, known, metadata, narrow, put_answer, without_nulls},
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
use prokura_domain::{GroupId, LegalEntityId, MemberKind, Scope, Scopes};
use prokura_engine::{Engine, Error, Group, GroupDetails, GroupFilter, PutGroup, PutMode, Refusal, Tenant};
use prokura_http::{Edge, Params};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const READ_OWN: &str = "iam.group_read_own";
const MANAGE: &str = "iam.group_manage";

const BATCH: u32 = 500;
/// The most scopes, templates and restrictions of a group.
const MAX_ENTRIES: usize = 500;

const FIELDS: Fields = Fields::new(
    &[
        "id",
        "name.*",
        "description.*",
        "code",
        "userType",
        "legalEntityId=b2b.legalEntityId",
        "b2b.legalEntityId",
        "accessControls",
        "templates",
        "restrictions",
        "metadata.*",
    ],
    60,
);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupBody {
    id: Option<String>,
    name: Option<TextBody>,
    description: Option<TextBody>,
    access_controls: Option<Vec<String>>,
    templates: Option<Vec<String>>,
    code: Option<String>,
    user_type: Option<String>,
    b2b: Option<B2bBody>,
    restrictions: Option<Vec<String>>,
    metadata: Option<MetadataBody>,
}

/// A localized text, or a plain one in the language of `Content-Language`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum TextBody {
    Plain(String),
    Localized(Map<String, Value>),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct B2bBody {
    legal_entity_id: Option<String>,
}

pub(super) fn routes() -> Router<Edge> {
    Router::new()
        .route("/iam/{tenant}/groups", get(list).post(create))
        .route("/iam/{tenant}/groups/search", post(search))
        .route("/iam/{tenant}/groups/{group}", get(one).put(put).delete(delete))
}

pub(super) fn json(group: &Group, language: Option<&str>) -> Value {
    let details = &group.details;
    let access_controls = match details.access_controls.as_slice() {
        [] => group.scopes.iter().map(|scope| json!(scope.as_str())).collect(),
        named => json!(named),
    };
    without_nulls(json!({
        "id": group.id.as_str(),
        "name": localized(&group.name, language),
        "description": localized(&group.description, language),
        "accessControls": access_controls,
        "templates": details.templates,
        "code": group.code,
        "userType": user_type(group.member_kind),
        "b2b": group.legal_entity.as_ref().map(|entity| json!({ "legalEntityId": entity.as_str() })),
        "restrictions": details.restrictions,
        "metadata": metadata(group.version, group.created_at, group.modified_at, &Map::new()),
    }))
}

/// The group of customers without a company.
pub(super) fn default_group(tenant: &Tenant, language: Option<&str>) -> Value {
    let mut name = Map::new();
    name.insert("en".to_owned(), json!("Customer"));
    json!({
        "id": DEFAULT_GROUP,
        "name": localized(&name, language),
        "description": localized(&Map::new(), language),
        "accessControls": tenant.settings.customer_scopes.split_ascii_whitespace().collect::<Vec<_>>(),
        "templates": [],
        "code": DEFAULT_GROUP,
        "userType": "CUSTOMER",
        "restrictions": [],
    })
}

impl TextBody {
    fn read(text: Option<Self>, field: &'static str, language: &str, checked: &mut Checked) -> Map<String, Value> {
        let texts = match text {
            None => Map::new(),
            Some(Self::Plain(text)) => std::iter::once((language.to_owned(), json!(text))).collect(),
            Some(Self::Localized(texts)) => texts,
        };
        if texts.len() > 100 || texts.values().any(|text| text.as_str().is_none_or(|text| text.len() > 2_000)) {
            checked.wrong(field, "is an object of language and text, at most 100 of at most 2000 bytes");
        }
        texts
    }
}

impl GroupBody {
    /// `before` is the group a `PUT` replaces: what it may do stays when nothing is said about it.
    fn read(
        self,
        path_id: Option<&str>,
        before: Option<&Group>,
        tenant: &Tenant,
        headers: &HeaderMap,
    ) -> Result<PutGroup, Refusal> {
        let language =
            headers.get(http::header::CONTENT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or("en");
        let mut checked = Checked::default();
        let id = checked.path_id(path_id, self.id.as_deref());
        let name = TextBody::read(self.name, "name", language, &mut checked);
        if name.is_empty() {
            checked.wrong("name", "is required");
        }
        let description = TextBody::read(self.description, "description", language, &mut checked);
        let legal_entity: Option<LegalEntityId> = match &self.b2b {
            Some(b2b) => checked.id("b2b.legal_entity_id", b2b.legal_entity_id.as_deref()),
            None => before.and_then(|before| before.legal_entity.clone()),
        };
        let by_default = match (before, &legal_entity) {
            (Some(before), _) => before.member_kind,
            (None, Some(_)) => MemberKind::Customer,
            (None, None) => MemberKind::Employee,
        };
        let named = self.user_type.as_deref().map(member_kind).transpose();
        let member_kind = named.unwrap_or_else(|_| {
            checked.wrong("user_type", "is EMPLOYEE or CUSTOMER");
            None
        });
        let member_kind = member_kind.unwrap_or(by_default);
        if legal_entity.is_some() && member_kind == MemberKind::Employee {
            checked.wrong("user_type", "a group of a legal entity is for customers");
        }
        let code = checked.text("code", self.code).or_else(|| before.and_then(|before| before.code.clone()));
        let (scopes, access_controls, templates) = match (self.access_controls, self.templates, before) {
            (None, None, Some(before)) => {
                let details = &before.details;
                (before.scopes.clone(), details.access_controls.clone(), details.templates.clone())
            }
            (access_controls, templates, _) => {
                let access_controls = checked.texts("access_controls", access_controls, MAX_ENTRIES);
                let templates = checked.texts("templates", templates, MAX_ENTRIES);
                (scopes(&access_controls, &templates, tenant, &mut checked), access_controls, templates)
            }
        };
        let restrictions = checked.texts("restrictions", self.restrictions, MAX_ENTRIES);
        checked.done()?;
        let details = GroupDetails { access_controls, templates, restrictions };
        Ok(PutGroup { id, legal_entity, code, member_kind, name, description, scopes, details })
    }
}

fn scopes(access_controls: &[String], templates: &[String], tenant: &Tenant, checked: &mut Checked) -> Scopes {
    let mut scopes = Scopes::default();
    for text in access_controls {
        match text.parse::<Scope>() {
            Ok(scope) => scopes.insert(scope),
            Err(fault) => checked.wrong("access_controls", fault.to_string()),
        }
    }
    for name in templates {
        match tenant.settings.group_templates.iter().find(|template| template.code.eq_ignore_ascii_case(name)) {
            Some(template) => scopes.extend(&Scopes::parse(&template.scopes).unwrap_or_default()),
            None => checked.wrong("templates", format!("there is no template {name}")),
        }
    }
    scopes
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
    let own = confinement(engine, caller, GROUP_READ, READ_OWN).await?;
    let mut q = q.to_owned();
    if let Some(code) = params.one("code")? {
        narrow(&mut q, "code:", code);
    }
    if let Some(part) = params.one("description")? {
        narrow(&mut q, "description.en:~", part);
    }
    let list = ListQuery::parse_search(params, headers, &q, &FIELDS)?;
    let nothing = || Page { items: Vec::new(), total: list.wants_total().then_some(0) };
    let asked = params.one_of(&["b2b.legalEntityId", "legalEntityId"])?;
    let Ok(asked) = asked.or(list.filter.equals("b2b.legalEntityId")).map(str::parse).transpose() else {
        return Ok(nothing());
    };
    let kind = params.one("userType")?.or(list.filter.equals("userType")).map(member_kind).transpose()?;
    let filter = match own {
        // Somebody else's groups are no groups.
        Some(own) if asked.as_ref().is_some_and(|asked| *asked != own) || kind == Some(MemberKind::Employee) => {
            return Ok(nothing());
        }
        Some(own) => {
            GroupFilter { legal_entity: Some(own), member_kind: Some(MemberKind::Customer), ..GroupFilter::default() }
        }
        None => GroupFilter { legal_entity: asked, member_kind: kind, ..GroupFilter::default() },
    };
    let filter = &GroupFilter {
        name_part: params.one("name")?.map(str::to_owned),
        code: list.filter.equals("code").map(str::to_owned),
        ..filter
    };
    let mut page = collect::<_, _, E3>(&list.whole(), |after| async move {
        let batch = engine.groups(&caller.tenant, filter, &after, BATCH).await?;
        Ok(batch.iter().map(|group| (group.id.to_string(), json(group, None))).collect())
    })
    .await?;
    if let Some(language) = wanted_language(headers) {
        for item in &mut page.items {
            localize(item, &language);
        }
    }
    Ok(list.project(page))
}

/// Narrowing looks at every language; the answer has one.
fn localize(item: &mut Value, language: &str) {
    for name in ["name", "description"] {
        if let Some(member) = item.get_mut(name)
            && let Value::Object(texts) = member
        {
            *member = localized(texts, Some(language));
        }
    }
}

async fn one(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, E3> {
    let own = confinement(&edge.engine, &caller, GROUP_READ, READ_OWN).await?;
    let language = wanted_language(&headers);
    if id == DEFAULT_GROUP && own.is_none() {
        return Ok(Json(default_group(&caller.tenant, language.as_deref())));
    }
    let group = edge.engine.group(&caller.tenant, &known(&id, "group")?).await?;
    if own.is_some() && group.legal_entity != own {
        return Err(Refusal::NotFound("group").into());
    }
    Ok(Json(json(&group, language.as_deref())))
}

/// A group names its company one level down.
fn spelled(error: Error) -> Error {
    match error {
        Error::Refused(Refusal::Invalid(mut faults)) => {
            for fault in faults.iter_mut().filter(|fault| fault.field == "legal_entity") {
                fault.field = "b2b.legal_entity_id";
            }
            Refusal::Invalid(faults).into()
        }
        other @ (Error::Refused(_) | Error::Fault(_)) => other,
    }
}

async fn create(
    State(edge): State<Edge>,
    caller: Caller,
    headers: HeaderMap,
    Body(body, _): Body<GroupBody, E3>,
) -> Result<(StatusCode, Json<Value>), E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let request = body.read(None, None, &caller.tenant, &headers)?;
    let (actor, origin) = (caller.actor(), &caller.origin);
    let (id, _) =
        edge.engine.put_group(&caller.tenant, &request, PutMode::Create, &actor, origin).await.map_err(spelled)?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id.as_str() }))))
}

async fn put(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body, _): Body<GroupBody, E3>,
) -> Result<Response, E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    if id == DEFAULT_GROUP {
        return Err(Refusal::Forbidden("the group of customers without a legal entity is made by settings").into());
    }
    let before = match id.parse::<GroupId>() {
        Ok(id) => match edge.engine.group(&caller.tenant, &id).await {
            Ok(group) => Some(group),
            Err(Error::Refused(Refusal::NotFound(_))) => None,
            Err(error) => return Err(error.into()),
        },
        Err(_) => None,
    };
    let seen = body.metadata.as_ref().and_then(|metadata| metadata.version);
    // What is kept must be what was read: without a version from the caller, the one read here counts.
    let mode = PutMode::Upsert { version: seen.or(before.as_ref().map(|before| before.version)) };
    let request = body.read(Some(&id), before.as_ref(), &caller.tenant, &headers)?;
    let (actor, origin) = (caller.actor(), &caller.origin);
    let (id, outcome) = edge.engine.put_group(&caller.tenant, &request, mode, &actor, origin).await.map_err(spelled)?;
    Ok(put_answer(id.as_str(), outcome))
}

async fn delete(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    params: Params,
) -> Result<StatusCode, E3> {
    caller.require(&edge.engine, &[MANAGE]).await?;
    let is_forced = params.flag("forceDelete")?;
    let id = known(&id, "group")?;
    edge.engine.delete_group(&caller.tenant, &id, is_forced, &caller.actor(), &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
