//! What customers see and change of themselves.

use super::text;
use prokura_testkit::{Acme, Answer};
use reqwest::Method;
use serde_json::{Value, json};

const ME: &str = "/customer/acme/me";
const ADDRESSES: &str = "/customer/acme/me/addresses";

async fn call(acme: &Acme, method: Method, path: &str, bearer: &str, body: Option<Value>) -> Answer {
    acme.call(method, path, Some(bearer), &[], body.as_ref()).await
}

#[tokio::test]
async fn e09_a_profile_lists_every_company_whatever_the_token_acts_for() {
    let acme = Acme::start().await;
    let companies = |answer: &Answer| -> Vec<String> {
        let body = answer.json();
        let list = body["b2b"]["legalEntities"].as_array().expect("a list").clone();
        list.iter().map(|entity| format!("{}={}", entity["id"], entity["name"]).replace('"', "")).collect()
    };
    let (unscoped, scoped) = (acme.log_in("ann").await, acme.acting_for("ann", "le-2").await);
    for tokens in [&unscoped, &scoped] {
        let answer = acme.server.get(ME, Some(&tokens.access)).await;
        assert_eq!(text(&answer, "/businessModel"), "B2B");
        assert_eq!(companies(&answer), ["le-1=Acme GmbH", "le-2=Beta AG"]);
        let assignment = acme.assignment("ann", "le-1");
        assert_eq!(text(&answer, "/b2b/legalEntities/0/contactAssignmentId"), assignment.as_str());
    }
    let cyd = acme.log_in("cyd").await;
    let answer = acme.server.get(ME, Some(&cyd.access)).await;
    assert_eq!(text(&answer, "/businessModel"), "B2C");
    assert!(companies(&answer).is_empty());
    assert_eq!(answer.json()["accounts"], json!([{ "id": "cyd@a.example", "providerId": "internal" }]));
    assert!(answer.json().get("addresses").is_none());
    let expanded = acme.server.get(&format!("{ME}?expand=addresses,mixin:*"), Some(&cyd.access)).await;
    assert_eq!((&expanded.json()["addresses"], &expanded.json()["defaultAddress"]), (&json!([]), &json!({})));

    let guest = acme.server.get(ME, Some(&acme.guest().await.access)).await;
    assert_eq!(guest.status, 200);
    assert_eq!((text(&guest, "/id"), text(&guest, "/customerNumber")), ("00000000".to_owned(), "00000000".to_owned()));
    assert_eq!(
        (text(&guest, "/firstName"), text(&guest, "/lastName")),
        ("Anonymous".to_owned(), "Anonymous".to_owned())
    );
    assert_eq!((&guest.json()["accounts"], text(&guest, "/preferredSite")), (&json!([]), "main".to_owned()));
    assert_eq!(acme.server.get(ME, None).await.status, 401);
    assert_eq!(acme.server.get(ME, Some(&acme.service().await)).await.status, 401);
}

#[tokio::test]
async fn a_profile_is_merged_and_what_is_not_theirs_stays() {
    let acme = Acme::start().await;
    let ann = acme.log_in("ann").await;
    let patch = json!({
        "title": "MRS", "contactPhone": "+49 30 1", "preferredCurrency": "EUR", "preferredLanguage": "de_DE",
        "mixins": { "crm": { "segment": "a", "score": 1 } }, "metadata": { "mixins": { "crm": "https://s.example/crm" } },
        "id": "bob", "customerNumber": "1", "accounts": [], "businessModel": "B2C", "active": false, "onHold": true,
        "type": "CONTACT", "lastLogin": null, "restriction": "DE",
        "b2b": { "companyRegistrationId": "HRB 36", "legalEntities": [] },
    });
    let answer = call(&acme, Method::PATCH, ME, &ann.access, Some(patch)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    assert_eq!((&body["id"], &body["title"], &body["firstName"]), (&json!("ann"), &json!("MRS"), &json!("ann")));
    assert_eq!((&body["businessModel"], &body["b2b"].get("companyRegistrationId")), (&json!("B2B"), &None));
    assert_eq!(body["metadata"]["mixins"]["crm"], "https://s.example/crm");
    // Both methods merge: the SDK uses the one, the other is documented.
    let put = json!({ "title": null, "mixins": { "crm": { "score": null } } });
    let body = call(&acme, Method::PUT, ME, &ann.access, Some(put)).await.json();
    assert_eq!((body.get("title"), &body["contactPhone"]), (None, &json!("+49 30 1")));
    assert_eq!(body["mixins"]["crm"], json!({ "segment": "a" }));

    for (patch, field) in [
        (json!({ "contactEmail": null }), "contactEmail"),
        (json!({ "contactEmail": "" }), "contactEmail"),
        (json!({ "firstName": 7 }), "firstName"),
        (json!({ "lastName": "a\nb" }), "lastName"),
        (json!({ "lastName": "x".repeat(256) }), "lastName"),
        (json!({ "preferredCurrency": "euro" }), "preferredCurrency"),
        (json!({ "mixins": [] }), "mixins"),
        (json!({ "mixins": { "a": "x".repeat(70_000) } }), "mixins"),
    ] {
        let answer = call(&acme, Method::PATCH, ME, &ann.access, Some(patch)).await;
        assert_eq!((answer.status, &*text(&answer, "/details/0/field")), (400, field), "{}", answer.text);
    }
    let version = body["metadata"]["version"].as_i64().unwrap();
    let with_version = |version: i64| Some(json!({ "title": "MS", "metadata": { "version": version } }));
    assert_eq!(call(&acme, Method::PATCH, ME, &ann.access, with_version(version)).await.status, 200);
    assert_eq!(call(&acme, Method::PATCH, ME, &ann.access, with_version(version)).await.status, 409);
    let guest = acme.guest().await;
    assert_eq!(call(&acme, Method::PATCH, ME, &guest.access, Some(json!({ "title": "MS" }))).await.status, 401);
}

#[tokio::test]
async fn parallel_changes_of_a_profile_lose_nothing() {
    let acme = Acme::start().await;
    let ann = acme.log_in("ann").await;
    let fields = ["title", "middleName", "jobTitle", "contactPhone"];
    let changes = fields.map(|field| call(&acme, Method::PATCH, ME, &ann.access, Some(json!({ field: field }))));
    for answer in futures_util::future::join_all(changes).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let body = acme.server.get(ME, Some(&ann.access)).await.json();
    for field in fields {
        assert_eq!(body[field], field);
    }
}

#[tokio::test]
async fn addresses_are_the_callers_own() {
    let acme = Acme::start().await;
    let (ann, bob) = (acme.log_in("ann").await, acme.log_in("bob").await);
    let new = json!({ "contactName": "Ann", "street": "Weg", "country": "DE", "isDefault": true, "tags": ["BILLING"] });
    let made = call(&acme, Method::POST, ADDRESSES, &ann.access, Some(new)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let first = format!("{ADDRESSES}/{}", text(&made, "/id"));
    acme.server.advance(1);
    let second = json!({ "contactName": "Ann", "city": "Bern", "country": "CH", "isDefault": true });
    let made = call(&acme, Method::POST, ADDRESSES, &ann.access, Some(second)).await;
    let list = acme.server.get(ADDRESSES, Some(&ann.access)).await.json();
    let defaults: Vec<_> = list.as_array().unwrap().iter().map(|address| address["isDefault"].clone()).collect();
    assert_eq!(defaults, [json!(false), json!(true)], "one default at most");

    let tags = format!("{first}/tags?tags=SHIPPING,BILLING");
    assert_eq!(call(&acme, Method::POST, &tags, &ann.access, None).await.status, 204);
    let patched =
        call(&acme, Method::PATCH, &first, &ann.access, Some(json!({ "street": null, "city": "Berlin" }))).await;
    assert_eq!((patched.status, &patched.json()["tags"]), (200, &json!(["BILLING", "SHIPPING"])));
    assert_eq!((patched.json().get("street"), &patched.json()["country"]), (None, &json!("DE")));
    let put = call(&acme, Method::PUT, &first, &ann.access, Some(json!({ "contactName": "A", "city": "Bonn" }))).await;
    assert_eq!(
        (put.status, put.json().get("country"), &put.json()["tags"]),
        (200, None, &json!(["BILLING", "SHIPPING"]))
    );
    let untag = format!("{first}/tags?tags=BILLING");
    assert_eq!(call(&acme, Method::DELETE, &untag, &ann.access, None).await.status, 204);
    assert_eq!(acme.server.get(&first, Some(&ann.access)).await.json()["tags"], json!(["SHIPPING"]));

    for path in [first.clone(), format!("{ADDRESSES}/none"), format!("{ADDRESSES}/no%20id")] {
        for (method, body) in [
            (Method::GET, None),
            (Method::PATCH, Some(json!({}))),
            (Method::PUT, Some(json!({}))),
            (Method::DELETE, None),
        ] {
            let answer = call(&acme, method, &path, &bob.access, body).await;
            assert_eq!((answer.status, &*text(&answer, "/type")), (404, "resource_not_found"), "{path}");
        }
    }
    assert_eq!(acme.server.get(ADDRESSES, Some(&bob.access)).await.json(), json!([]));
    assert_eq!(call(&acme, Method::DELETE, &first, &ann.access, None).await.status, 204);
    let me = acme.server.get(&format!("{ME}?expand=addresses"), Some(&ann.access)).await;
    assert_eq!(text(&me, "/defaultAddress/id"), text(&made, "/id"));
    assert_eq!(me.json()["addresses"].as_array().unwrap().len(), 1);
    assert_eq!(acme.server.get(ADDRESSES, Some(&acme.guest().await.access)).await.status, 401);
}
