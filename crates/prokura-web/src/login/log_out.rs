//! `GET` and `POST {issuer}/logout` (OpenID Connect RP-Initiated Logout 1.0). A client whose ID token names this
//! browser's session logs out at once; everybody else is asked. Where to go afterwards must be registered (S-93).

use crate::{
    Web,
    oauth::{see_other, with_query},
    pages::view::{LogOut, Message},
    visit::{Asked, Visit},
};
use axum::{Router, body::Bytes, extract::State, response::Response, routing::get};
use http::{HeaderMap, StatusCode};
use prokura_domain::{ClientId, CustomerId, SessionId};
use prokura_http::{Params, is_form};

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/logout", get(by_query).post(by_form))
}

/// What a client asks for, as far as it is believed.
struct Wish {
    session: Option<(SessionId, CustomerId)>,
    client_name: Option<String>,
    return_to: Option<String>,
}

async fn by_query(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    ask(&web, &visit, &params).await
}

async fn by_form(State(web): State<Web>, visit: Visit, headers: HeaderMap, body: Bytes) -> Result<Response, Response> {
    let text = if is_form(&headers) { std::str::from_utf8(&body).unwrap_or_default() } else { "" };
    let form = Params::parse(text);
    match form.one("action").ok().flatten() {
        // A client's request, sent as a form.
        None => ask(&web, &visit, &form).await,
        Some("log_out") => {
            let form = visit.own_form(&headers, &body)?;
            let wish = read(&web, &visit, &form).await;
            finish(&web, &visit, &wish).await
        }
        Some(_) => {
            visit.own_form(&headers, &body)?;
            Ok(see_other(&format!("{}/account", visit.base())))
        }
    }
}

async fn read(web: &Web, visit: &Visit, params: &Params) -> Wish {
    let one = |name| params.one(name).ok().flatten();
    let engine = &web.edge.engine;
    let hint = one("id_token_hint").and_then(|token| engine.id_token_hint(&visit.tenant, token));
    let named = one("client_id").and_then(|text| text.parse::<ClientId>().ok());
    let client = match (&hint, named) {
        (Some((of, _, _)), Some(named)) if *of != named => None,
        (Some((of, _, _)), _) => Some(of.clone()),
        (None, named) => named,
    };
    let client = match client {
        Some(id) => engine.client(&visit.tenant, &id).await.ok().filter(|client| client.is_active),
        None => None,
    };
    let session = hint
        .filter(|_| client.is_some())
        .and_then(|(_, customer, session)| Some((session?.parse().ok()?, customer.parse().ok()?)));
    let wanted = one("post_logout_redirect_uri");
    let registered = client.as_ref().map(|client| client.registration.post_logout_redirect_uris.as_slice());
    let return_to = wanted.filter(|uri| registered.unwrap_or_default().iter().any(|known| known == uri));
    let return_to = return_to.map(|uri| match one("state") {
        Some(state) => with_query(uri, &[("state", state)]),
        None => uri.to_owned(),
    });
    Wish { session, client_name: client.map(|client| client.name), return_to }
}

async fn ask(web: &Web, visit: &Visit, params: &Params) -> Result<Response, Response> {
    let wish = read(web, visit, params).await;
    let Some(page) = visit.page_session(web).await? else { return finish(web, visit, &wish).await };
    if wish.session.as_ref().is_some_and(|(session, _)| *session == page.session) {
        return finish(web, visit, &wish).await;
    }
    let customer = web.edge.engine.customer(&visit.tenant, &page.customer).await;
    let username = customer.map_err(|error| visit.broken(error))?.email;
    let kept = ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"];
    let value = |name: &str| params.one(name).ok().flatten().map(|value| (name.to_owned(), value.to_owned()));
    let fields = kept.iter().filter_map(|name| value(name)).collect();
    let view = LogOut { username, client_name: wish.client_name, fields };
    Ok(visit.show(StatusCode::OK, &visit.chrome(), &view))
}

async fn finish(web: &Web, visit: &Visit, wish: &Wish) -> Result<Response, Response> {
    let engine = &web.edge.engine;
    if let Some(cookie) = &visit.browser.session {
        let done = engine.log_out_of_pages(&visit.tenant, cookie, &visit.origin).await;
        done.map_err(|error| visit.broken(error))?;
    }
    if let Some((session, customer)) = &wish.session {
        let done = engine.log_out_session(&visit.tenant, session, customer, &visit.origin).await;
        done.map_err(|error| visit.broken(error))?;
    }
    let mut response = if let Some(uri) = &wish.return_to {
        see_other(uri)
    } else {
        visit.show(StatusCode::OK, &visit.chrome(), &Message::LoggedOut { link: None })
    };
    visit.browser.log_out(response.headers_mut());
    Ok(response)
}
