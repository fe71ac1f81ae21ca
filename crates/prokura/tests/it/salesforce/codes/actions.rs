//! What codes do besides logging in: a password that was forgotten, and the proof of an address.

use super::{code_in, other_than, refused};
use crate::{
    arrange::{on_both_databases, origin},
    salesforce::{CHALLENGE, EMAIL, Kind, PASSWORD, Shop, VERIFIER, text},
};
use prokura_engine::{Actor, ClientChange};
use prokura_testkit::{Answer, Database};
use reqwest::Method;

on_both_databases!(
    a_forgotten_password_is_chosen_anew_with_a_code,
    s106_a_password_code_goes_with_the_device_that_asked_or_with_any,
    s105_a_new_password_is_held_to_the_tenants_rules_before_a_code_is_used,
    a_code_proves_an_address_and_nothing_else,
);

const NEW: &str = "another good one";

/// Asks for a code to choose a password.
async fn reset(shop: &Shop, kind: Kind, more: &[(&str, &str)]) -> Answer {
    let form = [&[("user_id", EMAIL), ("mode", "email"), ("channel_id", "main")], more].concat();
    shop.post(kind, "password/reset", &form).await
}

async fn act(shop: &Shop, kind: Kind, code: &str, more: &[(&str, &str)]) -> Answer {
    let mut form = vec![("pwd_action_token", code), ("channel_id", "main"), ("new_password", NEW)];
    form.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    form.extend_from_slice(more);
    shop.post(kind, "password/action", &form).await
}

async fn a_forgotten_password_is_chosen_anew_with_a_code(database: Database) {
    let shop = Shop::on(database).await;
    let buyer = shop.buyer(Kind::Public, None).await;
    let cookie = crate::salesforce::set_cookie(&shop.sessions(text(&buyer, "access_token"), None).await, "dwsid");
    let answer = reset(&shop, Kind::Public, &[("code_challenge", CHALLENGE)]).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    let code = shop.newest_code().await;
    let bound = [("code_verifier", VERIFIER), ("user_id", EMAIL)];
    refused(&act(&shop, Kind::Public, &other_than(&code), &bound).await, 401, "Invalid token");
    let answer = act(&shop, Kind::Public, &code, &bound).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    // Everything from before is over, on every side.
    assert!(!shop.world.is_good(text(&buyer, "access_token")));
    refused(&shop.refresh(Kind::Public, text(&buyer, "refresh_token"), &[]).await, 400, "invalid refresh_token");
    assert_eq!(shop.visit(&cookie.unwrap(), text(&buyer, "refresh_token")).await["kind"], "guest");
    shop.world.server.advance(1);
    assert_eq!(shop.login(EMAIL, PASSWORD, &[]).await.status, 401);
    assert_eq!(shop.login(EMAIL, NEW, &[]).await.status, 303);
    // Its owner hears of it.
    let mails = shop.world.server.mails().await;
    assert!(mails.last().unwrap().contains("Your password was changed"), "{mails:?}");
    refused(&act(&shop, Kind::Public, &code, &bound).await, 401, "Invalid token");
    // A code to choose a password logs nobody in, and the other way round.
    let code = shop.mailed_code(EMAIL, &[]).await;
    refused(&act(&shop, Kind::Private, &code, &[("user_id", EMAIL)]).await, 401, "Invalid token");
    assert_eq!(reset(&shop, Kind::Private, &[]).await.status, 200);
    let code = shop.newest_code().await;
    refused(&shop.show(&code, &[("login_id", EMAIL)]).await, 401, "Invalid token");
    assert_eq!(act(&shop, Kind::Private, &code, &[]).await.status, 200);
}

async fn s106_a_password_code_goes_with_the_device_that_asked_or_with_any(database: Database) {
    let shop = Shop::on(database).await;
    refused(&reset(&shop, Kind::Public, &[]).await, 400, "code_challenge is needed");
    refused(&reset(&shop, Kind::Public, &[("code_challenge", "short")]).await, 400, "code_challenge is 43 to 128");
    refused(&reset(&shop, Kind::Public, &[("hint", "other")]).await, 400, "hint is cross_device");
    for wrong in [&[][..], &[("code_verifier", "another verifier that is long enough to be one")]] {
        assert_eq!(reset(&shop, Kind::Public, &[("code_challenge", CHALLENGE)]).await.status, 200);
        let code = shop.newest_code().await;
        refused(&act(&shop, Kind::Public, &code, wrong).await, 401, "Invalid token");
        // Right digits in wrong hands are used up.
        refused(&act(&shop, Kind::Public, &code, &[("code_verifier", VERIFIER)]).await, 401, "Invalid token");
    }
    assert_eq!(reset(&shop, Kind::Public, &[("hint", "cross_device")]).await.status, 200);
    let code = shop.newest_code().await;
    assert_eq!(act(&shop, Kind::Public, &code, &[("hint", "cross_device")]).await.status, 200);
}

async fn s105_a_new_password_is_held_to_the_tenants_rules_before_a_code_is_used(database: Database) {
    let shop = Shop::on(database).await;
    assert_eq!(reset(&shop, Kind::Private, &[]).await.status, 200);
    let code = shop.newest_code().await;
    for bad in ["short", &"x".repeat(1_025)] {
        let answer = act(&shop, Kind::Private, &code, &[("new_password", bad)]).await;
        refused(&answer, 400, "Bad or missing request parameters.");
    }
    refused(&act(&shop, Kind::Private, &code, &[("channel_id", "")]).await, 400, "channel_id is needed");
    assert_eq!(act(&shop, Kind::Private, &code, &[]).await.status, 200);
}

async fn a_code_proves_an_address_and_nothing_else(database: Database) {
    let shop = Shop::on(database).await;
    let buyer = shop.buyer(Kind::Public, None).await;
    let access = text(&buyer, "access_token");
    let request = |bearer: &str, client: &str| {
        let form = [("client_id", client), ("channel_id", "main"), ("user_id", EMAIL), ("mode", "email")];
        let request = shop.request(Method::POST, &shop.slas("otp/request")).form(&form);
        shop.send(request.bearer_auth(bearer))
    };
    refused(&request("nothing", "pub").await, 401, "Bad or missing access token.");
    refused(&request(access, "priv").await, 401, "Authorization failed.");
    let answer = request(access, "pub").await;
    assert_eq!((answer.status, answer.text.as_str()), (202, ""));
    let code = shop.newest_code().await;
    let verify = |code: String, user: &'static str| {
        let shop = &shop;
        async move {
            let form = [("pwd_action_token", code.as_str()), ("channel_id", "main"), ("user_id", user)];
            shop.post(Kind::Public, "otp/verify", &form).await
        }
    };
    refused(&verify(other_than(&code), EMAIL).await, 401, "Invalid token");
    refused(&verify(code.clone(), "nobody@a.example").await, 401, "Invalid token");
    let answer = verify(code.clone(), EMAIL).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    refused(&verify(code, EMAIL).await, 401, "Invalid token");
    let person = shop.world.engine().customer(&shop.world.tenant, &shop.world.ann).await.unwrap();
    assert!(person.email_verified_at.is_some());
    // Six of them in ten minutes; here that is said with the status for it.
    for _ in 0..5 {
        assert_eq!(request(access, "pub").await.status, 202);
    }
    refused(&request(access, "pub").await, 429, "Too many");
    assert!(shop.world.server.mails().await.iter().all(|mail| !code_in(mail).is_empty()));
    // A client must be registered for it.
    let (engine, tenant) = (shop.world.engine(), &shop.world.tenant);
    let change = ClientChange { scopes: Some("sfcc.shopper-products".to_owned()), ..ClientChange::default() };
    engine.update_client(tenant, &"pub".parse().unwrap(), &change, None, &Actor::System, &origin()).await.unwrap();
    refused(&request(access, "pub").await, 401, "Authorization failed.");
}
