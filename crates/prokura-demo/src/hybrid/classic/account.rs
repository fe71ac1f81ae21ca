//! Logging in and out, and choosing a company.

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::prokura::LoginRefused;
use super::visit::{HOME, Posted, Said, Stop, Visit};
use crate::site::form::Lenient;
use crate::site::pages::{CompanyPage, LoginPage, local, page, with_return};
use crate::site::trace::remark;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ReturnQuery {
    return_to: String,
}

/// `GET /classic/login`
pub(super) async fn form(visit: Visit, query: Lenient<ReturnQuery>) -> Response {
    let Query(ReturnQuery { return_to }) = query.unwrap_or_default();
    let return_to = local(&return_to, HOME);
    if visit.shopper.is_registered() {
        return Redirect::to(return_to).into_response();
    }
    login_page(&visit, String::new(), None, return_to.to_owned()).await
}

async fn login_page(visit: &Visit, email: String, error: Option<String>, return_to: String) -> Response {
    let sample_logins = visit.app.config.sample_logins.clone();
    let frame = visit.frame("", visit.count_basket().await);
    page(&LoginPage { frame, email, error, return_to, offers_to_remember: true, sample_logins })
}

/// `POST /classic/login`
pub(super) async fn log_in(posted: Posted) -> Result<Response, Stop> {
    let (visit, login) = (&posted.visit, posted.fields.text("email"));
    let logged_in = if login.is_empty() || posted.fields.password().is_empty() {
        Err(LoginRefused::WrongCredentials)
    } else {
        visit.app.pages.log_in(&visit.shopper.session, login, posted.fields.password()).await
    };
    let shopper = match logged_in {
        Ok(shopper) => shopper,
        Err(LoginRefused::Fault(fault)) => return Err(fault.into()),
        Err(refused) => {
            let (status, words) = explain(&refused);
            let form = login_page(visit, login.to_owned(), Some(words), posted.return_to().to_owned()).await;
            return Ok((status, form).into_response());
        }
    };
    remark("logged in: the session goes by another name");
    end_tokens(visit).await;
    {
        let mut jar = visit.jar.lock();
        jar.forget_tokens();
        jar.remember(posted.fields.text("remember") == "yes");
        jar.put_guard();
    }
    let visit = visit.goes_on_as(shopper).await;
    if visit.shopper.legal_entity_id.is_none() && !visit.companies.is_empty() {
        return Ok(Redirect::to(&with_return("/classic/company", posted.return_to())).into_response());
    }
    bring_guest_items(&visit).await;
    Ok(Said::LoggedIn.at(posted.return_to()))
}

/// Tells requests of other tabs that are under way that their tokens are no longer the browser's.
async fn end_tokens(visit: &Visit) {
    let token = visit.jar.lock().refresh_token();
    if let Some((token, _)) = token {
        visit.app.successions.end(&token).await;
    }
}

/// What the shopper had chosen as a guest goes into the basket of whomever they act for, now that this is decided. It
/// happens once, so asking again does no harm; without an answer the guest's basket waits for the next choice.
async fn bring_guest_items(visit: &Visit) {
    match visit.app.shop.bring_guest_basket().send(&visit.shopper.access_token).await {
        Ok(()) => {}
        Err(fault) => {
            tracing::warn!(error = &fault as &dyn std::error::Error, "the guest's basket was not brought along");
            remark("the guest's basket was not brought along");
        }
    }
}

fn explain(refused: &LoginRefused) -> (StatusCode, String) {
    match refused {
        LoginRefused::WrongCredentials | LoginRefused::Fault(_) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "That e-mail address and password do not belong together. Please check both.".to_owned(),
        ),
        LoginRefused::TooMany { retry_after_seconds } => {
            (StatusCode::TOO_MANY_REQUESTS, format!("Too many attempts. Please try again in {retry_after_seconds} s."))
        }
    }
}

/// `POST /classic/logout`
pub(super) async fn log_out(posted: Posted) -> Response {
    let visit = &posted.visit;
    // The shopper is forgotten here in any case; there, the session ends by itself if this call is lost.
    if let Err(fault) = visit.app.pages.log_out(&visit.shopper.session).await {
        tracing::warn!(error = &fault as &dyn std::error::Error, "logout did not reach the identity server");
    }
    remark("logged out: tokens and session are over");
    end_tokens(visit).await;
    let mut jar = visit.jar.lock();
    jar.forget_everything();
    jar.ask_to_begin_anew();
    Said::LoggedOut.at(HOME)
}

/// `GET /classic/company`
pub(super) async fn chooser(visit: Visit, query: Lenient<ReturnQuery>) -> Result<Response, Stop> {
    visit.needs_customer()?;
    let Query(ReturnQuery { return_to }) = query.unwrap_or_default();
    let frame = visit.frame("", visit.count_basket().await);
    Ok(page(&CompanyPage { choices: visit.choices(), frame, return_to: local(&return_to, HOME).to_owned() }))
}

/// `POST /classic/company`: the switch. An empty company is the private person.
pub(super) async fn choose(posted: Posted) -> Result<Response, Stop> {
    let visit = &posted.visit;
    visit.needs_customer()?;
    let Some(shopper) = visit.app.pages.choose(&visit.shopper.session, posted.fields.text("company")).await? else {
        return Ok(Said::MayNotActFor.at("/classic/company"));
    };
    remark("acts for another company");
    // Head's token says another company; it gets a new one by the refresh token that it has.
    visit.jar.lock().forget_access_token();
    let visit = visit.goes_on_as(shopper).await;
    bring_guest_items(&visit).await;
    Ok(Said::Switched.at(posted.return_to()))
}
