//! Signing up, forgetting, changing and confirming: what happens once, what ends with it, and what nobody learns.

use super::{is_refused_bearer, text};
use crate::arrange::on_both_databases;
use prokura_domain::{AssignmentKind, CompanyKind, CustomerState, GroupCode};
use prokura_engine::{
    Actor, CreateLegalEntity, LegalEntityDetails, MailSettings, NewAssignment, Origin, SignUp, TenantSettings,
};
use prokura_testkit::{Acme, Answer, Database, Options, Tokens};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases!(
    e36_a_registration_id_alone_opens_no_company,
    who_names_a_new_company_founds_it_once,
    s22_a_reset_link_is_redeemed_by_exactly_one,
);

const SIGN_UP: &str = "/customer/acme/signup";
const RESET: &str = "/customer/acme/password/reset";
const UPDATE: &str = "/customer/acme/password/reset/update";
const NEW_PASSWORD: &str = "battery staple";

async fn post(acme: &Acme, path: &str, bearer: &str, body: &Value) -> Answer {
    acme.server.post(path, Some(bearer), body).await
}

async fn settled(change: impl FnOnce(&mut TenantSettings)) -> Acme {
    let mut settings = prokura_emporix::tenant_settings();
    change(&mut settings);
    Acme::start_with(Options { settings: Some(settings), ..Options::default() }).await
}

async fn me(acme: &Acme, tokens: &Tokens) -> Value {
    let answer = acme.server.get("/customer/acme/me", Some(&tokens.access)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// A company with a registration id, and ann as its administrator.
async fn registered(acme: &Acme, id: &str, registration: &str) {
    let details =
        LegalEntityDetails { registration_id: Some(registration.to_owned()), ..LegalEntityDetails::default() };
    let request = CreateLegalEntity {
        id: Some(id.parse().unwrap()),
        name: "Registered".to_owned(),
        kind: CompanyKind::Company,
        parent: None,
        details,
    };
    let (engine, origin) = (&acme.server.engine, Origin::local("test"));
    engine.create_legal_entity(&acme.tenant, &request, &Actor::System, &origin).await.unwrap();
    let request = NewAssignment {
        id: None,
        legal_entity: id.parse().unwrap(),
        customer: acme.customer("ann"),
        kind: AssignmentKind::Primary,
        is_primary: true,
        group: Some(GroupCode::Admin),
    };
    engine.assign(&acme.tenant, &request, &Actor::System, &origin).await.unwrap();
}

fn sign_up_body(email: &str, registration: Option<&str>) -> Value {
    json!({
        "email": email,
        "password": Acme::PASSWORD,
        "customerDetails": {
            "firstName": "Eva", "lastName": "Neu", "company": "Neu GmbH", "contactEmail": email,
            "b2b": registration.map(|registration| json!({ "companyRegistrationId": registration })),
        },
        "signup": { "email": email, "password": Acme::PASSWORD },
        "customerAddress": { "contactName": "Eva Neu", "city": "Berlin", "country": "DE" },
    })
}

async fn signed_up(acme: &Acme, email: &str, registration: Option<&str>) -> Tokens {
    let guest = acme.guest().await;
    let answer = post(acme, SIGN_UP, &guest.access, &sign_up_body(email, registration)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert!(!text(&answer, "/id").is_empty());
    Tokens::of(&acme.try_log_in(&guest.access, email, Acme::PASSWORD).await)
}

async fn e36_a_registration_id_alone_opens_no_company(database: Database) {
    let acme = Acme::start_on(database).await;
    registered(&acme, "le-36", "HRB 36").await;
    let eva = signed_up(&acme, "eva@n.example", Some("HRB 36")).await;
    let profile = me(&acme, &eva).await;
    assert_eq!(profile["businessModel"], "B2C");
    assert_eq!(profile["b2b"]["legalEntities"], json!([]));
    let guest = acme.guest().await;
    let refused = acme.try_refresh(&guest.access, &eva.refresh, Some("le-36")).await;
    assert_eq!(refused.status, 400, "{}", refused.text);

    let list = "/customer/acme/join-requests?q=status:pending";
    let ann_elsewhere = acme.acting_for("ann", "le-1").await;
    let elsewhere = acme.server.get(list, Some(&ann_elsewhere.access)).await;
    assert_eq!((elsewhere.status, elsewhere.json()), (200, json!([])), "another company's requests are not theirs");
    let bob = acme.acting_for("bob", "le-1").await;
    assert_eq!(acme.server.get(list, Some(&bob.access)).await.status, 403);
    let ann = acme.acting_for("ann", "le-36").await;
    let waiting = acme.server.get(list, Some(&ann.access)).await;
    assert_eq!(text(&waiting, "/0/legalEntity/id"), "le-36", "{}", waiting.text);
    let accept = format!("/customer/acme/join-requests/{}/accept?role=B2B_BUYER", text(&waiting, "/0/id"));
    assert_eq!(post(&acme, &accept, &ann_elsewhere.access, &json!({})).await.status, 404);
    assert_eq!(post(&acme, &accept, &ann.access, &json!({})).await.status, 204);
    assert_eq!(post(&acme, &accept, &ann.access, &json!({})).await.status, 409, "it is decided once");

    let profile = me(&acme, &eva).await;
    assert_eq!(profile["businessModel"], "B2B");
    assert_eq!(profile["b2b"]["legalEntities"][0]["id"], "le-36");
    assert_eq!(acme.try_refresh(&guest.access, &eva.refresh, Some("le-36")).await.status, 200);
}

#[tokio::test]
async fn e36_a_request_can_be_rejected_and_the_rule_can_be_another() {
    let acme = Acme::start().await;
    registered(&acme, "le-36", "HRB 36").await;
    let eva = signed_up(&acme, "eva@n.example", Some("HRB 36")).await;
    let service = acme.service().await;
    let waiting = acme.server.get("/customer/acme/join-requests", Some(&service)).await;
    let reject = format!("/customer/acme/join-requests/{}/reject", text(&waiting, "/0/id"));
    assert_eq!(post(&acme, &reject, &service, &json!({})).await.status, 204);
    assert_eq!(me(&acme, &eva).await["businessModel"], "B2C");

    for (join, expected) in [("auto", "B2B"), ("off", "B2C")] {
        let acme = settled(|settings| settings.sign_up = SignUp { join: join.to_owned(), ..SignUp::default() }).await;
        registered(&acme, "le-36", "HRB 36").await;
        let eva = signed_up(&acme, "eva@n.example", Some("HRB 36")).await;
        assert_eq!(me(&acme, &eva).await["businessModel"], expected, "{join}");
        let waiting = acme.server.get("/customer/acme/join-requests", Some(&acme.service().await)).await;
        assert_eq!(waiting.json(), json!([]), "{join}");
    }
}

async fn who_names_a_new_company_founds_it_once(database: Database) {
    let acme = Acme::start_on(database).await;
    let guest = acme.guest().await;
    let bodies: Vec<_> = (0..4).map(|n| sign_up_body(&format!("eva{n}@n.example"), Some("HRB 99"))).collect();
    let answers = futures_join(bodies.iter().map(|body| post(&acme, SIGN_UP, &guest.access, body))).await;
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    let mut founders = 0;
    for n in 0..4 {
        let answer = acme.try_log_in(&acme.guest().await.access, &format!("eva{n}@n.example"), Acme::PASSWORD).await;
        let tokens = Tokens::of(&answer);
        if me(&acme, &tokens).await["b2b"]["legalEntities"].as_array().unwrap().len() == 1 {
            founders += 1;
            // The one company counts without a choice, and who founded it manages its people.
            let people = acme.server.get("/customer/acme/customers", Some(&tokens.access)).await;
            assert_eq!(people.status, 200, "{}", people.text);
        }
    }
    assert_eq!(founders, 1);
    let waiting = acme.server.get("/customer/acme/join-requests", Some(&acme.service().await)).await;
    assert_eq!(waiting.json().as_array().unwrap().len(), 3);
}

async fn futures_join<F: Future<Output = Answer>>(requests: impl Iterator<Item = F>) -> Vec<Answer> {
    futures_util::future::join_all(requests).await
}

#[tokio::test]
async fn a_sign_up_says_what_is_wrong_by_the_names_of_the_wire() {
    let acme = Acme::start().await;
    let guest = acme.guest().await;
    let with = |pointer: &str, value: Value| {
        let mut body = sign_up_body("eva@n.example", Some("HRB 1"));
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    for (body, field) in [
        (json!({}), "email"),
        (json!({ "email": "eva@n.example" }), "password"),
        (with("/signup/email", json!("other@n.example")), "signup.email"),
        (with("/signup/password", json!("another one")), "signup.password"),
        (with("/customerDetails/contactEmail", json!("other@n.example")), "customerDetails.contactEmail"),
        (with("/customerDetails/company", json!("")), "customerDetails.company"),
        (with("/customerDetails/firstName", json!(7)), "customerDetails.firstName"),
        (with("/customerDetails", json!("x")), "customerDetails"),
        (with("/customerAddress/contactName", Value::Null), "customerAddress.contactName"),
        (with("/customerAddress/country", json!("Germany")), "customerAddress.country"),
        (with("/email", json!("no address")), "email"),
    ] {
        let answer = post(&acme, SIGN_UP, &guest.access, &body).await;
        assert_eq!((answer.status, &*text(&answer, "/type")), (400, "validation_failure"), "{}", answer.text);
        let details = answer.json()["details"].as_array().cloned().unwrap_or_default();
        assert!(details.iter().any(|detail| detail["field"] == field), "{field}: {}", answer.text);
        assert!(!answer.text.contains("another one"), "a password is never repeated");
    }
    let short = json!({ "email": "eva@n.example", "password": "12345" });
    assert_eq!(text(&post(&acme, SIGN_UP, &guest.access, &short).await, "/details/0/field"), "password");
    assert_eq!(post(&acme, SIGN_UP, "nobody", &short).await.status, 401);

    // The old form alone, and `null` where there is nothing to say.
    let mut old = sign_up_body("eva@n.example", None);
    old.as_object_mut().unwrap().retain(|name, _| name != "email" && name != "password");
    assert_eq!(old["customerDetails"]["b2b"], Value::Null);
    assert_eq!(post(&acme, SIGN_UP, &guest.access, &old).await.status, 201);
    let twice = post(&acme, SIGN_UP, &guest.access, &sign_up_body("EVA@n.example", None)).await;
    assert_eq!(twice.status, 409);
    assert_eq!(text(&twice, "/type"), "conflict_resource");
    assert_eq!(text(&twice, "/message"), "Duplicate account 'EVA@n.example' for tenant 'acme'.");
    let eva = Tokens::of(&acme.try_log_in(&guest.access, "eva@n.example", Acme::PASSWORD).await);
    let addresses = acme.server.get("/customer/acme/me/addresses", Some(&eva.access)).await;
    assert_eq!(text(&addresses, "/0/city"), "Berlin");
}

#[tokio::test]
async fn a_sign_up_that_needs_confirming_waits_for_its_mail_and_s22_counts_it_once() {
    let acme = settled(|settings| settings.sign_up.needs_confirmation = true).await;
    let guest = acme.guest().await;
    let body = sign_up_body("eva@n.example", Some("HRB 5"));
    assert_eq!(post(&acme, SIGN_UP, &guest.access, &body).await.status, 201);
    let too_early = acme.try_log_in(&guest.access, "eva@n.example", Acme::PASSWORD).await;
    assert_eq!(too_early.status, 401);
    let first = acme.server.mailed_token().await;
    acme.server.advance(1);
    let again = "/customer/acme/signup/optin/refresh_token";
    for email in ["eva@n.example", "nobody@n.example", "ann@a.example"] {
        let answer = post(&acme, again, &guest.access, &json!({ "email": email })).await;
        assert_eq!((answer.status, &*answer.text), (202, ""), "{email}");
    }
    assert_eq!(acme.server.mails().await.len(), 2, "only who waits gets a mail");
    let token = acme.server.mailed_token().await;
    let path = |token: &str| format!("/customer/acme/signup/optin/{token}");
    assert_eq!(acme.server.get(&path(&first), Some(&guest.access)).await.status, 400, "only the newest mail counts");
    assert_eq!(acme.server.get(&path(&token), None).await.status, 401);
    let (path, bearer) = (path(&token), guest.access.as_str());
    let answers = futures_join((0..6).map(|_| acme.server.get(&path, Some(bearer)))).await;
    let confirmed: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(confirmed.len(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 400)), "{answers:?}");
    let eva = Tokens::of(confirmed[0]);
    assert_eq!(eva.session, guest.session);
    assert_eq!(me(&acme, &eva).await["businessModel"], "B2B", "the company waited for the confirmation");
    assert_eq!(acme.try_log_in(&guest.access, "eva@n.example", Acme::PASSWORD).await.status, 200);
}

#[tokio::test]
async fn new_accounts_start_as_the_tenant_says() {
    for (is_active, is_on_hold) in [(false, false), (true, true)] {
        let acme = settled(|settings| {
            settings.sign_up.is_active_on_creation = is_active;
            settings.sign_up.is_on_hold_on_creation = is_on_hold;
        })
        .await;
        let guest = acme.guest().await;
        assert_eq!(post(&acme, SIGN_UP, &guest.access, &sign_up_body("eva@n.example", None)).await.status, 201);
        assert_eq!(acme.try_log_in(&guest.access, "eva@n.example", Acme::PASSWORD).await.status, 401);
    }
}

#[tokio::test]
async fn e37_nobody_gets_a_mail_for_an_address_nobody_has() {
    let acme = Acme::start().await;
    let guest = acme.guest().await;
    for path in [RESET.to_owned(), format!("{RESET}/")] {
        let answer = post(&acme, &path, &guest.access, &json!({ "email": "nobody@a.example" })).await;
        assert_eq!((answer.status, &*answer.text), (204, ""));
    }
    assert!(acme.server.mails().await.is_empty());
    assert_eq!(
        post(&acme, RESET, &guest.access, &json!({ "email": "Ann@A.example", "site": "main" })).await.status,
        204
    );
    let mails = acme.server.mails().await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("To: ann@a.example"), "{}", mails[0]);
    assert_eq!(post(&acme, RESET, &guest.access, &json!({})).await.status, 400);
}

#[tokio::test]
async fn s102_a_reset_is_answered_alike_for_known_and_unknown() {
    let acme = Acme::start().await;
    let guest = acme.guest().await;
    let (engine, origin) = (&acme.server.engine, Origin::local("test"));
    let cyd = acme.customer("cyd");
    engine.set_customer_state(&acme.tenant, &cyd, CustomerState::OnHold, &Actor::System, &origin).await.unwrap();
    let mut seen = Vec::new();
    for email in ["ann@a.example", "nobody@a.example", "cyd@a.example"] {
        // The sixth one within minutes gets no mail, and is told nothing else either.
        for _ in 0..7 {
            let answer = post(&acme, RESET, &guest.access, &json!({ "email": email })).await;
            let mut headers = answer.headers.clone();
            headers.remove("x-request-id");
            headers.remove("date");
            seen.push((answer.status, answer.text, format!("{headers:?}")));
        }
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(acme.server.mails().await.len(), 5, "ann's, and no more than her budget");
}

async fn s22_a_reset_link_is_redeemed_by_exactly_one(database: Database) {
    let acme = Acme::start_on(database).await;
    let guest = acme.guest().await;
    post(&acme, RESET, &guest.access, &json!({ "email": "ann@a.example" })).await;
    let token = acme.server.mailed_token().await;
    let passwords: Vec<_> = (0..8).map(|n| format!("battery staple {n}")).collect();
    let bodies: Vec<_> = passwords.iter().map(|password| json!({ "token": token, "password": password })).collect();
    let answers = futures_join(bodies.iter().map(|body| post(&acme, UPDATE, &guest.access, body))).await;
    let winners: Vec<_> = answers.iter().zip(&passwords).filter(|(answer, _)| answer.status == 204).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer.status, 204 | 400)), "{answers:?}");
    assert_eq!(acme.try_log_in(&guest.access, "ann@a.example", winners[0].1).await.status, 200);
    assert_eq!(acme.try_log_in(&guest.access, "ann@a.example", Acme::PASSWORD).await.status, 401);
}

#[tokio::test]
async fn s99_links_in_mails_never_come_from_the_host_header() {
    let prefix = "https://shop.example/{purpose}?token=";
    let acme = settled(|settings| {
        settings.mail = MailSettings { link_prefix: prefix.to_owned(), ..MailSettings::default() };
    })
    .await;
    let guest = acme.guest().await;
    let headers = [("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example")];
    let body = json!({ "email": "ann@a.example", "site": "https://evil.example" });
    let answer = acme.call(Method::POST, RESET, Some(&guest.access), &headers, Some(&body)).await;
    assert_eq!(answer.status, 204);
    let mails = acme.server.mails().await;
    let mail = mails[0].replace("=\n", "").replace("=3D", "=");
    assert!(mail.contains("https://shop.example/password_reset?token=pkr_lt_"), "{mail}");
    assert!(!mail.contains("evil"), "{mail}");
}

#[tokio::test]
async fn s106_a_reset_link_ends_everything_and_is_good_once_and_for_ten_minutes() {
    let acme = Acme::start().await;
    let (ann, guest) = (acme.acting_for("ann", "le-1").await, acme.guest().await);
    let request = json!({ "email": "ann@a.example" });
    let update = |token: &str| json!({ "token": token, "password": NEW_PASSWORD });

    post(&acme, RESET, &guest.access, &request).await;
    let late = acme.server.mailed_token().await;
    acme.server.advance(600);
    let guest = acme.guest().await;
    let answer = post(&acme, UPDATE, &guest.access, &update(&late)).await;
    assert_eq!((answer.status, &*text(&answer, "/type")), (400, "validation_failure"));

    post(&acme, RESET, &guest.access, &request).await;
    let older = acme.server.mailed_token().await;
    acme.server.advance(1);
    post(&acme, RESET, &guest.access, &request).await;
    let token = acme.server.mailed_token().await;
    assert_ne!(older, token);
    for bad in [older.as_str(), "pkr_lt_unknown"] {
        assert_eq!(post(&acme, UPDATE, &guest.access, &update(bad)).await.text, answer.text, "one answer for all");
    }
    let short = json!({ "token": token, "password": "12345" });
    assert_eq!(text(&post(&acme, UPDATE, &guest.access, &short).await, "/details/0/field"), "password");
    assert_eq!(post(&acme, UPDATE, &guest.access, &update(&token)).await.status, 204);
    assert_eq!(post(&acme, UPDATE, &guest.access, &update(&token)).await.text, answer.text, "once");

    assert!(is_refused_bearer(&acme.server.get("/customer/acme/me", Some(&ann.access)).await));
    assert_eq!(acme.try_refresh(&guest.access, &ann.refresh, Some("le-1")).await.status, 401);
    assert_eq!(acme.try_log_in(&guest.access, "ann@a.example", NEW_PASSWORD).await.status, 200);
    // Neither in the tables nor in the outbox does a link stand as it was mailed.
    if let prokura_engine::DatabaseConfig::Sqlite { path, .. } = &acme.server.database {
        for suffix in ["", "-wal"] {
            let bytes = std::fs::read(format!("{}{suffix}", path.display())).unwrap_or_default();
            let random = token.strip_prefix("pkr_lt_").unwrap().as_bytes();
            assert!(!bytes.windows(random.len()).any(|window| window == random), "{suffix}");
        }
    }
}

#[tokio::test]
async fn s101_a_link_mailed_before_somebody_was_stopped_is_void() {
    let acme = Acme::start().await;
    let guest = acme.guest().await;
    post(&acme, RESET, &guest.access, &json!({ "email": "ann@a.example" })).await;
    let token = acme.server.mailed_token().await;
    let (engine, ann, origin) = (&acme.server.engine, acme.customer("ann"), Origin::local("test"));
    engine.set_customer_state(&acme.tenant, &ann, CustomerState::Inactive, &Actor::System, &origin).await.unwrap();
    let answer = post(&acme, UPDATE, &guest.access, &json!({ "token": token, "password": NEW_PASSWORD })).await;
    assert_eq!(answer.status, 400);
    engine.set_customer_state(&acme.tenant, &ann, CustomerState::Active, &Actor::System, &origin).await.unwrap();
    assert_eq!(acme.try_log_in(&guest.access, "ann@a.example", Acme::PASSWORD).await.status, 200);
}

#[tokio::test]
async fn changing_the_password_ends_the_others_and_keeps_this_one() {
    let acme = Acme::start().await;
    let (here, there) = (acme.log_in("ann").await, acme.log_in("ann").await);
    let path = "/customer/acme/password/change";
    let body = |current: &str, new: &str| json!({ "currentPassword": current, "newPassword": new });
    let wrong = post(&acme, path, &here.access, &body("wrong horse", NEW_PASSWORD)).await;
    assert_eq!((wrong.status, &*text(&wrong, "/details/0/field")), (400, "currentPassword"), "{}", wrong.text);
    let short = post(&acme, path, &here.access, &body(Acme::PASSWORD, "12345")).await;
    assert_eq!((short.status, &*text(&short, "/details/0/field")), (400, "newPassword"), "{}", short.text);
    assert_eq!(post(&acme, path, &acme.guest().await.access, &body(Acme::PASSWORD, NEW_PASSWORD)).await.status, 401);
    assert_eq!(post(&acme, path, &here.access, &body(Acme::PASSWORD, NEW_PASSWORD)).await.status, 204);
    assert_eq!(acme.server.get("/customer/acme/me", Some(&here.access)).await.status, 200);
    assert!(is_refused_bearer(&acme.server.get("/customer/acme/me", Some(&there.access)).await));
    let guest = acme.guest().await;
    assert_eq!(acme.try_refresh(&guest.access, &there.refresh, None).await.status, 401);
    assert_eq!(acme.try_refresh(&guest.access, &here.refresh, None).await.status, 200);
    assert_eq!(acme.try_log_in(&guest.access, "ann@a.example", Acme::PASSWORD).await.status, 401);
    assert_eq!(acme.try_log_in(&guest.access, "ann@a.example", NEW_PASSWORD).await.status, 200);
}

#[tokio::test]
async fn s101_changing_the_password_is_a_door_of_its_own() {
    let acme = Acme::start().await;
    let ann = acme.log_in("ann").await;
    let mut statuses = Vec::new();
    for n in 0..12 {
        let body = json!({ "currentPassword": format!("wrong {n}"), "newPassword": NEW_PASSWORD });
        let answer = post(&acme, "/customer/acme/password/change", &ann.access, &body).await;
        if answer.status == 429 {
            let seconds: u32 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!(seconds <= 8);
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [400, 400, 400, 400, 400, 400, 400, 400, 400, 400, 429, 429]);
    assert_eq!(acme.try_log_in(&acme.guest().await.access, "ann@a.example", Acme::PASSWORD).await.status, 200);
}

#[tokio::test]
async fn another_address_is_confirmed_from_its_mailbox_and_s22_only_once() {
    let acme = Acme::start().await;
    let (ann, guest) = (acme.log_in("ann").await, acme.guest().await);
    let path = "/customer/acme/me/accounts/internal/email/change";
    let body =
        |email: &str, password: &str, new: &str| json!({ "email": email, "password": password, "newEmail": new });
    for (body, field) in [
        (body("ann@a.example", "wrong horse", "ann@new.example"), "password"),
        (body("bob@a.example", Acme::PASSWORD, "ann@new.example"), "email"),
        (body("ann@a.example", Acme::PASSWORD, "none"), "newEmail"),
    ] {
        let answer = post(&acme, path, &ann.access, &body).await;
        assert_eq!((answer.status, &*text(&answer, "/details/0/field")), (400, field), "{}", answer.text);
    }
    // Whether somebody has an address is not told.
    let taken = post(&acme, path, &ann.access, &body("ann@a.example", Acme::PASSWORD, "bob@a.example")).await;
    assert_eq!((taken.status, acme.server.mails().await.len()), (204, 0));
    let asked = post(&acme, path, &ann.access, &body("Ann@a.example", Acme::PASSWORD, "ann@new.example")).await;
    assert_eq!(asked.status, 204, "{}", asked.text);
    assert!(acme.server.mails().await[0].contains("To: ann@new.example"));
    assert_eq!(acme.try_log_in(&guest.access, "ann@new.example", Acme::PASSWORD).await.status, 401);
    let link = json!({ "token": acme.server.mailed_token().await });
    assert_eq!(
        post(&acme, UPDATE, &guest.access, &json!({ "token": link["token"], "password": NEW_PASSWORD })).await.status,
        400,
        "a link is good for its purpose alone"
    );
    let confirm = format!("{path}/confirm");
    let answers = futures_join((0..6).map(|_| post(&acme, &confirm, &guest.access, &link))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer.status, 204 | 400)), "{answers:?}");
    assert_eq!(acme.try_log_in(&guest.access, "ann@a.example", Acme::PASSWORD).await.status, 401);
    let ann = Tokens::of(&acme.try_log_in(&acme.guest().await.access, "ann@new.example", Acme::PASSWORD).await);
    let profile = me(&acme, &ann).await;
    assert_eq!(profile["accounts"][0]["id"], "ann@new.example");
    assert_eq!(profile["contactEmail"], "ann@a.example", "who writes to them was not part of the wish");
}
