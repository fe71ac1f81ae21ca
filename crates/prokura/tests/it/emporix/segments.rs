//! Customer segments of the Emporix dialect: what a customer may see for whom, and the surface that says so.

use super::companies::Shop;
use crate::arrange::on_both_databases;
use prokura_testkit::{Answer, Database};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases!(
    e22_products_follow_the_company_acted_for,
    e23_another_company_than_the_tokens_is_refused,
    e24_what_does_not_count_is_never_shown_to_customers,
    e25_category_trees_lead_to_what_is_assigned,
    e26_who_has_one_company_asks_for_it,
    the_table_of_views_holds_row_by_row,
    a_validity_begins_with_its_first_moment_and_is_over_at_its_end,
    a_change_of_members_counts_at_once,
    a_segment_is_made_changed_and_deleted,
    a_patch_is_a_list_of_operations_or_an_object,
    many_segments_members_and_items_have_an_outcome_each,
    members_are_listed_read_and_removed,
    items_are_listed_read_and_removed,
    items_match_by_themselves_and_by_the_categories_above_them,
    lists_are_paged_counted_narrowed_and_localized,
    storefronts_of_their_own_narrow_what_is_seen,
    categories_form_no_circle,
    s73_strangers_learn_nothing_from_segments,
    s74_what_lists_are_asked_is_checked_against_a_list,
);

const SEGMENTS: &str = "/customer-segment/acme/segments";
const ITEMS: &str = "/customer-segment/acme/segments/items";

/// The shop of section 7 with its segments, and a service token.
struct Desk {
    shop: Shop,
    service: String,
}

impl Desk {
    async fn open(database: Database) -> Self {
        let shop = Shop::start(database).await;
        let service = shop.0.service().await;
        let desk = Self { shop, service };
        for (id, entity, item) in [
            ("S1", Some("le-1"), "PRODUCT/P1"),
            ("S2", Some("le-2"), "PRODUCT/P2"),
            ("S3", None, "PRODUCT/P3"),
            ("S4", Some("le-1"), "PRODUCT/P4"),
            ("S5", Some("le-1"), "CATEGORY/K1"),
        ] {
            let status = if id == "S4" { "INACTIVE" } else { "ACTIVE" };
            desk.segment(id, json!({ "status": status })).await;
            desk.member(id, "ann", entity).await;
            desk.item(id, item).await;
        }
        desk
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.shop.put(path, &self.service, body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.shop.get(path, &self.service).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.shop.delete(path, &self.service).await
    }

    /// Makes or replaces a segment; what is not said is as usual.
    async fn segment(&self, id: &str, said: Value) {
        let mut body = json!({ "name": { "en": id, "de": format!("{id} auf Deutsch") }, "siteCode": "main" });
        body.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        written(&self.put(&format!("{SEGMENTS}/{id}"), body).await);
    }

    async fn member(&self, segment: &str, name: &str, entity: Option<&str>) {
        let customer = self.shop.0.customer(name);
        let entity = entity.map(|entity| format!("/{entity}")).unwrap_or_default();
        written(&self.put(&format!("{SEGMENTS}/{segment}/customers/{customer}{entity}"), json!({})).await);
    }

    async fn item(&self, segment: &str, item: &str) {
        written(&self.put(&format!("{SEGMENTS}/{segment}/items/{item}"), json!({})).await);
    }

    async fn category(&self, id: &str, parent: Option<&str>) -> Answer {
        let body = json!({ "code": id, "localizedName": { "en": id }, "parentId": parent, "position": 1 });
        self.put(&format!("/category/acme/categories/{id}"), body).await
    }

    /// Somebody's token, for a company or for none.
    async fn token(&self, name: &str, entity: Option<&str>) -> String {
        match entity {
            Some(entity) => self.shop.0.acting_for(name, entity).await.access,
            None => self.shop.0.log_in(name).await.access,
        }
    }

    /// The products somebody sees.
    async fn products(&self, bearer: &str, query: &str) -> Vec<String> {
        let answer = self.shop.get(&format!("{ITEMS}?q=type:PRODUCT{query}"), bearer).await;
        items(&answer)
    }
}

/// Something was made or replaced.
fn written(answer: &Answer) {
    assert!(matches!(answer.status, 201 | 204), "{} {}", answer.status, answer.text);
}

/// The ids of the items in a list.
fn items(answer: &Answer) -> Vec<String> {
    each(answer, "/item/id")
}

/// The texts at `pointer` in each element of a list.
fn each(answer: &Answer, pointer: &str) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let list = answer.json();
    let texts = list.as_array().unwrap().iter();
    texts.map(|row| row.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()).collect()
}

async fn e22_products_follow_the_company_acted_for(database: Database) {
    let desk = Desk::open(database).await;
    for (entity, expected) in [(Some("le-1"), "P1"), (Some("le-2"), "P2"), (None, "P3")] {
        let token = desk.token("ann", entity).await;
        assert_eq!(desk.products(&token, "").await, [expected], "{entity:?}");
    }
}

async fn e23_another_company_than_the_tokens_is_refused(database: Database) {
    let desk = Desk::open(database).await;
    let token = desk.token("ann", Some("le-1")).await;
    assert_eq!(desk.products(&token, "&legalEntityId=le-1").await, ["P1"]);
    let mut bodies = Vec::new();
    for entity in ["le-2", "le-3", "nope", "not%20an%20id"] {
        for path in [
            format!("{ITEMS}?legalEntityId={entity}"),
            format!("{ITEMS}/category-trees?legalEntityId={entity}"),
            format!("{SEGMENTS}?legalEntityId={entity}"),
            format!("{SEGMENTS}/S1?legalEntityId={entity}"),
            format!("{SEGMENTS}/S1/items?legalEntityId={entity}"),
            format!("{SEGMENTS}/S1/customers?legalEntityId={entity}"),
        ] {
            let answer = desk.shop.get(&path, &token).await;
            assert_eq!(answer.status, 403, "{path}: {}", answer.text);
            bodies.push(answer.text);
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "no answer tells whether the company exists: {bodies:?}");
}

async fn e24_what_does_not_count_is_never_shown_to_customers(database: Database) {
    let desk = Desk::open(database).await;
    let token = desk.token("ann", Some("le-1")).await;
    desk.segment("S1", json!({ "status": "ACTIVE", "validity": { "to": "2026-11-01T00:00:00Z" } })).await;
    for query in ["", "&onlyActive=false", "&onlyActive=true"] {
        assert_eq!(desk.products(&token, query).await, Vec::<String>::new(), "{query}");
    }
    for segment in ["S1", "S4"] {
        for path in ["", "/items", "/customers"] {
            let answer = desk.shop.get(&format!("{SEGMENTS}/{segment}{path}"), &token).await;
            assert_eq!(answer.status, 404, "{segment}{path}: {}", answer.text);
        }
    }
    assert_eq!(
        each(&desk.shop.get(&format!("{SEGMENTS}?q=status:INACTIVE"), &token).await, "/id"),
        Vec::<String>::new()
    );
    assert_eq!(each(&desk.shop.get(SEGMENTS, &token).await, "/id"), ["S5"]);
    // A backend sees them, unless it asks for active ones.
    let of_backend = async |query: &str| items(&desk.get(&format!("{ITEMS}?q=type:PRODUCT{query}")).await);
    assert_eq!(of_backend("").await, ["P1", "P2", "P3", "P4"]);
    assert_eq!(of_backend("&onlyActive=true").await, ["P2", "P3"]);
}

async fn e25_category_trees_lead_to_what_is_assigned(database: Database) {
    let desk = Desk::open(database).await;
    for (id, parent) in [("K0", None), ("K1", Some("K0")), ("K2", Some("K0")), ("K3", Some("K1"))] {
        written(&desk.category(id, parent).await);
    }
    let trees = async |bearer: &str| {
        let answer = desk.shop.get(&format!("{ITEMS}/category-trees"), bearer).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    };
    let token = desk.token("ann", Some("le-1")).await;
    let tree = trees(&token).await;
    let expected = json!([{
        "id": "K0", "code": "K0", "name": { "en": "K0" }, "position": 1, "published": true, "isSegmentAssigned": false,
        "subcategories": [{
            "id": "K1", "code": "K1", "name": { "en": "K1" }, "position": 1, "published": true,
            "isSegmentAssigned": true, "subcategories": [],
        }],
    }]);
    assert_eq!(tree, expected);
    assert_eq!(trees(&desk.token("ann", Some("le-2")).await).await, json!([]));
    // The parent is assigned as well, and something nobody told us about.
    desk.item("S5", "CATEGORY/K0").await;
    desk.item("S5", "CATEGORY/Z9").await;
    let tree = trees(&token).await;
    assert_eq!(tree.pointer("/0/id"), Some(&json!("Z9")), "{tree}");
    assert_eq!(tree.pointer("/1/isSegmentAssigned"), Some(&json!(true)), "{tree}");
    assert_eq!(tree.pointer("/1/subcategories/0/id"), Some(&json!("K1")), "{tree}");
    let path = format!("{ITEMS}/category-trees");
    let localized = desk.shop.0.call(Method::GET, &path, Some(&token), &[("accept-language", "en")], None).await;
    assert_eq!(localized.json().pointer("/1/subcategories/0/name"), Some(&json!("K1")));
}

async fn e26_who_has_one_company_asks_for_it(database: Database) {
    let desk = Desk::open(database).await;
    desk.segment("S6", json!({ "status": "ACTIVE" })).await;
    desk.member("S6", "dee", Some("le-2")).await;
    desk.item("S6", "PRODUCT/P6").await;
    let token = desk.token("dee", None).await;
    for query in ["", "&legalEntityId=le-2", "&legalEntityId=le-1", "&legalEntityId=nope"] {
        assert_eq!(desk.products(&token, query).await, ["P6"], "{query}");
    }
}

/// The table of section 1.9: token, companies of the customer, parameter, rows.
async fn the_table_of_views_holds_row_by_row(database: Database) {
    let desk = Desk::open(database).await;
    for (id, name, entity) in [
        ("T1", "dee", Some("le-2")),
        ("T2", "dee", None),
        ("T3", "cyd", None),
        ("T4", "cyd", Some("le-1")),
        ("T5", "bob", Some("le-1")),
    ] {
        desk.segment(id, json!({ "status": "ACTIVE" })).await;
        desk.member(id, name, entity).await;
        desk.item(id, &format!("PRODUCT/P-{id}")).await;
    }
    let none: [&str; 0] = [];
    for (name, token_for, parameter, expected) in [
        ("ann", Some("le-1"), None, Ok(["P1"].as_slice())),
        ("ann", Some("le-1"), Some("le-1"), Ok(&["P1"])),
        ("ann", Some("le-1"), Some("le-2"), Err(403)),
        ("dee", Some("le-2"), None, Ok(&["P-T1"])),
        ("cyd", None, None, Ok(&["P-T3"])),
        ("cyd", None, Some("le-1"), Ok(&["P-T3"])),
        ("dee", None, None, Ok(&["P-T1", "P-T2"])),
        ("dee", None, Some("le-2"), Ok(&["P-T1", "P-T2"])),
        ("dee", None, Some("le-1"), Ok(&["P-T1", "P-T2"])),
        ("ann", None, Some("le-1"), Ok(&["P1"])),
        ("ann", None, Some("le-2"), Ok(&["P2"])),
        ("ann", None, None, Ok(&["P3"])),
        ("ann", None, Some("le-3"), Err(403)),
        ("ann", None, Some("nope"), Err(403)),
        ("bob", Some("le-1"), None, Ok(&["P-T5"])),
    ] {
        let token = desk.token(name, token_for).await;
        let parameter = parameter.map(|entity| format!("&legalEntityId={entity}")).unwrap_or_default();
        let answer = desk.shop.get(&format!("{ITEMS}?q=type:PRODUCT{parameter}"), &token).await;
        let found = if answer.status == 200 { Ok(items(&answer)) } else { Err(answer.status) };
        let expected = expected.map(|ids| ids.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(found, expected, "{name} for {token_for:?} with {parameter:?}");
        // Segments and their items tell the same.
        let segments = desk.shop.get(&format!("{SEGMENTS}?{}", parameter.trim_start_matches('&')), &token).await;
        assert_eq!(segments.status == 200, found.is_ok(), "{name} for {token_for:?}: {}", segments.text);
    }
    // A backend gets the filter it asks for, over all customers.
    for (query, expected) in [
        ("&legalEntityId=le-2", ["P-T1", "P2"].as_slice()),
        ("&customerId=cyd", &["P-T3", "P-T4"]),
        ("&customerId=cyd&legalEntityId=le-1", &["P-T4"]),
        ("&legalEntityId=le-3", &none),
        ("&legalEntityId=not%20an%20id", &none),
    ] {
        let mut found = desk.products(&desk.service, query).await;
        found.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
}

async fn a_validity_begins_with_its_first_moment_and_is_over_at_its_end(database: Database) {
    let desk = Desk::open(database).await;
    let now = desk.shop.0.server.engine.now();
    let iso = |seconds: i64| {
        let moment = now.plus_seconds(seconds).seconds();
        // 2026-11-02 is day 20,759 of the epoch; the window stays within that day.
        let of_day = moment.rem_euclid(86_400);
        format!("2026-11-02T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
    };
    desk.segment("S1", json!({ "status": "ACTIVE", "validity": { "from": iso(100), "to": iso(200) } })).await;
    let answer = desk.get(&format!("{SEGMENTS}/S1")).await;
    assert!(answer.text.contains("\"from\":\"2026-11-02T"), "{}", answer.text);
    let tokens = desk.shop.0.acting_for("ann", "le-1").await;
    let engine = &desk.shop.0.server.engine;
    for (advance, is_seen) in [(0, false), (99, false), (1, true), (99, true), (1, false)] {
        desk.shop.0.server.advance(advance);
        let expected: &[&str] = if is_seen { &["P1"] } else { &[] };
        assert_eq!(desk.products(&tokens.access, "").await, expected, "after {advance} more seconds");
        // What services are told about the token follows as well, without anybody having changed anything.
        let standing = engine.verify(&tokens.access).unwrap().token.standing.clone();
        let standing = engine.standing_now(&standing).await.unwrap();
        let is_told = standing.segments.iter().any(|segment| segment.as_str() == "S1");
        assert_eq!(is_told, is_seen, "after {advance} more seconds");
    }
    // Whoever keeps copies hears of the end through the feed.
    let (before, _) = engine.revocations_since(now).await.unwrap();
    engine.announce_segment_changes().await.unwrap();
    let (_, entries) = engine.revocations_since(before).await.unwrap();
    assert!(entries.iter().any(|entry| entry.kind.as_str() == "rights" && entry.value == "*"), "{entries:?}");
    let known = entries.len();
    desk.shop.0.server.advance(5);
    engine.announce_segment_changes().await.unwrap();
    assert_eq!(engine.revocations_since(before).await.unwrap().1.len(), known, "nothing is told twice");
}

async fn a_change_of_members_counts_at_once(database: Database) {
    let desk = Desk::open(database).await;
    let engine = &desk.shop.0.server.engine;
    let tokens = desk.shop.0.acting_for("bob", "le-1").await;
    let told = async || {
        let standing = engine.verify(&tokens.access).unwrap().token.standing.clone();
        let standing = engine.standing_now(&standing).await.unwrap();
        standing.segments.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!((desk.products(&tokens.access, "").await, told().await), (vec![], vec![]));
    desk.member("S1", "bob", Some("le-1")).await;
    assert_eq!(desk.products(&tokens.access, "").await, ["P1"]);
    assert_eq!(told().await, ["S1"]);
    desk.segment("S1", json!({ "status": "INACTIVE" })).await;
    assert_eq!((desk.products(&tokens.access, "").await, told().await), (vec![], vec![]));
    desk.segment("S1", json!({ "status": "ACTIVE" })).await;
    assert_eq!(told().await, ["S1"]);
    let bob = desk.shop.0.customer("bob");
    assert_eq!(desk.delete(&format!("{SEGMENTS}/S1/customers/{bob}/le-1")).await.status, 204);
    assert_eq!((desk.products(&tokens.access, "").await, told().await), (vec![], vec![]));
    // New tokens say so as well, and a right to act that is taken away ends the view with the token.
    desk.member("S1", "bob", Some("le-1")).await;
    let fresh = desk.shop.0.acting_for("bob", "le-1").await;
    let standing = engine.verify(&fresh.access).unwrap().token.standing.clone();
    assert_eq!(standing.segments.len(), 1);
    assert_eq!(desk.delete(&format!("{SEGMENTS}/S1?forceDelete=true")).await.status, 204);
    assert_eq!(told().await, Vec::<String>::new());
}

async fn a_segment_is_made_changed_and_deleted(database: Database) {
    let desk = Desk::open(database).await;
    let new = json!({
        "name": { "en": "New" }, "description": { "en": "Text" }, "siteCode": "main",
        "mixins": { "a": { "b": 1 } }, "metadata": { "mixins": { "a": "https://schema.example/a" } },
    });
    let made = desk.shop.post(SEGMENTS, &desk.service, new.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{SEGMENTS}/{id}");
    let read = desk.get(&path).await.json();
    assert_eq!(read["status"], "INACTIVE");
    assert_eq!(read["mixins"], new["mixins"]);
    assert_eq!(read["metadata"]["mixins"], new["metadata"]["mixins"]);
    assert_eq!(read["metadata"]["version"], 1);

    let mut again = new.clone();
    again["id"] = json!(id);
    let refused = desk.shop.post(SEGMENTS, &desk.service, again.clone()).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    again["metadata"]["version"] = json!(1);
    assert_eq!(desk.put(&path, again.clone()).await.status, 204);
    let stale = desk.put(&path, again.clone()).await;
    assert_eq!(stale.status, 409, "{}", stale.text);
    again["metadata"] = json!({});
    assert_eq!(desk.put(&path, again).await.status, 204, "without a version there is no lock");

    for (body, field) in [
        (json!({ "siteCode": "main" }), "name"),
        (json!({ "name": { "en": "x" } }), "siteCode"),
        (json!({ "name": { "en": 1 }, "siteCode": "main" }), "name"),
        (json!({ "name": { "en": "x" }, "siteCode": "main", "status": "active" }), "status"),
        (json!({ "name": { "en": "x" }, "siteCode": "main", "validity": { "from": "soon" } }), "validity.from"),
        (
            json!({ "name": { "en": "x" }, "siteCode": "main",
                    "validity": { "from": "2026-11-02T00:00:00Z", "to": "2026-11-02T00:00:00Z" } }),
            "validity",
        ),
        (json!({ "id": "other", "name": { "en": "x" }, "siteCode": "main" }), "id"),
    ] {
        let refused = desk.put(&path, body).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        assert_eq!(refused.json()["details"]["field"], field, "{}", refused.text);
        assert_eq!((&refused.json()["code"], &refused.json()["status"]), (&json!(400), &json!("Bad Request")));
    }

    let in_use = desk.delete(&format!("{SEGMENTS}/S1")).await;
    assert_eq!(in_use.status, 400, "{}", in_use.text);
    assert_eq!(desk.delete(&format!("{SEGMENTS}/S1?forceDelete=true")).await.status, 204);
    assert_eq!(desk.get(&format!("{SEGMENTS}/S1")).await.status, 404);
    assert_eq!(desk.delete(&path).await.status, 204);
    assert_eq!(desk.delete(&path).await.status, 404);
}

async fn a_patch_is_a_list_of_operations_or_an_object(database: Database) {
    let desk = Desk::open(database).await;
    let path = format!("{SEGMENTS}/S1");
    let amend = async |body: Value| desk.shop.send(Method::PATCH, &path, &desk.service, Some(&body)).await;
    let operations = json!([
        { "op": "replace", "path": "/status", "value": "INACTIVE" },
        { "op": "add", "path": "/name/fr", "value": "Un" },
    ]);
    assert_eq!(amend(operations).await.status, 204);
    let read = desk.get(&path).await.json();
    assert_eq!(
        (&read["status"], &read["name"]["fr"], &read["name"]["en"]),
        (&json!("INACTIVE"), &json!("Un"), &json!("S1"))
    );
    assert_eq!(amend(json!({ "status": "ACTIVE", "name": { "fr": null } })).await.status, 204);
    let read = desk.get(&path).await.json();
    assert_eq!((&read["status"], read["name"].get("fr")), (&json!("ACTIVE"), None));
    let version = read["metadata"]["version"].as_i64().unwrap();
    let stale = json!({ "status": "INACTIVE", "metadata": { "version": version - 1 } });
    assert_eq!(amend(stale).await.status, 409);
    assert_eq!(amend(json!({ "status": "INACTIVE", "metadata": { "version": version } })).await.status, 204);
    for (body, status) in [
        (json!([{ "op": "replace", "path": "/nope", "value": 1 }]), 400),
        (json!([{ "op": "replace", "path": "/id", "value": "other" }]), 400),
        (json!([{ "op": "remove", "path": "/name" }]), 400),
        (json!([{ "op": "test", "path": "/status", "value": "ACTIVE" }]), 409),
        (json!({ "siteCode": null }), 400),
        (json!("ACTIVE"), 400),
    ] {
        let refused = amend(body.clone()).await;
        assert_eq!(refused.status, status, "{body}: {}", refused.text);
    }
}

async fn many_segments_members_and_items_have_an_outcome_each(database: Database) {
    let desk = Desk::open(database).await;
    let outcome = |answer: &Answer| {
        assert_eq!(answer.status, 207, "{}", answer.text);
        let list = answer.json();
        let entries = list.as_array().unwrap().iter();
        entries.map(|entry| (entry["index"].as_i64().unwrap(), entry["code"].as_i64().unwrap())).collect::<Vec<_>>()
    };
    let segment = |id: &str| json!({ "id": id, "name": { "en": id }, "siteCode": "main" });
    let bulk = format!("{SEGMENTS}/bulk");
    let made = desk.shop.post(&bulk, &desk.service, json!([segment("B1"), segment("S1"), { "id": "B2" }, 7])).await;
    assert_eq!(outcome(&made), [(1, 201), (2, 409), (3, 400), (4, 400)]);
    let put =
        desk.put(&bulk, json!([segment("B1"), segment("B3"), { "name": { "en": "x" }, "siteCode": "main" }])).await;
    assert_eq!(outcome(&put), [(1, 204), (2, 201), (3, 400)]);

    let (ann, bob) = (desk.shop.0.customer("ann"), desk.shop.0.customer("bob"));
    let members = format!("{SEGMENTS}/B1/customers/bulk");
    let body = json!([
        { "customerId": ann.as_str(), "legalEntityId": "le-1" },
        { "customerId": bob.as_str() },
        { "customerId": "nobody" },
        { "legalEntityId": "le-1" },
        { "customerId": ann.as_str(), "legalEntityId": "nope" },
        { "customerId": ann.as_str(), "legalEntityId": "le-1" },
    ]);
    let put = desk.put(&members, body.clone()).await;
    assert_eq!(outcome(&put), [(1, 201), (2, 201), (3, 404), (4, 400), (5, 404), (6, 204)]);
    let gone = desk.shop.send(Method::DELETE, &members, &desk.service, Some(&body)).await;
    assert_eq!(outcome(&gone), [(1, 204), (2, 204), (3, 404), (4, 400), (5, 404), (6, 404)]);

    let products = format!("{SEGMENTS}/B1/items/PRODUCT/bulk");
    let put =
        desk.put(&products, json!(["X1", { "id": "X2" }, { "item": { "id": "X3", "code": "c3" } }, {}, "X1"])).await;
    assert_eq!(outcome(&put), [(1, 201), (2, 201), (3, 201), (4, 400), (5, 204)]);
    let gone = desk.shop.send(Method::DELETE, &products, &desk.service, Some(&json!(["X1", "X9"]))).await;
    assert_eq!(outcome(&gone), [(1, 204), (2, 404)]);

    let gone = desk.shop.send(Method::DELETE, &bulk, &desk.service, Some(&json!(["B3", "B1", "nope"]))).await;
    assert_eq!(outcome(&gone), [(1, 204), (2, 400), (3, 404)], "B1 has items and goes only by force");
    let many: Vec<Value> = (0..201).map(|number| segment(&format!("M{number}"))).collect();
    assert_eq!(desk.put(&bulk, json!(many)).await.status, 400);
    assert_eq!(desk.get(&format!("{SEGMENTS}/M0")).await.status, 404, "a call that is too long does nothing");
    for unknown in ["customers", "items/PRODUCT"] {
        let answer =
            desk.put(&format!("{SEGMENTS}/nope/{unknown}/bulk"), json!([{ "customerId": "ann", "id": "x" }])).await;
        assert_eq!(answer.status, 404, "{}", answer.text);
    }
}

async fn members_are_listed_read_and_removed(database: Database) {
    let desk = Desk::open(database).await;
    let ann = desk.shop.0.customer("ann");
    desk.member("S1", "bob", Some("le-1")).await;
    desk.member("S1", "cyd", None).await;
    let all = desk.get(&format!("{SEGMENTS}/S1/customers")).await;
    assert_eq!(each(&all, "/customer/firstName"), ["ann", "bob", "cyd"]);
    assert_eq!(each(&all, "/legalEntity/id"), ["le-1", "le-1", ""]);
    assert_eq!(all.json()[0]["assignmentType"], "MANUAL");
    let found = desk.get(&format!("{SEGMENTS}/S1/customers?q=customer.id:{ann}")).await;
    assert_eq!(each(&found, "/customer/email"), ["ann@a.example"]);
    let search = json!({ "q": "legalEntity.id:le-1 customer.firstName:b~ob" });
    assert_eq!(desk.shop.post(&format!("{SEGMENTS}/S1/customers/search"), &desk.service, search).await.status, 200);
    let search = json!({ "q": "legalEntity.id:le-1 customer.firstName:bob" });
    let found = desk.shop.post(&format!("{SEGMENTS}/S1/customers/search"), &desk.service, search).await;
    assert_eq!(each(&found, "/customer/id"), [desk.shop.0.customer("bob").as_str()]);
    // A customer sees themselves.
    let token = desk.token("bob", Some("le-1")).await;
    assert_eq!(each(&desk.shop.get(&format!("{SEGMENTS}/S1/customers"), &token).await, "/customer/firstName"), ["bob"]);

    let one = format!("{SEGMENTS}/S1/customers/{ann}/le-1");
    assert_eq!(desk.get(&one).await.json()["legalEntity"]["id"], "le-1");
    assert_eq!(
        desk.get(&format!("{SEGMENTS}/S1/customers/{ann}")).await.status,
        404,
        "as a private person she is not in it"
    );
    assert_eq!(desk.put(&one, json!({})).await.status, 204);
    assert_eq!(desk.delete(&one).await.status, 204);
    assert_eq!(desk.delete(&one).await.status, 404);
    for unknown in ["S1/customers/nobody", "S1/customers/ann/nope", "nope/customers/ann"] {
        assert_eq!(desk.put(&format!("{SEGMENTS}/{unknown}"), json!({})).await.status, 404, "{unknown}");
    }
}

async fn items_are_listed_read_and_removed(database: Database) {
    let desk = Desk::open(database).await;
    let body = json!({ "item": { "code": "code-7", "name": { "en": "Seven", "de": "Sieben" } }, "mixins": { "a": { "b": 1 } } });
    assert_eq!(desk.put(&format!("{SEGMENTS}/S1/items/PRODUCT/P%2F7"), body).await.status, 201);
    let one = desk.get(&format!("{SEGMENTS}/S1/items/PRODUCT/P%2F7")).await.json();
    assert_eq!(one["item"], json!({ "id": "P/7", "code": "code-7", "name": { "en": "Seven", "de": "Sieben" } }));
    assert_eq!(
        (&one["segmentId"], &one["type"], &one["mixins"]["a"]["b"]),
        (&json!("S1"), &json!("PRODUCT"), &json!(1))
    );
    assert_eq!(items(&desk.get(&format!("{SEGMENTS}/S1/items")).await), ["P/7", "P1"]);
    let found =
        desk.shop.post(&format!("{SEGMENTS}/S1/items/search"), &desk.service, json!({ "q": "item.code:code-7" })).await;
    assert_eq!(items(&found), ["P/7"]);
    let token = desk.token("ann", Some("le-1")).await;
    assert_eq!(items(&desk.shop.get(&format!("{SEGMENTS}/S1/items"), &token).await), ["P/7", "P1"]);
    assert_eq!(desk.delete(&format!("{SEGMENTS}/S1/items/PRODUCT/P%2F7")).await.status, 204);
    assert_eq!(desk.delete(&format!("{SEGMENTS}/S1/items/PRODUCT/P%2F7")).await.status, 404);
    assert_eq!(desk.put(&format!("{SEGMENTS}/S1/items/BRAND/x"), json!({})).await.status, 400);
    let other = json!({ "id": "other" });
    assert_eq!(desk.put(&format!("{SEGMENTS}/S1/items/PRODUCT/x"), other).await.status, 400);
}

async fn items_match_by_themselves_and_by_the_categories_above_them(database: Database) {
    let desk = Desk::open(database).await;
    for (id, parent) in [("K1", None), ("K2", Some("K1")), ("K3", Some("K2"))] {
        written(&desk.category(id, parent).await);
    }
    for (body, expected) in [
        (json!({ "items": [{ "id": "P1" }] }), ["S1"].as_slice()),
        (json!({ "items": [{ "id": "P1" }, { "id": "P2" }] }), &["S1", "S2"]),
        (json!({ "items": [{ "id": "P1" }, { "id": "P2" }], "segmentIds": ["S2", "S9"] }), &["S2"]),
        (json!({ "items": [{ "id": "P4" }] }), &[]),
        (json!({ "items": [{ "id": "K1" }] }), &["S5"]),
        (json!({ "items": [{ "id": "K3" }] }), &["S5"]),
        (json!({ "items": [{ "id": "K3" }], "site": "other" }), &[]),
        (json!({ "items": [{ "id": "K3" }], "siteCode": "main" }), &["S5"]),
        (json!({ "items": [] }), &[]),
    ] {
        let answer = desk.shop.post(&format!("{SEGMENTS}/match"), &desk.service, body.clone()).await;
        assert_eq!(each(&answer, "/id"), expected, "{body}");
    }
    let many: Vec<Value> = (0..201).map(|number| json!({ "id": format!("P{number}") })).collect();
    assert_eq!(desk.shop.post(&format!("{SEGMENTS}/match"), &desk.service, json!({ "items": many })).await.status, 400);
}

async fn lists_are_paged_counted_narrowed_and_localized(database: Database) {
    let desk = Desk::open(database).await;
    let page = async |query: &str, headers: &[(&str, &str)]| {
        desk.shop.0.call(Method::GET, &format!("{SEGMENTS}{query}"), Some(&desk.service), headers, None).await
    };
    let counted = page("?pageSize=2&pageNumber=2", &[("x-total-count", "true")]).await;
    assert_eq!(each(&counted, "/id"), ["S3", "S4"]);
    assert_eq!(counted.headers.get("x-total-count").unwrap(), "5");
    assert_eq!(each(&page("?sort=id:desc&pageSize=2", &[]).await, "/id"), ["S5", "S4"]);
    assert_eq!(each(&page("?q=status:INACTIVE", &[]).await, "/id"), ["S4"]);
    assert_eq!(each(&page("?q=name.de:~%22s2%20auf%22", &[]).await, "/id"), ["S2"]);
    let search = desk.shop.post(&format!("{SEGMENTS}/search"), &desk.service, json!({ "q": "id:(S1,S3)" })).await;
    assert_eq!(each(&search, "/id"), ["S1", "S3"]);
    assert_eq!(page("?fields=id&q=id:S1", &[]).await.json(), json!([{ "id": "S1" }]));
    for (language, expected) in [
        ("de", json!("S1 auf Deutsch")),
        ("de-AT,en;q=0.5", json!("S1 auf Deutsch")),
        ("fr", json!("S1")),
        ("*", json!({ "en": "S1", "de": "S1 auf Deutsch" })),
    ] {
        let answer = page("/S1", &[("accept-language", language)]).await;
        assert_eq!(answer.json()["name"], expected, "{language}");
    }
    // Nothing of the storefront's product list is cut off without a page size.
    for number in 0..20 {
        desk.item("S2", &format!("PRODUCT/N{number:02}")).await;
    }
    let token = desk.token("ann", Some("le-2")).await;
    assert_eq!(desk.products(&token, "").await.len(), 21);
    assert_eq!(desk.products(&token, "&pageSize=5&pageNumber=2").await, ["N05", "N06", "N07", "N08", "N09"]);
}

async fn storefronts_of_their_own_narrow_what_is_seen(database: Database) {
    let desk = Desk::open(database).await;
    desk.segment("S2", json!({ "status": "ACTIVE", "siteCode": "outlet" })).await;
    let token = desk.token("ann", Some("le-2")).await;
    assert_eq!(desk.products(&token, "&siteCode=outlet").await, ["P2"]);
    assert_eq!(desk.products(&token, "&siteCode=main").await, Vec::<String>::new());
    assert_eq!(desk.products(&token, "").await, ["P2"]);
    assert_eq!(each(&desk.get(&format!("{SEGMENTS}?siteCode=outlet")).await, "/id"), ["S2"]);
    assert_eq!(desk.shop.get(&format!("{ITEMS}?siteCode=%2F"), &token).await.status, 400);
}

async fn categories_form_no_circle(database: Database) {
    let desk = Desk::open(database).await;
    for (id, parent, status) in [
        ("C0", None, 201),
        ("C1", Some("C0"), 201),
        ("C2", Some("C1"), 201),
        ("C0", Some("C2"), 400),
        ("C1", Some("C1"), 400),
        ("C3", Some("nope"), 400),
        ("C2", Some("C0"), 204),
    ] {
        let answer = desk.category(id, parent).await;
        assert_eq!(answer.status, status, "{id} below {parent:?}: {}", answer.text);
    }
    assert_eq!(desk.delete("/category/acme/categories/C0").await.status, 409);
    assert_eq!(desk.delete("/category/acme/categories/C2").await.status, 204);
    assert_eq!(desk.get("/category/acme/categories/C2").await.status, 404);
    assert_eq!(each(&desk.get("/category/acme/categories?q=parentId:C0").await, "/id"), ["C1"]);
    let ann = desk.token("ann", None).await;
    assert_eq!(desk.shop.get("/category/acme/categories", &ann).await.status, 403);
}

async fn s73_strangers_learn_nothing_from_segments(database: Database) {
    let desk = Desk::open(database).await;
    let acme = &desk.shop.0;
    let other = acme.server.tenant("other").await;
    let scopes = prokura_emporix::service_scopes();
    let secret = acme
        .server
        .client(
            &other,
            "bk-other",
            prokura_domain::ClientKind::Confidential,
            "client_credentials",
            &scopes,
            prokura_domain::RefreshPolicy::Family,
        )
        .await
        .unwrap();
    let foreign = acme.try_service("bk-other", secret.expose(), None).await;
    let foreign = foreign.json()["access_token"].as_str().unwrap().to_owned();
    let (guest, ann) = (acme.guest().await.access, desk.token("ann", Some("le-1")).await);
    let routes = [
        (Method::GET, "", false),
        (Method::POST, "", true),
        (Method::POST, "/search", false),
        (Method::POST, "/bulk", true),
        (Method::PUT, "/bulk", true),
        (Method::DELETE, "/bulk", true),
        (Method::POST, "/match", true),
        (Method::GET, "/items", false),
        (Method::GET, "/items/category-trees", false),
        (Method::GET, "/S1", false),
        (Method::PUT, "/S1", true),
        (Method::PATCH, "/S1", true),
        (Method::DELETE, "/S1", true),
        (Method::GET, "/S1/customers", false),
        (Method::POST, "/S1/customers/search", true),
        (Method::PUT, "/S1/customers/bulk", true),
        (Method::DELETE, "/S1/customers/bulk", true),
        (Method::GET, "/S1/customers/ann", true),
        (Method::PUT, "/S1/customers/ann", true),
        (Method::DELETE, "/S1/customers/ann", true),
        (Method::GET, "/S1/customers/ann/le-1", true),
        (Method::PUT, "/S1/customers/ann/le-1", true),
        (Method::DELETE, "/S1/customers/ann/le-1", true),
        (Method::GET, "/S1/items", false),
        (Method::POST, "/S1/items/search", false),
        (Method::GET, "/S1/items/PRODUCT/P1", true),
        (Method::PUT, "/S1/items/PRODUCT/P1", true),
        (Method::DELETE, "/S1/items/PRODUCT/P1", true),
        (Method::PUT, "/S1/items/PRODUCT/bulk", true),
        (Method::DELETE, "/S1/items/PRODUCT/bulk", true),
    ];
    for (method, path, is_for_backends) in routes {
        let url = format!("{SEGMENTS}{path}");
        let many = path.ends_with("/bulk");
        let body = if many { json!([]) } else { json!({ "q": "", "name": { "en": "x" }, "siteCode": "main" }) };
        let body = (method != Method::GET).then_some(&body);
        for (bearer, expected) in [(None, 401), (Some(&foreign), 401), (Some(&guest), 403)] {
            let answer = acme.call(method.clone(), &url, bearer.map(String::as_str), &[], body).await;
            assert_eq!(answer.status, expected, "{method} {path}: {}", answer.text);
        }
        if is_for_backends {
            let answer = acme.call(method.clone(), &url, Some(&ann), &[], body).await;
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
            assert!(answer.text.contains("missing scope: customersegment.segment_"), "{}", answer.text);
        }
    }
    assert_eq!(desk.get(&format!("{SEGMENTS}/S1/items/PRODUCT/P1")).await.status, 200, "none of it did anything");
    // Somebody else's segment and one that never was look alike.
    for path in ["", "/items", "/customers"] {
        let theirs = desk.shop.get(&format!("{SEGMENTS}/S2{path}"), &ann).await;
        let nobodys = desk.shop.get(&format!("{SEGMENTS}/S99{path}"), &ann).await;
        let odd = desk.shop.get(&format!("{SEGMENTS}/a%20b{path}"), &ann).await;
        assert_eq!((theirs.status, nobodys.status, odd.status), (404, 404, 404));
        assert_eq!((&theirs.text, &nobodys.text), (&nobodys.text, &odd.text));
    }
    assert_eq!(items(&desk.shop.get(&format!("{ITEMS}?q=segmentId:S2"), &ann).await), Vec::<String>::new());
    // A backend that may only manage, may not read.
    let manager = acme.try_service("bk", acme.backend_secret.expose(), Some("customersegment.segment_manage")).await;
    let manager = manager.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(desk.shop.get(SEGMENTS, &manager).await.status, 403);
}

async fn s74_what_lists_are_asked_is_checked_against_a_list(database: Database) {
    let desk = Desk::open(database).await;
    for query in [
        "sort=id%3B--",
        "sort=customer_id:asc",
        "sort=id:sideways",
        "q=tenant:acme",
        "q=id:S1%20OR%201=1",
        "q=name.en:(",
        "pageNumber=0",
        "pageSize=-1",
        "pageSize=1&pageSize=2",
    ] {
        let answer = desk.get(&format!("{SEGMENTS}?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text);
    }
    let odd = desk.get(&format!("{SEGMENTS}?q=id:%22S1';%20DROP%20TABLE%20segments;--%22")).await;
    assert_eq!(each(&odd, "/id"), Vec::<String>::new());
    assert_eq!(each(&desk.get(SEGMENTS).await, "/id").len(), 5);
}
