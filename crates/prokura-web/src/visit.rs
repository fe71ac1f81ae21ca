//! A browser at a tenant's pages: whose it is, which language it speaks, and what surrounds every page it sees. A page is
//! asked for by address ([`Asked`]) or sent a form ([`Sent`]); only the latter may change anything (S-94).

use crate::{
    Web,
    browser::Browser,
    oauth::see_other,
    pages::{
        language::{self, Language},
        theme::Theme,
        view::{self, Chrome, ErrorKind, ErrorPage, Page, query_value},
    },
};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use prokura_domain::AuthorizationId;
use prokura_engine::{Account, AtBrowser, Authorization, Error, Origin, PageSession, Refusal, Tenant};
use prokura_http::{Params, RequestOrigin, fault_id, is_form};
use std::sync::Arc;

/// The same answer, with the time after which trying again makes sense.
pub(crate) fn after(seconds: u32, mut response: Response) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The parameter of another language, and what the footer's links carry.
const LANGUAGE: &str = "ui_locales";
/// What pages without a tenant are headed with.
const NOBODY: &str = "Prokura";

pub(crate) struct Visit {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) browser: Browser,
    pub(crate) origin: Origin,
    /// The language the address asks for.
    asked: Option<Language>,
    /// The language of the browser, else the tenant's.
    spoken: Spoken,
    /// The address of the page without its language.
    here: Option<String>,
    is_https: bool,
}

/// A page that is asked for by its address, with the parameters in it.
pub(crate) struct Asked(pub(crate) Visit, pub(crate) Params);

/// A form of ours that comes back, with what was filled in. Any other form is refused.
pub(crate) struct Sent(pub(crate) Visit, pub(crate) Params);

impl FromRequestParts<Web> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let path = RawPathParams::from_request_parts(parts, web).await.map_err(IntoResponse::into_response)?;
        let name = path.iter().find(|(name, _)| *name == "tenant").map_or("", |(_, value)| value);
        let RequestOrigin(origin) =
            RequestOrigin::from_request_parts(parts, web).await.map_err(IntoResponse::into_response)?;
        Self::open(web, name, &parts.headers, origin).await
    }
}

impl FromRequestParts<Web> for Asked {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let mut visit = Visit::from_request_parts(parts, web).await?;
        let query = parts.uri.query().unwrap_or_default();
        let params = Params::parse(query);
        visit.asked = params.one(LANGUAGE).ok().flatten().and_then(Language::of_tag);
        let is_other = |pair: &&str| !pair.is_empty() && pair.split('=').next() != Some(LANGUAGE);
        let rest: Vec<&str> = query.split('&').filter(is_other).collect();
        let joint = if rest.is_empty() { "" } else { "?" };
        visit.here = Some(format!("{}{joint}{}", parts.uri.path(), rest.join("&")));
        Ok(Self(visit, params))
    }
}

impl FromRequest<Web> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, web).await?;
        let headers = parts.headers.clone();
        let body = Bytes::from_request(Request::from_parts(parts, body), web).await;
        let form = visit.own_form(&headers, &body.map_err(IntoResponse::into_response)?)?;
        Ok(Self(visit, form))
    }
}

#[derive(Clone, Copy)]
struct Spoken {
    by_browser: Option<Language>,
    by_tenant: Language,
}

impl Visit {
    /// The visit of a request; the error is the answer.
    async fn open(web: &Web, name: &str, headers: &HeaderMap, origin: Origin) -> Result<Self, Response> {
        let engine = &web.edge.engine;
        let is_https = engine.public_url().starts_with("https:");
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let by_browser = language::wanted(&[], accepted);
        let nowhere = |status, kind| {
            let chrome = Chrome {
                tenant_name: NOBODY.to_owned(),
                language: by_browser.unwrap_or_default(),
                support_code: origin.request_id.to_string(),
                is_https,
                ..Chrome::default()
            };
            view::render(status, &chrome, &ErrorPage { kind, link: None })
        };
        let unavailable = |fault| {
            fault_id(&fault);
            nowhere(StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Unavailable)
        };
        let tenant = match name.parse() {
            Ok(id) => web.edge.tenant(&id).await,
            Err(_) => Err(Refusal::UnknownTenant.into()),
        };
        let tenant = match tenant {
            Ok(tenant) => tenant,
            Err(Error::Refused(Refusal::Throttled { retry_after_seconds })) => {
                return Err(after(
                    retry_after_seconds,
                    nowhere(StatusCode::TOO_MANY_REQUESTS, ErrorKind::TooManyAttempts),
                ));
            }
            Err(Error::Refused(_)) => return Err(nowhere(StatusCode::NOT_FOUND, ErrorKind::NotFound)),
            Err(Error::Fault(fault)) => return Err(unavailable(fault)),
        };
        let by_tenant = match by_browser {
            Some(language) => language,
            // Only programs and very old browsers do not say what they speak.
            None => match engine.sites(&tenant).await {
                Ok(sites) => {
                    let first = sites.iter().find(|site| site.is_default);
                    first.and_then(|site| Language::of_tag(&site.language)).unwrap_or_default()
                }
                Err(Error::Refused(_)) => Language::default(),
                Err(Error::Fault(fault)) => return Err(unavailable(fault)),
            },
        };
        let browser = Browser::of(web, &tenant, headers).map_err(unavailable)?;
        let spoken = Spoken { by_browser, by_tenant };
        Ok(Self { tenant, browser, origin, asked: None, spoken, here: None, is_https })
    }

    /// The browser, as a login to pages wants it.
    pub(crate) fn at_browser(&self) -> AtBrowser<'_> {
        AtBrowser { secret: &self.browser.secret, before: self.browser.session.as_ref() }
    }

    pub(crate) fn base(&self) -> String {
        format!("/t/{}", self.tenant.id)
    }

    /// What was chosen in the footer comes first, then what the client asked for, the browser, the tenant.
    pub(crate) fn language(&self, ui_locales: Option<&str>) -> Language {
        let of_client = || ui_locales.unwrap_or_default().split_ascii_whitespace().find_map(Language::of_tag);
        let chosen = self.asked.or(self.browser.language).or_else(of_client);
        chosen.or(self.spoken.by_browser).unwrap_or(self.spoken.by_tenant)
    }

    /// What surrounds a page outside a login.
    pub(crate) fn chrome(&self) -> Chrome {
        Chrome {
            tenant_name: self.tenant.name.clone(),
            language: self.language(None),
            base: self.base(),
            support_code: self.origin.request_id.to_string(),
            csrf: self.browser.form_token(),
            is_https: self.is_https,
            here: self.here.clone(),
            theme: self.theme(),
            ..Chrome::default()
        }
    }

    /// The looks of the tenant; what was saved unchecked and cannot be read is left out.
    pub(crate) fn theme(&self) -> Theme {
        Theme::of_settings(&self.tenant.settings.pages).unwrap_or_default()
    }

    pub(crate) fn show(&self, status: StatusCode, chrome: &Chrome, page: &impl Page) -> Response {
        let mut response = view::render(status, chrome, page);
        self.browser.remember(response.headers_mut());
        if let Some(language) = self.asked {
            self.browser.speak(language, response.headers_mut());
        }
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
            Error::Refused(Refusal::Throttled { retry_after_seconds }) => {
                after(retry_after_seconds, self.error(StatusCode::TOO_MANY_REQUESTS, ErrorKind::TooManyAttempts))
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
    pub(crate) fn own_form(&self, headers: &HeaderMap, body: &Bytes) -> Result<Params, Response> {
        let text = if is_form(headers) { std::str::from_utf8(body).unwrap_or_default() } else { "" };
        let form = Params::parse(text);
        if form.refuse_repeated().is_ok() && self.browser.is_own_form(headers, &form) {
            return Ok(form);
        }
        Err(self.error(StatusCode::FORBIDDEN, ErrorKind::FormExpired))
    }

    /// The running login that `params` name; the error is the answer.
    pub(crate) async fn flow(&self, web: &Web, params: &Params) -> Result<Authorization, Response> {
        let id = params.one("flow").ok().flatten().and_then(|text| text.parse::<AuthorizationId>().ok());
        let Some(id) = id else { return Err(self.error(StatusCode::BAD_REQUEST, ErrorKind::FlowOver)) };
        let found = web.edge.engine.authorization(&self.tenant, &id, &self.browser.secret).await;
        found.map_err(|error| self.broken(error))
    }

    /// Who is logged in.
    pub(crate) async fn page_session(&self, web: &Web) -> Result<Option<PageSession>, Response> {
        match &self.browser.session {
            None => Ok(None),
            Some(cookie) => {
                let found = web.edge.engine.page_session(&self.tenant, cookie).await;
                found.map_err(|error| self.broken(error))
            }
        }
    }

    /// Whose account it is, for a page at `path` below the base; who is not logged in goes to the login and comes back.
    pub(crate) async fn account(&self, web: &Web, path: &str) -> Result<Account, Response> {
        if let Some(cookie) = &self.browser.session {
            let found = web.edge.engine.account(&self.tenant, cookie).await;
            if let Some(account) = found.map_err(|error| self.broken(error))? {
                return Ok(account);
            }
        }
        Err(self.to_login(path))
    }

    /// To where who is logged in shows once more that it is them, and then to `path` below the base.
    pub(crate) fn to_login_again(&self, path: &str) -> Response {
        see_other(&format!("{}/login/again?to={}", self.base(), query_value(path)))
    }

    /// To the login, and then to `path` below the base.
    pub(crate) fn to_login(&self, path: &str) -> Response {
        see_other(&format!("{}/login?to={}", self.base(), query_value(path)))
    }
}

/// What was filled in; empty when nothing was.
pub(crate) fn filled<'f>(form: &'f Params, name: &str) -> &'f str {
    form.one(name).ok().flatten().unwrap_or_default()
}
