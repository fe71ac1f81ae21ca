//! How surely somebody logged in: what tokens say of it, and what clients may ask (OpenID Connect Core, RFC 9470).

use super::{
    Native, claims,
    robot::{form, location, query},
};
use crate::{account::factors::enrol, arrange::on_both_databases};
use prokura_testkit::{Answer, Database};

const SINGLE: &str = "urn:prokura:acr:1fa";
const MULTI: &str = "urn:prokura:acr:2fa";

on_both_databases!(
    tokens_say_how_surely_their_owner_logged_in,
    who_has_no_second_factor_is_let_by_or_refused_as_the_client_wants,
    claims_are_asked_for_by_name,
);

fn acr(answer: &Answer) -> (Option<String>, Option<String>) {
    let tokens = answer.json();
    let of = |name: &str| {
        let token = tokens[name].as_str().unwrap_or_else(|| panic!("{}", answer.text));
        claims(token)["acr"].as_str().map(str::to_owned)
    };
    (of("access_token"), of("id_token"))
}

fn both(acr: &str) -> (Option<String>, Option<String>) {
    (Some(acr.to_owned()), Some(acr.to_owned()))
}

async fn tokens_say_how_surely_their_owner_logged_in(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let code = native.code(&mut robot, "web", "le-1").await;
    let answer = native.redeem("web", &code).await;
    assert_eq!(acr(&answer), both(SINGLE));
    let tokens = answer.json();
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!(id_token["amr"], serde_json::json!(["pwd"]));
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(access["auth_time"], id_token["auth_time"]);
    let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();

    // The session became surer, so do its tokens from the next one on.
    let (totp, _) = enrol(&native, &mut robot).await;
    let answer = native.refresh("web", &refresh, &[]).await;
    assert_eq!(acr(&answer).0.as_deref(), Some(MULTI), "{}", answer.text);

    // A new login that must be sure goes by the code.
    native.world.server.advance(30);
    let mut other = native.robot();
    let wish = format!("&acr_values={MULTI}&max_age=60");
    let page = native.log_in(&mut other, &native.authorize("web", &wish), "le-1").await;
    assert!(page.text.contains("<h1>Confirm that it is you</h1>"), "{}", page.text);
    let code = totp.code_at(native.world.engine().now().seconds());
    let answer = other.submit(&form(&page), &[("code", &code), ("action", "log_in")]).await;
    let page = other.follow(answer).await;
    let answer = other.submit(&form(&page), &[("legal_entity_id", "le-1"), ("action", "choose")]).await;
    let end = other.follow(answer).await;
    let answer = native.redeem("web", &query(&location(&end).unwrap())["code"]).await;
    assert_eq!(acr(&answer), both(MULTI));
    let id_token = claims(answer.json()["id_token"].as_str().unwrap());
    assert_eq!(id_token["amr"], serde_json::json!(["pwd", "otp", "mfa"]));
    // Two minutes later the same wish asks for another login.
    native.world.server.advance(120);
    let answer = other.get(&native.authorize("web", &wish)).await;
    let page = other.follow(answer).await;
    assert!(page.status == 200 && form(&page).action.ends_with("/login"), "{}", page.text);
}

async fn who_has_no_second_factor_is_let_by_or_refused_as_the_client_wants(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    let voluntary = native.authorize("web", &format!("&acr_values={MULTI}"));
    let end = native.log_in(&mut robot, &voluntary, "le-1").await;
    let answer = native.redeem("web", &query(&location(&end).unwrap())["code"]).await;
    assert_eq!(acr(&answer), both(SINGLE));
    let claims = "%7B%22id_token%22%3A%7B%22acr%22%3A%7B%22essential%22%3Atrue%2C%22value%22%3A%22urn%3Aprokura%3Aacr%3A2fa%22%7D%7D%7D";
    let answer = robot.get(&native.authorize("web", &format!("&claims={claims}"))).await;
    let end = robot.follow(answer).await;
    let told = query(&location(&end).unwrap_or_else(|| panic!("{}", end.text)));
    assert_eq!(told["error"], "unmet_authentication_requirements");
    assert!(!told.contains_key("code") && told.contains_key("iss"));
    let wrong = robot.get(&native.authorize("web", "&claims=%5B%5D")).await;
    assert_eq!(query(&location(&wrong).unwrap())["error"], "invalid_request");
}

async fn claims_are_asked_for_by_name(database: Database) {
    let native = Native::new(database).await;
    let mut robot = native.robot();
    // {"id_token":{"email":null},"userinfo":{"name":{"essential":true}}} with the scope openid alone.
    let claims_asked = "%7B%22id_token%22%3A%7B%22email%22%3Anull%7D%2C%22userinfo%22%3A%7B%22name%22%3A%7B%22essential%22%3Atrue%7D%7D%7D";
    let start = native.authorize("web", &format!("&claims={claims_asked}"));
    let all = super::SCOPES.replace(' ', "%20");
    let end = native.log_in(&mut robot, &start.replace(&all, "openid"), "le-1").await;
    let tokens = native.redeem("web", &query(&location(&end).unwrap())["code"]).await.json();
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!(id_token["email"].as_str(), Some("ann@a.example"));
    let person = native.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
    assert!(person["updated_at"].is_number() && person["email"].is_string(), "{person}");
    // Somebody else was meant.
    let other = "%7B%22id_token%22%3A%7B%22sub%22%3A%7B%22value%22%3A%22bob%22%7D%7D%7D";
    let answer = robot.get(&native.authorize("web", &format!("&claims={other}"))).await;
    let end = robot.follow(answer).await;
    assert_eq!(query(&location(&end).unwrap())["error"], "login_required");
    // What is announced is what is kept.
    let metadata = native.world.server.get(&native.path(".well-known/openid-configuration"), None).await.json();
    assert_eq!(metadata["claims_parameter_supported"], true);
    assert_eq!(metadata["acr_values_supported"], serde_json::json!([SINGLE, MULTI]));
}
