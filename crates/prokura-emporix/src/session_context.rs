//! The session's preferences over the wire. The key `legalEntityId` in the free attributes is the server's own: it says
//! for whom the newest token acts, can be echoed, and cannot be set.

use crate::{
    caller::Caller,
    fault::{E1, E4},
    params::Body,
    saas,
};
use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use http::{HeaderMap, StatusCode};
use prokura_domain::{CustomerId, SessionId, SiteId};
use prokura_engine::{ContextChange, ContextViewer, Error, Refusal, SessionContext};
use prokura_http::{Edge, Params};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What a machine needs to manage other people's contexts.
const MANAGE: &str = "sessioncontext.context_manage";
/// The attribute nobody but the server writes.
const LEGAL_ENTITY: &str = "legalEntityId";

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route("/session-context/{tenant}/me/context", get(own).patch(change_own))
        .route("/session-context/{tenant}/me/context/attributes", post(set_own_attribute))
        .route("/session-context/{tenant}/me/context/attributes/{name}", delete(remove_own_attribute))
        .route("/session-context/{tenant}/context/{session}", get(one).put(put))
        .route("/session-context/{tenant}/context/{session}/attributes", post(set_attribute))
        .route("/session-context/{tenant}/context/{session}/attributes/{name}", delete(remove_attribute))
}

/// A context as sent. Members the server keeps are not even looked at.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ContextBody {
    site_code: Option<String>,
    currency: Option<String>,
    language: Option<String>,
    target_location: Option<String>,
    cart_id: Option<String>,
    context: Option<Map<String, Value>>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata {
    version: Option<i64>,
}

#[derive(Deserialize)]
struct AttributeBody {
    key: String,
    #[serde(default)]
    value: Value,
}

impl ContextBody {
    fn version(&self) -> Option<i64> {
        self.metadata.as_ref().and_then(|metadata| metadata.version)
    }

    fn into_change(self, is_upsert: bool) -> Result<ContextChange, E4> {
        let version = self.version();
        // Clients send back what they got, and a tenant without sites has nothing to give.
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let site = given(self.site_code)
            .map(|code| code.parse::<SiteId>())
            .transpose()
            .map_err(|_| E4::new(StatusCode::BAD_REQUEST, "There is no such site."))?;
        Ok(ContextChange {
            site,
            currency: given(self.currency),
            language: given(self.language),
            target_location: given(self.target_location),
            cart: self.cart_id.map(Some),
            attributes: self.context.map(|mut attributes| {
                attributes.shift_remove(LEGAL_ENTITY);
                attributes
            }),
            version,
            is_upsert,
        })
    }
}

fn rendered(context: SessionContext) -> Value {
    let mut attributes = context.attributes;
    if let Some(entity) = &context.legal_entity {
        attributes.insert(LEGAL_ENTITY.to_owned(), json!(entity.as_str()));
    }
    let mut body = Map::new();
    let mut set = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            body.insert(name.to_owned(), json!(value));
        }
    };
    set("sessionId", Some(context.session.as_str()));
    set("customerId", context.customer.as_ref().map(CustomerId::as_str));
    set("siteCode", Some(&context.site));
    set("currency", Some(&context.currency));
    set("cartId", context.cart.as_deref());
    set("targetLocation", Some(&context.target_location));
    set("language", Some(&context.language));
    body.insert("context".to_owned(), Value::Object(attributes));
    body.insert("metadata".to_owned(), json!({ "version": context.version }));
    Value::Object(body)
}

/// A refusal about `session`.
fn about(session: &SessionId) -> impl Fn(Error) -> E4 {
    let session = session.to_string();
    move |error| match error {
        Error::Refused(Refusal::NotFound(what)) => {
            E4::new(StatusCode::NOT_FOUND, &format!("There is no such {what}.")).session(&session)
        }
        Error::Refused(Refusal::StaleVersion) => {
            E4::new(StatusCode::CONFLICT, "It was changed meanwhile; read it again.").session(&session)
        }
        Error::Refused(_) | Error::Fault(_) => error.into(),
    }
}

/// Nobody writes the server's own attribute.
fn check_attribute(name: &str) -> Result<(), E4> {
    if name == LEGAL_ENTITY {
        return Err(E4::new(StatusCode::BAD_REQUEST, "The legal entity is chosen by refreshing the token."));
    }
    Ok(())
}

/// `GET /session-context/{tenant}/me/context`
async fn own(State(edge): State<Edge>, caller: Caller) -> Result<Json<Value>, E4> {
    let session = caller.session()?;
    let viewer = ContextViewer::Visitor(caller.standing());
    let context = edge.engine.session_context(&caller.tenant, session, viewer).await.map_err(about(session))?;
    Ok(Json(rendered(context)))
}

/// `PATCH /session-context/{tenant}/me/context`
async fn change_own(
    State(edge): State<Edge>,
    caller: Caller,
    params: Params,
    Body(body, _): Body<ContextBody, E4>,
) -> Result<StatusCode, E4> {
    let session = caller.session()?;
    let is_upsert = params.flag("upsert")?;
    if body.version().is_none() && !is_upsert {
        return Err(E4::new(StatusCode::BAD_REQUEST, "metadata.version is needed.").session(session.as_str()));
    }
    let change = body.into_change(is_upsert)?;
    let viewer = ContextViewer::Visitor(caller.standing());
    edge.engine
        .change_session_context(&caller.tenant, session, viewer, &change, &caller.origin)
        .await
        .map_err(about(session))?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /session-context/{tenant}/me/context/attributes`
async fn set_own_attribute(
    State(edge): State<Edge>,
    caller: Caller,
    Body(body, _): Body<AttributeBody, E4>,
) -> Result<Response, E4> {
    let session = caller.session()?;
    check_attribute(&body.key)?;
    let viewer = ContextViewer::Visitor(caller.standing());
    let attribute = (&*body.key, Some(&body.value));
    edge.engine
        .set_context_attribute(&caller.tenant, session, viewer, attribute, &caller.origin)
        .await
        .map_err(about(session))?;
    Ok((StatusCode::CREATED, Json(json!({ "id": body.key }))).into_response())
}

/// `DELETE /session-context/{tenant}/me/context/attributes/{name}`
async fn remove_own_attribute(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, name)): Path<(String, String)>,
) -> Result<StatusCode, E4> {
    let session = caller.session()?;
    check_attribute(&name)?;
    let viewer = ContextViewer::Visitor(caller.standing());
    edge.engine
        .set_context_attribute(&caller.tenant, session, viewer, (&name, None), &caller.origin)
        .await
        .map_err(about(session))?;
    Ok(StatusCode::NO_CONTENT)
}

/// A machine with the right to manage contexts, the session it means, and the customer whose proof it holds.
struct Manager {
    session: SessionId,
    customer: Option<CustomerId>,
}

impl Manager {
    async fn admit(edge: &Edge, caller: &Caller, session: &str, headers: &HeaderMap) -> Result<Self, E4> {
        if !caller.is_service() {
            return Err(Error::from(Refusal::MissingScope(MANAGE)).into());
        }
        caller.require(&edge.engine, &[MANAGE]).await?;
        let id = session.parse().map_err(|_| E4::new(StatusCode::NOT_FOUND, "There is no such session context."))?;
        let customer = match saas::companion(&edge.engine, caller, headers).await {
            Err(Error::Refused(Refusal::InvalidToken)) => return Err(E1::invalid_access_token().into()),
            other => other?,
        };
        Ok(Self { session: id, customer })
    }

    fn viewer<'a>(&'a self, caller: &'a Caller) -> ContextViewer<'a> {
        ContextViewer::Machine { client: &caller.standing().client, customer: self.customer.as_ref() }
    }
}

/// `GET /session-context/{tenant}/context/{session}`
async fn one(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, session)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, E4> {
    let manager = Manager::admit(&edge, &caller, &session, &headers).await?;
    let viewer = manager.viewer(&caller);
    let session = &manager.session;
    let context = edge.engine.session_context(&caller.tenant, session, viewer).await.map_err(about(session))?;
    Ok(Json(rendered(context)))
}

/// `PUT /session-context/{tenant}/context/{session}`; in a customer's session only with their saas token.
async fn put(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, session)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
    Body(body, _): Body<ContextBody, E4>,
) -> Result<StatusCode, E4> {
    let manager = Manager::admit(&edge, &caller, &session, &headers).await?;
    let mut change = body.into_change(params.flag("upsert")?)?;
    // What is put replaces: a cart or attributes that are not named are gone.
    change.cart.get_or_insert(None);
    change.attributes.get_or_insert_default();
    let (viewer, session) = (manager.viewer(&caller), &manager.session);
    edge.engine
        .change_session_context(&caller.tenant, session, viewer, &change, &caller.origin)
        .await
        .map_err(about(session))?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /session-context/{tenant}/context/{session}/attributes`
async fn set_attribute(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, session)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body, _): Body<AttributeBody, E4>,
) -> Result<StatusCode, E4> {
    let manager = Manager::admit(&edge, &caller, &session, &headers).await?;
    check_attribute(&body.key)?;
    let (viewer, session) = (manager.viewer(&caller), &manager.session);
    let attribute = (&*body.key, Some(&body.value));
    edge.engine
        .set_context_attribute(&caller.tenant, session, viewer, attribute, &caller.origin)
        .await
        .map_err(about(session))?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /session-context/{tenant}/context/{session}/attributes/{name}`
async fn remove_attribute(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, session, name)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, E4> {
    let manager = Manager::admit(&edge, &caller, &session, &headers).await?;
    check_attribute(&name)?;
    let (viewer, session) = (manager.viewer(&caller), &manager.session);
    edge.engine
        .set_context_attribute(&caller.tenant, session, viewer, (&name, None), &caller.origin)
        .await
        .map_err(about(session))?;
    Ok(StatusCode::NO_CONTENT)
}
