//! Logins that happen elsewhere than in the client's own form: on our pages, which are the identity provider a tenant
//! prefers. They come back to the client's redirect URI with a code as any other of the dialect.

use crate::{
    authorize::{VALUE, order},
    call::{Call, Party, names},
    fault::SlasFault,
};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use percent_encoding::utf8_percent_encode;
use prokura_engine::{DirectLogin, Told};
use prokura_http::Edge;

/// The dialect of the pages, which a tenant may switch off.
const PAGES: &str = "oauth";
/// What a pushed request's reference begins with (RFC 9126 section 2.2).
const REQUEST_URI: &str = "urn:ietf:params:oauth:request_uri:";
/// How the visitor is called.
const VISITOR: &str = "usid";

/// Sends the browser to the login of our own pages.
pub(crate) async fn to_pages(edge: &Edge, call: &Call, party: &Party) -> Result<Response, SlasFault> {
    if !call.tenant.speaks(PAGES) {
        return Err(SlasFault::invalid_request("No identity provider is preferred; hint=guest is offered."));
    }
    let login = login(edge, call, party).await?;
    let pushed = edge.engine.push_direct_login(&call.tenant, &party.client, &login).await?;
    let reference = format!("{REQUEST_URI}{}", pushed.expose());
    let named = [("client_id", party.client.id.as_str()), ("request_uri", &reference)];
    see_other(&with_query(&format!("{}/authorize", call.tenant.issuer), &named))
}

/// What is to be remembered until somebody has logged in.
async fn login(edge: &Edge, call: &Call, party: &Party) -> Result<DirectLogin, SlasFault> {
    let text = |name| call.asked.one(name).map(|text| text.map(str::to_owned));
    Ok(DirectLogin {
        order: order(edge, call, party).await?,
        state: text("state")?,
        ui_locales: text("ui_locales")?.or(text("locale")?),
        told: Told {
            issuer: names(&call.tenant)?.issuer.clone(),
            visitor_as: VISITOR.to_owned(),
            scope: text("scope")?,
        },
    })
}

fn with_query(base: &str, pairs: &[(&str, &str)]) -> String {
    let mut text = base.to_owned();
    for (name, value) in pairs {
        text.push(if text.contains('?') { '&' } else { '?' });
        text.extend([name, "="]);
        text.extend(utf8_percent_encode(value, VALUE));
    }
    text
}

/// `303` to an address that is known to be right; what it holds is nobody else's (S-09).
fn see_other(location: &str) -> Result<Response, SlasFault> {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let value = HeaderValue::from_str(location).map_err(|_| SlasFault::missing("redirect_uri"))?;
    response.headers_mut().insert(header::LOCATION, value);
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
