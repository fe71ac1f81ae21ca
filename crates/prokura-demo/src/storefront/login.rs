//! Logging in and out, and choosing for whom to act.

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::basket;
use super::identity::{LoginRefused, Refreshed, Tokens};
use super::layout::{choices, count_basket, frame};
use super::session::Customer;
use super::visit::{Posted, Stop, Visit};
use crate::site::form::Lenient;
use crate::site::pages::{CompanyPage, LoginPage, Notice, local, page, with_return};
use crate::site::upstream::Fault;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ReturnQuery {
    return_to: String,
}

/// `GET /login`
pub(super) async fn form(visit: Visit, query: Lenient<ReturnQuery>) -> Response {
    let Query(ReturnQuery { return_to }) = query.unwrap_or_default();
    if visit.customer().is_some() {
        return Redirect::to(local(&return_to, "/")).into_response();
    }
    login_page(&visit, String::new(), None, local(&return_to, "/").to_owned()).await
}

async fn login_page(visit: &Visit, email: String, error: Option<String>, return_to: String) -> Response {
    let sample_logins = visit.app.config.sample_logins.clone();
    let frame = frame(visit, "", count_basket(visit).await);
    page(&LoginPage { frame, email, error, return_to, offers_to_remember: false, sample_logins })
}

/// `POST /login`
pub(super) async fn log_in(posted: Posted) -> Result<Response, Stop> {
    let (visit, email) = (&posted.visit, posted.fields.text("email"));
    let tokens = match authenticate(visit, email, posted.fields.password()).await {
        Ok(tokens) => tokens,
        Err(LoginRefused::Fault(fault)) => return Err(fault.into()),
        Err(refused) => {
            let (status, words) = explain(&refused);
            let form = login_page(visit, email.to_owned(), Some(words), posted.return_to().to_owned()).await;
            return Ok((status, form).into_response());
        }
    };
    let identity = &visit.app.identity;
    let (profile, companies) = (identity.profile(), identity.companies());
    let (profile, companies) =
        tokio::try_join!(profile.send(&tokens.access_token), companies.send(&tokens.access_token))?;
    let name = profile.display_name();
    let mut customer =
        Customer { id: profile.id, name, email: profile.contact_email, tokens, companies, acting_for: None };

    // Who may act for one company only need not be asked for which.
    if let [company] = customer.companies.as_slice() {
        let company = company.clone();
        match identity.refresh(&customer.tokens.refresh_token, Some(&company.id)).await? {
            Refreshed::Granted(tokens) => {
                customer.tokens = tokens;
                customer.acting_for = Some(company);
            }
            Refreshed::NotAssigned | Refreshed::Ended => {} // taken away this very moment: the private person remains
        }
    }
    let must_choose = customer.companies.len() > 1;
    let visit = visit.logged_in(customer, basket::guest_items(visit).await);
    if must_choose {
        return Ok(visit.renamed_to(&with_return("/company", posted.return_to())));
    }
    let brought = basket::bring_guest_items(&visit).await;
    visit.notify(Notice::good(format!("Welcome. You are {}.{brought}", visit.visitor.shops_for().words())));
    Ok(visit.renamed_to(posted.return_to()))
}

/// Logs in from the visitor's guest session, or from a new one when it is over.
async fn authenticate(visit: &Visit, email: &str, password: &str) -> Result<Tokens, LoginRefused> {
    if email.is_empty() || password.is_empty() {
        return Err(LoginRefused::WrongCredentials);
    }
    let identity = &visit.app.identity;
    if let Some(guest) = visit.guest_tokens() {
        match identity.log_in(&guest.access_token, email, password).await {
            Err(LoginRefused::Fault(Fault::Unauthorized { .. })) => {}
            answer => return answer,
        }
    }
    let guest = identity.new_guest().await.map_err(LoginRefused::Fault)?;
    identity.log_in(&guest.access_token, email, password).await
}

fn explain(refused: &LoginRefused) -> (StatusCode, String) {
    match refused {
        LoginRefused::WrongCredentials | LoginRefused::Fault(_) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "That e-mail address and password do not belong together. Please check both.".to_owned(),
        ),
        LoginRefused::NotActive => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "This account cannot be used at the moment. Please ask your administrator.".to_owned(),
        ),
        LoginRefused::TooMany { retry_after_seconds } => (
            StatusCode::TOO_MANY_REQUESTS,
            format!("Too many attempts. Please try again in {retry_after_seconds} seconds."),
        ),
    }
}

/// `POST /logout`
pub(super) async fn log_out(posted: Posted) -> Response {
    let visit = &posted.visit;
    if let Some(customer) = visit.customer() {
        // The login is forgotten here in any case; there, it ends by itself if this call is lost.
        if let Err(fault) = visit.app.identity.log_out(&customer.tokens.access_token).await {
            tracing::warn!(error = &fault as &dyn std::error::Error, "logout did not reach the identity server");
        }
    }
    let visit = visit.logged_out();
    visit.notify(Notice::good("You are logged out."));
    visit.renamed_to("/")
}

/// `GET /company`
pub(super) async fn chooser(mut visit: Visit, query: Lenient<ReturnQuery>) -> Result<Response, Stop> {
    visit.needs_customer()?;
    visit.reload_companies().await?;
    let Query(ReturnQuery { return_to }) = query.unwrap_or_default();
    let frame = frame(&visit, "", count_basket(&visit).await);
    Ok(page(&CompanyPage { choices: choices(&visit), frame, return_to: local(&return_to, "/").to_owned() }))
}

/// `POST /company`: the switch. An empty company is the private person.
pub(super) async fn choose(posted: Posted) -> Result<Response, Stop> {
    let visit = &posted.visit;
    let company = Some(posted.fields.text("company")).filter(|id| !id.is_empty());
    let before = visit.visitor.acting_for();
    if !visit.switch(company).await? {
        visit.notify(Notice::warning("You cannot act for that company, or no longer. Nothing has changed."));
        return Ok(Redirect::to("/company").into_response());
    }
    let visit = visit.again();
    let brought = basket::bring_guest_items(&visit).await;
    if visit.visitor.acting_for() != before || !brought.is_empty() {
        visit.notify(Notice::good(format!("You are now {}.{brought}", visit.visitor.shops_for().words())));
    }
    Ok(Redirect::to(posted.return_to()).into_response())
}
