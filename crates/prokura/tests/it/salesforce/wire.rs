//! The wire, call by call: what is asked, what is refused, and how each answer looks.

use super::{
    CALLBACK, CHALLENGE, EMAIL, Kind, ORGANIZATION, PASSWORD, Shop, VERIFIER, code_of, position, text, tokens,
};
use crate::arrange::on_both_databases;
use prokura_testkit::{Answer, Database, claims};
use reqwest::Method;

on_both_databases!(
    authorize_sends_a_guest_back_with_a_code,
    authorize_refuses_what_it_must,
    login_takes_a_password_and_tells_nothing_else,
    every_grant_works_by_body_and_by_query,
    token_refuses_what_it_must,
    tokens_are_spelled_as_clients_read_them,
    a_refresh_token_is_good_once_for_public_and_again_for_private_clients,
    a_hundred_tabs_at_once_get_one_successor,
    logout_ends_everything_of_the_session,
    all_sessions_end_at_once_when_asked,
    a_changed_password_ends_everything,
    revoke_and_introspect_speak_to_private_clients_alone,
    keys_and_discovery_are_public,
    a_trusted_system_logs_in_whom_it_knows,
    s43_the_name_of_a_dialect_is_one_tenants_and_never_an_address
);

/// An error answer has all the fields that one client or another reads.
fn refused(answer: &Answer, status: u16, message: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["status_code"], status.to_string());
    assert!(text(&body, "message").contains(message), "{body}");
    assert_eq!(body["message"], body["error_description"]);
    assert!(body["error"].is_string());
}

async fn authorize_sends_a_guest_back_with_a_code(database: Database) {
    let shop = Shop::on(database).await;
    let parameters = [
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("client_id", "pub"),
        ("channel_id", "main"),
        ("code_challenge", CHALLENGE),
        ("hint", "guest"),
        ("state", "a b&c"),
        ("c_custom", "x"),
        ("unknown", "y"),
    ];
    let answer = shop.authorize(&parameters).await;
    let (code, usid) = code_of(&answer);
    assert!(code.len() > 40 && code.len() <= 256);
    let location = answer.headers["location"].to_str().unwrap();
    assert!(location.starts_with(&format!("{CALLBACK}?usid={usid}&code=")), "{location}");
    assert!(location.ends_with("&state=a%20b%26c"), "{location}");
    // A name that is brought stays.
    let (_, same) = shop.guest_code(&[("usid", &usid)]).await;
    assert_eq!(same, usid);
    let (_, other) = shop.guest_code(&[]).await;
    assert_ne!(other, usid);
}

async fn authorize_refuses_what_it_must(database: Database) {
    let shop = Shop::on(database).await;
    let right = [
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("client_id", "pub"),
        ("channel_id", "main"),
        ("code_challenge", CHALLENGE),
        ("hint", "guest"),
    ];
    for (name, value, message) in [
        ("redirect_uri", "https://evil.example/cb", "redirect_uri doesn't match the registered redirects"),
        ("redirect_uri", "http://localhost:3000/callback/x", "redirect_uri doesn't match the registered redirects"),
        ("client_id", "nobody", "Bad or missing client_id."),
        ("channel_id", "elsewhere", "Invalid channel_id"),
        ("response_type", "token", "response_type is code"),
        ("code_challenge", "short", "code_challenge"),
        ("code_challenge", "", "code_challenge"),
        ("hint", "google", "identity provider"),
        ("usid", "not a name", "usid"),
    ] {
        let mut parameters: Vec<_> = right.iter().filter(|(known, _)| *known != name).copied().collect();
        parameters.push((name, value));
        refused(&shop.authorize(&parameters).await, 400, message);
    }
    let url = shop.url(&format!("/shopper/auth/v1/organizations/{ORGANIZATION}/oauth2/authorize"));
    let answer = shop.send(shop.request(Method::PUT, &url).query(&right)).await;
    assert_eq!(answer.status, 405);
    for (organization, message) in [("f_ecom_zzzz_999", "invalid organizationId"), ("acme", "Tenant Id Exception")] {
        let url = shop.url(&format!("/shopper/auth/v1/organizations/{organization}/oauth2/authorize"));
        refused(&shop.send(shop.request(Method::GET, &url).query(&right)).await, 400, message);
    }
}

async fn login_takes_a_password_and_tells_nothing_else(database: Database) {
    let shop = Shop::on(database).await;
    let (code, usid) = code_of(&shop.login(EMAIL, PASSWORD, &[]).await);
    let again = shop.login(EMAIL, PASSWORD, &[]).await;
    assert_eq!(again.status, 409, "{}", again.text);
    assert_eq!(
        position(text(&tokens(&shop.redeem(Kind::Public, &code, &usid).await), "access_token"), 1),
        format!("upn:{EMAIL}")
    );
    shop.world.server.advance(2);
    let wrong = shop.login(EMAIL, "wrong", &[]).await;
    let unknown = shop.login("nobody@a.example", PASSWORD, &[]).await;
    refused(&wrong, 401, "Authorization failed.");
    assert_eq!(wrong.text, unknown.text);
    refused(&shop.login("no address", PASSWORD, &[]).await, 401, "Authorization failed.");
    let nowhere = shop.login(EMAIL, PASSWORD, &[("redirect_uri", "https://evil.example/")]).await;
    refused(&nowhere, 400, "redirect_uri doesn't match the registered redirects");
    // A password may hold a colon and letters of any language.
    let (tenant, engine) = (&shop.world.tenant, shop.world.engine());
    let new = prokura_engine::NewPassword::Plain(crate::arrange::secret("pass:wörd:ünd mehr"));
    let system = prokura_engine::Actor::System;
    engine.set_password(tenant, &shop.world.ann, &new, false, None, &system, &crate::arrange::origin()).await.unwrap();
    code_of(&shop.login(EMAIL, "pass:wörd:ünd mehr", &[]).await);
}

async fn every_grant_works_by_body_and_by_query(database: Database) {
    let shop = Shop::on(database).await;
    let url = shop.url(&format!("/shopper/auth/v1/organizations/{ORGANIZATION}/oauth2/token"));
    let by_query = |form: Vec<(&'static str, String)>| shop.request(Method::POST, &url).query(&form).form(&[("", "")]);
    let (code, usid) = shop.guest_code(&[]).await;
    let form = vec![
        ("grant_type", "authorization_code_pkce".to_owned()),
        ("client_id", "pub".to_owned()),
        ("channel_id", "main".to_owned()),
        ("code", code),
        ("code_verifier", VERIFIER.to_owned()),
        ("redirect_uri", CALLBACK.to_owned()),
        ("usid", usid),
        ("useCredentials", "true".to_owned()),
    ];
    let guest = tokens(&shop.send(by_query(form)).await);
    let form = vec![
        ("grant_type", "refresh_token".to_owned()),
        ("client_id", "pub".to_owned()),
        ("channel_id", "main".to_owned()),
        ("refresh_token", text(&guest, "refresh_token").to_owned()),
        ("redirect_uri", CALLBACK.to_owned()),
    ];
    let renewed = tokens(&shop.send(by_query(form)).await);
    assert_eq!(renewed["usid"], guest["usid"]);
    let form = vec![("grant_type", "client_credentials".to_owned()), ("channel_id", "main".to_owned())];
    tokens(&shop.send(by_query(form).header("authorization", shop.basic())).await);
    // Once each, or alike.
    let twice = shop
        .request(Method::POST, &url)
        .query(&[("channel_id", "main")])
        .form(&[("grant_type", "client_credentials"), ("channel_id", "other")]);
    refused(&shop.send(twice.header("authorization", shop.basic())).await, 400, "channel_id is another one");
    for kind in [Kind::Public, Kind::Private] {
        shop.guest(kind, None).await;
        shop.buyer(kind, None).await;
    }
}

async fn ask(shop: &Shop, kind: Kind, form: Vec<(&str, String)>) -> Answer {
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    shop.token(kind, &form).await
}

async fn token_refuses_what_it_must(database: Database) {
    let shop = Shop::on(database).await;
    let (code, usid) = shop.guest_code(&[]).await;
    let form = |code: &str, verifier: &str, more: &[(&'static str, &str)]| {
        let mut form: Vec<(&str, String)> = vec![
            ("grant_type", "authorization_code_pkce".to_owned()),
            ("code", code.to_owned()),
            ("code_verifier", verifier.to_owned()),
        ];
        form.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        form.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        form
    };
    let wrong = "A".repeat(43);
    refused(&ask(&shop, Kind::Public, form(&code, &wrong, &[])).await, 400, "The code is invalid");
    refused(
        &ask(&shop, Kind::Public, form(&code, VERIFIER, &[("channel_id", "other")])).await,
        400,
        "Invalid channel_id",
    );
    let other = "00000000-0000-4000-8000-000000000000";
    refused(&ask(&shop, Kind::Public, form(&code, VERIFIER, &[("usid", other)])).await, 400, "The code is invalid");
    refused(&ask(&shop, Kind::Private, form(&code, VERIFIER, &[])).await, 400, "The code is invalid");
    // Nothing of that burned the code.
    let guest = tokens(&shop.redeem(Kind::Public, &code, &usid).await);
    refused(&shop.redeem(Kind::Public, &code, &usid).await, 400, "The code is invalid");
    let dead = shop.refresh(Kind::Public, text(&guest, "refresh_token"), &[]).await;
    refused(&dead, 400, "invalid refresh_token");
    // A private client without its secret is nobody, and nobody is trusted with a wrong one.
    refused(
        &shop.token(Kind::Public, &[("grant_type", "client_credentials"), ("client_id", "priv")]).await,
        401,
        "Authorization failed.",
    );
    refused(&shop.token(Kind::Public, &[("grant_type", "client_credentials")]).await, 401, "Authorization failed.");
    let wrong = Shop { secret: "wrong".to_owned(), ..shop };
    refused(
        &wrong.token(Kind::Private, &[("grant_type", "client_credentials")]).await,
        401,
        "Basic Authorization failed.",
    );
    let form = [("grant_type", "password")];
    refused(&wrong.token(Kind::Public, &form).await, 400, "are offered");
    refused(&wrong.token(Kind::Public, &[("grant_type", "session_bridge")]).await, 400, "are offered");
}

async fn tokens_are_spelled_as_clients_read_them(database: Database) {
    let shop = Shop::on(database).await;
    let guest = shop.guest(Kind::Public, None).await;
    let usid = text(&guest, "usid");
    let access = text(&guest, "access_token");
    let header: serde_json::Value = {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(access.split('.').next().unwrap()).unwrap()).unwrap()
    };
    for (name, value) in
        [("ver", "1.0"), ("jku", "slas/prod/zzrf_001"), ("typ", "jwt"), ("clv", "J2.3.4"), ("alg", "ES256")]
    {
        assert_eq!(header[name], value, "{name}");
    }
    let said = claims(access);
    assert_eq!(said["sub"], format!("cc-slas::zzrf_001::scid:pub::usid:{usid}"));
    for (name, value) in [
        ("aut", "GUID"),
        ("ctx", "slas"),
        ("iss", "slas/prod/zzrf_001"),
        ("aud", "commercecloud/prod/zzrf_001"),
        ("sty", "User"),
        ("dnt", "0"),
    ] {
        assert_eq!(said[name], value, "{name}");
    }
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 1_800);
    assert_eq!(said["iat"].as_i64().unwrap() - said["nbf"].as_i64().unwrap(), 30);
    assert!(said["jti"].as_str().unwrap().strip_prefix("C2C-").unwrap().bytes().all(|b| b.is_ascii_digit()));
    assert_eq!(
        said["isb"],
        format!("uido:slas::upn:Guest::uidn:Guest User::gcid:{}::chid:main", text(&guest, "customer_id"))
    );
    assert_eq!((guest["id_token"].as_str(), guest["expires_in"].as_u64()), (Some(""), Some(1_800)));
    assert_eq!(guest["refresh_token_expires_in"].as_u64(), Some(30 * 86_400));
    assert!(guest.get("status_code").is_none());
    assert!(shop.world.is_good(access), "every edge and the gateway know it");

    let buyer = shop.buyer(Kind::Public, Some(usid)).await;
    let access = text(&buyer, "access_token");
    assert_eq!(buyer["refresh_token_expires_in"].as_u64(), Some(90 * 86_400));
    assert_eq!(buyer["usid"], guest["usid"]);
    let isb = claims(access)["isb"].as_str().unwrap().to_owned();
    assert!(isb.len() <= 256);
    for (index, expected) in [
        (0, "uido:ecom".to_owned()),
        (1, format!("upn:{EMAIL}")),
        (3, format!("gcid:{}", text(&guest, "customer_id"))),
        (4, format!("rcid:{}", text(&buyer, "customer_id"))),
        (5, "chid:main".to_owned()),
    ] {
        assert_eq!(position(access, index), expected);
    }
    let standing = shop.world.engine().verify(access).unwrap().token.standing.clone();
    assert_eq!(standing.customer(), Some(&shop.world.ann));
    assert_eq!(standing.visitor(), Some(usid));
}

async fn a_refresh_token_is_good_once_for_public_and_again_for_private_clients(database: Database) {
    let shop = Shop::on(database).await;
    for buyer in [false, true] {
        let first = if buyer { shop.buyer(Kind::Public, None).await } else { shop.guest(Kind::Public, None).await };
        let old = text(&first, "refresh_token");
        let next = tokens(&shop.refresh(Kind::Public, old, &[]).await);
        assert_ne!(text(&next, "refresh_token"), old);
        assert_eq!((&next["usid"], &next["customer_id"]), (&first["usid"], &first["customer_id"]));
        refused(&shop.refresh(Kind::Public, old, &[]).await, 400, "invalid refresh_token");
        // What was refused ended nothing.
        tokens(&shop.refresh(Kind::Public, text(&next, "refresh_token"), &[]).await);

        let first = if buyer { shop.buyer(Kind::Private, None).await } else { shop.guest(Kind::Private, None).await };
        let token = text(&first, "refresh_token");
        let life = first["refresh_token_expires_in"].as_u64().unwrap();
        shop.world.server.advance(100);
        for _ in 0..3 {
            let again = tokens(&shop.refresh(Kind::Private, token, &[]).await);
            assert_eq!(text(&again, "refresh_token"), token);
            assert_eq!(again["refresh_token_expires_in"].as_u64().unwrap(), life - 100, "counted from the first issue");
        }
        refused(&shop.refresh(Kind::Public, token, &[]).await, 400, "invalid refresh_token");
    }
    refused(&shop.refresh(Kind::Public, "never one", &[]).await, 400, "invalid refresh_token");
    let guest = shop.guest(Kind::Public, None).await;
    shop.world.server.advance(30 * 86_400 + 1);
    refused(&shop.refresh(Kind::Public, text(&guest, "refresh_token"), &[]).await, 400, "invalid refresh_token");
}

async fn a_hundred_tabs_at_once_get_one_successor(database: Database) {
    let shop = std::sync::Arc::new(Shop::on(database).await);
    let first = shop.buyer(Kind::Public, None).await;
    let token = text(&first, "refresh_token").to_owned();
    let tabs = (0..100).map(|_| {
        let (shop, token) = (shop.clone(), token.clone());
        tokio::spawn(async move { shop.refresh(Kind::Public, &token, &[]).await })
    });
    let mut successors = std::collections::BTreeSet::new();
    for answer in futures_util::future::join_all(tabs).await {
        let answer = answer.unwrap();
        if answer.status == 200 {
            successors.insert(text(&answer.json(), "refresh_token").to_owned());
        } else {
            refused(&answer, 400, "invalid refresh_token");
        }
    }
    assert_eq!(successors.len(), 1, "never two live successors");
    tokens(&shop.refresh(Kind::Public, successors.first().unwrap(), &[]).await);
}

async fn logout_ends_everything_of_the_session(database: Database) {
    let shop = Shop::on(database).await;
    for kind in [Kind::Public, Kind::Private] {
        let buyer = shop.buyer(kind, None).await;
        let access = text(&buyer, "access_token");
        let cookie = super::set_cookie(&shop.sessions(access, None).await, "dwsid").unwrap();
        let others = shop.guest(kind, None).await;
        let strange = serde_json::json!({ "access_token": text(&others, "access_token"), "refresh_token": buyer["refresh_token"] });
        refused(&shop.log_out(kind, &strange, &[]).await, 400, "Bad or missing access token or refresh token");
        refused(&shop.log_out(kind, &buyer, &[("hint", "some")]).await, 400, "hint is all-sessions");
        let gone = tokens(&shop.log_out(kind, &buyer, &[]).await);
        assert_eq!(
            (gone["access_token"].as_str(), gone["usid"].as_str(), gone["expires_in"].as_u64()),
            (Some(""), Some("null"), Some(0))
        );
        assert!(!shop.world.is_good(access));
        refused(&shop.refresh(kind, text(&buyer, "refresh_token"), &[]).await, 400, "invalid refresh_token");
        let there = shop.visit(&cookie, text(&buyer, "refresh_token")).await;
        assert_eq!((there["kind"].as_str(), there["new"].as_bool()), (Some("guest"), Some(true)));
        assert_ne!(there["session"], cookie);
    }
    // Clients log out without waiting, sometimes a moment too late: the refresh token is proof enough.
    let buyer = shop.buyer(Kind::Public, None).await;
    shop.world.server.advance(1_801);
    tokens(&shop.log_out(Kind::Public, &buyer, &[]).await);
    refused(&shop.refresh(Kind::Public, text(&buyer, "refresh_token"), &[]).await, 400, "invalid refresh_token");
}

async fn all_sessions_end_at_once_when_asked(database: Database) {
    let shop = Shop::on(database).await;
    let (here, there) = (shop.buyer(Kind::Public, None).await, shop.buyer(Kind::Private, None).await);
    tokens(&shop.log_out(Kind::Public, &here, &[("hint", "all-sessions")]).await);
    assert!(!shop.world.is_good(text(&there, "access_token")));
    refused(&shop.refresh(Kind::Private, text(&there, "refresh_token"), &[]).await, 400, "invalid refresh_token");
}

async fn a_changed_password_ends_everything(database: Database) {
    let shop = Shop::on(database).await;
    let buyer = shop.buyer(Kind::Public, None).await;
    let cookie = super::set_cookie(&shop.sessions(text(&buyer, "access_token"), None).await, "dwsid").unwrap();
    let new = prokura_engine::NewPassword::Plain(crate::arrange::secret("another good one"));
    let (engine, system) = (shop.world.engine(), prokura_engine::Actor::System);
    engine
        .set_password(&shop.world.tenant, &shop.world.ann, &new, false, None, &system, &crate::arrange::origin())
        .await
        .unwrap();
    assert!(!shop.world.is_good(text(&buyer, "access_token")));
    refused(&shop.refresh(Kind::Public, text(&buyer, "refresh_token"), &[]).await, 400, "invalid refresh_token");
    assert_eq!(shop.visit(&cookie, text(&buyer, "refresh_token")).await["kind"], "guest");
}

async fn revoke_and_introspect_speak_to_private_clients_alone(database: Database) {
    let shop = Shop::on(database).await;
    let buyer = shop.buyer(Kind::Private, None).await;
    let (access, refresh) = (text(&buyer, "access_token"), text(&buyer, "refresh_token"));
    refused(&shop.post(Kind::Public, "introspect", &[("token", access)]).await, 401, "Basic Authorization failed.");
    let known = tokens(&shop.post(Kind::Private, "introspect", &[("token", access)]).await);
    assert_eq!((known["active"].as_bool(), known["client_id"].as_str()), (Some(true), Some("priv")));
    let others = shop.guest(Kind::Public, None).await;
    for foreign in [text(&others, "access_token"), text(&others, "refresh_token"), "never one"] {
        let known = tokens(&shop.post(Kind::Private, "introspect", &[("token", foreign)]).await);
        assert_eq!(known, serde_json::json!({ "active": false }));
        tokens(&shop.post(Kind::Private, "revoke", &[("token", foreign)]).await);
    }
    refused(&shop.post(Kind::Private, "revoke", &[]).await, 400, "token is needed");
    let gone = tokens(&shop.post(Kind::Private, "revoke", &[("token", refresh)]).await);
    assert_eq!(gone["refresh_token"], refresh);
    refused(&shop.refresh(Kind::Private, refresh, &[]).await, 400, "invalid refresh_token");
    tokens(&shop.refresh(Kind::Public, text(&others, "refresh_token"), &[]).await);
}

async fn keys_and_discovery_are_public(database: Database) {
    let shop = Shop::on(database).await;
    let base = format!("/shopper/auth/v1/organizations/{ORGANIZATION}/oauth2");
    let keys = tokens(&shop.send(shop.request(Method::GET, &shop.url(&format!("{base}/jwks")))).await);
    let guest = shop.guest(Kind::Public, None).await;
    let kid = {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let head = text(&guest, "access_token").split('.').next().unwrap();
        let head: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).unwrap()).unwrap();
        head["kid"].as_str().unwrap().to_owned()
    };
    assert!(keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == kid && key.get("d").is_none()));
    let url = shop.url(&format!("{base}/.well-known/openid-configuration"));
    let about = tokens(&shop.send(shop.request(Method::GET, &url)).await);
    assert_eq!(about["issuer"], claims(text(&guest, "access_token"))["iss"]);
    assert!(text(&about, "token_endpoint").ends_with(&format!("{base}/token")));
}

async fn a_trusted_system_logs_in_whom_it_knows(database: Database) {
    let shop = Shop::on(database).await;
    let form = |login: &'static str| {
        vec![
            ("grant_type", "client_credentials"),
            ("hint", "ts_ext_on_behalf_of"),
            ("login_id", login),
            ("idp_origin", "ecom"),
            ("channel_id", "main"),
        ]
    };
    let buyer = tokens(&shop.post(Kind::Private, "trusted-system/token", &form(EMAIL)).await);
    assert_eq!(position(text(&buyer, "access_token"), 5), "tsob:ts_ext_on_behalf_of");
    let next = tokens(&shop.refresh(Kind::Private, text(&buyer, "refresh_token"), &[]).await);
    assert_eq!(position(text(&next, "access_token"), 5), "tsob:ts_ext_on_behalf_of", "it stays known");
    let guest = tokens(&shop.post(Kind::Private, "trusted-system/token", &form("guest")).await);
    assert_eq!(guest["id_token"], "");
    let unknown = shop.post(Kind::Private, "trusted-system/token", &form("nobody@a.example")).await;
    refused(&unknown, 401, "Authorization failed.");
    let public = shop.post(Kind::Public, "trusted-system/token", &form(EMAIL)).await;
    refused(&public, 401, "Basic Authorization failed.");
}

async fn s43_the_name_of_a_dialect_is_one_tenants_and_never_an_address(database: Database) {
    use prokura_engine::{Actor, Error, Refusal, TenantSettings};
    let shop = Shop::on(database).await;
    let (engine, system, from) = (shop.world.engine(), Actor::System, crate::arrange::origin());
    let other = shop.world.server.tenant("beta").await;
    let set = async |tenant: &prokura_engine::Tenant, settings: &TenantSettings| {
        engine.update_tenant(tenant, &tenant.name, true, settings, None, &system, &from).await
    };
    let wanted = prokura_salesforce::tenant_settings(other.settings.clone(), ORGANIZATION, true).unwrap();
    assert!(matches!(set(&other, &wanted).await, Err(Error::Refused(Refusal::AlreadyExists(_)))));
    for (issuer, token_type) in
        [(&*shop.world.tenant.issuer, "jwt"), ("slas/x", "AT+JWT"), ("slas/x", ""), ("two words", "jwt")]
    {
        let mut wrong = wanted.clone();
        let accent = wrong.accents.first_mut().unwrap();
        (accent.issuer, accent.token_type) = (issuer.to_owned(), token_type.to_owned());
        assert!(matches!(set(&other, &wrong).await, Err(Error::Refused(Refusal::Invalid(_)))), "{issuer} {token_type}");
    }
    let guest = shop.guest(Kind::Public, None).await;
    let access = text(&guest, "access_token");
    assert!(shop.world.is_good(access));
    // Who gives the name up is known by it no more, and neither are the tokens under it.
    let mut without = shop.world.tenant.settings.clone();
    without.accents.clear();
    set(&shop.world.tenant, &without).await.unwrap();
    assert!(!shop.world.is_good(access));
    set(&other, &wanted).await.unwrap();
    assert!(!shop.world.is_good(access), "its keys are another tenant's");
}
