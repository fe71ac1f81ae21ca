//! The baskets of guests and customers: what becomes of them at a login, in Salesforce's words and in the shop's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::http::StatusCode;
use jiff::Timestamp;
use prokura_demo::shop::{self, Shop};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::fake::{Fake, TENANT, shop_with_sample_data};
use crate::shop::{As, Tried};

const BASE: &str = "/checkout/shopper-baskets/v2/organizations/f_ecom_zzrf_001/baskets";
const MERGE: &str = "/checkout/shopper-baskets/v1/organizations/f_ecom_zzrf_001/baskets/actions/merge?siteId=main";
const TRANSFER: &str =
    "/checkout/shopper-baskets/v2/organizations/f_ecom_zzrf_001/baskets/actions/transfer?siteId=main";
const HAMBURG: &str = "nordwind-hamburg";

/// Products that everybody sees.
const A: &str = "CT-101";
const B: &str = "CT-102";
const C: &str = "CT-103";
const D: &str = "CT-104";
const E: &str = "CT-105";

fn guest(visitor: &str) -> As {
    As::guest("session").with("x-prokura-visitor", visitor)
}

fn customer(visitor: &str) -> As {
    As::customer("erika").with("x-prokura-visitor", visitor)
}

impl Tried {
    async fn fill(&self, caller: &As, items: &[(&str, i64)]) {
        for (product, quantity) in items {
            let added = self.add(caller, product, *quantity).await;
            assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
        }
    }

    /// What is in the caller's basket, in its order.
    async fn items(&self, caller: &As) -> Vec<(String, i64)> {
        items(&self.get(caller, "/api/baskets").await.body[0]["items"])
    }

    async fn post(&self, caller: &As, target: &str) -> (StatusCode, Value) {
        let answer = self.send(caller, "POST", target, None).await;
        (answer.status, answer.body)
    }
}

fn items(lines: &Value) -> Vec<(String, i64)> {
    let lines = lines.as_array().map(Vec::as_slice).unwrap_or_default();
    lines
        .iter()
        .map(|line| (line["productId"].as_str().unwrap().to_owned(), line["quantity"].as_i64().unwrap()))
        .collect()
}

fn of(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(product, quantity)| ((*product).to_owned(), *quantity)).collect()
}

fn refusal(answer: &(StatusCode, Value)) -> (u16, String) {
    let kind = answer.1["type"].as_str().unwrap_or_default();
    (answer.0.as_u16(), kind.rsplit('/').next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn each_mode_of_merge_gives_the_documented_basket() {
    for (mode, expected) in [
        ("", [(A, 5), (D, 6), (E, 7), (B, 3), (C, 4)].to_vec()),
        ("&productItemMergeMode=higher_quantity", [(A, 5), (D, 6), (E, 7), (B, 3), (C, 4)].to_vec()),
        ("&productItemMergeMode=sum_quantities", [(A, 7), (D, 6), (E, 7), (B, 3), (C, 4)].to_vec()),
        ("&productItemMergeMode=saved_quantity", [(A, 2), (D, 6), (E, 7), (B, 3), (C, 4)].to_vec()),
        ("&productItemMergeMode=separate_item", [(A, 2), (D, 6), (E, 7), (A, 5), (B, 3), (C, 4)].to_vec()),
    ] {
        let tried = Tried::start().await;
        tried.fill(&guest("v"), &[(A, 5), (B, 3), (C, 4)]).await;
        tried.fill(&customer("elsewhere"), &[(A, 2), (D, 6), (E, 7)]).await;

        let (status, merged) = tried.post(&customer("v"), &format!("{MERGE}{mode}")).await;

        assert_eq!(status, 200, "{mode}: {merged}");
        assert_eq!(items(&merged["productItems"]), of(&expected), "{mode}");
        assert_eq!(merged["customerInfo"], json!({ "customerId": "erika", "guest": false }));
        assert_eq!(tried.items(&customer("anywhere")).await, of(&expected), "{mode}");
        assert_eq!(tried.items(&guest("v")).await, [], "the guest's basket is deleted");
        let again = tried.post(&customer("v"), &format!("{MERGE}{mode}")).await;
        assert_eq!(refusal(&again), (409, "no-source-basket-exception".to_owned()));
        assert_eq!(tried.items(&customer("v")).await, of(&expected), "{mode}, a second time");
    }
    let tried = Tried::start().await;
    assert_eq!(tried.post(&customer("v"), &format!("{MERGE}&productItemMergeMode=most")).await.0, 400);
}

#[tokio::test]
async fn merge_is_refused_to_whoever_was_no_guest_here_and_where_there_is_nothing_to_merge() {
    let tried = Tried::start().await;
    for stranger in [guest("v"), As::guest("session"), As::customer("erika")] {
        let answer = tried.post(&stranger, MERGE).await;
        assert_eq!(refusal(&answer), (403, "no-previous-customer-exception".to_owned()), "{}", answer.1);
    }
    let nothing = tried.post(&customer("v"), MERGE).await;
    assert_eq!(refusal(&nothing), (409, "no-source-basket-exception".to_owned()));

    tried.fill(&guest("v"), &[(A, 1)]).await;
    let no_target = tried.post(&customer("v"), MERGE).await;
    assert_eq!(refusal(&no_target), (409, "basket-merge-no-current-basket-exception".to_owned()));
    assert_eq!(tried.items(&guest("v")).await, of(&[(A, 1)]), "nothing was lost");

    let (status, made) = tried.post(&customer("v"), &format!("{MERGE}&createDestinationBasket=true")).await;
    assert_eq!((status.as_u16(), items(&made["productItems"])), (200, of(&[(A, 1)])));
    assert_eq!(tried.items(&guest("v")).await, []);

    let basket = tried.add(&guest("v"), B, 1).await.body;
    let item = format!("/api/baskets/{}/items/{B}", basket["id"].as_str().unwrap());
    assert_eq!(tried.send(&guest("v"), "DELETE", &item, None).await.status, 200);
    let emptied = tried.post(&customer("v"), MERGE).await;
    assert_eq!(refusal(&emptied), (409, "no-source-basket-exception".to_owned()), "an empty basket is none");
}

#[tokio::test]
async fn nobody_gets_the_basket_of_another_visitor() {
    let tried = Tried::start().await;
    tried.fill(&guest("v"), &[(A, 5)]).await;
    for stranger in [customer("w"), customer("V"), customer("session"), customer("")] {
        assert!(tried.post(&stranger, &format!("{MERGE}&createDestinationBasket=true")).await.0.is_client_error());
        assert_eq!(tried.post(&stranger, "/api/baskets/merge").await.0, 204);
    }
    assert_eq!(tried.items(&guest("w")).await, []);
    assert_eq!(tried.items(&guest("v")).await, of(&[(A, 5)]));
}

#[tokio::test]
async fn many_merges_at_once_merge_once() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::open(&directory.path().join("shop.db")).unwrap();
    prokura_demo::data::write_to(directory.path()).unwrap();
    shop.import(directory.path()).unwrap();
    let fake = Fake::start().await;
    let tried = Arc::new(Tried { shop: shop::router(shop, fake.shop_config()), fake });
    tried.fill(&guest("v"), &[(A, 5), (B, 3)]).await;
    tried.fill(&customer("v"), &[(A, 2)]).await;

    let calls: Vec<_> = (0..32)
        .map(|number| {
            let tried = tried.clone();
            tokio::spawn(async move {
                // The vendor's call and the shop's own, mixed.
                if number % 2 == 0 {
                    tried.post(&customer("v"), &format!("{MERGE}&productItemMergeMode=sum_quantities")).await.0
                } else {
                    tried.post(&customer("v"), "/api/baskets/merge?mode=sum_quantities").await.0
                }
            })
        })
        .collect();
    let mut merged = 0;
    for call in calls {
        match call.await.unwrap().as_u16() {
            200 => merged += 1,
            409 | 204 => {}
            other => panic!("{other}"),
        }
    }

    assert_eq!(merged, 1);
    assert_eq!(tried.items(&customer("v")).await, of(&[(A, 7), (B, 3)]));
}

#[tokio::test]
async fn the_order_of_merge_and_of_the_sessions_calls_does_not_matter() {
    // What `sessions` does is end the guest's session and begin another; the visitor stays.
    for session_first in [true, false] {
        let tried = Tried::start().await;
        tried.fill(&guest("v"), &[(A, 5)]).await;
        tried.fill(&customer("elsewhere"), &[(A, 2), (D, 1)]).await;
        let (before, after) =
            (customer("v").with("x-prokura-session", "one"), customer("v").with("x-prokura-session", "two"));
        if session_first {
            assert_eq!(tried.items(&after).await, of(&[(A, 2), (D, 1)]), "looking merges nothing");
            assert_eq!(tried.post(&after, MERGE).await.0, 200);
        } else {
            assert_eq!(tried.post(&before, MERGE).await.0, 200);
        }
        for caller in [before, after] {
            assert_eq!(tried.items(&caller).await, of(&[(A, 5), (D, 1)]));
        }
    }
}

#[tokio::test]
async fn a_merged_basket_belongs_to_the_company_acted_for() {
    let tried = Tried::start().await;
    let hamburg = As::hamburg("erika").with("x-prokura-visitor", "v");
    tried.fill(&guest("v"), &[(A, 2)]).await;

    let (status, merged) = tried.post(&hamburg, "/api/baskets/merge").await;

    assert_eq!((status.as_u16(), merged["legalEntityId"].as_str()), (200, Some(HAMBURG)));
    assert_eq!(tried.items(&hamburg).await, of(&[(A, 2)]));
    assert_eq!(tried.items(&customer("v")).await, []);
    assert_eq!(tried.items(&As::bremen("erika")).await, []);
    assert_eq!(tried.post(&customer("v"), "/api/baskets/merge").await, (StatusCode::NO_CONTENT, Value::Null));
}

#[tokio::test]
async fn a_basket_is_transferred_replaced_or_merged_as_asked() {
    let full = [(A, 2), (D, 6)];
    for (query, customers, expected) in [
        ("", &[][..], Ok(vec![(A, 5), (B, 3)])),
        ("", &full[..], Err((409, "basket-transfer-basket-already-exists-exception".to_owned()))),
        ("&overrideExisting=true", &full[..], Ok(vec![(A, 5), (B, 3)])),
        ("&merge=true", &full[..], Ok(vec![(A, 5), (D, 6), (B, 3)])),
        ("&merge=true", &[][..], Ok(vec![(A, 5), (B, 3)])),
        ("&merge=true&overrideExisting=true", &full[..], Err((400, "about:blank".to_owned()))),
    ] {
        let tried = Tried::start().await;
        tried.fill(&guest("v"), &[(A, 5), (B, 3)]).await;
        tried.fill(&customer("v"), customers).await;
        let answer = tried.post(&customer("v"), &format!("{TRANSFER}{query}")).await;
        match expected {
            Ok(expected) => {
                assert_eq!((answer.0.as_u16(), items(&answer.1["productItems"])), (200, of(&expected)), "{query}");
                assert_eq!(tried.items(&customer("v")).await, of(&expected), "{query}");
                assert_eq!(tried.items(&guest("v")).await, []);
                assert_eq!(tried.post(&customer("v"), TRANSFER).await.0, 204, "there is nothing to move");
            }
            Err(expected) => {
                assert_eq!(refusal(&answer), expected, "{query}");
                assert_eq!(tried.items(&guest("v")).await, of(&[(A, 5), (B, 3)]));
                assert_eq!(tried.items(&customer("v")).await, of(customers));
            }
        }
    }
    let tried = Tried::start().await;
    assert_eq!(tried.post(&guest("v"), TRANSFER).await.0, 403);
}

#[tokio::test]
async fn one_basket_may_be_open() {
    let tried = Tried::start().await;
    let caller = guest("v");
    let wanted = json!({ "productItems": [{ "productId": A, "quantity": 2 }], "c_ignored": 1 });
    let made = tried.send(&caller, "POST", &format!("{BASE}?siteId=main"), Some(wanted)).await;
    assert_eq!(made.status, 200, "{}", made.body);
    assert_eq!(made.body["customerInfo"], json!({ "customerId": "v", "guest": true }));
    assert_eq!(made.body["productTotal"], json!(236.8));

    let second = tried.post(&caller, BASE).await;

    assert_eq!(second.0, 400);
    assert_eq!(second.1["title"], "Customer Baskets Quota Exceeded");
    assert!(second.1["type"].as_str().unwrap().ends_with("customer-baskets-quota-exceeded"));
    assert_eq!(second.1["basketIds"], json!([made.body["basketId"]]));
    assert_eq!(tried.post(&guest("w"), BASE).await.0, 200, "another visitor has another one");
}

#[tokio::test]
async fn the_vendors_calls_change_one_basket_and_only_the_callers() {
    let tried = Tried::start().await;
    let (caller, stranger) = (guest("v"), guest("w"));
    let id = tried.post(&caller, BASE).await.1["basketId"].as_str().unwrap().to_owned();
    let basket = format!("{BASE}/{id}");
    let send = async |caller: &As, method: &str, rest: &str, body: Option<Value>| {
        let answer = tried.send(caller, method, &format!("{basket}{rest}"), body).await;
        (answer.status.as_u16(), answer.body)
    };
    let gift = json!([
        { "productId": A, "quantity": 1, "gift": true, "giftMessage": "Enjoy", "price": 0.01, "c_note": "blue" },
        { "productId": A, "optionItems": [{ "optionId": "grind", "optionValueId": "fine", "price": 0 }] },
        { "productId": A, "quantity": 2 },
    ]);
    assert_eq!(send(&caller, "POST", "/items", Some(gift.clone())).await.0, 200);
    let (status, filled) = send(&caller, "POST", "/items", Some(json!([{ "productId": A, "quantity": 3 }]))).await;
    assert_eq!((status, items(&filled["productItems"])), (200, of(&[(A, 1), (A, 1), (A, 5)])));
    assert_eq!(filled["productItems"][0]["giftMessage"], "Enjoy");
    assert_eq!(filled["productItems"][0]["c_note"], "blue");
    assert_eq!(filled["productItems"][0]["price"], json!(118.4), "the shop's price");
    assert_eq!(filled["productItems"][1]["optionItems"], json!([{ "optionId": "grind", "optionValueId": "fine" }]));

    let item = format!("/items/{}", filled["productItems"][2]["itemId"].as_str().unwrap());
    for (method, rest, body) in [
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "/items", Some(gift)),
        ("PATCH", item.as_str(), Some(json!({ "quantity": 9 }))),
        ("DELETE", item.as_str(), None),
    ] {
        assert_eq!(send(&stranger, method, rest, body).await.0, 404, "{method} {rest}");
    }
    assert_eq!(send(&caller, "PATCH", &format!("/items/{A}"), Some(json!({ "quantity": 9 }))).await.0, 409);
    let (_, changed) = send(&caller, "PATCH", &item, Some(json!({ "quantity": 9 }))).await;
    assert_eq!(items(&changed["productItems"]), of(&[(A, 1), (A, 1), (A, 9)]));
    let (_, changed) = send(&caller, "PATCH", &item, Some(json!({ "quantity": 0 }))).await;
    assert_eq!(items(&changed["productItems"]), of(&[(A, 1), (A, 1)]));
    assert_eq!(
        send(&caller, "POST", "/items", Some(json!([{ "productId": B }, { "productId": "nothing" }]))).await.0,
        404
    );
    assert_eq!(send(&caller, "GET", "", None).await.1, changed, "all items or none");
    assert_eq!(send(&caller, "POST", "/items", Some(json!({ "productId": B }))).await.0, 422, "a list is expected");
    assert_eq!(send(&caller, "DELETE", "", None).await.0, 204);
    assert_eq!(send(&caller, "GET", "", None).await.0, 404);
    let unknown = BASE.replace("v2", "v3");
    assert_eq!(tried.post(&caller, &unknown).await.0, 404);
}

#[tokio::test]
async fn custom_attributes_and_differing_lines_survive_a_merge_and_an_order() {
    let tried = Tried::start().await;
    let put = async |caller: &As, items: Value| {
        let body = Some(json!({ "productItems": items }));
        assert_eq!(tried.send(caller, "POST", BASE, body).await.status, 200);
    };
    put(&guest("v"), json!([{ "productId": A, "c_note": "guest", "c_more": 1 }, { "productId": A, "gift": true }]))
        .await;
    put(&customer("v"), json!([{ "productId": A, "quantity": 2, "c_note": "mine" }])).await;

    let (_, merged) = tried.post(&customer("v"), &format!("{MERGE}&productItemMergeMode=sum_quantities")).await;

    assert_eq!(items(&merged["productItems"]), of(&[(A, 3), (A, 1)]));
    assert_eq!(merged["productItems"][0]["c_note"], "mine");
    assert_eq!(merged["productItems"][0]["c_more"], 1);
    assert_eq!(merged["productItems"][1]["gift"], true);
    let order = json!({ "basketId": merged["basketId"] });
    let placed = tried.send(&customer("v"), "POST", "/api/orders", Some(order)).await;
    assert_eq!(placed.status, 201, "{}", placed.body);
    assert_eq!(items(&placed.body["lines"]), of(&[(A, 4)]), "an order has one line for each product");
}

#[tokio::test]
async fn a_guests_basket_lives_for_thirty_days_after_its_last_change() {
    const DAY: i64 = 24 * 60 * 60;
    let seconds = Arc::new(AtomicI64::new(1_800_000_000));
    let clock = seconds.clone();
    let shop = shop_with_sample_data()
        .with_clock(move || Timestamp::from_second(clock.load(Ordering::Relaxed)).expect("a moment"));
    let fake = Fake::start().await;
    let tried = Tried { shop: shop::router(shop, fake.shop_config()), fake };
    tried.fill(&guest("v"), &[(A, 1)]).await;
    tried.fill(&customer("w"), &[(A, 1)]).await;
    seconds.fetch_add(29 * DAY, Ordering::Relaxed);
    tried.fill(&guest("v"), &[(B, 1)]).await;
    seconds.fetch_add(30 * DAY, Ordering::Relaxed);
    assert_eq!(tried.items(&guest("v")).await, of(&[(A, 1), (B, 1)]));

    seconds.fetch_add(1, Ordering::Relaxed);

    assert_eq!(tried.items(&guest("v")).await, []);
    assert_eq!(tried.items(&customer("w")).await, of(&[(A, 1)]), "a customer's basket stays");
    assert_eq!(refusal(&tried.post(&customer("v"), MERGE).await), (409, "no-source-basket-exception".to_owned()));
    tried.fill(&guest("v"), &[(C, 1)]).await;
    assert_eq!(tried.items(&guest("v")).await, of(&[(C, 1)]), "a new one may be begun");
}

#[tokio::test]
async fn aged_baskets_of_guests_are_swept_out_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let seconds = Arc::new(AtomicI64::new(1_800_000_000));
    let clock = seconds.clone();
    let shop = Shop::open(&path)
        .unwrap()
        .with_clock(move || Timestamp::from_second(clock.load(Ordering::Relaxed)).expect("a moment"));
    prokura_demo::data::write_to(directory.path()).unwrap();
    shop.import(directory.path()).unwrap();
    let fake = Fake::start().await;
    let tried = Tried { shop: shop::router(shop, fake.shop_config()), fake };
    for number in 0..20 {
        tried.fill(&guest(&format!("v{number}")), &[(A, 1)]).await;
    }
    tried.fill(&customer("w"), &[(A, 1)]).await;
    seconds.fetch_add(31 * 24 * 60 * 60, Ordering::Relaxed);
    for number in 0..3 {
        tried.fill(&guest(&format!("new{number}")), &[(A, 1)]).await;
    }

    let count = |what: &str| -> i64 { Connection::open(&path).unwrap().query_row(what, [], |row| row.get(0)).unwrap() };
    assert_eq!(count("SELECT count(*) FROM baskets"), 4);
    assert_eq!(count("SELECT count(*) FROM basket_items"), 4);
}

#[tokio::test]
async fn baskets_of_an_older_file_are_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let shop = Shop::open(&path).unwrap();
    prokura_demo::data::write_to(directory.path()).unwrap();
    shop.import(directory.path()).unwrap();
    drop(shop);
    // As schema 1 had them.
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "DROP TABLE basket_items; DROP TABLE baskets;
             CREATE TABLE baskets (
                 id TEXT PRIMARY KEY, owner TEXT NOT NULL, legal_entity_id TEXT NOT NULL, currency TEXT NOT NULL,
                 order_id TEXT REFERENCES orders (id)) STRICT;
             CREATE UNIQUE INDEX open_baskets ON baskets (owner, legal_entity_id) WHERE order_id IS NULL;
             CREATE TABLE basket_items (
                 basket_id TEXT NOT NULL REFERENCES baskets (id) ON DELETE CASCADE,
                 product_id TEXT NOT NULL REFERENCES products (id),
                 quantity INTEGER NOT NULL CHECK (quantity > 0), added INTEGER NOT NULL,
                 PRIMARY KEY (basket_id, product_id)) STRICT, WITHOUT ROWID;
             INSERT INTO baskets VALUES ('b', 'customer:erika', '', 'EUR', NULL);
             INSERT INTO basket_items VALUES ('b', 'CT-102', 3, 2), ('b', 'CT-101', 1, 1);
             PRAGMA user_version = 1;",
        )
        .unwrap();

    let fake = Fake::start().await;
    let tried = Tried { shop: shop::router(Shop::open(&path).unwrap(), fake.shop_config()), fake };

    assert_eq!(tried.items(&customer("v")).await, of(&[(A, 1), (B, 3)]));
    tried.fill(&customer("v"), &[(A, 1)]).await;
    assert_eq!(tried.items(&customer("v")).await, of(&[(A, 2), (B, 3)]), "a plain line is still the same thing");
    Shop::open(&path).expect("it can be opened again");
}

#[tokio::test]
async fn looking_makes_no_basket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let shop = Shop::open(&path).unwrap();
    let fake = Fake::start().await;
    let tried = Tried { shop: shop::router(shop, fake.shop_config()), fake };
    for caller in [guest("v"), customer("v"), As::guest("session")] {
        for target in ["/api/baskets", "/api/products", "/api/categories"] {
            assert_eq!(tried.get(&caller, target).await.status, 200, "{TENANT}");
        }
        let _ = tried.post(&caller, "/api/baskets/merge").await;
    }
    let made: i64 =
        Connection::open(&path).unwrap().query_row("SELECT count(*) FROM baskets", [], |row| row.get(0)).unwrap();
    assert_eq!(made, 0);
}
