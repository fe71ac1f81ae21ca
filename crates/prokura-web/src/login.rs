//! The way through a login: who, for which company, with whose consent. Each page is a `GET` that changes nothing and a
//! `POST` that does one thing and then asks the engine what comes next; the order of pages is the engine's.

#![expect(clippy::result_large_err, reason = "a page that ends a request early is an answer like any other")]

mod company;
mod consent;
mod identify;
mod log_out;

use crate::{
    Web,
    browser::Browser,
    oauth::{self, see_other},
    pages::{
        language::{self, Language},
        view::{self, Chrome, ErrorKind, ErrorPage, FormTarget, Page},
    },
};
use axum::{
    Router,
    body::Bytes,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header};
use prokura_domain::AuthorizationId;
use prokura_engine::{Authorization, Error, Origin, PageSession, Progress, Refusal, Tenant};
use prokura_http::{Params, fault_id, is_form};
use std::sync::Arc;

pub(crate) fn routes() -> Router<Web> {
    Router::new().merge(identify::routes()).merge(company::routes()).merge(consent::routes()).merge(log_out::routes())
}

/// A browser at a tenant's pages.
pub(crate) struct Visit {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) browser: Browser,
    pub(crate) origin: Origin,
    accept_language: Option<String>,
    is_https: bool,
}

impl Visit {
    /// The visit of a request; the error is the answer.
    pub(crate) async fn open(web: &Web, name: &str, headers: &HeaderMap, origin: Origin) -> Result<Self, Response> {
        let engine = &web.edge.engine;
        let tenant = match name.parse() {
            Ok(id) => engine.tenant(&id).await,
            Err(_) => Err(Refusal::UnknownTenant.into()),
        };
        let tenant = match tenant {
            Ok(tenant) => tenant,
            Err(Error::Refused(_)) => return Err(StatusCode::NOT_FOUND.into_response()),
            Err(Error::Fault(fault)) => {
                fault_id(&fault);
                return Err(StatusCode::SERVICE_UNAVAILABLE.into_response());
            }
        };
        let browser = Browser::of(web, &tenant, headers).map_err(|fault| {
            fault_id(&fault);
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        })?;
        let accept_language = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Ok(Self {
            tenant,
            browser,
            origin,
            accept_language: accept_language.map(str::to_owned),
            is_https: engine.public_url().starts_with("https:"),
        })
    }

    fn base(&self) -> String {
        format!("/t/{}", self.tenant.id)
    }

    fn language(&self, ui_locales: Option<&str>) -> Language {
        let wanted: Vec<&str> = ui_locales.unwrap_or_default().split_ascii_whitespace().collect();
        language::language(&wanted, self.accept_language.as_deref())
    }

    /// What surrounds a page outside a login.
    fn chrome(&self) -> Chrome {
        Chrome {
            tenant_name: self.tenant.name.clone(),
            language: self.language(None),
            base: self.base(),
            support_code: self.origin.request_id.to_string(),
            csrf: self.browser.form_token(),
            is_https: self.is_https,
            ..Chrome::default()
        }
    }

    /// What surrounds a page of a running login.
    fn chrome_of(&self, authorization: &Authorization) -> Chrome {
        Chrome {
            language: self.language(authorization.request.ui_locales.as_deref()),
            flow: Some(authorization.id.to_string()),
            form_target: FormTarget::of_redirect_uri(&authorization.request.redirect_uri),
            ..self.chrome()
        }
    }

    fn show(&self, status: StatusCode, chrome: &Chrome, page: &impl Page) -> Response {
        let mut response = view::render(status, chrome, page);
        self.browser.remember(response.headers_mut());
        response
    }

    /// A page that says what went wrong.
    pub(crate) fn error(&self, status: StatusCode, kind: ErrorKind) -> Response {
        self.show(status, &self.chrome(), &ErrorPage { kind, link: None })
    }

    /// The page for an error of the engine that no form can show beside a field.
    pub(crate) fn broken(&self, error: Error) -> Response {
        match error {
            Error::Refused(Refusal::NotFound(_) | Refusal::InvalidGrant) => {
                self.error(StatusCode::BAD_REQUEST, ErrorKind::FlowOver)
            }
            Error::Refused(Refusal::Throttled { .. }) => {
                self.error(StatusCode::TOO_MANY_REQUESTS, ErrorKind::TooManyAttempts)
            }
            Error::Refused(Refusal::CustomerOnHold | Refusal::CustomerInactive | Refusal::CustomerPending) => {
                self.error(StatusCode::FORBIDDEN, ErrorKind::AccountClosed)
            }
            Error::Refused(_) => self.error(StatusCode::BAD_REQUEST, ErrorKind::BadClientRequest),
            Error::Fault(fault) => {
                fault_id(&fault);
                self.error(StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Unavailable)
            }
        }
    }

    /// The form of a page of ours; the error is the answer.
    fn own_form(&self, headers: &HeaderMap, body: &Bytes) -> Result<Params, Response> {
        let text = if is_form(headers) { std::str::from_utf8(body).unwrap_or_default() } else { "" };
        let form = Params::parse(text);
        if form.refuse_repeated().is_ok() && self.browser.is_own_form(headers, &form) {
            return Ok(form);
        }
        Err(self.error(StatusCode::FORBIDDEN, ErrorKind::FormExpired))
    }

    /// The running login that `params` name; the error is the answer.
    async fn flow(&self, web: &Web, params: &Params) -> Result<Authorization, Response> {
        let id = params.one("flow").ok().flatten().and_then(|text| text.parse::<AuthorizationId>().ok());
        let Some(id) = id else { return Err(self.error(StatusCode::BAD_REQUEST, ErrorKind::FlowOver)) };
        let found = web.edge.engine.authorization(&self.tenant, &id, &self.browser.secret).await;
        found.map_err(|error| self.broken(error))
    }

    /// Who is logged in.
    async fn page_session(&self, web: &Web) -> Result<Option<PageSession>, Response> {
        match &self.browser.session {
            None => Ok(None),
            Some(cookie) => {
                let found = web.edge.engine.page_session(&self.tenant, cookie).await;
                found.map_err(|error| self.broken(error))
            }
        }
    }
}

/// Leads the browser to the next page of a login, or with the answer to the client.
pub(crate) async fn proceed(web: &Web, visit: &Visit, id: &AuthorizationId) -> Response {
    let (tenant, browser) = (&visit.tenant, &visit.browser);
    let session = browser.session.as_ref();
    let progress = web.edge.engine.continue_authorization(tenant, id, &browser.secret, session, &visit.origin).await;
    let page = match progress {
        Ok(Progress::LogIn) => "login",
        Ok(Progress::ChooseEntity) => "company",
        Ok(Progress::Consent) => "consent",
        Ok(Progress::Answer(answer)) => {
            let mut response = oauth::redirect(tenant, &answer);
            browser.remember(response.headers_mut());
            return response;
        }
        Err(error) => return visit.broken(error),
    };
    let mut response = see_other(&format!("{}/{page}?flow={id}", visit.base()));
    browser.remember(response.headers_mut());
    response
}
