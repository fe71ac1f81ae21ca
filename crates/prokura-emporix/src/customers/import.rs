//! Customers from elsewhere, with the password hashes they have there. Each row has its own result.

use super::wire::{self, Faults, Reader, Writer};
use crate::{caller::Caller, fault::E2, params::Body};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use prokura_domain::CustomerState;
use prokura_engine::{CreateCustomer, Error, NewPassword, Profile};
use prokura_http::Edge;
use serde_json::{Value, json};

/// The most rows of one call.
const MAX_ROWS: usize = 200;
const IMPORT: &str = "customer.import_manage";

/// `POST …/customers/import`
pub(super) async fn import(
    State(edge): State<Edge>,
    caller: Caller,
    Body(rows, _): Body<Vec<Value>, E2>,
) -> Result<Response, E2> {
    caller.require(&edge.engine, &[IMPORT]).await?;
    if rows.len() > MAX_ROWS {
        return Err(E2::validation_failure("At most 200 customers are imported at once."));
    }
    let mut outcomes = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let outcome = match import_one(&edge, &caller, row).await {
            Ok(id) => json!({ "index": index, "id": id, "code": 201, "status": "Created" }),
            Err(fault) => told(index, &fault),
        };
        outcomes.push(outcome);
    }
    Ok((StatusCode::MULTI_STATUS, Json(outcomes)).into_response())
}

/// A row that was not taken, in the words a call for it alone would be answered with.
fn told(index: usize, fault: &E2) -> Value {
    let (status, body) = fault.parts();
    let mut outcome = json!({
        "index": index,
        "code": status.as_u16(),
        "status": status.canonical_reason().unwrap_or("Error"),
        "message": body.get("message"),
    });
    if let (Value::Object(outcome), Some(details)) = (&mut outcome, body.get("details")) {
        outcome.insert("details".to_owned(), details.clone());
    }
    outcome
}

async fn import_one(edge: &Edge, caller: &Caller, row: &Value) -> Result<String, E2> {
    let Value::Object(members) = row else {
        return Err(E2::validation_failure("An object is needed."));
    };
    let body = Reader::new(members);
    let mut faults = Faults::default();
    let kind = wire::kind(&body, &mut faults);
    let mut profile = Profile::default();
    wire::apply_profile(&body, &mut profile, Writer::Tenant, &mut faults);
    let id = body.id("id", &mut faults);
    let Some(account) = body.object("account", &mut faults) else {
        faults.missing("account");
        return Err(faults.into());
    };
    let email = account.required_email("email", &mut faults);
    wire::apply_contact_email(&body, email.as_ref().map(prokura_domain::Email::as_str), &mut profile, &mut faults);
    let hash = account.secret("passwordHash", &mut faults);
    match (&hash, account.object("legacyAuth", &mut faults)) {
        (Some(_), None) => {}
        (None, None) => faults.missing("account.passwordHash"),
        (Some(_), Some(_)) => faults.invalid("account.legacyAuth", "Either this or passwordHash is taken."),
        (None, Some(legacy)) => {
            // We could keep such a hash, but nobody could ever log in with it: say so now.
            let algorithm = legacy.text("algorithm", &mut faults).flatten().unwrap_or_default();
            let message = format!(
                "Hashes of the kind \"{algorithm}\" cannot be checked here. Import a bcrypt or Argon2 passwordHash, or \
                 make the customer without a password and send a password-reset mail."
            );
            faults.invalid("account.legacyAuth.algorithm", message);
        }
    }
    let state =
        wire::state(CustomerState::Active, body.switch("active", &mut faults), body.switch("onHold", &mut faults));
    let (Some(email), Some(hash)) = (email, hash) else { return Err(faults.into()) };
    faults.check()?;
    let address = email.as_str().to_owned();
    let request = CreateCustomer {
        id,
        kind,
        email: Some(email),
        profile,
        state: state.unwrap_or(CustomerState::Active),
        password: Some((NewPassword::Hash(hash.expose().to_owned()), false)),
    };
    match edge.engine.create_customer(&caller.tenant, &request, &caller.actor(), &caller.origin).await {
        Ok(id) => Ok(id.to_string()),
        Err(Error::Refused(prokura_engine::Refusal::AlreadyExists(_))) => {
            Err(crate::account::duplicate(caller, &address))
        }
        Err(error) => Err(error.into()),
    }
}
