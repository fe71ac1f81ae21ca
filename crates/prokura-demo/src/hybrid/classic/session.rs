//! The state of the session, to be read by people and by tests.

use askama::Template;
use axum::Json;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::visit::{Posted, Said, Visit};
use crate::site::pages::{Frame, page};
use crate::site::trace::fingerprint;

#[derive(Template)]
#[template(path = "session.html")]
struct SessionPage {
    frame: Frame,
    rows: Vec<Row>,
}

struct Row {
    id: &'static str,
    name: &'static str,
    value: String,
}

/// `GET /classic/session`
pub(super) async fn show(visit: Visit) -> Response {
    let shopper = &visit.shopper;
    let moment =
        |seconds: i64| Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string());
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let kind = if shopper.is_registered() { "registered" } else { "guest" };
    let rows = [
        ("kind", "Shopper", kind.to_owned()),
        ("customer-id", "Customer id", shopper.customer_id.clone()),
        ("login", "Login", or_none(&shopper.login)),
        ("usid", "Visitor (usid)", shopper.usid.clone()),
        ("company", "Acts for", or_none(&shopper.legal_entity_id)),
        ("session", "Session, as a digest", fingerprint(&shopper.session)),
        ("new", "Began with this request", if shopper.is_new { "yes" } else { "no" }.to_owned()),
        ("restored", "Restored from a refresh token", if shopper.is_restored { "yes" } else { "no" }.to_owned()),
        ("csrf", "Token of forms, as a digest", fingerprint(&shopper.csrf)),
        ("idle-until", "Ends without a request at", moment(shopper.idle_until)),
        ("expires-at", "Ends in any case at", moment(shopper.expires_at)),
    ];
    let rows = rows.into_iter().map(|(id, name, value)| Row { id, name, value }).collect();
    page(&SessionPage { frame: visit.frame("", visit.count_basket().await), rows })
}

/// `POST /classic/session`: a form that does nothing but arrive.
pub(super) async fn probe(_: Posted) -> Response {
    Said::Arrived.at("/classic/session")
}

/// `GET /classic/session/signed`: the session's signed name, to be exchanged for tokens.
pub(super) async fn signed(visit: Visit) -> Json<Value> {
    let names = [("dwsgst", visit.shopper.dwsgst), ("dwsrst", visit.shopper.dwsrst)];
    let members = names.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))));
    Json(Value::Object(members.collect::<Map<_, _>>()))
}
