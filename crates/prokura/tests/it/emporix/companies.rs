//! The companies service of the Emporix dialect: legal entities, contact assignments, locations.

use crate::arrange::on_both_databases;
use prokura_engine::TenantSettings;
use prokura_testkit::{Acme, Answer, Database, Options, Tokens};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases!(
    e10_own_companies_come_in_the_order_storefronts_rely_on,
    e19_a_removed_assignment_ends_its_tokens_and_no_others,
    e20_a_deleted_company_is_nobodys,
    e28_nobody_is_assigned_to_a_company_twice,
    a_company_is_made_replaced_and_protected_by_its_version,
    parents_form_no_circle_and_keep_their_subsidiaries,
    an_assignment_reaches_the_parents_and_takes_its_followers_along,
    a_company_has_one_main_person,
    lists_are_narrowed_by_the_database_and_by_q,
    locations_belong_to_companies_and_go_with_the_last_one,
    a_disabled_company_is_out_of_reach_until_it_is_enabled,
    a_large_company_is_emptied_in_steps,
    whoever_approves_is_shown_while_they_belong_to_the_company,
    two_main_persons_at_once_leave_one,
    two_moves_at_once_close_no_circle,
);

const ENTITIES: &str = "/customer-management/acme/legal-entities";
const ASSIGNMENTS: &str = "/customer-management/acme/contact-assignments";
const LOCATIONS: &str = "/customer-management/acme/locations";

/// The fixture with short words for requests.
pub(crate) struct Shop(pub(crate) Acme);

impl Shop {
    pub(crate) async fn start(database: Database) -> Self {
        Self(Acme::start_with(Options { database, ..Options::default() }).await)
    }

    async fn start_with(database: Database, change: impl FnOnce(&mut TenantSettings)) -> Self {
        let mut settings = prokura_emporix::tenant_settings();
        change(&mut settings);
        Self(Acme::start_with(Options { database, settings: Some(settings), ..Options::default() }).await)
    }

    pub(crate) async fn send(&self, method: Method, path: &str, bearer: &str, body: Option<&Value>) -> Answer {
        self.0.call(method, path, Some(bearer), &[], body).await
    }

    pub(crate) async fn get(&self, path: &str, bearer: &str) -> Answer {
        self.send(Method::GET, path, bearer, None).await
    }

    pub(crate) async fn post(&self, path: &str, bearer: &str, body: Value) -> Answer {
        self.send(Method::POST, path, bearer, Some(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, bearer: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, bearer, Some(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str, bearer: &str) -> Answer {
        self.send(Method::DELETE, path, bearer, None).await
    }

    /// What customers see of their companies.
    async fn companies_of(&self, tokens: &Tokens) -> Vec<String> {
        ids(&self.get(ENTITIES, &tokens.access).await)
    }

    async fn assign(&self, service: &str, customer: &str, entity: &str) -> Answer {
        self.post(ASSIGNMENTS, service, json!({ "legalEntity": { "id": entity }, "customer": { "id": customer } }))
            .await
    }

    async fn make(&self, service: &str, id: &str, parent: Option<&str>) -> Answer {
        let kind = if parent.is_some() { "SUBSIDIARY" } else { "COMPANY" };
        self.post(ENTITIES, service, json!({ "id": id, "name": id, "type": kind, "parentId": parent })).await
    }
}

pub(crate) fn ids(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let items = answer.json();
    let items = items.as_array().expect("a bare array");
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

pub(crate) fn made(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["id"].as_str().expect("an id").to_owned()
}

async fn e10_own_companies_come_in_the_order_storefronts_rely_on(database: Database) {
    let shop = Shop::start(database).await;
    let unscoped = shop.0.log_in("ann").await;
    assert_eq!(shop.companies_of(&unscoped).await, ["le-1", "le-2"]);
    let scoped = shop.0.acting_for("ann", "le-2").await;
    assert_eq!(shop.companies_of(&scoped).await, ["le-2", "le-1"]);
    let cyd = shop.0.log_in("cyd").await;
    assert!(shop.companies_of(&cyd).await.is_empty());

    let company = shop.get(&format!("{ENTITIES}/le-1"), &unscoped.access).await.json();
    assert_eq!(company["name"], "Acme GmbH");
    let roles: Vec<_> = company["customerGroups"].as_array().unwrap().iter().map(|group| &group["role"]).collect();
    assert_eq!(roles, ["B2B_ADMIN", "B2B_BUYER", "B2B_CONTACT", "B2B_REQUESTER"]);
    let guest = shop.0.guest().await;
    assert_eq!(shop.get(ENTITIES, &guest.access).await.status, 403);
}

async fn e19_a_removed_assignment_ends_its_tokens_and_no_others(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let (one, two) = (shop.0.acting_for("ann", "le-1").await, shop.0.acting_for("ann", "le-2").await);
    assert_eq!(shop.get(ENTITIES, &one.access).await.status, 200);
    let assignment = shop.0.assignment("ann", "le-1");
    assert_eq!(shop.delete(&format!("{ASSIGNMENTS}/{assignment}"), &service).await.status, 204);

    let refused = shop.get(ENTITIES, &one.access).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["fault"]["faultstring"], "Access Token expired");
    assert_eq!(shop.companies_of(&two).await, ["le-2"]);
    let guest = shop.0.guest().await;
    assert_eq!(shop.0.try_refresh(&guest.access, &one.refresh, Some("le-1")).await.status, 400);
    assert_eq!(shop.0.try_refresh(&guest.access, &one.refresh, Some("le-2")).await.status, 200);

    // Given again under another grant: old tokens stay dead, new ones are made.
    made(&shop.assign(&service, "ann", "le-1").await);
    assert_eq!(shop.get(ENTITIES, &one.access).await.status, 401);
    let again = shop.0.acting_for("ann", "le-1").await;
    assert_eq!(shop.companies_of(&again).await, ["le-1", "le-2"]);
    assert_eq!(shop.delete(&format!("{ASSIGNMENTS}/{assignment}"), &service).await.status, 404);
}

async fn e20_a_deleted_company_is_nobodys(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let dee = shop.0.log_in("dee").await;
    let scoped = shop.0.acting_for("dee", "le-2").await;
    let me = shop.get("/customer/acme/me", &dee.access).await;
    assert_eq!(shop.delete(&format!("{ENTITIES}/le-2"), &service).await.status, 204);

    assert!(shop.companies_of(&dee).await.is_empty());
    assert_eq!(shop.get(ENTITIES, &scoped.access).await.status, 401);
    let guest = shop.0.guest().await;
    assert_eq!(shop.0.try_refresh(&guest.access, &scoped.refresh, Some("le-2")).await.status, 400);
    assert_eq!(shop.0.try_refresh(&guest.access, &scoped.refresh, None).await.status, 200);
    if me.status == 200 {
        assert_eq!(me.json()["businessModel"], "B2B");
        assert_eq!(shop.get("/customer/acme/me", &dee.access).await.json()["businessModel"], "B2C");
    }
    for path in [format!("{ENTITIES}/le-2"), format!("{ENTITIES}/le-2/parent-hierarchy")] {
        assert_eq!(shop.get(&path, &service).await.status, 404);
    }
    let ann = shop.0.log_in("ann").await;
    assert_eq!(shop.companies_of(&ann).await, ["le-1"]);
    assert!(ids(&shop.get(&format!("{ASSIGNMENTS}?legalEntityId=le-2"), &service).await).is_empty());
    assert!(ids(&shop.get("/iam/acme/groups?b2b.legalEntityId=le-2", &service).await).is_empty());

    // The id may be used again, and nothing of before comes back.
    made(&shop.make(&service, "le-2", None).await);
    assert_eq!(shop.0.try_refresh(&guest.access, &dee.refresh, Some("le-2")).await.status, 400);
    made(&shop.assign(&service, "dee", "le-2").await);
    let again = shop.0.acting_for("dee", "le-2").await;
    assert_eq!(shop.companies_of(&again).await, ["le-2"]);
}

#[tokio::test]
async fn e27_forty_companies_come_on_one_page() {
    let shop = Shop::start(Database::Sqlite).await;
    let service = shop.0.service().await;
    for n in 0..40 {
        let id = format!("many-{n:02}");
        made(&shop.make(&service, &id, None).await);
        made(&shop.assign(&service, "cyd", &id).await);
    }
    let cyd = shop.0.log_in("cyd").await;
    assert_eq!(shop.companies_of(&cyd).await.len(), 40);
    assert_eq!(ids(&shop.get(&format!("{ENTITIES}?pageSize=16&pageNumber=3"), &cyd.access).await).len(), 8);
    assert_eq!(ids(&shop.get(ENTITIES, &service).await).len(), 16);
    let counted = shop.0.call(Method::GET, ENTITIES, Some(&service), &[("X-Total-Count", "true")], None).await;
    assert_eq!(counted.headers["x-total-count"], "43");
}

async fn e28_nobody_is_assigned_to_a_company_twice(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    made(&shop.assign(&service, "cyd", "le-3").await);
    let again = shop.assign(&service, "cyd", "le-3").await;
    assert_eq!((again.status, &again.json()["code"]), (409, &json!(409)));
    for (customer, entity) in [("cyd", "nope"), ("nope", "le-3")] {
        assert_eq!(shop.assign(&service, customer, entity).await.status, 404, "{customer} {entity}");
    }
    let blank = shop.post(ASSIGNMENTS, &service, json!({ "type": "BOSS" })).await;
    assert_eq!(blank.status, 400);
    let details = blank.json()["details"].to_string();
    for part in ["legalEntity", "customer", "type"] {
        assert!(details.contains(part), "{details}");
    }
}

#[tokio::test]
async fn e29_a_missing_scope_is_named_in_both_spellings() {
    let shop = Shop::start(Database::Sqlite).await;
    let ann = shop.0.acting_for("ann", "le-1").await;
    let refused = shop.post(ENTITIES, &ann.access, json!({ "name": "New" })).await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.json()["details"],
        json!([
            "Required scope(s): customermanagement.legalentity_manage",
            "missing scope: customermanagement.legalentity_manage"
        ])
    );
}

async fn a_company_is_made_replaced_and_protected_by_its_version(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let path = &format!("{ENTITIES}/new-1");
    let body = |version: Option<i64>| {
        json!({
            "name": "New", "type": "COMPANY", "accountLimit": { "currency": "EUR", "value": 100.5 },
            "legalInfo": { "legalName": "New GmbH", "registrationId": "HRB 1", "countryOfRegistration": "DE" },
            "restrictions": ["DE"], "mixins": { "erp": { "n": [1, { "deep": null }] } },
            "metadata": { "version": version, "mixins": { "erp": "https://schemas.example/erp.json" } },
        })
    };
    assert_eq!(made(&shop.put(path, &service, body(None)).await), "new-1");
    let read = shop.get(path, &service).await.json();
    assert_eq!(read["metadata"]["version"], 1);
    assert_eq!(read["mixins"], json!({ "erp": { "n": [1, { "deep": null }] } }));
    assert_eq!(read["metadata"]["mixins"]["erp"], "https://schemas.example/erp.json");
    assert_eq!(read["accountLimit"], json!({ "currency": "EUR", "value": 100.5 }));
    assert_eq!(read["legalInfo"]["registrationId"], "HRB 1");
    assert!(read["metadata"]["createdAt"].as_str().unwrap().ends_with('Z'));

    assert_eq!(shop.put(path, &service, body(Some(1))).await.status, 204);
    assert_eq!(shop.put(path, &service, body(Some(1))).await.status, 409);
    assert_eq!(shop.put(path, &service, body(None)).await.status, 204);
    assert_eq!(shop.get(path, &service).await.json()["metadata"]["version"], 3);
    let taken = json!({ "id": "new-1", "name": "Other" });
    assert_eq!(shop.post(ENTITIES, &service, taken).await.status, 409);
    assert_eq!(shop.send(Method::PATCH, path, &service, Some(&json!({}))).await.status, 405);

    for (field, wrong) in [
        ("name", json!({ "type": "COMPANY" })),
        ("type", json!({ "name": "New" })),
        ("type", json!({ "name": "New", "type": "CLUB" })),
        ("parent", json!({ "name": "New", "type": "SUBSIDIARY" })),
        ("parentId", json!({ "name": "New", "type": "SUBSIDIARY", "parentId": "nope" })),
        ("id", json!({ "id": "other", "name": "New", "type": "COMPANY" })),
        ("restrictions", json!({ "name": "New", "type": "COMPANY", "restrictions": ["a", "b"] })),
        ("mixins", json!({ "name": "New", "type": "COMPANY", "mixins": { "a": "x".repeat(70_000) } })),
        ("entitiesAddresses", json!({ "name": "New", "type": "COMPANY", "entitiesAddresses": [{ "id": "nope" }] })),
        ("approvalGroup", json!({ "name": "New", "type": "COMPANY", "approvalGroup": [{ "id": "nope" }] })),
        ("customerGroups", json!({ "name": "New", "type": "COMPANY", "customerGroups": [{ "id": "nope" }] })),
        (
            "accountLimit",
            json!({ "name": "New", "type": "COMPANY", "accountLimit": { "currency": "EUR", "value": -1 } }),
        ),
    ] {
        let refused = shop.put(path, &service, wrong).await;
        assert_eq!(refused.status, 400, "{field}: {}", refused.text);
        assert!(refused.json()["details"].to_string().contains(field), "{field}: {}", refused.text);
    }
    assert_eq!(shop.get(path, &service).await.json()["metadata"]["version"], 3, "nothing half written");
}

async fn parents_form_no_circle_and_keep_their_subsidiaries(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    made(&shop.make(&service, "root", None).await);
    for n in 1..20 {
        let parent = if n == 1 { "root".to_owned() } else { format!("sub-{}", n - 1) };
        made(&shop.make(&service, &format!("sub-{n}"), Some(&parent)).await);
    }
    assert_eq!(shop.make(&service, "sub-20", Some("sub-19")).await.status, 400, "the 21st level");
    let circle = json!({ "name": "Root", "type": "SUBSIDIARY", "parentId": "sub-3" });
    assert_eq!(shop.put(&format!("{ENTITIES}/root"), &service, circle).await.status, 400);
    let own = json!({ "name": "Root", "type": "SUBSIDIARY", "parentId": "root" });
    assert_eq!(shop.put(&format!("{ENTITIES}/root"), &service, own).await.status, 400);
    // Nineteen levels hang under it, so it may not go one deeper.
    let deeper = json!({ "name": "Root", "type": "SUBSIDIARY", "parentId": "le-3" });
    assert_eq!(shop.put(&format!("{ENTITIES}/root"), &service, deeper).await.status, 400);

    let chain = ids(&shop.get(&format!("{ENTITIES}/sub-3/parent-hierarchy"), &service).await);
    assert_eq!(chain, ["sub-3", "sub-2", "sub-1", "root"]);
    let kept = shop.delete(&format!("{ENTITIES}/sub-18"), &service).await;
    assert_eq!(kept.status, 409, "{}", kept.text);
    assert_eq!(shop.delete(&format!("{ENTITIES}/sub-19"), &service).await.status, 204);
    assert_eq!(shop.delete(&format!("{ENTITIES}/sub-18"), &service).await.status, 204);
    assert_eq!(ids(&shop.get(&format!("{ENTITIES}?parentId=root"), &service).await), ["sub-1"]);
}

async fn an_assignment_reaches_the_parents_and_takes_its_followers_along(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    made(&shop.make(&service, "top", None).await);
    made(&shop.make(&service, "mid", Some("top")).await);
    made(&shop.make(&service, "leaf", Some("mid")).await);
    made(&shop.assign(&service, "bob", "top").await);
    let origin = made(&shop.assign(&service, "cyd", "leaf").await);
    let cyd = shop.0.log_in("cyd").await;
    assert_eq!(shop.companies_of(&cyd).await, ["leaf", "mid", "top"]);
    let scoped = shop.0.acting_for("cyd", "top").await;
    assert_eq!(shop.get(ENTITIES, &scoped.access).await.status, 200);

    assert_eq!(shop.delete(&format!("{ASSIGNMENTS}/{origin}"), &service).await.status, 204);
    assert!(shop.companies_of(&cyd).await.is_empty());
    assert_eq!(shop.get(ENTITIES, &scoped.access).await.status, 401, "the follower's grant is revoked, too");
    let bob = shop.0.log_in("bob").await;
    assert!(shop.companies_of(&bob).await.contains(&"top".to_owned()), "his own right stays");
    // What comes later does not reach back.
    made(&shop.make(&service, "late", Some("top")).await);
    assert!(!shop.companies_of(&bob).await.contains(&"late".to_owned()));
}

#[tokio::test]
async fn assignments_reach_down_or_nowhere_as_the_tenant_says() {
    for (propagation, expected) in [("DOWNWARD", vec!["top", "leaf", "mid"]), ("DISABLED", vec!["top"])] {
        let shop =
            Shop::start_with(Database::Sqlite, |settings| settings.contact_propagation = propagation.to_owned()).await;
        let service = shop.0.service().await;
        made(&shop.make(&service, "top", None).await);
        made(&shop.make(&service, "mid", Some("top")).await);
        made(&shop.make(&service, "leaf", Some("mid")).await);
        made(&shop.assign(&service, "cyd", "top").await);
        let cyd = shop.0.log_in("cyd").await;
        let mut found = shop.companies_of(&cyd).await;
        found.sort_unstable();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(found, expected, "{propagation}");
    }
}

async fn a_company_has_one_main_person(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let put = |name: &'static str, primary: bool, version: Option<i64>| {
        json!({
            "legalEntity": { "id": "le-1" }, "customer": { "id": name }, "type": "PRIMARY", "primary": primary,
            "metadata": { "version": version }, "mixins": { "note": { "of": name } },
        })
    };
    let path = |name: &'static str| format!("{ASSIGNMENTS}/{}", shop.0.assignment(name, "le-1"));
    assert_eq!(shop.put(&path("ann"), &service, put("ann", true, Some(1))).await.status, 204);
    assert_eq!(shop.put(&path("ann"), &service, put("ann", true, Some(1))).await.status, 409);
    assert_eq!(shop.put(&path("bob"), &service, put("bob", true, None)).await.status, 204);
    let main = shop.get(&format!("{ASSIGNMENTS}?legalEntity.id=le-1&primary=true"), &service).await;
    let main = main.json();
    assert_eq!(main.as_array().unwrap().len(), 1);
    assert_eq!(main[0]["customer"], json!({ "id": "bob", "name": "bob", "surname": "Kern", "email": "bob@a.example" }));
    assert_eq!(main[0]["legalEntity"]["name"], "Acme GmbH");
    assert_eq!(main[0]["mixins"], json!({ "note": { "of": "bob" } }));
    // An assignment is of one person and one company, for good.
    let other = json!({ "legalEntity": { "id": "le-3" }, "customer": { "id": "bob" }, "type": "CONTACT" });
    assert_eq!(shop.put(&path("bob"), &service, other).await.status, 400);
    let new = json!({ "legalEntity": { "id": "le-3" }, "customer": { "id": "bob" }, "type": "BILLING" });
    assert_eq!(made(&shop.put(&format!("{ASSIGNMENTS}/mine"), &service, new).await), "mine");
    assert_eq!(shop.get(&format!("{ASSIGNMENTS}/mine"), &service).await.json()["type"], "BILLING");
}

async fn lists_are_narrowed_by_the_database_and_by_q(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let info = json!({
        "id": "x-1", "name": "100%_Sure \\ Co", "legalInfo": { "registrationId": "R 1", "legalName": "Sure" },
        "mixins": { "erp": { "size": 7 } },
    });
    made(&shop.post(ENTITIES, &service, info).await);
    made(&shop.make(&service, "x-2", Some("x-1")).await);
    for (query, expected) in [
        ("id=LE-1", vec!["le-1"]),
        ("name=ACME", vec!["le-1"]),
        ("name=%25_s", vec!["x-1"]),
        ("name=%5C", vec!["x-1"]),
        ("name=%25%25", vec![]),
        ("type=SUBSIDIARY", vec!["x-2"]),
        ("type=NOPE", vec![]),
        ("parentId=x-1", vec!["x-2"]),
        ("legalInfo.registrationId=R%201", vec!["x-1"]),
        ("legalInfo.legalName=Sure", vec!["x-1"]),
        ("legalInfo.legalName=sur", vec![]),
        ("q=mixins.erp.size:%3E5", vec!["x-1"]),
        ("q=name:~beta%20type:COMPANY", vec!["le-2"]),
        ("q=id:(le-1,le-3)", vec!["le-1", "le-3"]),
        ("sort=name:desc&pageSize=2", vec!["x-2", "le-3"]),
    ] {
        assert_eq!(ids(&shop.get(&format!("{ENTITIES}?{query}"), &service).await), expected, "{query}");
    }
    for wrong in ["q=password:x", "q=id", "sort=nope", "pageSize=0", "pageNumber=-1", "q=id:%22"] {
        let refused = shop.get(&format!("{ENTITIES}?{wrong}"), &service).await;
        assert_eq!((refused.status, &refused.json()["code"]), (400, &json!(400)), "{wrong}");
    }
    let found = shop.post(&format!("{ENTITIES}/search"), &service, json!({ "q": "name:~gamma" })).await;
    assert_eq!(ids(&found), ["le-3"]);
    let cut = shop.get(&format!("{ENTITIES}?q=id:le-1&fields=id,customerGroups.role"), &service).await.json();
    assert_eq!(cut[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "customerGroups"]);
    assert_eq!(cut[0]["customerGroups"][0], json!({ "role": "B2B_ADMIN" }));
    let ann = shop.0.log_in("ann").await;
    assert_eq!(ids(&shop.get(&format!("{ENTITIES}?q=name:~beta"), &ann.access).await), ["le-2"]);
    assert_eq!(ids(&shop.get(&format!("{ENTITIES}?id=LE-3"), &ann.access).await), Vec::<String>::new());
}

async fn locations_belong_to_companies_and_go_with_the_last_one(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let body = |name: &str| {
        json!({
            "name": name, "type": "WAREHOUSE",
            "contactDetails": { "city": "Ulm", "countryCode": "DE", "emails": ["a@b.example"], "tags": ["shipping"] },
        })
    };
    assert_eq!(made(&shop.put(&format!("{LOCATIONS}/hall"), &service, body("Hall")).await), "hall");
    assert_eq!(made(&shop.put(&format!("{LOCATIONS}/yard"), &service, body("Yard")).await), "yard");
    assert_eq!(shop.put(&format!("{LOCATIONS}/hall"), &service, body("Hall")).await.status, 204);
    let mut stale = body("Hall");
    stale["metadata"] = json!({ "version": 1 });
    assert_eq!(shop.put(&format!("{LOCATIONS}/hall"), &service, stale).await.status, 409);
    assert_eq!(shop.post(LOCATIONS, &service, json!({ "name": "No place" })).await.status, 400);

    for (entity, places) in [("le-1", json!([{ "id": "hall" }, { "id": "yard" }])), ("le-3", json!([{ "id": "hall" }]))]
    {
        let body = json!({ "name": entity, "type": "COMPANY", "entitiesAddresses": places });
        assert_eq!(shop.put(&format!("{ENTITIES}/{entity}"), &service, body).await.status, 204);
    }
    for (query, expected) in [
        ("legalEntityId=le-1", vec!["hall", "yard"]),
        ("legalEntityId=le-3", vec!["hall"]),
        ("legalEntityId=le-2", vec![]),
        ("name=HAL", vec!["hall"]),
        ("type=OFFICE", vec![]),
        ("contactDetails.city=Ulm", vec!["hall", "yard"]),
    ] {
        assert_eq!(ids(&shop.get(&format!("{LOCATIONS}?{query}"), &service).await), expected, "{query}");
    }
    let ann = shop.0.log_in("ann").await;
    let seen = shop.get(&format!("{ENTITIES}/le-1"), &ann.access).await.json();
    assert_eq!(seen["entitiesAddresses"][0]["contactDetails"]["tags"], json!(["shipping"]));
    assert_eq!(shop.get(LOCATIONS, &ann.access).await.status, 403);

    assert_eq!(shop.delete(&format!("{ENTITIES}/le-1"), &service).await.status, 204);
    assert_eq!(shop.get(&format!("{LOCATIONS}/yard"), &service).await.status, 404, "nobody else used it");
    assert_eq!(shop.get(&format!("{LOCATIONS}/hall"), &service).await.status, 200);
    assert_eq!(shop.delete(&format!("{LOCATIONS}/hall"), &service).await.status, 204);
    assert_eq!(shop.get(&format!("{ENTITIES}/le-3"), &service).await.json()["entitiesAddresses"], json!([]));
}

async fn a_disabled_company_is_out_of_reach_until_it_is_enabled(database: Database) {
    let shop = Shop::start(database).await;
    let scoped = shop.0.acting_for("ann", "le-1").await;
    let other = shop.0.acting_for("ann", "le-2").await;
    let entity = "le-1".parse().unwrap();
    let (engine, tenant) = (&shop.0.server.engine, &shop.0.tenant);
    let (actor, origin) = (prokura_engine::Actor::System, prokura_engine::Origin::local("test"));
    engine.set_legal_entity_active(tenant, &entity, false, &actor, &origin).await.unwrap();
    assert_eq!(shop.get(ENTITIES, &scoped.access).await.status, 401);
    assert_eq!(shop.companies_of(&other).await, ["le-2"]);
    let guest = shop.0.guest().await;
    assert_eq!(shop.0.try_refresh(&guest.access, &scoped.refresh, Some("le-1")).await.status, 400);

    engine.set_legal_entity_active(tenant, &entity, true, &actor, &origin).await.unwrap();
    assert_eq!(shop.companies_of(&scoped).await, ["le-1", "le-2"], "the same token holds again");
    assert_eq!(shop.0.try_refresh(&guest.access, &scoped.refresh, Some("le-1")).await.status, 200);
}

async fn a_large_company_is_emptied_in_steps(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let (engine, tenant) = (&shop.0.server.engine, &shop.0.tenant);
    let (actor, origin) = (prokura_engine::Actor::System, prokura_engine::Origin::local("test"));
    for n in 0..450 {
        let contact = prokura_engine::CreateCustomer {
            id: Some(format!("c{n}").parse().unwrap()),
            kind: prokura_domain::CustomerKind::Contact,
            email: None,
            profile: prokura_engine::Profile::default(),
            state: prokura_domain::CustomerState::Active,
            password: None,
        };
        let customer = engine.create_customer(tenant, &contact, &actor, &origin).await.unwrap();
        let request = prokura_engine::NewAssignment {
            id: None,
            legal_entity: "le-2".parse().unwrap(),
            customer,
            kind: prokura_domain::AssignmentKind::Contact,
            is_primary: false,
            group: None,
        };
        engine.assign(tenant, &request, &actor, &origin).await.unwrap();
    }
    let scoped = shop.0.acting_for("dee", "le-2").await;
    assert_eq!(shop.delete(&format!("{ENTITIES}/le-2"), &service).await.status, 204);
    assert_eq!(shop.get(ENTITIES, &scoped.access).await.status, 401);
    assert_eq!(shop.get(&format!("{ENTITIES}/le-2"), &service).await.status, 404);
    made(&shop.make(&service, "le-2", None).await);
    made(&shop.assign(&service, "dee", "le-2").await);
    let again = shop.0.acting_for("dee", "le-2").await;
    assert_eq!(shop.companies_of(&again).await, ["le-2"], "the id is not tainted");
    assert_eq!(shop.get(ENTITIES, &scoped.access).await.status, 401, "the old token stays dead");
}

async fn whoever_approves_is_shown_while_they_belong_to_the_company(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let path = &format!("{ENTITIES}/le-1");
    let assignment = shop.0.assignment("bob", "le-1").to_string();
    let body = json!({ "name": "Acme", "type": "COMPANY", "approvalGroup": [{ "id": assignment }] });
    assert_eq!(shop.put(path, &service, body.clone()).await.status, 204);
    let approvers = shop.get(path, &service).await.json()["approvalGroup"].clone();
    assert_eq!((&approvers[0]["id"], &approvers[0]["customer"]["surname"]), (&json!(assignment), &json!("Kern")));
    assert_eq!(shop.put(&format!("{ENTITIES}/le-2"), &service, body).await.status, 400, "bob is not of le-2");
    assert_eq!(shop.delete(&format!("{ASSIGNMENTS}/{assignment}"), &service).await.status, 204);
    assert_eq!(shop.get(path, &service).await.json()["approvalGroup"], json!([]));
}

async fn two_main_persons_at_once_leave_one(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    for round in 0..5 {
        let entity = format!("race-{round}");
        made(&shop.make(&service, &entity, None).await);
        let body = |name: &str| json!({ "legalEntity": { "id": entity }, "customer": { "id": name }, "type": "PRIMARY", "primary": true });
        let (ann, bob) =
            tokio::join!(shop.post(ASSIGNMENTS, &service, body("ann")), shop.post(ASSIGNMENTS, &service, body("bob")));
        made(&ann);
        made(&bob);
        let main = shop.get(&format!("{ASSIGNMENTS}?legalEntityId={entity}&primary=true"), &service).await;
        assert_eq!(ids(&main).len(), 1);
    }
}

async fn two_moves_at_once_close_no_circle(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    for round in 0..5 {
        let (one, two) = (format!("a-{round}"), format!("b-{round}"));
        made(&shop.make(&service, &one, None).await);
        made(&shop.make(&service, &two, None).await);
        let (path_one, path_two) = (format!("{ENTITIES}/{one}"), format!("{ENTITIES}/{two}"));
        let under = |parent: &str| json!({ "name": "x", "type": "SUBSIDIARY", "parentId": parent });
        let (first, second) =
            tokio::join!(shop.put(&path_one, &service, under(&two)), shop.put(&path_two, &service, under(&one)));
        let mut answers = [first.status, second.status];
        answers.sort_unstable();
        assert_eq!(answers, [204, 400], "{} {}", first.text, second.text);
    }
}

/// Each refusal is the one for something that never existed (S-73).
#[tokio::test]
async fn s73_strangers_cannot_tell_a_company_from_none() {
    let shop = Shop::start(Database::Sqlite).await;
    let service = shop.0.service().await;
    let other = shop.0.server.tenant("other").await;
    let scopes = prokura_emporix::service_scopes();
    let kind = prokura_domain::ClientKind::Confidential;
    let policy = prokura_domain::RefreshPolicy::Family;
    let secret = shop.0.server.client(&other, "ob", kind, "client_credentials", &scopes, policy).await.unwrap();
    let foreign = shop.0.try_service("ob", secret.expose(), None).await.json();
    let foreign = foreign["access_token"].as_str().expect("a token").to_owned();
    made(&shop.put(&format!("{LOCATIONS}/hall"), &service, location()).await);
    let guest = shop.0.guest().await.access;
    let (ann, bob) = (shop.0.acting_for("ann", "le-1").await.access, shop.0.acting_for("bob", "le-1").await.access);
    let assignment = shop.0.assignment("ann", "le-1").to_string();

    for (base, existing, body) in [
        (ENTITIES, "le-3", json!({ "name": "x", "type": "COMPANY" })),
        (
            ASSIGNMENTS,
            &*assignment,
            json!({ "legalEntity": { "id": "le-1" }, "customer": { "id": "ann" }, "type": "CONTACT" }),
        ),
        (LOCATIONS, "hall", location()),
    ] {
        for (who, bearer, expected) in
            [("guest", &guest, 403), ("ann", &ann, 403), ("bob", &bob, 403), ("foreign", &foreign, 401)]
        {
            for method in [Method::GET, Method::PUT, Method::DELETE] {
                let body = (method == Method::PUT).then_some(&body);
                let there = shop.send(method.clone(), &format!("{base}/{existing}"), bearer, body).await;
                let never = shop.send(method.clone(), &format!("{base}/never-was"), bearer, body).await;
                let is_own_read = base == ENTITIES && method == Method::GET && (who == "ann" || who == "bob");
                let expected = if is_own_read { 404 } else { expected };
                assert_eq!(there.status, expected, "{who} {method} {base}: {}", there.text);
                assert_eq!((there.status, there.text), (never.status, never.text), "{who} {method} {base}");
            }
        }
        let none = shop.0.call(Method::GET, &format!("{base}/{existing}"), None, &[], None).await;
        assert_eq!(none.status, 401);
        let moved = shop.get(&format!("{}/{existing}", base.replace("/acme/", "/other/")), &foreign).await;
        assert_eq!(moved.status, 404, "another tenant's id");
    }
    for path in [format!("{ENTITIES}/le-3/parent-hierarchy"), ASSIGNMENTS.to_owned(), LOCATIONS.to_owned()] {
        for bearer in [&guest, &ann, &bob] {
            assert_eq!(shop.get(&path, bearer).await.status, 403, "{path}");
        }
    }
    assert_eq!(shop.get(&format!("{ENTITIES}/le-3"), &service).await.status, 200, "nothing was deleted");
}

fn location() -> Value {
    json!({ "name": "Hall", "type": "OFFICE", "contactDetails": {} })
}
