//! One request of one browser: who it is, for whom they act, and calling others in their name.
//!
//! A visit looks at the session once, at its beginning, and works with that picture to its end: the banner, the data and
//! the action are always of one company. When the picture turns out to be old, nothing is done and the page is shown
//! anew.

use std::mem;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use tokio::sync::OnceCell;

use super::App;
use super::identity::{Refreshed, Tokens};
use super::layout;
use super::session::{Customer, GuestItem, Session, SessionId, State as SessionState, Visitor};
use crate::site::form::Fields;
use crate::site::pages::{Company, Notice, local, sentence, with_return};
use crate::site::upstream::{Call, Fault};

/// A browser's request, seen through its session.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) app: App,
    pub(super) visitor: Visitor,
    id: SessionId,
    session: Option<Arc<Session>>,
    /// What came of renewing the access token. Calls made at the same time share one answer.
    renewal: Arc<OnceCell<Result<String, Stop>>>,
    method: Method,
    /// Path and query of the request.
    pub(super) location: String,
}

/// Why a request ends without the page it asked for.
#[derive(Debug, Clone)]
pub(super) enum Stop {
    /// Look elsewhere.
    Go(String),
    /// A page that says what is the matter.
    Say { status: StatusCode, title: &'static str, text: String },
    /// The shop refused an action, with its words for it.
    Refused(String),
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
            Fault::Refused { detail, .. } if !detail.is_empty() => Self::Refused(detail),
            Fault::Refused { .. }
            | Fault::Unauthorized { .. }
            | Fault::TooMany { .. }
            | Fault::Server(_)
            | Fault::Transport(_)
            | Fault::Unreadable(_)
            | Fault::Address => {
                tracing::error!(error = &fault as &dyn std::error::Error, "a call for a page failed");
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

/// Extension of a response after which the browser goes by another name.
#[derive(Clone)]
struct Renamed(SessionId);

/// Finds the browser's session before a page, and sets its cookie and the protective headers behind it.
pub(super) async fn around_every_page(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let is_https = app.config.is_https;
    let known = SessionId::from_cookies(request.headers(), is_https);
    let mut new_cookie = known.is_none();
    let mut id = known.unwrap_or_else(SessionId::new);
    let session = app.sessions.find(&id);
    let visit = Visit {
        visitor: session.as_ref().map(|session| session.state.lock().visitor.clone()).unwrap_or_default(),
        app,
        id: id.clone(),
        session,
        renewal: Arc::default(),
        method: request.method().clone(),
        location: request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
    };
    request.extensions_mut().insert(visit.clone());
    let mut response = next.run(request).await;
    if let Some(stop) = response.extensions_mut().remove::<Stop>() {
        response = match stop {
            Stop::Go(location) => Redirect::to(&location).into_response(),
            Stop::Say { status, title, text } => layout::message(&visit, status, title, text),
            Stop::Refused(text) => layout::message(&visit, StatusCode::CONFLICT, "That did not work", sentence(&text)),
        };
    }
    if let Some(Renamed(name)) = response.extensions_mut().remove() {
        (id, new_cookie) = (name, true);
    }
    let headers = response.headers_mut();
    if new_cookie && let Ok(cookie) = HeaderValue::try_from(id.cookie(is_https)) {
        headers.append(header::SET_COOKIE, cookie);
    }
    for (name, value) in [
        // Also keeps a page for one company from coming back out of the browser's memory under another.
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; \
             base-uri 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Visit {
    /// Calls a server with the access token of whomever this visit acts for. A token that is refused is renewed for the
    /// same company, once; when that is not possible any more, the visit ends with an explanation.
    pub(super) async fn call<T>(&self, call: Call<T>) -> Result<T, Stop> {
        let token = match &self.visitor {
            Visitor::Passerby => self.app.identity.shared_guest(None).await?,
            Visitor::Guest(tokens) => tokens.access_token.clone(),
            Visitor::Customer(customer) => customer.tokens.access_token.clone(),
        };
        match call.send(&token).await {
            Err(Fault::Unauthorized { .. }) => {
                let renewed = self.renewal.get_or_init(|| self.renew(&token)).await.clone()?;
                Ok(call.send(&renewed).await?)
            }
            answer => Ok(answer?),
        }
    }

    /// Another access token for the same person and company, in place of one that was refused.
    async fn renew(&self, refused: &str) -> Result<String, Stop> {
        let (Some(session), false) = (&self.session, matches!(self.visitor, Visitor::Passerby)) else {
            return Ok(self.app.identity.shared_guest(Some(refused)).await?);
        };
        let _turn = session.turn.lock().await;
        let present = session.state.lock().visitor.clone();
        if present.acting_for() != self.visitor.acting_for() {
            return Err(self.out_of_date(&present));
        }
        match present {
            Visitor::Passerby => Err(self.out_of_date(&present)),
            // Another tab has renewed it while we waited.
            Visitor::Guest(tokens) | Visitor::Customer(Customer { tokens, .. }) if tokens.access_token != refused => {
                Ok(tokens.access_token)
            }
            Visitor::Guest(tokens) => {
                let tokens = match self.app.identity.renew_guest(&tokens.refresh_token).await? {
                    Some(tokens) => tokens,
                    None => self.app.identity.new_guest().await?,
                };
                session.state.lock().visitor = Visitor::Guest(tokens.clone());
                Ok(tokens.access_token)
            }
            Visitor::Customer(customer) => {
                let company = customer.acting_for.as_ref().map(|company| company.id.as_str());
                match self.app.identity.refresh(&customer.tokens.refresh_token, company).await? {
                    Refreshed::Granted(tokens) => {
                        session.state.lock().visitor =
                            Visitor::Customer(Customer { tokens: tokens.clone(), ..customer });
                        Ok(tokens.access_token)
                    }
                    Refreshed::NotAssigned => Err(self.leave_company(session, customer).await?),
                    Refreshed::Ended => Err(end_login(session)),
                }
            }
        }
    }

    /// The company was taken away: go on as a private person and let the customer choose again.
    async fn leave_company(&self, session: &Session, customer: Customer) -> Result<Stop, Stop> {
        match self.app.identity.refresh(&customer.tokens.refresh_token, None).await? {
            Refreshed::Granted(tokens) => {
                let left = customer.acting_for.as_ref().map_or("that company", |company| &company.name);
                let text = format!("You can no longer act for {left}. Please choose for whom you go on.");
                let mut state = session.state.lock();
                state.notice = Some(Notice::warning(text));
                state.visitor = Visitor::Customer(Customer { tokens, acting_for: None, ..customer });
                Ok(Stop::Go("/company".to_owned()))
            }
            Refreshed::NotAssigned | Refreshed::Ended => Ok(end_login(session)),
        }
    }

    /// Somebody, perhaps in another tab, acts for another company now. A page is shown anew; an action is not done.
    fn out_of_date(&self, present: &Visitor) -> Stop {
        if self.method == Method::GET {
            return Stop::Go(self.location.clone());
        }
        let now = present.shops_for().words();
        self.notify(Notice::warning(format!(
            "Nothing was done: that page was for someone else. You are now {now}. Please check and try again."
        )));
        Stop::Go("/".to_owned())
    }

    /// Switches to a company, or to the private person. `false` when the customer may not act for it.
    pub(super) async fn switch(&self, company: Option<&str>) -> Result<bool, Stop> {
        let Some(session) = &self.session else { return Err(Stop::Go("/login".to_owned())) };
        let _turn = session.turn.lock().await;
        let Visitor::Customer(customer) = session.state.lock().visitor.clone() else {
            return Err(Stop::Go("/login".to_owned()));
        };
        match self.app.identity.refresh(&customer.tokens.refresh_token, company).await? {
            Refreshed::Granted(tokens) => {
                // Whatever the list knows: the token acts for this company, so the banner has to say so.
                let acting_for = company.map(|id| {
                    let known = customer.companies.iter().find(|company| company.id == id).cloned();
                    known.unwrap_or_else(|| Company { id: id.to_owned(), name: id.to_owned() })
                });
                session.state.lock().visitor = Visitor::Customer(Customer { tokens, acting_for, ..customer });
                Ok(true)
            }
            Refreshed::NotAssigned => Ok(false),
            Refreshed::Ended => Err(end_login(session)),
        }
    }

    /// Remembers the companies the customer may choose from.
    pub(super) async fn reload_companies(&mut self) -> Result<(), Stop> {
        let companies = self.call(self.app.identity.companies()).await?;
        if let Some(session) = &self.session
            && let Visitor::Customer(customer) = &mut session.state.lock().visitor
        {
            customer.companies.clone_from(&companies);
        }
        if let Visitor::Customer(customer) = &mut self.visitor {
            customer.companies = companies;
        }
        Ok(())
    }

    /// The visitor's own guest session, begun now if they were only looking so far.
    pub(super) async fn into_guest(mut self) -> Result<Self, Stop> {
        if !matches!(self.visitor, Visitor::Passerby) {
            return Ok(self);
        }
        let session = self.app.sessions.find_or_begin(&self.id);
        let turn = session.turn.lock().await;
        let present = session.state.lock().visitor.clone();
        self.visitor = match present {
            Visitor::Passerby => Visitor::Guest(self.app.identity.new_guest().await?),
            Visitor::Guest(_) => present,
            Visitor::Customer(_) => return Err(self.out_of_date(&present)),
        };
        session.state.lock().visitor = self.visitor.clone();
        drop(turn);
        self.session = Some(session);
        self.renewal = Arc::default();
        Ok(self)
    }

    /// The visit goes on as a customer, under a new name: whoever knew the old one has nothing of it.
    pub(super) fn logged_in(&self, customer: Customer, guest_items: Vec<GuestItem>) -> Self {
        self.app.sessions.end(&self.id);
        let id = SessionId::new();
        let session = self.app.sessions.find_or_begin(&id);
        let visitor = Visitor::Customer(customer);
        *session.state.lock() = SessionState { visitor: visitor.clone(), notice: None, guest_items };
        Self { id, session: Some(session), visitor, renewal: Arc::default(), ..self.clone() }
    }

    /// The visit goes on as a stranger's.
    pub(super) fn logged_out(&self) -> Self {
        self.app.sessions.end(&self.id);
        Self { id: SessionId::new(), session: None, visitor: Visitor::Passerby, ..self.clone() }
    }

    /// Sends the browser elsewhere, under the name of this visit.
    pub(super) fn renamed_to(&self, location: &str) -> Response {
        let mut response = Redirect::to(location).into_response();
        response.extensions_mut().insert(Renamed(self.id.clone()));
        response
    }

    /// The tokens of the visitor's guest session.
    pub(super) fn guest_tokens(&self) -> Option<&Tokens> {
        match &self.visitor {
            Visitor::Guest(tokens) => Some(tokens),
            Visitor::Passerby | Visitor::Customer(_) => None,
        }
    }

    pub(super) fn customer(&self) -> Option<&Customer> {
        match &self.visitor {
            Visitor::Customer(customer) => Some(customer),
            Visitor::Passerby | Visitor::Guest(_) => None,
        }
    }

    /// The customer, or the way to the login and back.
    pub(super) fn needs_customer(&self) -> Result<&Customer, Stop> {
        self.customer().ok_or_else(|| Stop::Go(with_return("/login", &self.location)))
    }

    /// Leaves a message for the next page.
    pub(super) fn notify(&self, notice: Notice) {
        self.app.sessions.find_or_begin(&self.id).state.lock().notice = Some(notice);
    }

    /// The same request, seen anew after a switch.
    pub(super) fn again(&self) -> Self {
        let present = self.session.as_ref().map(|session| session.state.lock().visitor.clone());
        Self { visitor: present.unwrap_or_default(), renewal: Arc::default(), ..self.clone() }
    }

    /// What the visitor had in the basket as a guest; asked for once.
    pub(super) fn take_guest_items(&self) -> Vec<GuestItem> {
        self.session.as_ref().map(|session| mem::take(&mut session.state.lock().guest_items)).unwrap_or_default()
    }

    pub(super) fn take_notice(&self) -> Option<Notice> {
        self.app.sessions.find(&self.id)?.state.lock().notice.take()
    }

    pub(super) fn form_token(&self) -> String {
        self.id.form_token()
    }
}

fn end_login(session: &Session) -> Stop {
    let mut state = session.state.lock();
    state.visitor = Visitor::Passerby;
    state.notice = Some(Notice::warning("Your login has ended. Please log in again."));
    Stop::Go("/login".to_owned())
}

impl FromRequestParts<App> for Visit {
    type Rejection = Stop;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Stop> {
        Ok(parts.extensions.get::<Self>().expect("every page has a visit around it").clone())
    }
}

/// A form that came from one of our own pages in this browser.
pub(super) struct Posted {
    pub(super) visit: Visit,
    pub(super) fields: Fields,
}

impl Posted {
    /// Where the browser goes afterwards: a page of ours, whatever the form says.
    pub(super) fn return_to(&self) -> &str {
        local(self.fields.text("return_to"), "/")
    }

    /// The visit, provided that the form was rendered for whom the visitor still acts for.
    pub(super) fn for_same_company(&self) -> Result<&Visit, Stop> {
        if self.fields.text("acting_for") == self.visit.visitor.acting_for() {
            Ok(&self.visit)
        } else {
            Err(self.visit.out_of_date(&self.visit.visitor))
        }
    }
}

impl FromRequest<App> for Posted {
    type Rejection = Stop;

    async fn from_request(request: Request, app: &App) -> Result<Self, Stop> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, app).await?;
        let is_foreign =
            parts.headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
        let posted = Self { fields: Fields::of(Request::from_parts(parts, body), app).await, visit };
        if is_foreign || !posted.fields.has_token(&posted.visit.form_token()) {
            return Err(Stop::Say {
                status: StatusCode::FORBIDDEN,
                title: "That page was out of date",
                text: "You have logged in or out since it was opened, or it did not come from this shop. \
                       Nothing was done. Please open the page again."
                    .to_owned(),
            });
        }
        Ok(posted)
    }
}
