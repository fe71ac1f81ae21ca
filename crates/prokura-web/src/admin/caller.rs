//! Who asks: an operator by their token, for the whole installation or for one tenant they have a role in. An extractor
//! that let a request through is the permit and the way to the engine; a handler without one of them is open to everybody.

use super::{fault::Fault, request::Window};
use crate::Web;
use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use prokura_domain::TenantId;
use prokura_engine::{Actor, Engine, Error, Operator, Origin, Refusal, Tenant};
use prokura_http::{RequestOrigin, bearer_token};
use std::{str::FromStr, sync::Arc};

/// An operator, whatever they may do.
pub(super) struct Caller {
    pub(super) engine: Engine,
    pub(super) operator: Operator,
    pub(super) origin: Origin,
}

/// Somebody who runs the whole installation.
pub(super) struct Installation {
    pub(super) engine: Engine,
    pub(super) actor: Actor,
    pub(super) origin: Origin,
}

/// Somebody who may see the tenant in the path.
pub(super) struct Viewing {
    pub(super) engine: Engine,
    pub(super) tenant: Arc<Tenant>,
}

impl Viewing {
    /// A part of one of the tenant's lists.
    pub(super) fn window<'a>(
        &'a self,
        list: &'a str,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Window<'a>, Fault> {
        Window::open(&self.engine, [self.tenant.id.as_str(), list], limit, cursor)
    }
}

/// Somebody who may change the tenant in the path.
pub(super) struct Managing {
    pub(super) engine: Engine,
    pub(super) tenant: Arc<Tenant>,
    pub(super) actor: Actor,
    pub(super) origin: Origin,
}

impl FromRequestParts<Web> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Fault> {
        let token = bearer_token(&parts.headers).map_err(|_| Fault::unauthorized())?;
        let engine = web.edge.engine.clone();
        let operator = engine.authenticate_operator(token).await?;
        let origin = RequestOrigin::of(parts);
        Ok(Self { engine, operator, origin })
    }
}

impl FromRequestParts<Web> for Installation {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Fault> {
        let Caller { engine, operator, origin } = Caller::from_request_parts(parts, web).await?;
        if !operator.runs_installation() {
            return Err(Fault::not_found());
        }
        Ok(Self { engine, actor: Actor::Operator(operator.id), origin })
    }
}

impl FromRequestParts<Web> for Viewing {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Fault> {
        let Caller { engine, operator, .. } = Caller::from_request_parts(parts, web).await?;
        let id = path_tenant(parts, web).await?;
        if !operator.may_view(id.as_str()) {
            return Err(Fault::not_found());
        }
        let tenant = tenant(&engine, &id).await?;
        Ok(Self { engine, tenant })
    }
}

impl FromRequestParts<Web> for Managing {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Fault> {
        let Caller { engine, operator, origin } = Caller::from_request_parts(parts, web).await?;
        let id = path_tenant(parts, web).await?;
        if !operator.may_change(id.as_str()) {
            return Err(Fault::not_found());
        }
        let tenant = tenant(&engine, &id).await?;
        Ok(Self { engine, tenant, actor: Actor::Operator(operator.id), origin })
    }
}

/// Suspended tenants are looked after, too.
async fn tenant(engine: &Engine, id: &TenantId) -> Result<Arc<Tenant>, Fault> {
    Ok(engine.any_tenant(id).await?)
}

async fn path_tenant(parts: &mut Parts, web: &Web) -> Result<TenantId, Fault> {
    let params = path_params(parts, web).await?;
    let found = params.iter().find(|(name, _)| *name == "tenant");
    found.and_then(|(_, text)| text.parse().ok()).ok_or_else(Fault::not_found)
}

async fn path_params(parts: &mut Parts, web: &Web) -> Result<RawPathParams, Fault> {
    RawPathParams::from_request_parts(parts, web).await.map_err(|_| Fault::not_found())
}

/// The last id in the path. What cannot be an id names nothing.
pub(super) struct Item<T>(pub(super) T);

impl<T: FromStr> FromRequestParts<Web> for Item<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Fault> {
        let params = path_params(parts, web).await?;
        let text = params.iter().last().map(|(_, text)| text.parse().ok());
        text.flatten().map(Self).ok_or_else(Fault::not_found)
    }
}

/// Turns "there is no such thing", said about something in the body, into a fault of its field.
pub(super) fn named(fields: &'static [(&'static str, &'static str)]) -> impl Fn(Error) -> Fault {
    move |error| match error {
        Error::Refused(Refusal::NotFound(what)) => match fields.iter().find(|(named, _)| *named == what) {
            Some((_, field)) => Fault::invalid(field, &format!("there is no such {what}")),
            None => Fault::not_found(),
        },
        other @ (Error::Refused(_) | Error::Fault(_)) => other.into(),
    }
}
