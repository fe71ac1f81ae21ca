//! A customer's account: signing up, confirming, forgetting and changing the password, changing the address to log in
//! with. What a request asks for by mail is answered the same whoever has the address (S-102).

use crate::{
    caller::Caller,
    customers::wire::{Faults, Reader, Writer, apply_address, apply_profile},
    fault::E2,
    params::Body,
    tokens::customer_token,
};
use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;
use prokura_engine::{AddressBody, ChangeEmail, Error, Oneself, Profile, Refusal, SignUpRequest};
use prokura_http::Edge;
use prokura_jose::Secret;
use serde_json::{Map, Value, json};

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route("/customer/{tenant}/signup", post(sign_up))
        .route("/customer/{tenant}/signup/optin/refresh_token", post(send_again))
        .route("/customer/{tenant}/signup/optin/{token}", get(confirm))
        .route("/customer/{tenant}/password/reset", post(request_reset))
        .route("/customer/{tenant}/password/reset/", post(request_reset))
        .route("/customer/{tenant}/password/reset/update", post(reset))
        .route("/customer/{tenant}/password/change", post(change))
        .route("/customer/{tenant}/me/accounts/internal/email/change", post(request_email))
        .route("/customer/{tenant}/me/accounts/internal/email/change/confirm", post(confirm_email))
}

/// `POST /customer/{tenant}/signup`
async fn sign_up(
    State(edge): State<Edge>,
    caller: Caller,
    Body(body, _): Body<Map<String, Value>, E2>,
) -> Result<Response, E2> {
    let request = read_sign_up(&Reader::new(&body))?;
    match edge.engine.sign_up(&caller.tenant, &request, &caller.origin).await {
        Ok(id) => Ok((StatusCode::CREATED, Json(json!({ "id": id.as_str() }))).into_response()),
        Err(Error::Refused(Refusal::AlreadyExists(_))) => Err(duplicate(&caller, request.email.as_str())),
        Err(error) => Err(error.into()),
    }
}

/// The address is taken.
pub(crate) fn duplicate(caller: &Caller, email: &str) -> E2 {
    let message = format!("Duplicate account '{email}' for tenant '{}'.", caller.tenant.id);
    E2::new(StatusCode::CONFLICT, "conflict_resource", &message)
}

/// Address and password come plain, in an object `signup`, or in both places alike.
fn read_sign_up(body: &Reader<'_>) -> Result<SignUpRequest, E2> {
    let mut faults = Faults::default();
    let old_form = body.object("signup", &mut faults);
    let (mut email, mut password) = (body.email("email", &mut faults), body.secret("password", &mut faults));
    if let Some(old_form) = &old_form {
        let old_email = old_form.email("email", &mut faults);
        let old_password = old_form.secret("password", &mut faults);
        if let (Some(one), Some(other)) = (&email, &old_email)
            && one != other
        {
            faults.invalid("signup.email", "It differs from email.");
        }
        if let (Some(one), Some(other)) = (&password, &old_password)
            && one.expose() != other.expose()
        {
            faults.invalid("signup.password", "It differs from password.");
        }
        email = email.or(old_email);
        password = password.or(old_password);
    }
    let mut profile = Profile::default();
    if let Some(details) = body.object("customerDetails", &mut faults) {
        apply_profile(&details, &mut profile, Writer::Own, &mut faults);
        if let (Some(contact), Some(email)) = (details.email("contactEmail", &mut faults), &email)
            && contact.key() != email.key()
        {
            faults.invalid("customerDetails.contactEmail", "It must be the same as email.");
        }
        if let Some(b2b) = details.object("b2b", &mut faults) {
            profile.company_registration_id = b2b.text("companyRegistrationId", &mut faults).flatten();
        }
    }
    if profile.company_registration_id.is_some() {
        for (name, text) in
            [("firstName", &profile.given_name), ("lastName", &profile.family_name), ("company", &profile.company_name)]
        {
            if text.trim().is_empty() {
                faults.missing(format!("customerDetails.{name}"));
            }
        }
    }
    let address = body.object("customerAddress", &mut faults).map(|body| {
        let mut address = AddressBody::default();
        apply_address(&body, &mut address, &mut faults);
        if address.details.contact_name.is_none() {
            faults.missing("customerAddress.contactName");
        }
        address
    });
    if email.is_none() {
        body.required_email("email", &mut faults);
    }
    if password.is_none() {
        body.required_secret("password", &mut faults);
    }
    match (email, password) {
        (Some(email), Some(password)) => {
            faults.check()?;
            Ok(SignUpRequest { email, password, profile, address, must_confirm: false })
        }
        _ => Err(faults.into()),
    }
}

/// `GET /customer/{tenant}/signup/optin/{token}`, answered as a login. The token is in the path because the original
/// has it there; it is good for one use.
async fn confirm(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, token)): Path<(String, String)>,
) -> Result<Response, E2> {
    if caller.standing().customer().is_some() {
        return Err(Refusal::Forbidden("somebody is logged in with this token").into());
    }
    let token = Secret::from(token);
    let logged_in = edge.engine.confirm_sign_up(&caller.tenant, caller.bearer(), &token, &caller.origin).await?;
    Ok(Json(customer_token(&edge.engine, &caller.tenant, &logged_in.granted)?).into_response())
}

/// `POST /customer/{tenant}/signup/optin/refresh_token`
async fn send_again(
    State(edge): State<Edge>,
    caller: Caller,
    Body(body, _): Body<Map<String, Value>, E2>,
) -> Result<StatusCode, E2> {
    let email = required_email(&body)?;
    edge.engine.request_sign_up_mail(&caller.tenant, &email, &caller.origin).await?;
    Ok(StatusCode::ACCEPTED)
}

/// `POST /customer/{tenant}/password/reset`
async fn request_reset(
    State(edge): State<Edge>,
    caller: Caller,
    Body(body, _): Body<Map<String, Value>, E2>,
) -> Result<StatusCode, E2> {
    let email = required_email(&body)?;
    edge.engine.request_password_reset(&caller.tenant, &email, &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn required_email(body: &Map<String, Value>) -> Result<prokura_domain::Email, E2> {
    let mut faults = Faults::default();
    Reader::new(body).required_email("email", &mut faults).ok_or_else(|| faults.into())
}

/// `POST /customer/{tenant}/password/reset/update`
async fn reset(
    State(edge): State<Edge>,
    caller: Caller,
    Body(body, _): Body<Map<String, Value>, E2>,
) -> Result<StatusCode, E2> {
    let mut faults = Faults::default();
    let reader = Reader::new(&body);
    let token = reader.required_secret("token", &mut faults);
    let (Some(token), Some(password)) = (token, reader.required_secret("password", &mut faults)) else {
        return Err(faults.into());
    };
    edge.engine.reset_password(&caller.tenant, &token, &password, &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /customer/{tenant}/password/change`
async fn change(
    State(edge): State<Edge>,
    caller: Caller,
    Body(body, _): Body<Map<String, Value>, E2>,
) -> Result<StatusCode, E2> {
    caller.customer()?;
    let mut faults = Faults::default();
    let reader = Reader::new(&body);
    let current = reader.required_secret("currentPassword", &mut faults);
    let (Some(current), Some(new)) = (current, reader.required_secret("newPassword", &mut faults)) else {
        return Err(faults.into());
    };
    let changed = edge
        .engine
        .change_password(&caller.tenant, Oneself::of(&caller.token.token)?, &current, &new, &caller.origin)
        .await;
    changed.map_err(|error| rename(error, "password", "new_password"))?;
    Ok(StatusCode::NO_CONTENT)
}

/// The engine speaks of a password where the wire has two.
fn rename(error: Error, from: &str, to: &'static str) -> Error {
    match error {
        Error::Refused(Refusal::Invalid(mut faults)) => {
            for fault in faults.iter_mut().filter(|fault| fault.field == from) {
                fault.field = to;
            }
            Refusal::Invalid(faults).into()
        }
        other @ (Error::Refused(_) | Error::Fault(_)) => other,
    }
}

/// `POST /customer/{tenant}/me/accounts/internal/email/change`
async fn request_email(
    State(edge): State<Edge>,
    caller: Caller,
    Body(body, _): Body<Map<String, Value>, E2>,
) -> Result<StatusCode, E2> {
    caller.customer()?;
    caller.require(&edge.engine, &["customer.customerprofile_edit"]).await?;
    let mut faults = Faults::default();
    let reader = Reader::new(&body);
    let email = reader.required_email("email", &mut faults);
    let password = reader.required_secret("password", &mut faults);
    let new_email = reader.required_email("newEmail", &mut faults);
    let sync_contact = reader.switch("syncContactEmail", &mut faults).unwrap_or(false);
    let (Some(email), Some(password), Some(new_email)) = (email, password, new_email) else {
        return Err(faults.into());
    };
    faults.check()?;
    let request = ChangeEmail { email, password, new_email, sync_contact };
    edge.engine
        .request_email_change(&caller.tenant, Oneself::of(&caller.token.token)?, &request, &caller.origin)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /customer/{tenant}/me/accounts/internal/email/change/confirm`
async fn confirm_email(
    State(edge): State<Edge>,
    caller: Caller,
    Body(body, _): Body<Map<String, Value>, E2>,
) -> Result<StatusCode, E2> {
    let mut faults = Faults::default();
    let Some(token) = Reader::new(&body).required_secret("token", &mut faults) else { return Err(faults.into()) };
    match edge.engine.confirm_email_change(&caller.tenant, &token, &caller.origin).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(Error::Refused(Refusal::AlreadyExists(_))) => {
            Err(E2::new(StatusCode::CONFLICT, "conflict_resource", "Somebody else has taken the address meanwhile."))
        }
        Err(error) => Err(error.into()),
    }
}
