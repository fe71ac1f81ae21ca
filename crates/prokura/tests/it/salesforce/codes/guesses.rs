//! What asking and guessing cost, and what they tell.

use super::{other_than, refused};
use crate::{
    arrange::on_both_databases,
    salesforce::{EMAIL, Kind, Shop, tokens},
};
use futures_util::future::join_all;
use prokura_engine::AuditFilter;
use prokura_testkit::{Answer, Database};
use serde_json::json;

on_both_databases!(
    s101_wrong_tries_end_a_code_on_all_nodes_and_spend_a_budget,
    s101_many_guesses_at_once_are_worth_no_more,
    s106_two_at_once_get_one_login,
    s101_whoever_names_nobody_has_a_budget_for_all,
    s102_nobody_learns_who_has_an_account,
    codes_are_asked_for_six_times_in_ten_minutes_known_or_not,
    six_digits_are_never_enough_without_a_name,
);

async fn s101_wrong_tries_end_a_code_on_all_nodes_and_spend_a_budget(database: Database) {
    let shop = Shop::on(database).await;
    let here = shop.world.server.url.clone();
    let second = match database {
        Database::Postgres => {
            let second = shop.world.server.start_second_node().await;
            second.engine.tenant(&shop.world.tenant.id).await.unwrap();
            Some(second)
        }
        Database::Sqlite => None,
    };
    let there = second.as_ref().map_or(here.clone(), |second| second.url.clone());
    let try_at = |code: String, number: usize| {
        let url = shop.slas("passwordless/token").replace(&here, if number.is_multiple_of(2) { &here } else { &there });
        let form = [
            ("grant_type", "client_credentials".to_owned()),
            ("hint", "pwdless_login".to_owned()),
            ("pwdless_login_token", code),
            ("login_id", EMAIL.to_owned()),
        ];
        shop.send(shop.request(reqwest::Method::POST, &url).header("authorization", shop.basic()).form(&form))
    };
    // Four wrong ones are forgiven.
    let code = shop.mailed_code(EMAIL, &[]).await;
    let mut wrong = other_than(&code);
    for number in 0..4 {
        refused(&try_at(wrong.clone(), number).await, 401, "Invalid token");
        wrong = other_than(&wrong);
    }
    tokens(&try_at(code, 1).await);
    // Five are not.
    let code = shop.mailed_code(EMAIL, &[]).await;
    let mut wrong = other_than(&code);
    for number in 0..5 {
        refused(&try_at(wrong.clone(), number).await, 401, "Invalid token");
        wrong = other_than(&wrong);
    }
    refused(&try_at(code, 0).await, 401, "Invalid token");
    // Another code does not bring the tries back: from one place the account has ten, one more each quarter of an hour.
    let code = shop.mailed_code(EMAIL, &[]).await;
    let mut wrong = other_than(&code);
    for number in 0..4 {
        refused(&try_at(wrong.clone(), number).await, 401, "Invalid token");
        wrong = other_than(&wrong);
    }
    let answer = try_at(code.clone(), 0).await;
    refused(&answer, 429, "Too many");
    assert!(answer.headers.contains_key("retry-after"));
    shop.world.server.advance(900);
    refused(&try_at(code, 0).await, 401, "Invalid token");
    let trail = shop.world.engine();
    let filter = AuditFilter { verb: Some("customer.log_in_by_code".to_owned()), ..AuditFilter::default() };
    let entries = trail.audit_trail(&shop.world.tenant.id, &filter, "", 50).await.unwrap();
    assert_eq!(entries.iter().filter(|entry| entry.refusal.is_some()).count(), 15, "{entries:?}");
    assert!(entries.iter().all(|entry| !format!("{entry:?}").contains(EMAIL)), "no address in the trail");
}

async fn s101_many_guesses_at_once_are_worth_no_more(database: Database) {
    let shop = Shop::on(database).await;
    let code = shop.mailed_code(EMAIL, &[]).await;
    let mut wrong = other_than(&code);
    let mut guesses = Vec::new();
    for _ in 0..8 {
        guesses.push(wrong.clone());
        wrong = other_than(&wrong);
    }
    let named = [("login_id", EMAIL)];
    let answers = join_all(guesses.iter().map(|guess| shop.show(guess, &named))).await;
    assert!(answers.iter().all(|answer| answer.status == 401), "{answers:?}");
    refused(&shop.show(&code, &named).await, 401, "Invalid token");
}

async fn s106_two_at_once_get_one_login(database: Database) {
    let shop = Shop::on(database).await;
    for named in [&[("login_id", EMAIL)][..], &[]] {
        let code = shop.mailed_code(EMAIL, &[]).await;
        let answers = join_all((0..6).map(|_| shop.show(&code, named))).await;
        let (good, bad): (Vec<&Answer>, Vec<&Answer>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!(good.len(), 1, "{answers:?}");
        assert!(bad.iter().all(|answer| answer.status == 401), "{answers:?}");
    }
}

async fn s101_whoever_names_nobody_has_a_budget_for_all(database: Database) {
    let shop = Shop::on(database).await;
    for number in 0..40 {
        refused(&shop.show(&format!("{number:08}"), &[]).await, 401, "Invalid token");
    }
    let code = shop.mailed_code(EMAIL, &[]).await;
    refused(&shop.show("99999999", &[]).await, 429, "Too many");
    // Whoever says who they are is not kept out by the others.
    tokens(&shop.show(&code, &[("login_id", EMAIL)]).await);
    shop.world.server.advance(15);
    refused(&shop.show("99999998", &[]).await, 401, "Invalid token");
}

/// What an answer says, without what is another each time.
fn told(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id"))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (answer.status, headers, answer.text.clone())
}

async fn s102_nobody_learns_who_has_an_account(database: Database) {
    let shop = Shop::on(database).await;
    let unknown = "nobody@a.example";
    assert_eq!(told(&shop.ask(EMAIL, &[]).await), told(&shop.ask(unknown, &[]).await));
    let form = |user| {
        [("user_id", user), ("mode", "email"), ("channel_id", "main"), ("code_challenge", super::super::CHALLENGE)]
    };
    let known = shop.post(Kind::Public, "password/reset", &form(EMAIL)).await;
    assert_eq!(told(&known), told(&shop.post(Kind::Public, "password/reset", &form(unknown)).await));
    // What is written down says as much of the one as of the other.
    let engine = shop.world.engine();
    let filter = AuditFilter { verb: Some("code.request".to_owned()), ..AuditFilter::default() };
    let entries = engine.audit_trail(&shop.world.tenant.id, &filter, "", 50).await.unwrap();
    assert_eq!(entries.len(), 4);
    assert!(entries.iter().all(|entry| entry.actor_kind == "guest" && entry.subject_kind == "account"));
    assert_eq!(shop.world.server.mails().await.len(), 2, "ann alone is written to");
    shop.world.server.advance(1);
    let wrong = told(&shop.show("12345678", &[("login_id", EMAIL)]).await);
    assert_eq!(wrong, told(&shop.show("12345678", &[("login_id", unknown)]).await));
    assert_eq!(wrong, told(&shop.show("12345678", &[("login_id", "no address")]).await));
}

async fn codes_are_asked_for_six_times_in_ten_minutes_known_or_not(database: Database) {
    let shop = Shop::on(database).await;
    let unknown = "nobody@a.example";
    for _ in 0..6 {
        for user in [EMAIL, unknown] {
            assert_eq!(shop.ask(user, &[]).await.status, 200);
        }
        shop.world.server.advance(60);
    }
    let answers = [shop.ask(EMAIL, &[]).await, shop.ask(unknown, &[]).await];
    for answer in &answers {
        refused(answer, 400, "Too many login requests were made. Please try again later.");
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert_eq!(told(&answers[0]), told(&answers[1]));
    // Another person, and another purpose, are not concerned.
    assert_eq!(shop.ask("somebody@a.example", &[]).await.status, 200);
    let form = [("user_id", EMAIL), ("mode", "email"), ("channel_id", "main")];
    assert_eq!(shop.post(Kind::Private, "password/reset", &form).await.status, 200);
    // Ten minutes after the first one there is room for one.
    shop.world.server.advance(240);
    assert_eq!(shop.ask(EMAIL, &[]).await.status, 200);
    refused(&shop.ask(EMAIL, &[]).await, 400, "Too many");
}

async fn six_digits_are_never_enough_without_a_name(database: Database) {
    let shop = Shop::on(database).await;
    shop.registers("priv", json!({ "is_six_digit_otp": true })).await;
    let code = shop.mailed_code(EMAIL, &[]).await;
    assert_eq!(code.len(), 6);
    refused(&shop.show(&code, &[]).await, 400, "login_id is needed");
    tokens(&shop.show(&code, &[("login_id", EMAIL)]).await);
}
