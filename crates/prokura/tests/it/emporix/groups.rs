//! IAM of the Emporix dialect: groups, who is in them, and what they let somebody do at this moment.

use super::companies::{Shop, ids, made};
use crate::arrange::on_both_databases;
use prokura_testkit::{Database, Tokens};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases!(
    e43_an_admin_manages_the_companys_people_and_a_requester_does_not,
    a_moved_customer_has_the_other_groups_scopes_at_once,
    one_role_per_company_and_contact_besides,
    a_subsidiarys_people_are_in_the_parents_groups,
    the_last_admin_stays_and_nobody_grants_what_they_lack,
    two_admins_cannot_remove_each_other_at_once,
    two_roles_at_once_leave_one,
    groups_are_made_replaced_and_deleted,
    a_group_left_out_of_a_company_is_deleted_with_its_members,
    a_group_is_emptied_at_once,
);

const GROUPS: &str = "/iam/acme/groups";

impl Shop {
    async fn group(&self, service: &str, entity: &str, code: &str) -> String {
        let found = ids(&self.get(&format!("{GROUPS}?b2b.legalEntityId={entity}&code={code}"), service).await);
        assert_eq!(found.len(), 1, "{entity} {code}");
        found[0].clone()
    }

    async fn join(&self, bearer: &str, group: &str, customer: &str) -> prokura_testkit::Answer {
        self.post(&format!("{GROUPS}/{group}/users"), bearer, json!({ "userId": customer, "userType": "CUSTOMER" }))
            .await
    }

    async fn members(&self, bearer: &str, group: &str) -> Vec<String> {
        let answer = self.get(&format!("{GROUPS}/{group}/users"), bearer).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let members = answer.json();
        members.as_array().unwrap().iter().map(|member| member["userId"].as_str().unwrap().to_owned()).collect()
    }

    async fn scopes(&self, tokens: &Tokens) -> String {
        let answer = self.get("/iam/acme/users/me/scopes", &tokens.access).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["scopes"].as_str().unwrap().to_owned()
    }
}

fn has(scopes: &str, scope: &str) -> bool {
    scopes.split(' ').any(|found| found == scope)
}

async fn e43_an_admin_manages_the_companys_people_and_a_requester_does_not(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let (ann, bob) = (shop.0.acting_for("ann", "le-1").await, shop.0.acting_for("bob", "le-1").await);
    assert!(has(&shop.scopes(&ann).await, "customer.customer_read_own"));
    assert!(!has(&shop.scopes(&bob).await, "customer.customer_read_own"));

    let path = format!("{GROUPS}?userType=customer&name=b2b");
    let mut codes: Vec<_> = shop.get(&path, &ann.access).await.json().as_array().unwrap().clone();
    codes.sort_by_key(|group| group["code"].to_string());
    let codes: Vec<_> = codes.iter().map(|group| (&group["code"], &group["b2b"]["legalEntityId"])).collect();
    let le_1 = json!("le-1");
    let expected = ["B2B_ADMIN", "B2B_BUYER", "B2B_CONTACT", "B2B_REQUESTER"].map(|code| json!(code));
    assert_eq!(codes, expected.iter().map(|code| (code, &le_1)).collect::<Vec<_>>());
    let requesters = shop.group(&service, "le-1", "B2B_REQUESTER").await;
    assert_eq!(shop.members(&ann.access, &requesters).await, ["bob"]);
    let member = shop.get(&format!("{GROUPS}/{requesters}/users"), &ann.access).await.json()[0].clone();
    assert_eq!((&member["groupId"], &member["userType"]), (&json!(requesters), &json!("CUSTOMER")));

    // The storefront changes a role by taking somebody out of the default group first.
    let buyers = shop.group(&service, "le-1", "B2B_BUYER").await;
    assert_eq!(shop.delete(&format!("{GROUPS}/CUSTOMER/users/bob"), &ann.access).await.status, 204);
    assert_eq!(shop.delete(&format!("{GROUPS}/{requesters}/users/bob"), &ann.access).await.status, 204);
    made(&shop.join(&ann.access, &buyers, "bob").await);
    assert_eq!(shop.members(&ann.access, &buyers).await, ["bob"]);

    for (method, path, body) in [
        (Method::GET, path.clone(), None),
        (Method::GET, format!("{GROUPS}/{buyers}"), None),
        (Method::GET, format!("{GROUPS}/{buyers}/users"), None),
        (Method::POST, format!("{GROUPS}/{buyers}/users"), Some(json!({ "userId": "bob" }))),
        (Method::DELETE, format!("{GROUPS}/{buyers}/users/bob"), None),
        (Method::DELETE, format!("{GROUPS}/CUSTOMER/users/bob"), None),
    ] {
        let refused = shop.send(method.clone(), &path, &bob.access, body.as_ref()).await;
        assert_eq!(refused.status, 403, "{method} {path}: {}", refused.text);
        assert!(refused.json()["details"].to_string().contains("missing scope: iam."), "{}", refused.text);
    }
}

#[tokio::test]
async fn e44_a_requester_sees_nothing_of_another_company() {
    let shop = Shop::start(Database::Sqlite).await;
    let service = shop.0.service().await;
    let (ann, bob) = (shop.0.acting_for("ann", "le-1").await, shop.0.acting_for("bob", "le-1").await);
    let theirs = shop.group(&service, "le-2", "B2B_BUYER").await;
    for path in [
        format!("{GROUPS}?b2b.legalEntityId=le-2"),
        format!("{GROUPS}/{theirs}"),
        format!("{GROUPS}/{theirs}/users"),
        "/iam/acme/users/dee/groups".to_owned(),
        "/iam/acme/users/dee/scopes".to_owned(),
    ] {
        let answer = shop.get(&path, &bob.access).await;
        assert_eq!(answer.status, 403, "{path}: {}", answer.text);
    }
    // An admin of le-1 is a stranger to le-2 as well.
    assert!(ids(&shop.get(&format!("{GROUPS}?b2b.legalEntityId=le-2"), &ann.access).await).is_empty());
    assert!(ids(&shop.get(&format!("{GROUPS}?q=b2b.legalEntityId:le-2"), &ann.access).await).is_empty());
    assert!(ids(&shop.get(&format!("{GROUPS}?userType=EMPLOYEE"), &ann.access).await).is_empty());
    for (method, there, never) in [
        (Method::GET, format!("{GROUPS}/{theirs}"), format!("{GROUPS}/never-was")),
        (Method::GET, format!("{GROUPS}/{theirs}/users"), format!("{GROUPS}/never-was/users")),
        (Method::POST, format!("{GROUPS}/{theirs}/users"), format!("{GROUPS}/never-was/users")),
        (Method::DELETE, format!("{GROUPS}/{theirs}/users/dee"), format!("{GROUPS}/never-was/users/dee")),
    ] {
        let body = (method == Method::POST).then(|| json!({ "userId": "ann" }));
        let there = shop.send(method.clone(), &there, &ann.access, body.as_ref()).await;
        let never = shop.send(method.clone(), &never, &ann.access, body.as_ref()).await;
        assert_eq!((there.status, &there.text), (404, &never.text), "{method}");
    }
    // Somebody who is not of the company is nobody.
    let buyers = shop.group(&service, "le-1", "B2B_BUYER").await;
    let (stranger, nobody) =
        (shop.join(&ann.access, &buyers, "dee").await, shop.join(&ann.access, &buyers, "never-was").await);
    assert_eq!((stranger.status, &stranger.text), (404, &nobody.text));
    assert_eq!(shop.members(&service, &theirs).await, ["ann", "dee"]);
}

async fn a_moved_customer_has_the_other_groups_scopes_at_once(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let bob = shop.0.acting_for("bob", "le-1").await;
    let groups = format!("{GROUPS}?userType=CUSTOMER");
    assert_eq!(shop.get(&groups, &bob.access).await.status, 403);
    let (requesters, admins) =
        (shop.group(&service, "le-1", "B2B_REQUESTER").await, shop.group(&service, "le-1", "B2B_ADMIN").await);
    assert_eq!(shop.delete(&format!("{GROUPS}/{requesters}/users/bob"), &service).await.status, 204);
    assert!(!has(&shop.scopes(&bob).await, "approval.approval_read"));
    let put = format!("{GROUPS}/{admins}/users/CUSTOMER/bob");
    made(&shop.put(&put, &service, json!({})).await);
    assert_eq!(shop.put(&put, &service, json!({})).await.status, 204, "twice is once");
    assert!(has(&shop.scopes(&bob).await, "iam.group_read_own"), "the same token, another group");
    assert_eq!(shop.get(&groups, &bob.access).await.status, 200);

    // Scopes of one company never count for another, and those of a group without one always do.
    let ann = shop.0.acting_for("ann", "le-2").await;
    assert!(!has(&shop.scopes(&ann).await, "iam.group_read_own"));
    let body = json!({ "name": { "en": "Testers" }, "userType": "CUSTOMER", "accessControls": ["order.beta--DE"] });
    let testers = made(&shop.post(GROUPS, &service, body).await);
    made(&shop.join(&service, &testers, "ann").await);
    assert!(has(&shop.scopes(&ann).await, "order.beta--DE"));
    let body = json!({ "name": { "en": "Testers" }, "accessControls": ["order.gamma"] });
    assert_eq!(shop.put(&format!("{GROUPS}/{testers}"), &service, body).await.status, 204);
    let scopes = shop.scopes(&ann).await;
    assert!(has(&scopes, "order.gamma") && !has(&scopes, "order.beta--DE"), "{scopes}");
    assert!(scopes.ends_with(" tenant=acme"));
}

async fn one_role_per_company_and_contact_besides(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let (admins, buyers, contacts) = (
        shop.group(&service, "le-1", "B2B_ADMIN").await,
        shop.group(&service, "le-1", "B2B_BUYER").await,
        shop.group(&service, "le-1", "B2B_CONTACT").await,
    );
    assert_eq!(shop.join(&service, &buyers, "ann").await.status, 409);
    assert_eq!(shop.join(&service, &admins, "ann").await.status, 409, "a member already");
    made(&shop.join(&service, &contacts, "ann").await);
    let wrong = json!({ "userId": "bob", "userType": "EMPLOYEE" });
    assert_eq!(shop.post(&format!("{GROUPS}/{contacts}/users"), &service, wrong).await.status, 400);
    assert_eq!(shop.join(&service, &contacts, "never-was").await.status, 404);
    assert_eq!(shop.delete(&format!("{GROUPS}/{contacts}/users/bob"), &service).await.status, 404);
    assert_eq!(shop.members(&service, &admins).await, ["ann"]);
    assert_eq!(shop.members(&service, &contacts).await, ["ann"]);
}

async fn a_subsidiarys_people_are_in_the_parents_groups(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let body = json!({ "id": "sub", "name": "Sub", "type": "SUBSIDIARY", "parentId": "le-1" });
    made(&shop.post("/customer-management/acme/legal-entities", &service, body).await);
    let (sub, parent) =
        (shop.group(&service, "sub", "B2B_BUYER").await, shop.group(&service, "le-1", "B2B_BUYER").await);
    made(&shop.join(&service, &sub, "cyd").await);
    assert_eq!(shop.members(&service, &parent).await, ["cyd"]);
    // bob has a role in the parent and keeps it.
    made(&shop.join(&service, &sub, "bob").await);
    assert_eq!(shop.members(&service, &parent).await, ["cyd"]);
    assert_eq!(shop.delete(&format!("{GROUPS}/{sub}/users/cyd"), &service).await.status, 204);
    assert!(shop.members(&service, &parent).await.is_empty(), "a follower goes with its origin");
}

async fn the_last_admin_stays_and_nobody_grants_what_they_lack(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let ann = shop.0.acting_for("ann", "le-1").await;
    let admins = shop.group(&service, "le-1", "B2B_ADMIN").await;
    let out = |who: &str| format!("{GROUPS}/{admins}/users/{who}");
    let refused = shop.delete(&out("ann"), &ann.access).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    // cyd is in the group but not of the company, so nobody would be left to manage it.
    made(&shop.join(&service, &admins, "cyd").await);
    assert_eq!(shop.delete(&out("ann"), &ann.access).await.status, 409);
    let requesters = shop.group(&service, "le-1", "B2B_REQUESTER").await;
    assert_eq!(shop.delete(&format!("{GROUPS}/{requesters}/users/bob"), &ann.access).await.status, 204);
    made(&shop.join(&ann.access, &admins, "bob").await);
    assert_eq!(shop.delete(&out("ann"), &ann.access).await.status, 204);
    assert_eq!(shop.get(&format!("{GROUPS}/{admins}"), &ann.access).await.status, 403, "she gave it away");

    let bob = shop.0.acting_for("bob", "le-1").await;
    let body = json!({
        "name": { "en": "Gods" }, "b2b": { "legalEntityId": "le-1" }, "accessControls": ["customer.customer_manage"],
    });
    let gods = made(&shop.post(GROUPS, &service, body).await);
    assert_eq!(shop.join(&bob.access, &gods, "bob").await.status, 403);
    assert_eq!(shop.join(&bob.access, &gods, "ann").await.status, 403);
    assert!(shop.members(&bob.access, &gods).await.is_empty());
    // The shop itself may take the last one out.
    assert_eq!(shop.delete(&out("bob"), &service).await.status, 204);
}

async fn two_admins_cannot_remove_each_other_at_once(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let (admins, requesters) =
        (shop.group(&service, "le-1", "B2B_ADMIN").await, shop.group(&service, "le-1", "B2B_REQUESTER").await);
    assert_eq!(shop.delete(&format!("{GROUPS}/{requesters}/users/bob"), &service).await.status, 204);
    made(&shop.join(&service, &admins, "bob").await);
    let (ann, bob) = (shop.0.acting_for("ann", "le-1").await, shop.0.acting_for("bob", "le-1").await);
    let (ann_out, bob_out) = (format!("{GROUPS}/{admins}/users/ann"), format!("{GROUPS}/{admins}/users/bob"));
    let (first, second) = tokio::join!(shop.delete(&ann_out, &bob.access), shop.delete(&bob_out, &ann.access));
    assert_eq!(shop.members(&service, &admins).await.len(), 1, "{} {}", first.text, second.text);
    let mut answers = [first.status, second.status];
    answers.sort_unstable();
    assert!(matches!(answers, [204, 403 | 409]), "{answers:?}");
}

async fn two_roles_at_once_leave_one(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let (buyers, requesters) =
        (shop.group(&service, "le-3", "B2B_BUYER").await, shop.group(&service, "le-3", "B2B_REQUESTER").await);
    for name in ["ann", "bob", "cyd", "dee"] {
        let (first, second) = tokio::join!(shop.join(&service, &buyers, name), shop.join(&service, &requesters, name));
        let mut answers = [first.status, second.status];
        answers.sort_unstable();
        assert_eq!(answers, [201, 409], "{name}: {} {}", first.text, second.text);
    }
}

async fn groups_are_made_replaced_and_deleted(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let body = |version: Option<i64>| {
        json!({
            "name": { "en": "Desk", "de": "Theke" }, "description": { "en": "At the desk" }, "code": "DESK",
            "userType": "CUSTOMER", "templates": ["B2B_BUYER"], "accessControls": ["order.special"],
            "restrictions": ["DE"], "metadata": { "version": version },
        })
    };
    let path = &format!("{GROUPS}/desk");
    assert_eq!(made(&shop.put(path, &service, body(None)).await), "desk");
    assert_eq!(shop.put(path, &service, body(Some(1))).await.status, 204);
    assert_eq!(shop.put(path, &service, body(Some(1))).await.status, 409);
    let read = shop.get(path, &service).await.json();
    assert_eq!(read["name"], json!({ "en": "Desk", "de": "Theke" }));
    assert_eq!((&read["templates"], &read["accessControls"]), (&json!(["B2B_BUYER"]), &json!(["order.special"])));
    let german = shop.0.call(Method::GET, path, Some(&service), &[("Accept-Language", "de-DE,de;q=0.9")], None).await;
    assert_eq!(german.json()["name"], "Theke");
    for (query, expected) in [
        ("name=THEK", vec!["desk"]),
        ("description=DESK", vec!["desk"]),
        ("code=DESK", vec!["desk"]),
        ("userType=employee", vec![]),
        ("q=name.de:Theke", vec!["desk"]),
        ("q=code:DESK%20userType:CUSTOMER", vec!["desk"]),
        ("b2b.legalEntityId=nope", vec![]),
    ] {
        assert_eq!(ids(&shop.get(&format!("{GROUPS}?{query}"), &service).await), expected, "{query}");
    }
    assert_eq!(shop.get(&format!("{GROUPS}?userType=ROBOT"), &service).await.status, 400);

    // What is not said about rights changes nothing about them.
    let renamed = json!({ "name": { "en": "Counter" } });
    assert_eq!(shop.put(path, &service, renamed).await.status, 204);
    made(&shop.join(&service, "desk", "cyd").await);
    let cyd = shop.0.log_in("cyd").await;
    let scopes = shop.scopes(&cyd).await;
    assert!(has(&scopes, "order.special") && has(&scopes, "approval.approval_manage"), "{scopes}");
    let mine = shop.get("/iam/acme/users/me?expand=groups", &cyd.access).await.json();
    let groups: Vec<_> = mine["groups"].as_array().unwrap().iter().map(|group| group["id"].clone()).collect();
    assert_eq!((&mine["id"], groups), (&json!("cyd"), vec![json!("CUSTOMER"), json!("desk")]));
    let theirs = shop.get("/iam/acme/users/cyd/groups", &service).await;
    assert_eq!(ids(&theirs), ["CUSTOMER", "desk"]);
    let told = shop.get("/iam/acme/users/cyd/scopes", &service).await.json();
    assert_eq!((&told["userId"], &told["scopes"]), (&json!("cyd"), &json!(scopes)));
    let controls = shop.get("/iam/acme/users/me/access-controls", &cyd.access).await.json();
    assert!(controls.as_array().unwrap().iter().any(|control| control["scopes"] == json!(["order.special"])));

    for wrong in [
        json!({ "userType": "CUSTOMER" }),
        json!({ "name": { "en": 7 } }),
        json!({ "name": { "en": "x" }, "templates": ["NOPE"] }),
        json!({ "name": { "en": "x" }, "accessControls": ["two words"] }),
        json!({ "name": { "en": "x" }, "b2b": { "legalEntityId": "nope" } }),
        json!({ "name": { "en": "x" }, "b2b": { "legalEntityId": "le-1" }, "userType": "EMPLOYEE" }),
    ] {
        let refused = shop.post(GROUPS, &service, wrong.clone()).await;
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.text);
    }
    let twin = json!({ "name": { "en": "x" }, "code": "B2B_ADMIN", "b2b": { "legalEntityId": "le-1" } });
    assert_eq!(shop.post(GROUPS, &service, twin).await.status, 409);
    let moved = json!({ "name": { "en": "x" }, "b2b": { "legalEntityId": "le-1" } });
    assert_eq!(shop.put(path, &service, moved).await.status, 400);

    assert_eq!(shop.delete(path, &service).await.status, 409, "somebody is in it");
    assert_eq!(shop.delete(&format!("{path}?forceDelete=true"), &service).await.status, 204);
    assert!(!has(&shop.scopes(&cyd).await, "order.special"));
    assert_eq!(shop.delete(path, &service).await.status, 404);
}

async fn a_group_left_out_of_a_company_is_deleted_with_its_members(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let path = "/customer-management/acme/legal-entities/le-1";
    let body = |groups: Option<Vec<&str>>| {
        let groups = groups.map(|ids| ids.iter().map(|id| json!({ "id": id })).collect::<Vec<Value>>());
        let mut body = json!({ "name": "Acme", "type": "COMPANY" });
        if let Some(groups) = groups {
            body["customerGroups"] = json!(groups);
        }
        body
    };
    assert_eq!(shop.put(path, &service, body(None)).await.status, 204);
    assert_eq!(ids(&shop.get(&format!("{GROUPS}?b2b.legalEntityId=le-1"), &service).await).len(), 4);
    let bob = shop.0.acting_for("bob", "le-1").await;
    assert!(has(&shop.scopes(&bob).await, "approval.approval_read"));
    let admins = shop.group(&service, "le-1", "B2B_ADMIN").await;
    assert_eq!(shop.put(path, &service, body(Some(vec![&admins]))).await.status, 204);
    assert_eq!(ids(&shop.get(&format!("{GROUPS}?b2b.legalEntityId=le-1"), &service).await), [admins]);
    assert!(!has(&shop.scopes(&bob).await, "approval.approval_read"));

    let (engine, tenant) = (&shop.0.server.engine, &shop.0.tenant);
    let trail = engine.audit_events(tenant, "", None, Some("group.delete"), 500).await.unwrap();
    let lost = trail.iter().find(|event| event.detail_json.contains("bob"));
    assert!(lost.is_some_and(|event| event.detail_json.contains("B2B_REQUESTER")), "the trail names who lost what");
}

/// Each refusal is the one for something that never existed (S-73).
#[tokio::test]
async fn s73_groups_are_told_to_those_who_may_know() {
    let shop = Shop::start(Database::Sqlite).await;
    let service = shop.0.service().await;
    let guest = shop.0.guest().await.access;
    let (ann, dee) = (shop.0.log_in("ann").await.access, shop.0.acting_for("dee", "le-2").await.access);
    let group = shop.group(&service, "le-1", "B2B_ADMIN").await;
    for (method, path, body) in [
        (Method::GET, "", None),
        (Method::PUT, "", Some(json!({ "name": { "en": "x" } }))),
        (Method::DELETE, "", None),
        (Method::GET, "/users", None),
        (Method::POST, "/users", Some(json!({ "userId": "ann" }))),
        (Method::PUT, "/users/CUSTOMER/ann", Some(json!({}))),
        (Method::DELETE, "/users/ann", None),
    ] {
        // ann has two companies and has chosen none of them.
        for bearer in [&guest, &ann, &dee] {
            let there = shop.send(method.clone(), &format!("{GROUPS}/{group}{path}"), bearer, body.as_ref()).await;
            let never = shop.send(method.clone(), &format!("{GROUPS}/never-was{path}"), bearer, body.as_ref()).await;
            assert_eq!((there.status, &there.text), (403, &never.text), "{method} {path}");
        }
        let none = shop.0.call(method.clone(), &format!("{GROUPS}/{group}{path}"), None, &[], body.as_ref()).await;
        assert_eq!(none.status, 401, "{method} {path}");
        let elsewhere = format!("/iam/other/groups/{group}{path}");
        assert!(matches!(shop.send(method, &elsewhere, &service, body.as_ref()).await.status, 400 | 401));
    }
    assert_eq!(shop.members(&service, &group).await, ["ann"]);
    let told = shop.get("/iam/acme/users/me/scopes", &guest).await.json();
    assert_eq!(told["scopes"], "tenant=acme");
}

#[tokio::test]
async fn what_can_be_given_is_listed_for_machines_that_may_read_it() {
    let shop = Shop::start(Database::Sqlite).await;
    let service = shop.0.service().await;
    let controls = shop.get("/iam/acme/access-controls?q=domain:iam&sort=id:desc&pageSize=3", &service).await;
    assert_eq!(controls.status, 200, "{}", controls.text);
    assert_eq!(ids(&controls), ["iam.user_update", "iam.user_read_own", "iam.user_read"]);
    let one = shop.get("/iam/acme/access-controls/iam.user_read", &service).await.json();
    let name = json!({ "en": "iam.user_read" });
    assert_eq!(one, json!({ "id": "iam.user_read", "domain": "iam", "name": name, "scopes": ["iam.user_read"] }));
    assert_eq!(shop.get("/iam/acme/access-controls/iam.no_such", &service).await.status, 404);

    let templates = shop.get("/iam/acme/templates", &service).await.json();
    let codes: Vec<_> = templates.as_array().unwrap().iter().map(|template| &template["code"]).collect();
    assert_eq!(codes, ["B2B_ADMIN", "B2B_BUYER", "B2B_CONTACT", "B2B_REQUESTER"]);
    // What is listed as a template makes a group, with the scopes it is listed with.
    let body = json!({ "name": { "en": "Deputies" }, "templates": [codes[0]], "userType": "CUSTOMER" });
    let group = made(&shop.post(GROUPS, &service, body).await);
    let scopes = shop.get(&format!("{GROUPS}/{group}"), &service).await.json()["accessControls"].clone();
    let listed = shop.get("/iam/acme/templates/B2B_ADMIN", &service).await.json()["accessControls"].clone();
    let sorted = |list: &Value| {
        let mut texts: Vec<_> = list.as_array().unwrap().iter().map(ToString::to_string).collect();
        texts.sort();
        texts
    };
    assert_eq!(sorted(&scopes), sorted(&listed));

    let scopes = shop.get("/iam/acme/scopes?pageSize=1000", &service).await;
    let found = ids(&scopes);
    let has = |scope: &str| found.iter().any(|found| found == scope);
    assert!(has("customer.customer_manage") && has("iam.group_read_own") && has("coupon.coupon_redeem"), "{found:?}");
    let mut distinct = found.clone();
    distinct.dedup();
    assert_eq!(found, distinct);

    let ann = shop.0.acting_for("ann", "le-1").await;
    for path in ["access-controls", "access-controls/iam.user_read", "templates", "templates/B2B_ADMIN", "scopes"] {
        let refused = shop.get(&format!("/iam/acme/{path}"), &ann.access).await;
        assert_eq!(refused.status, 403, "{path}: {}", refused.text);
    }
}

async fn a_group_is_emptied_at_once(database: Database) {
    let shop = Shop::start(database).await;
    let service = shop.0.service().await;
    let body = json!({ "name": { "en": "Testers" }, "accessControls": ["test.test_read"], "userType": "CUSTOMER" });
    let group = made(&shop.post(GROUPS, &service, body).await);
    for customer in ["ann", "bob", "dee"] {
        made(&shop.join(&service, &group, customer).await);
    }
    let bob = shop.0.acting_for("bob", "le-1").await;
    assert!(has(&shop.scopes(&bob).await, "test.test_read"));
    let all = format!("{GROUPS}/{group}/users");
    let ann = shop.0.acting_for("ann", "le-1").await;
    assert_eq!(shop.delete(&all, &ann.access).await.status, 403, "an admin of a company takes people out one by one");
    assert_eq!(shop.delete(&all, &service).await.status, 204);
    assert!(shop.members(&service, &group).await.is_empty());
    assert!(!has(&shop.scopes(&bob).await, "test.test_read"), "the same token, without the group");
    assert_eq!(shop.delete(&all, &service).await.status, 204, "twice is once");
    assert_eq!(shop.delete(&format!("{GROUPS}/never-was/users"), &service).await.status, 404);
}

#[tokio::test]
async fn a_fault_names_the_field_as_the_caller_does() {
    let shop = Shop::start(Database::Sqlite).await;
    let service = shop.0.service().await;
    let entities = "/customer-management/acme/legal-entities";
    for (path, body, expected) in [
        (entities, json!({ "name": "S", "type": "SUBSIDIARY" }), "parentId: "),
        (
            entities,
            json!({ "name": "S", "type": "COMPANY", "entitiesAddresses": [{ "id": "no" }] }),
            "entitiesAddresses: ",
        ),
        (GROUPS, json!({ "name": { "en": "G" }, "b2b": { "legalEntityId": "no" } }), "b2b.legalEntityId: "),
    ] {
        let answer = shop.post(path, &service, body).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        let detail = answer.json()["details"][0].as_str().unwrap().to_owned();
        assert!(detail.starts_with(expected), "{detail}");
    }
}
