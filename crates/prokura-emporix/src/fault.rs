//! The four families of error answers. A service speaks one of them, yet every 401 is of the first, so each of the
//! others can carry one. What the engine refuses is put into words once, here, and then told in the family's shape.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use prokura_engine::{Error, Fault, FieldFault, Refusal};
use prokura_http::fault_id;
use serde_json::{Map, Value, json};

/// What an unknown, suspended or mute tenant is answered with.
const WRONG_TENANT: &str = "The tenant information provided with the request is not valid.";
/// The longest a caller of this dialect is told to wait, whatever it will be: its SDK repeats calls by itself when told to
/// wait for up to eight seconds, and takes anything longer for a failure (E-42).
const MAX_RETRY_AFTER_SECONDS: u32 = 8;
/// The challenge next to a refused access token (RFC 6750 section 3).
const INVALID_TOKEN: &str = "Bearer error=\"invalid_token\"";
/// The challenge next to everything else that needs to be proven.
const PLAIN: &str = "Bearer";

/// An answer, ready to be sent.
#[derive(Clone, Debug)]
struct Answer {
    status: StatusCode,
    body: Value,
    retry_after_seconds: Option<u32>,
    challenge: Option<&'static str>,
}

impl Answer {
    fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body, retry_after_seconds: None, challenge: None }
    }

    fn set(&mut self, name: &str, value: Value) {
        if let Value::Object(members) = &mut self.body {
            members.insert(name.to_owned(), value);
        }
    }

    fn push_detail(&mut self, detail: Value) {
        if let Value::Object(members) = &mut self.body
            && let Value::Array(details) = members.entry("details").or_insert_with(|| Value::Array(Vec::new()))
        {
            details.push(detail);
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// What the gateway in front of all services says, and every 401.
#[derive(Clone, Debug)]
pub(crate) struct E1(Answer);

/// Customer service and tokens.
#[derive(Clone, Debug)]
pub(crate) struct E2(Answer);

/// Companies, IAM, segments, sites, and whatever there is no service for.
#[derive(Clone, Debug)]
pub(crate) struct E3(Answer);

/// Session context.
#[derive(Clone, Debug)]
pub(crate) struct E4(Answer);

impl E1 {
    /// Any answer of this family.
    pub(crate) fn new(status: StatusCode, faultstring: &str, errorcode: &str) -> Self {
        let body = json!({ "fault": { "faultstring": faultstring, "detail": { "errorcode": errorcode } } });
        let mut answer = Answer::new(status, body);
        if status == StatusCode::UNAUTHORIZED {
            answer.challenge = Some(PLAIN);
        }
        Self(answer)
    }

    fn unauthorized(faultstring: &str, errorcode: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, faultstring, errorcode)
    }

    fn refused_token(faultstring: &str, errorcode: &str) -> Self {
        let mut fault = Self::unauthorized(faultstring, errorcode);
        fault.0.challenge = Some(INVALID_TOKEN);
        fault
    }

    /// No bearer, or one that was never good here.
    pub(crate) fn invalid_access_token() -> Self {
        Self::refused_token("Invalid access token", "oauth.v2.InvalidAccessToken")
    }

    /// A bearer that was good: past its end, or ended by logout or by the loss of what it acts by.
    pub(crate) fn expired_access_token() -> Self {
        Self::refused_token("Access Token expired", "keymanagement.service.access_token_expired")
    }

    /// An unknown client, or a wrong secret of one.
    pub(crate) fn invalid_api_key() -> Self {
        Self::unauthorized("Invalid ApiKey", "oauth.v2.InvalidApiKey")
    }

    /// A refresh token that is unknown, revoked, or somebody else's.
    pub(crate) fn invalid_refresh_token() -> Self {
        Self::unauthorized("Invalid refresh token", "keymanagement.service.invalid_refresh_token")
    }

    /// A refresh token past its end.
    pub(crate) fn expired_refresh_token() -> Self {
        Self::unauthorized("Refresh Token expired", "keymanagement.service.refresh_token_expired")
    }

    /// Unknown address, wrong password, or an account nobody can log in to.
    pub(crate) fn invalid_credentials() -> Self {
        Self::unauthorized("Invalid credentials", "customer.login.invalid_credentials")
    }

    /// The word OAuth clients branch on, next to the fault (RFC 6749 section 5.2).
    #[must_use]
    pub(crate) fn oauth_error(mut self, error: &str) -> Self {
        self.0.set("error", json!(error));
        self
    }
}

impl E2 {
    /// An answer of this family; `kind` is the snake-case word in `type`.
    pub(crate) fn new(status: StatusCode, kind: &str, message: &str) -> Self {
        Self(Answer::new(status, json!({ "status": status.as_u16(), "type": kind, "message": message })))
    }

    /// One field that is wrong.
    #[must_use]
    pub(crate) fn detail(mut self, field: &str, kind: &str, message: &str) -> Self {
        self.0.push_detail(json!({ "field": field, "type": kind, "message": message }));
        self
    }

    /// Status and body, for answers that hold several.
    pub(crate) fn parts(&self) -> (StatusCode, &Value) {
        (self.0.status, &self.0.body)
    }

    /// 400: something sent is wrong; name it with [`E2::detail`].
    pub(crate) fn validation_failure(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation_failure", message)
    }

    /// 400: the request cannot be understood at all.
    pub(crate) fn bad_request(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// The word OAuth clients branch on, next to the rest (RFC 6749 section 5.2).
    #[must_use]
    pub(crate) fn oauth_error(mut self, error: &str) -> Self {
        self.0.set("error", json!(error));
        self
    }

    /// 400: no such tenant.
    pub(crate) fn wrong_tenant() -> Self {
        Self::bad_request(WRONG_TENANT)
    }
}

impl E3 {
    /// An answer of this family.
    pub(crate) fn new(status: StatusCode, message: &str) -> Self {
        let reason = status.canonical_reason().unwrap_or("Error");
        Self(Answer::new(status, json!({ "code": status.as_u16(), "status": reason, "message": message })))
    }

    /// A line of details.
    #[must_use]
    pub(crate) fn detail(mut self, text: &str) -> Self {
        self.0.push_detail(json!(text));
        self
    }

    /// 400 for wrong fields, where a service tells details as one object: the first fault there.
    pub(crate) fn of_fields(faults: &[FieldFault]) -> Self {
        let mut fault = Self::new(StatusCode::BAD_REQUEST, "The request is not valid.");
        if let Some(first) = faults.first() {
            let field = wire_name(first.field);
            fault.0.set("details", json!({ "field": field, "type": "invalid_value", "message": first.reason }));
        }
        fault
    }

    /// The body alone, for an entry of a bulk answer.
    pub(crate) fn into_body(self) -> Value {
        self.0.body
    }
}

impl E4 {
    /// An answer of this family.
    pub(crate) fn new(status: StatusCode, message: &str) -> Self {
        Self(Answer::new(status, json!({ "code": status.as_u16(), "message": message })))
    }

    /// The session the answer is about.
    #[must_use]
    pub(crate) fn session(mut self, id: &str) -> Self {
        let mut body = Map::new();
        body.insert("sessionId".to_owned(), json!(id));
        if let Value::Object(members) = self.0.body {
            body.extend(members);
        }
        self.0.body = Value::Object(body);
        self
    }
}

/// Both spellings of the hint: the documented one, and the one the SDK understands.
fn scope_hints(scope: &str) -> [String; 2] {
    [format!("Required scope(s): {scope}"), format!("missing scope: {scope}")]
}

/// A refusal in words, before a family gives it its shape.
struct Told {
    status: StatusCode,
    /// The word in the `type` of the second family.
    kind: &'static str,
    message: String,
    details: Vec<Detail>,
    retry_after_seconds: Option<u32>,
}

enum Detail {
    Field { field: String, kind: &'static str, message: String },
    Text(String),
}

enum Said {
    Unauthorized(E1),
    Told(Told),
}

impl Told {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into(), details: Vec::new(), retry_after_seconds: None }
    }

    fn bad(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, kind, message)
    }

    fn forbidden() -> Self {
        // The capital letter is the original's.
        Self::new(StatusCode::FORBIDDEN, "Forbidden", "User not authorized.")
    }

    fn detail(mut self, detail: Detail) -> Self {
        self.details.push(detail);
        self
    }

    fn text(self, text: impl Into<String>) -> Self {
        self.detail(Detail::Text(text.into()))
    }
}

impl From<Refusal> for Said {
    fn from(refusal: Refusal) -> Self {
        let told = match refusal {
            Refusal::InvalidClient => return Self::Unauthorized(E1::invalid_api_key()),
            Refusal::InvalidCredentials => return Self::Unauthorized(E1::invalid_credentials()),
            Refusal::ProofNeeded => return Self::Unauthorized(stopped("customer.login.second_factor_needed")),
            Refusal::CustomerPending => return Self::Unauthorized(stopped("customer.login.unconfirmed")),
            Refusal::CustomerOnHold => return Self::Unauthorized(stopped("customer.login.on_hold")),
            Refusal::CustomerInactive => return Self::Unauthorized(stopped("customer.login.inactive")),
            Refusal::InvalidGrant => return Self::Unauthorized(E1::invalid_refresh_token()),
            Refusal::ExpiredGrant => return Self::Unauthorized(E1::expired_refresh_token()),
            Refusal::InvalidToken => return Self::Unauthorized(E1::invalid_access_token()),
            Refusal::WrongTarget => Told::forbidden().text("The client may have no token for this."),
            Refusal::InvalidProof => Told::forbidden().text("The client gets tokens only with a proof of its key."),
            Refusal::UnknownTenant => Told::bad("bad_request", WRONG_TENANT),
            Refusal::UnauthorizedClient => Told::forbidden().text("The client may not be used for this."),
            Refusal::Throttled { retry_after_seconds } => {
                let message = "Too many attempts. Try again in a moment.";
                let mut told = Told::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message);
                told.retry_after_seconds = Some(retry_after_seconds.min(MAX_RETRY_AFTER_SECONDS));
                told
            }
            Refusal::NotAssigned => {
                Told::bad("validation_failure", "The request is not valid.").detail(Detail::Field {
                    field: "legalEntityId".to_owned(),
                    kind: "invalid_value",
                    message: "Customer is not assigned to the legal entity".to_owned(),
                })
            }
            Refusal::EntityLocked => Told::forbidden().text("The session may not change its legal entity."),
            Refusal::InvalidScope => Told::bad("validation_failure", "A scope cannot be granted."),
            Refusal::MissingScope(scope) => scope_hints(scope).into_iter().fold(Told::forbidden(), Told::text),
            Refusal::Forbidden(reason) => Told::forbidden().text(reason),
            Refusal::NotFound(what) => {
                Told::new(StatusCode::NOT_FOUND, "resource_not_found", format!("There is no such {what}."))
            }
            Refusal::AlreadyExists(what) => {
                Told::new(StatusCode::CONFLICT, "conflict_resource", format!("There is such a {what} already."))
            }
            Refusal::StaleVersion => {
                Told::new(StatusCode::CONFLICT, "conflict_resource", "It was changed meanwhile; read it again.")
            }
            Refusal::InUse(what) => Told::new(StatusCode::CONFLICT, "conflict_resource", format!("In use: {what}.")),
            Refusal::Invalid(faults) => {
                faults.into_iter().fold(Told::bad("validation_failure", "The request is not valid."), |told, fault| {
                    told.detail(Detail::Field {
                        field: wire_name(fault.field),
                        kind: "invalid_value",
                        message: fault.reason,
                    })
                })
            }
        };
        Self::Told(told)
    }
}

/// Only told to somebody who knew the password.
fn stopped(errorcode: &str) -> E1 {
    E1::unauthorized("Invalid credentials", errorcode)
}

/// How the wire names what the engine calls `field`: most in camel case, some by another word.
fn wire_name(field: &str) -> String {
    match field {
        "cart" => "cartId".to_owned(),
        "groups" => "customerGroups".to_owned(),
        "kind" => "type".to_owned(),
        "locations" => "entitiesAddresses".to_owned(),
        "member_kind" => "userType".to_owned(),
        "parent" => "parentId".to_owned(),
        "site" => "siteCode".to_owned(),
        other => camel_case(other),
    }
}

/// The wire spells `companyName` what the engine names `company_name`.
fn camel_case(field: &str) -> String {
    let mut spelled = String::with_capacity(field.len());
    let mut is_next_upper = false;
    for c in field.chars() {
        match c {
            '_' => is_next_upper = true,
            c if is_next_upper => {
                spelled.push(c.to_ascii_uppercase());
                is_next_upper = false;
            }
            c => spelled.push(c),
        }
    }
    spelled
}

impl From<Fault> for Said {
    fn from(fault: Fault) -> Self {
        let id = fault_id(&fault);
        let message = format!("Try again in a moment. Support id {id}");
        let mut told = Told::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", message);
        told.retry_after_seconds = Some(1);
        Self::Told(told)
    }
}

impl From<Error> for Said {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal.into(),
            Error::Fault(fault) => fault.into(),
        }
    }
}

/// How a family tells what was said.
trait Family: From<E1> {
    fn tell(told: Told) -> Self;
}

impl Family for E2 {
    fn tell(told: Told) -> Self {
        let mut fault = Self::new(told.status, told.kind, &told.message);
        for detail in told.details {
            match detail {
                Detail::Field { field, kind, message } => fault = fault.detail(&field, kind, &message),
                Detail::Text(text) => fault.0.push_detail(json!(text)),
            }
        }
        fault.0.retry_after_seconds = told.retry_after_seconds;
        fault
    }
}

impl Family for E3 {
    fn tell(told: Told) -> Self {
        let mut fault = Self::new(told.status, &told.message);
        for detail in told.details {
            fault = match detail {
                Detail::Field { field, message, .. } => fault.detail(&format!("{field}: {message}")),
                Detail::Text(text) => fault.detail(&text),
            };
        }
        fault.0.retry_after_seconds = told.retry_after_seconds;
        fault
    }
}

impl Family for E4 {
    fn tell(told: Told) -> Self {
        // This family has no details; what they say goes into the message.
        let details = told.details.into_iter().map(|detail| match detail {
            Detail::Field { field, message, .. } => format!("{field}: {message}"),
            Detail::Text(text) => text,
        });
        let message = std::iter::once(told.message).chain(details).collect::<Vec<_>>().join(" ");
        let mut fault = Self::new(told.status, &message);
        fault.0.retry_after_seconds = told.retry_after_seconds;
        fault
    }
}

macro_rules! families {
    ($($family:ident),+) => { $(
        impl From<E1> for $family {
            fn from(fault: E1) -> Self {
                Self(fault.0)
            }
        }

        impl From<Error> for $family {
            fn from(error: Error) -> Self {
                match Said::from(error) {
                    Said::Unauthorized(fault) => fault.into(),
                    Said::Told(told) => Self::tell(told),
                }
            }
        }

        impl From<Refusal> for $family {
            fn from(refusal: Refusal) -> Self {
                Self::from(Error::Refused(refusal))
            }
        }

        impl IntoResponse for $family {
            fn into_response(self) -> Response {
                self.0.into_response()
            }
        }
    )+ };
}

families!(E2, E3, E4);

impl IntoResponse for E1 {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

#[cfg(test)]
mod tests;
