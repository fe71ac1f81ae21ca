//! One request of a controller: the shopper is known before it begins, and their cookies are set when it is over.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use parking_lot::Mutex;

use super::super::head::shopper::Fate;
use super::super::{App, CLASSIC, DEVELOPERS, is_foreign, protect};
use super::prokura::{Shopper, company_of};
use crate::site::companies::companies;
use crate::site::cookies::{Jar, Purse};
use crate::site::form::Fields;
use crate::site::pages::{self, Acting, Company, For, Frame, MessagePage, Notice, local, page, sentence, with_return};
use crate::site::trace::remark;
use crate::site::upstream::{Call, Fault};

/// Nothing of a page may come from elsewhere, and no script from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";
/// The home page.
pub(super) const HOME: &str = "/classic/";

/// A controller's request.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) app: App,
    pub(super) shopper: Shopper,
    pub(super) companies: Vec<Company>,
    pub(super) jar: Arc<Mutex<Jar>>,
    /// Path and query of the request, without the message.
    pub(super) location: String,
    notice: Option<Said>,
}

/// What a page is asked to say at its top, after the action that led there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Added,
    NotANumber,
    LoggedIn,
    LoggedOut,
    Switched,
    MayNotActFor,
    Ordered,
    Arrived,
}

impl Said {
    const ALL: [Self; 8] = [
        Self::Added,
        Self::NotANumber,
        Self::LoggedIn,
        Self::LoggedOut,
        Self::Switched,
        Self::MayNotActFor,
        Self::Ordered,
        Self::Arrived,
    ];

    fn key(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::NotANumber => "not-a-number",
            Self::LoggedIn => "logged-in",
            Self::LoggedOut => "logged-out",
            Self::Switched => "switched",
            Self::MayNotActFor => "may-not",
            Self::Ordered => "ordered",
            Self::Arrived => "arrived",
        }
    }

    fn notice(self, whom: For<'_>) -> Notice {
        match self {
            Self::Added => Notice::good(format!("Added to {}.", whom.basket_words())),
            Self::NotANumber => Notice::warning("Please enter a whole number of units."),
            Self::LoggedIn => Notice::good(format!("Welcome. You are {}.", whom.words())),
            Self::LoggedOut => Notice::good("You are logged out."),
            Self::Switched => Notice::good(format!("You are now {}.", whom.words())),
            Self::MayNotActFor => {
                Notice::warning("You cannot act for that company, or no longer. Nothing has changed.")
            }
            Self::Arrived => Notice::good("The form arrived, and its token was right."),
            Self::Ordered => Notice::good(format!("Thank you. The order was placed while {}.", whom.words())),
        }
    }

    /// Sends the browser to a page of ours, to be told this there.
    pub(super) fn at(self, location: &str) -> Response {
        let mark = if location.contains('?') { '&' } else { '?' };
        Redirect::to(&format!("{location}{mark}said={}", self.key())).into_response()
    }
}

/// Why a request ends without the page it asked for.
#[derive(Debug, Clone)]
pub(super) enum Stop {
    Go(String),
    Say { status: StatusCode, title: &'static str, text: String },
}

impl Stop {
    pub(super) fn not_found() -> Self {
        Self::Say {
            status: StatusCode::NOT_FOUND,
            title: "Not found",
            text: "There is nothing here, or nothing that you may see for whom you act right now.".to_owned(),
        }
    }

    fn unavailable() -> Self {
        Self::Say {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: "One moment, please",
            text: "A part of the shop does not answer right now. Nothing is lost; please try again in a moment."
                .to_owned(),
        }
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotFound => Self::not_found(),
            Fault::Refused { detail, .. } if !detail.is_empty() => {
                Self::Say { status: StatusCode::CONFLICT, title: "That did not work", text: sentence(&detail) }
            }
            Fault::Refused { .. }
            | Fault::Unauthorized { .. }
            | Fault::TooMany { .. }
            | Fault::Server(_)
            | Fault::Transport(_)
            | Fault::Unreadable(_)
            | Fault::Address => {
                tracing::error!(error = &fault as &dyn std::error::Error, "a call for a classic page failed");
                Self::unavailable()
            }
        }
    }
}

/// Travels as an extension of the response to [`around_every_page`], which knows whose page to make of it.
impl IntoResponse for Stop {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Learns who the shopper is before a page, and sets their cookies behind it.
pub(super) async fn around_every_page(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let mut jar = Jar::new(request.headers(), &app.rules);
    let Asked { location, said, wants_redirect, is_again } = Asked::of(request.uri());
    let is_get = request.method() == Method::GET;
    let shopper = match resolve(&app, &mut jar).await {
        Ok(Resolved::Shopper(shopper)) => *shopper,
        Ok(Resolved::Elsewhere) => return elsewhere(&location, is_get && !is_again),
        Err(fault) => {
            tracing::error!(error = &fault as &dyn std::error::Error, "a session could not be learned");
            let text = "The shop cannot tell right now who you are. Nothing is lost; please try again in a moment.";
            return plain(StatusCode::SERVICE_UNAVAILABLE, text);
        }
    };
    let redirects = wants_redirect || app.config.redirects_after_restoring;
    let is_guarded = jar.is_guarded();
    if is_guarded {
        jar.remove_guard();
    }
    let is_new = shopper.is_new;
    let mut response = if shopper.is_restored && redirects && is_get && !is_guarded {
        jar.put_guard();
        let mut response = found(&location);
        jar.write_to(response.headers_mut());
        response
    } else {
        let companies = companies_of(&app, &shopper).await;
        let visit = Visit { app, shopper, companies, jar: Arc::new(Mutex::new(jar)), location, notice: said };
        request.extensions_mut().insert(visit.clone());
        let mut response = next.run(request).await;
        if let Some(stop) = response.extensions_mut().remove::<Stop>() {
            response = match stop {
                Stop::Go(location) => Redirect::to(&location).into_response(),
                Stop::Say { status, title, text } => {
                    (status, page(&MessagePage { frame: visit.frame("", None), title, text })).into_response()
                }
            };
        }
        visit.jar.lock().write_to(response.headers_mut());
        response
    };
    if is_new {
        // Otherwise nothing would tell a caller that their session was not the one they thought it is.
        response.headers_mut().insert("x-session-new", HeaderValue::from_static("1"));
    }
    protect(&mut response, POLICY);
    response
}

/// 302, as the plugin answers, where we would say 303.
fn found(location: &str) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert("location", location);
    }
    response
}

/// What came of asking who the shopper is.
enum Resolved {
    Shopper(Box<Shopper>),
    /// Another tab has logged in or out meanwhile: the browser has other cookies by now, which must not be overwritten.
    Elsewhere,
}

async fn resolve(app: &App, jar: &mut Jar) -> Result<Resolved, Fault> {
    let session = jar.session().unwrap_or_default().to_owned();
    let refresh = jar.refresh_token().map(|(token, _)| token);
    let token = refresh.as_deref().unwrap_or_default();
    let mut shopper = app.pages.session(&session, token).await?;
    if shopper.is_new && !shopper.is_restored {
        match app.successions.fate(token).await {
            Fate::Unknown => {}
            Fate::Ended => {
                remark("another tab has logged in or out");
                return Ok(Resolved::Elsewhere);
            }
            // Head has used the token up at the same moment.
            Fate::Exchanged(purse) => {
                let successor = purse.refresh_token.unwrap_or_default();
                let again = app.pages.session("", &successor).await?;
                if again.is_restored {
                    shopper = again;
                }
            }
        }
    }
    match (&shopper, session.is_empty(), &refresh) {
        (Shopper { is_new: false, .. }, ..) => {}
        (Shopper { is_restored: true, .. }, ..) => remark("the session was restored from the refresh token"),
        (_, _, Some(_)) => remark("the refresh token was refused: a new guest"),
        (_, false, None) => remark("the session was over: a new guest"),
        (_, true, None) => remark("a new guest"),
    }
    if shopper.is_new && !shopper.is_restored {
        jar.forget_tokens();
    }
    keep(app, jar, &shopper).await;
    Ok(Resolved::Shopper(Box::new(shopper)))
}

/// Puts into the jar what has changed. Where there are no tokens for the shopper yet, they are made for Head, which goes on
/// with them; so a company chosen or a logout in one half holds in the other.
async fn keep(app: &App, jar: &mut Jar, shopper: &Shopper) {
    jar.keep_session(&shopper.session);
    if jar.refresh_token().is_some() {
        return;
    }
    let Some(proof) = shopper.signed() else {
        remark("no tokens for Head");
        return jar.keep(&shopper.purse(jar.is_remembered()), app.now());
    };
    match app.slas.bridge(&proof, &shopper.usid).await {
        Ok(purse) => {
            remark("tokens for Head");
            jar.keep(&Purse { is_remembered: jar.is_remembered(), ..purse }, app.now());
        }
        Err(refused) => {
            tracing::warn!(?refused, "a session was not bridged to tokens");
            remark("no tokens for Head");
            jar.keep(&shopper.purse(jar.is_remembered()), app.now());
        }
    }
}

pub(super) async fn companies_of(app: &App, shopper: &Shopper) -> Vec<Company> {
    if !shopper.is_registered() {
        return Vec::new();
    }
    let asked = companies(&app.http, &app.config.prokura_url, &app.config.tenant).send(&shopper.access_token).await;
    asked.unwrap_or_else(|fault| {
        tracing::warn!(error = &fault as &dyn std::error::Error, "the companies could not be learned");
        Vec::new()
    })
}

/// What the address of a request says.
struct Asked {
    /// Path and query, without what is not part of the page.
    location: String,
    said: Option<Said>,
    wants_redirect: bool,
    /// It was sent here once more, because another tab had changed who is here.
    is_again: bool,
}

impl Asked {
    const REDIRECT: &str = "bridge=302";
    const AGAIN: &str = "again=1";

    fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let pairs = || query.split('&').filter(|pair| !pair.is_empty());
        let is_ours = |pair: &&str| pair.starts_with("said=") || [Self::REDIRECT, Self::AGAIN].contains(pair);
        let said = pairs().find_map(|pair| pair.strip_prefix("said="));
        let rest: Vec<&str> = pairs().filter(|pair| !is_ours(pair)).collect();
        Self {
            said: said.and_then(|key| Said::ALL.into_iter().find(|said| said.key() == key)),
            wants_redirect: pairs().any(|pair| pair == Self::REDIRECT),
            is_again: pairs().any(|pair| pair == Self::AGAIN),
            location: match rest.as_slice() {
                [] => uri.path().to_owned(),
                rest => format!("{}?{}", uri.path(), rest.join("&")),
            },
        }
    }
}

/// The page once more, with the cookies that are there now; what was to be done is not done.
fn elsewhere(location: &str, may_redirect: bool) -> Response {
    if may_redirect {
        let mark = if location.contains('?') { '&' } else { '?' };
        let mut response = Redirect::to(&format!("{location}{mark}{}", Asked::AGAIN)).into_response();
        protect(&mut response, POLICY);
        return response;
    }
    plain(
        StatusCode::CONFLICT,
        "You have logged in or out in another tab. Nothing was done here; please open the page again.",
    )
}

/// A page in words alone, for when it is not known whose it would be.
fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = (status, text).into_response();
    protect(&mut response, POLICY);
    response
}

impl Visit {
    /// For whom the shopper acts.
    pub(super) fn whom(&self) -> Whom {
        match (self.shopper.is_registered(), company_of(&self.shopper, &self.companies)) {
            (false, _) => Whom::Guest,
            (true, None) => Whom::PrivatePerson,
            (true, Some(company)) => Whom::Company(company),
        }
    }

    /// Calls the gateway in the shopper's name.
    pub(super) async fn call<T>(&self, call: Call<T>) -> Result<T, Stop> {
        Ok(call.send(&self.shopper.access_token).await?)
    }

    pub(super) async fn count_basket(&self) -> Option<usize> {
        // A page is worth showing without this number; what is wrong will show in the page's own data.
        let baskets = self.call(self.app.shop.baskets()).await.ok()?;
        Some(baskets.first().map_or(0, |basket| basket.items.len()))
    }

    pub(super) fn frame(&self, section: &'static str, basket_count: Option<usize>) -> Frame {
        let whom = self.whom();
        Frame {
            shop_name: format!("{} classic", self.app.config.shop_name),
            base: CLASSIC,
            has_script: false,
            section,
            person: self.shopper.login.clone(),
            acting: Acting::from(whom.as_ref()),
            choices: self.choices(),
            basket_count,
            notice: self.notice.map(|said| said.notice(whom.as_ref())),
            form_token: self.shopper.csrf.clone(),
            mails_path: self.app.config.mails_path.clone(),
            developers_path: Some(DEVELOPERS),
        }
    }

    pub(super) fn choices(&self) -> Vec<pages::Choice> {
        pages::choices(&self.companies, self.shopper.legal_entity_id.as_deref())
    }

    /// The same visit for whoever the shopper is now.
    pub(super) async fn goes_on_as(&self, shopper: Shopper) -> Self {
        let mut jar = self.jar.lock().clone();
        keep(&self.app, &mut jar, &shopper).await;
        *self.jar.lock() = jar;
        let companies = companies_of(&self.app, &shopper).await;
        Self { shopper, companies, ..self.clone() }
    }

    /// Goes on only for a registered shopper; others log in and come back.
    pub(super) fn needs_customer(&self) -> Result<(), Stop> {
        if self.shopper.is_registered() { Ok(()) } else { Err(Stop::Go(with_return("/classic/login", &self.location))) }
    }
}

/// For whom a shopper acts; what [`For`] borrows from.
pub(super) enum Whom {
    Guest,
    PrivatePerson,
    Company(Company),
}

impl Whom {
    pub(super) fn as_ref(&self) -> For<'_> {
        match self {
            Self::Guest => For::Guest,
            Self::PrivatePerson => For::PrivatePerson,
            Self::Company(company) => For::Company(company),
        }
    }
}

impl FromRequestParts<App> for Visit {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Stop> {
        Ok(parts.extensions.get::<Self>().expect("every page has a visit around it").clone())
    }
}

/// A form that came from one of our own pages for this shopper.
pub(super) struct Posted {
    pub(super) visit: Visit,
    pub(super) fields: Fields,
}

impl Posted {
    /// Where the browser goes afterwards: a page of ours, whatever the form says.
    pub(super) fn return_to(&self) -> &str {
        let asked = local(self.fields.text("return_to"), HOME);
        if asked.starts_with(HOME) { asked } else { HOME }
    }

    /// The visit, provided that the form was rendered for whom the shopper still acts for.
    pub(super) fn for_same_company(&self) -> Result<&Visit, Stop> {
        let now = self.visit.whom();
        if self.fields.text("acting_for") == now.as_ref().key() {
            return Ok(&self.visit);
        }
        Err(Stop::Say {
            status: StatusCode::CONFLICT,
            title: "That page was for someone else",
            text: format!("Nothing was done. You are now {}. Please check and try again.", now.as_ref().words()),
        })
    }
}

impl FromRequest<App> for Posted {
    type Rejection = Stop;

    async fn from_request(request: Request, app: &App) -> Result<Self, Stop> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, app).await?;
        let is_foreign = is_foreign(&parts.headers);
        let posted = Self { fields: Fields::of(Request::from_parts(parts, body), app).await, visit };
        if is_foreign || !posted.fields.has_token(&posted.visit.shopper.csrf) {
            return Err(Stop::Say {
                status: StatusCode::FORBIDDEN,
                title: "That page was out of date",
                text:
                    "You have logged in or out since it was opened, your browser keeps no cookies, or the form did not \
                       come from this shop. Nothing was done. Please open the page again."
                        .to_owned(),
            });
        }
        Ok(posted)
    }
}
