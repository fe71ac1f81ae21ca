//! `POST passwordless/login` and `POST passwordless/token`: a code instead of a password. Both are asked by a shop's own
//! server with its client's secret.

use crate::{
    authorize::BASE,
    call::{Call, Party, names, wrong_method},
    fault::SlasFault,
    token::answer,
};
use axum::{Router, extract::State, response::Response, routing::post};
use http::StatusCode;
use prokura_domain::Email;
use prokura_engine::{AskForCode, CodeCall, CodeDigits, CodePurpose, CodeWay, Error, Newcomer, Refusal, ShownCode};
use prokura_http::Edge;
use prokura_jose::Secret;
use serde_json::{Map, Value, json};

/// The longest name or number a newcomer may bring, in characters.
const MAX_NAME: usize = 256;
/// The longest name of a language.
const MAX_LOCALE: usize = 32;
/// What a client's server checks a call by, and the member it finds the code in.
const CALLBACK_PROOF: &str = "x-slas-callback-token";
const CALLBACK_CODE: &str = "token";
const HINT: &str = "pwdless_login";

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route(&format!("{BASE}/passwordless/login"), post(log_in).fallback(wrong_method))
        .route(&format!("{BASE}/passwordless/token"), post(token).fallback(wrong_method))
}

async fn log_in(State(edge): State<Edge>, call: Call) -> Result<StatusCode, SlasFault> {
    let party = call.private_party(&edge).await?;
    let is_registering = flag(&call, "register_customer")?;
    flag(&call, "strict_verify")?;
    let mut request = wanted_code(&edge, &call, &party, CodePurpose::LogIn).await?;
    if let Some(other) = call.asked.one("email")?
        && !Email::parse(other).is_ok_and(|other| other.key() == request.email.key())
    {
        let message = "Bad or missing request parameters. email is the user_id: shoppers log in with their address.";
        return Err(SlasFault::invalid_request(message));
    }
    request.newcomer = is_registering.then_some(newcomer(&call)?);
    edge.engine.ask_for_code(&call.tenant, &request, &call.origin).await.map_err(too_many)?;
    Ok(StatusCode::OK)
}

async fn token(State(edge): State<Edge>, call: Call) -> Result<Response, SlasFault> {
    let party = call.private_party(&edge).await?;
    if call.asked.needed("grant_type")? != "client_credentials" || call.asked.needed("hint")? != HINT {
        let message = "Bad or missing request parameters. grant_type is client_credentials, hint is pwdless_login.";
        return Err(SlasFault::invalid_request(message));
    }
    let shown = shown_code(&call, &party, CodePurpose::LogIn, ("pwdless_login_token", "login_id"))?;
    let manner = call.manner(None)?;
    let granted = edge.engine.log_in_by_code(&call.tenant, &shown, &manner, &call.origin).await.map_err(of_code)?;
    answer(&edge, &call, &party, &granted).await
}

/// What is asked for alike wherever a code is wanted.
pub(crate) async fn wanted_code(
    edge: &Edge,
    call: &Call,
    party: &Party,
    purpose: CodePurpose,
) -> Result<AskForCode, SlasFault> {
    let login = call.asked.needed("user_id")?;
    let email = Email::parse(login)
        .map_err(|_| SlasFault::invalid_request("Bad or missing request parameters. user_id is an e-mail address."))?;
    let language = call.asked.one("locale")?.filter(|locale| locale.len() <= MAX_LOCALE).map(str::to_owned);
    let way = match call.asked.needed("mode")? {
        "email" => CodeWay::Mail,
        "callback" => CodeWay::Call(callback(call, party, &email, language.as_deref())?),
        "sms" => {
            let message = "Bad or missing request parameters. mode sms is not offered: there is nothing here that sends text \
                           messages. Use email, or callback and send it yourself.";
            return Err(SlasFault::invalid_request(message));
        }
        _ => {
            return Err(SlasFault::invalid_request("Bad or missing request parameters. mode is callback or email."));
        }
    };
    call.asked.needed("channel_id")?;
    Ok(AskForCode {
        purpose,
        client: party.client.id.clone(),
        is_client_proven: party.is_private(),
        email,
        digits: digits(party),
        way,
        language,
        visitor: call.visitor()?,
        site: Some(call.channel(edge, party).await?),
        code_challenge: None,
        newcomer: None,
    })
}

/// The call to a client's server. Only what is registered is called, byte for byte.
fn callback(call: &Call, party: &Party, email: &Email, locale: Option<&str>) -> Result<CodeCall, SlasFault> {
    let uri = call.asked.needed("callback_uri")?;
    if !party.settings.callback_uris.iter().any(|known| known == uri) {
        let message = "Bad or missing request parameters. callback_uri doesn't match the registered callbacks";
        return Err(SlasFault::invalid_request(message));
    }
    let mut body = Map::new();
    for (name, value) in [
        ("email_id", Some(email.as_str())),
        ("user_id", Some(email.as_str())),
        ("channel_id", call.asked.one("channel_id")?),
        ("usid", call.asked.one("usid")?),
        ("locale", locale),
    ] {
        if let Some(value) = value {
            body.insert(name.to_owned(), Value::from(value));
        }
    }
    body.insert("expires_in".to_owned(), json!(prokura_engine::CODE_SECONDS));
    Ok(CodeCall {
        uri: uri.to_owned(),
        body,
        code_member: CALLBACK_CODE.to_owned(),
        proof_header: CALLBACK_PROOF.to_owned(),
        proof_issuer: names(&call.tenant)?.issuer.clone(),
    })
}

fn digits(party: &Party) -> CodeDigits {
    if party.settings.is_six_digit_otp { CodeDigits::Six } else { CodeDigits::Eight }
}

/// A code that is shown, in the parameters of these names: the digits, and who shows them.
pub(crate) fn shown_code(
    call: &Call,
    party: &Party,
    purpose: CodePurpose,
    (code, login): (&str, &str),
) -> Result<ShownCode, SlasFault> {
    let email = match call.asked.one(login)? {
        Some(login) => Some(Email::parse(login).map_err(|_| invalid_code())?),
        // A million codes are too few to tell people apart by.
        None if party.settings.is_six_digit_otp => return Err(SlasFault::missing(login)),
        None => None,
    };
    Ok(ShownCode {
        purpose,
        client: party.client.id.clone(),
        email,
        code: Secret::from(call.asked.needed(code)?.to_owned()),
        site: call.asked.one("channel_id")?.map(str::parse).transpose().map_err(|_| SlasFault::invalid_channel())?,
        code_verifier: call.asked.one("code_verifier")?.map(|verifier| Secret::from(verifier.to_owned())),
    })
}

/// What is known of somebody who has no account.
fn newcomer(call: &Call) -> Result<Newcomer, SlasFault> {
    let text = |name: &str| match call.asked.one(name)? {
        Some(text) if text.chars().count() > MAX_NAME => {
            let message = format!("Bad or missing request parameters. {name} has at most {MAX_NAME} characters.");
            Err(SlasFault::invalid_request(message))
        }
        text => Ok(text.map(str::to_owned)),
    };
    Ok(Newcomer {
        given_name: text("first_name")?.unwrap_or_default(),
        family_name: text("last_name")?.unwrap_or_default(),
        phone: text("phone_number")?,
    })
}

fn flag(call: &Call, name: &str) -> Result<bool, SlasFault> {
    match call.asked.one(name)? {
        Some("true") => Ok(true),
        Some("false") | None => Ok(false),
        Some(_) => {
            Err(SlasFault::invalid_request(format!("Bad or missing request parameters. {name} is true or false.")))
        }
    }
}

/// Whoever asks too often is told so with another status than elsewhere.
pub(crate) fn too_many(error: Error) -> SlasFault {
    match error {
        Error::Refused(Refusal::Throttled { retry_after_seconds }) => SlasFault::too_many_requests(retry_after_seconds),
        Error::Refused(Refusal::UnauthorizedClient) => SlasFault::unauthorized(),
        other @ (Error::Refused(_) | Error::Fault(_)) => other.into(),
    }
}

/// A code that is not taken says one thing, whatever the reason. Its first words are those storefronts look for.
pub(crate) fn of_code(error: Error) -> SlasFault {
    match error {
        Error::Refused(Refusal::InvalidCredentials) => invalid_code(),
        other @ (Error::Refused(_) | Error::Fault(_)) => SlasFault::of_login(other),
    }
}

fn invalid_code() -> SlasFault {
    SlasFault::new(StatusCode::UNAUTHORIZED, "invalid_client", "Invalid token. It is wrong, was used, or is over.")
}
