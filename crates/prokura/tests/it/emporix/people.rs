//! Customers, as a backend and as an administrator of a company manage them.

use super::text;
use crate::arrange::on_both_databases;
use prokura_domain::GroupCode;
use prokura_testkit::{Acme, Answer, Database};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases!(e43_administrators_manage_the_people_of_their_company,);

const CUSTOMERS: &str = "/customer/acme/customers";
const OLD_PREFIX: &str = "/caas-customer/acme/customers";

async fn call(acme: &Acme, method: Method, path: &str, bearer: &str, body: Option<Value>) -> Answer {
    acme.call(method, path, Some(bearer), &[], body.as_ref()).await
}

fn ids(answer: &Answer) -> Vec<String> {
    let list = answer.json();
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {}", answer.text)).clone();
    list.iter().map(|item| item["id"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn e43_administrators_manage_the_people_of_their_company(database: Database) {
    let acme = Acme::start_on(database).await;
    let (ann, bob) = (acme.acting_for("ann", "le-1").await, acme.acting_for("bob", "le-1").await);
    let list = format!("{OLD_PREFIX}?pageSize=100");
    let answer = acme.server.get(&list, Some(&ann.access)).await;
    assert_eq!((answer.status, ids(&answer)), (200, vec!["ann".to_owned(), "bob".to_owned()]));
    assert_eq!(answer.headers["count"], "2");
    assert_eq!(answer.json()[1]["b2b"]["legalEntities"][0]["id"], "le-1");
    let new = json!({ "firstName": "Eva", "lastName": "Neu", "contactEmail": "eva@n.example" });
    let made = call(
        &acme,
        Method::POST,
        &format!("{OLD_PREFIX}?sendPasswordResetNotifications=true"),
        &ann.access,
        Some(new.clone()),
    )
    .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let eva = format!("{OLD_PREFIX}/{}", text(&made, "/id"));
    let patched = call(&acme, Method::PATCH, &eva, &ann.access, Some(json!({ "firstName": "Evi" }))).await;
    assert_eq!((patched.status, &*text(&patched, "/firstName")), (200, "Evi"), "{}", patched.text);
    assert_eq!(patched.json()["b2b"]["legalEntities"][0]["id"], "le-1", "in the company from the first moment");
    // Nobody chose a password for them: they do, with the mail.
    let update = json!({ "token": acme.server.mailed_token().await, "password": "battery staple" });
    let guest = acme.guest().await;
    let reset = call(&acme, Method::POST, "/customer/acme/password/reset/update", &guest.access, Some(update)).await;
    assert_eq!(reset.status, 204, "{}", reset.text);
    assert_eq!(acme.try_log_in(&guest.access, "eva@n.example", "battery staple").await.status, 200);

    for (method, path, body) in [
        (Method::GET, list.as_str(), None),
        (Method::POST, OLD_PREFIX, Some(new)),
        (Method::PATCH, eva.as_str(), Some(json!({ "firstName": "E" }))),
        (Method::DELETE, eva.as_str(), None),
    ] {
        let answer = call(&acme, method.clone(), path, &bob.access, body).await;
        assert_eq!(answer.status, 403, "{method} {path} {}", answer.text);
    }
}

#[tokio::test]
async fn e44_nobody_sees_the_people_of_a_company_they_do_not_manage() {
    let acme = Acme::start().await;
    let bob = acme.acting_for("bob", "le-1").await;
    let in_buyer_role = acme.acting_for("ann", "le-2").await;
    let without_choice = acme.log_in("ann").await;
    let guest = acme.guest().await;
    for (who, bearer) in [
        ("bob", &bob.access),
        ("ann in le-2", &in_buyer_role.access),
        ("ann", &without_choice.access),
        ("guest", &guest.access),
    ] {
        for path in [CUSTOMERS.to_owned(), format!("{CUSTOMERS}/dee"), format!("{CUSTOMERS}/dee/addresses")] {
            let answer = acme.server.get(&path, Some(bearer)).await;
            assert_eq!(answer.status, 403, "{who} {path}");
            assert!(!answer.text.contains("Voss"));
        }
    }
    let answer = acme.server.get(CUSTOMERS, Some(&bob.access)).await;
    assert!(answer.text.contains("missing scope: customer.customer_read"), "{}", answer.text);
}

#[tokio::test]
async fn s73_whoever_is_out_of_reach_looks_like_nobody() {
    let acme = Acme::start().await;
    let ann = acme.acting_for("ann", "le-1").await;
    for (method, body) in [
        (Method::GET, None),
        (Method::PATCH, Some(json!({ "firstName": "x" }))),
        (Method::PUT, Some(json!({ "contactEmail": "x@x.example" }))),
        (Method::DELETE, None),
    ] {
        let mut answers = Vec::new();
        for id in ["dee", "cyd", "nobody", "no%20id"] {
            let answer = call(&acme, method.clone(), &format!("{CUSTOMERS}/{id}"), &ann.access, body.clone()).await;
            answers.push((answer.status, answer.text));
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{method} {answers:?}");
        assert_eq!(answers[0].0, 404);
        assert!(answers[0].1.contains("Customer not Found") && answers[0].1.contains("application/json"));
    }
    for path in ["?q=id:dee", "?q=contactEmail:dee@a.example", "?q=lastName:Voss"] {
        assert!(ids(&acme.server.get(&format!("{CUSTOMERS}{path}"), Some(&ann.access)).await).is_empty(), "{path}");
    }
}

#[tokio::test]
async fn administrators_have_no_say_over_who_belongs_elsewhere_too() {
    let acme = Acme::start().await;
    acme.assign("dee", "le-1", Some(GroupCode::Buyer)).await;
    let ann = acme.acting_for("ann", "le-1").await;
    let dee = format!("{CUSTOMERS}/dee");
    assert_eq!(acme.server.get(&dee, Some(&ann.access)).await.status, 200);
    for body in [json!({ "firstName": "x" }), json!({ "active": false }), json!({ "contactEmail": "ann@evil.example" })]
    {
        assert_eq!(call(&acme, Method::PATCH, &dee, &ann.access, Some(body)).await.status, 403);
    }
    let addresses = format!("{dee}/addresses");
    assert_eq!(call(&acme, Method::POST, &addresses, &ann.access, Some(json!({ "city": "x" }))).await.status, 403);
    let acting = acme.acting_for("dee", "le-1").await;
    assert_eq!(call(&acme, Method::DELETE, &dee, &ann.access, None).await.status, 202);
    assert_eq!(acme.server.get(&dee, Some(&ann.access)).await.status, 404);
    assert_eq!(acme.validate(&acting.access).await.status, 401, "what acted by the assignment ends");
    let dee = acme.log_in("dee").await;
    let me = acme.server.get("/customer/acme/me", Some(&dee.access)).await;
    assert_eq!(
        me.json()["b2b"]["legalEntities"].as_array().unwrap().len(),
        1,
        "the account and the other company stay"
    );

    for (body, status) in [
        (json!({ "contactEmail": "e@n.example", "type": "CONTACT" }), 403),
        (json!({ "contactEmail": "e@n.example", "restriction": "DE" }), 403),
        (json!({ "contactEmail": "e@n.example", "password": "battery staple" }), 400),
        (json!({ "contactEmail": "bob@a.example" }), 409),
    ] {
        let answer = call(&acme, Method::POST, CUSTOMERS, &ann.access, Some(body)).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
}

#[tokio::test]
async fn a_backend_makes_reads_changes_and_deletes_customers() {
    let acme = Acme::start().await;
    let service = acme.service().await;
    let new = json!({
        "id": "4711", "contactEmail": "eva@n.example", "firstName": "Eva", "password": "first one", "restriction": "DE",
        "photoUrl": "https://p.example/e.png", "mixins": { "crm": { "a": 1 } },
    });
    let made = call(&acme, Method::POST, CUSTOMERS, &service, Some(new.clone())).await;
    assert_eq!((made.status, &*text(&made, "/id")), (201, "4711"));
    let twice = call(&acme, Method::POST, CUSTOMERS, &service, Some(new)).await;
    assert_eq!(
        (twice.status, &*text(&twice, "/message")),
        (409, "Duplicate account 'eva@n.example' for tenant 'acme'.")
    );
    let guest = acme.guest().await;
    let logged_in = acme.try_log_in(&guest.access, "eva@n.example", "first one").await;
    assert_eq!(logged_in.json()["initialPassword"], json!(true));
    let tokens = prokura_testkit::Tokens::of(&logged_in);

    let eva = format!("{CUSTOMERS}/4711");
    let patched =
        call(&acme, Method::PATCH, &eva, &service, Some(json!({ "onHold": true, "restriction": null }))).await;
    assert_eq!(patched.status, 200, "{}", patched.text);
    assert_eq!((&patched.json()["onHold"], patched.json().get("restriction")), (&json!(true), None));
    assert_eq!(acme.validate(&tokens.access).await.status, 401, "who is on hold is out");
    assert_eq!(acme.try_log_in(&guest.access, "eva@n.example", "first one").await.status, 401);
    let put =
        call(&acme, Method::PUT, &eva, &service, Some(json!({ "contactEmail": "eva@n.example", "lastName": "Neu" })))
            .await;
    assert_eq!((put.status, &*put.text), (204, ""));
    let body = acme.server.get(&eva, Some(&service)).await.json();
    assert_eq!((&body["firstName"], &body["lastName"], &body["mixins"]), (&json!(""), &json!("Neu"), &json!({})));
    let fresh = format!("{CUSTOMERS}/4712");
    let put = call(&acme, Method::PUT, &fresh, &service, Some(json!({ "contactEmail": "eve@n.example" }))).await;
    assert_eq!((put.status, &*text(&put, "/id")), (201, "4712"));
    let made = call(&acme, Method::POST, &format!("{eva}/addresses"), &service, Some(json!({ "city": "Bonn" }))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let expanded = acme.server.get(&format!("{eva}?expand=addresses"), Some(&service)).await;
    assert_eq!(text(&expanded, "/addresses/0/city"), "Bonn");
    assert_eq!(call(&acme, Method::DELETE, &eva, &service, None).await.status, 202);
    assert_eq!(acme.server.get(&eva, Some(&service)).await.status, 404);
    let put = call(&acme, Method::PUT, &eva, &service, Some(json!({ "contactEmail": "eva@n.example" }))).await;
    assert_eq!(put.status, 409, "an id is never used again");
}

#[tokio::test]
async fn lists_of_customers_are_narrowed_sorted_and_counted() {
    let acme = Acme::start().await;
    let service = acme.service().await;
    let get = async |query: &str| acme.server.get(&format!("{CUSTOMERS}?{query}"), Some(&service)).await;
    let all = get("").await;
    assert_eq!(
        (ids(&all), &all.headers["count"]),
        (["ann", "bob", "cyd", "dee"].map(str::to_owned).to_vec(), &"4".parse().unwrap())
    );
    assert!(all.headers.get("x-total-count").is_some());
    for (query, expected) in [
        ("pageSize=3&pageNumber=2", vec!["dee"]),
        ("sort=lastName:desc", vec!["dee", "cyd", "ann", "bob"]),
        ("q=contactEmail:dee@a.example", vec!["dee"]),
        ("q=accounts.id:dee@a.example", vec!["dee"]),
        ("q=id:cyd", vec!["cyd"]),
        ("q=lastName:~e%20active:true", vec!["ann", "bob"]),
        ("q=firstName:(ann,cyd)&sort=id:desc", vec!["cyd", "ann"]),
        ("q=company:missing", vec![]),
        ("q=metadata.createdAt:%3E2000-01-01&pageSize=2", vec!["ann", "bob"]),
    ] {
        assert_eq!(ids(&get(query).await), expected, "{query}");
    }
    assert_eq!(
        get("fields=id,b2b.legalEntities.id&q=id:ann").await.json(),
        json!([{ "id": "ann", "b2b": { "legalEntities": [{ "id": "le-1" }, { "id": "le-2" }] } }])
    );
    assert_eq!(get("expand=addresses&q=id:ann").await.json()[0]["addresses"], json!([]));
    for bad in ["q=secret:x", "sort=password", "pageNumber=0", "q=id", "q=profile_json:x"] {
        let answer = get(bad).await;
        assert_eq!((answer.status, &*text(&answer, "/type")), (400, "validation_failure"), "{bad}");
    }
    let search =
        call(&acme, Method::POST, &format!("{CUSTOMERS}/search"), &service, Some(json!({ "q": "lastName:Moss" })))
            .await;
    assert_eq!((search.status, ids(&search)), (200, vec!["cyd".to_owned()]));
}

#[tokio::test]
async fn an_import_answers_row_by_row_and_takes_only_what_can_be_checked() {
    let acme = Acme::start().await;
    let service = acme.service().await;
    let hash = bcrypt::hash(Acme::PASSWORD, 4).unwrap();
    let rows = json!([
        { "id": "i-1", "firstName": "Ida", "account": { "email": "ida@i.example", "passwordHash": hash } },
        { "account": { "email": "ann@a.example", "passwordHash": hash } },
        { "account": { "email": "i3@i.example", "passwordHash": "5f4dcc3b5aa765d61d8327deb882cf99" } },
        { "account": { "email": "i4@i.example",
                       "legacyAuth": { "algorithm": "hybris-sha512-uid-salt", "hash": "00", "context": {} } } },
        { "account": { "email": "i5@i.example", "passwordHash": hash,
                       "legacyAuth": { "algorithm": "hybris-sha512-uid-salt" } } },
        { "account": { "email": "i6@i.example" } },
        "nonsense",
    ]);
    let answer = call(&acme, Method::POST, &format!("{CUSTOMERS}/import"), &service, Some(rows)).await;
    assert_eq!(answer.status, 207, "{}", answer.text);
    let body = answer.json();
    let codes: Vec<_> =
        body.as_array().unwrap().iter().map(|row| (row["index"].clone(), row["code"].clone())).collect();
    let expected: Vec<_> = [201, 409, 400, 400, 400, 400, 400]
        .iter()
        .enumerate()
        .map(|(index, code)| (json!(index), json!(code)))
        .collect();
    assert_eq!(codes, expected, "{}", answer.text);
    assert_eq!(body[0]["id"], "i-1");
    let reason = body[3]["details"][0]["message"].as_str().unwrap();
    assert!(reason.contains("hybris-sha512-uid-salt") && reason.contains("password-reset"), "{reason}");
    assert!(!answer.text.contains(&hash), "a hash is never repeated");
    let guest = acme.guest().await;
    assert_eq!(acme.try_log_in(&guest.access, "ida@i.example", Acme::PASSWORD).await.status, 200);
    let many = Value::Array(vec![json!({}); 201]);
    assert_eq!(call(&acme, Method::POST, &format!("{CUSTOMERS}/import"), &service, Some(many)).await.status, 400);
    let ann = acme.acting_for("ann", "le-1").await;
    assert_eq!(
        call(&acme, Method::POST, &format!("{CUSTOMERS}/import"), &ann.access, Some(json!([]))).await.status,
        403
    );
}
