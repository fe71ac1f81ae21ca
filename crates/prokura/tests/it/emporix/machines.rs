//! Machines: client credentials, and what their tokens are good for.

use super::{fault, is_refused_bearer, text};
use prokura_domain::{ClientKind, RefreshPolicy};
use prokura_testkit::{Acme, Answer};
use serde_json::json;

async fn post(acme: &Acme, form: &str) -> Answer {
    let request = acme.server.http.post(format!("{}/oauth/token", acme.server.url));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
    acme.server.send(request).await
}

#[tokio::test]
async fn e40_a_scope_the_key_lacks_is_left_out_and_noted() {
    let acme = Acme::start().await;
    let kind = ClientKind::Confidential;
    let scopes = "customer.customer_read iam.group_read";
    let grants = "client_credentials";
    let secret = acme.server.client(&acme.tenant, "m2m", kind, grants, scopes, RefreshPolicy::Family).await.unwrap();
    let wanted = Some("iam.group_read customer.customer_manage");
    let answer = acme.try_service("m2m", secret.expose(), wanted).await;
    let mut body = answer.json();
    let token = body.as_object_mut().unwrap().remove("access_token").unwrap();
    assert_eq!(
        body,
        json!({
            "token_type": "Bearer", "expires_in": 14_399, "session_idle_time": 120, "refresh_token": "",
            "refresh_token_expires_in": 0, "scope": "iam.group_read tenant=acme",
        })
    );
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(acme.server.get("/site/acme/sites", token.as_str()).await.status, 200);
    let all = acme.try_service("m2m", secret.expose(), None).await;
    assert_eq!(text(&all, "/scope"), "customer.customer_read iam.group_read tenant=acme");
    let none = acme.try_service("m2m", secret.expose(), Some("order.order_read")).await;
    assert_eq!((none.status, &*text(&none, "/scope")), (200, "tenant=acme"));

    let verb = Some("client.scopes_left_out");
    let notes = acme.server.engine.audit_events(&acme.tenant, "", None, verb, 200).await.unwrap();
    assert_eq!(notes.len(), 2);
    assert!(notes.iter().any(|event| event.detail_json == r#"{"scopes":["customer.customer_manage"]}"#));
}

#[tokio::test]
async fn wrong_credentials_and_grants_are_told_in_both_tongues() {
    let acme = Acme::start().await;
    let secret = acme.backend_secret.expose();
    let expected = (401, "Invalid ApiKey".to_owned(), "oauth.v2.InvalidApiKey".to_owned());
    for (client, secret) in [("nope", secret), ("bk", "wrong"), ("sf", secret), ("b k", secret), ("bk", "")] {
        let answer = acme.try_service(client, secret, None).await;
        assert_eq!(fault(&answer), expected, "{client}");
        assert_eq!(text(&answer, "/error"), "invalid_client");
    }
    let form = format!("client_id=bk&client_secret={secret}");
    for (form, error) in [
        (form.clone(), "invalid_request"),
        (format!("{form}&grant_type=password&username=a&password=b"), "unsupported_grant_type"),
        (format!("{form}&grant_type=refresh_token&refresh_token=x"), "unsupported_grant_type"),
        (format!("{form}&grant_type=client_credentials&client_id=bk"), "invalid_request"),
        (format!("{form}&grant_type=client_credentials&scope=a&scope=a"), "invalid_request"),
        (format!("{form}&grant_type=client_credentials&scope=%22"), "invalid_scope"),
    ] {
        let answer = post(&acme, &form).await;
        assert_eq!((answer.status, &*text(&answer, "/error")), (400, error), "{form}");
    }
    let form = format!("{form}&grant_type=client_credentials");
    assert_eq!(post(&acme, &format!("{form}&foo=1")).await.status, 200, "unknown parameters are not looked at");
    let in_query = acme.server.http.post(format!("{}/oauth/token?{form}", acme.server.url));
    let in_query = in_query.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(acme.server.send(in_query).await.status, 400, "parameters count from the form alone");
    let request = acme.server.http.post(format!("{}/oauth/token", acme.server.url));
    let as_json = json!({ "grant_type": "client_credentials", "client_id": "bk", "client_secret": secret });
    assert_eq!(acme.server.send(request.json(&as_json)).await.status, 400);
    let request = acme.server.http.post(format!("{}/oauth/token", acme.server.url)).basic_auth("bk", Some(secret));
    let twice = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    assert_eq!(text(&acme.server.send(twice).await, "/error"), "invalid_request", "two sets of credentials");
}

#[tokio::test]
async fn e30_a_token_of_another_tenant_is_none() {
    let acme = Acme::start().await;
    let other = acme.server.tenant("other").await;
    let kind = ClientKind::Confidential;
    let scopes = prokura_emporix::service_scopes();
    let grants = "client_credentials";
    let secret = acme.server.client(&other, "bk2", kind, grants, &scopes, RefreshPolicy::Family).await.unwrap();
    let answer = acme.try_service("bk2", secret.expose(), None).await;
    assert!(text(&answer, "/scope").ends_with("tenant=other"), "the tenant follows from the key");
    let token = text(&answer, "/access_token");
    assert_eq!(acme.server.get("/site/other/sites", Some(&token)).await.status, 200);
    let answer = acme.server.get("/site/acme/sites", Some(&token)).await;
    assert!(is_refused_bearer(&answer));
    assert_eq!(text(&answer, "/fault/faultstring"), "Invalid access token");
}

#[tokio::test]
async fn e31_a_header_that_contradicts_the_path_is_refused() {
    let acme = Acme::start().await;
    acme.server.tenant("other").await;
    let guest = acme.guest().await;
    for (header, status) in [("acme", 200), ("other", 400), ("nobody", 400), ("", 400)] {
        let headers = [("emporix-tenant", header), ("x-version", "v2"), ("accept-language", "en")];
        let get = reqwest::Method::GET;
        let answer = acme.call(get.clone(), "/site/acme/sites", Some(&guest.access), &headers, None).await;
        assert_eq!(answer.status, status, "{header}");
        let path = "/customerlogin/auth/anonymous/login?tenant=acme&client_id=sf";
        assert_eq!(acme.call(get, path, None, &headers, None).await.status, status, "{header}");
    }
}
