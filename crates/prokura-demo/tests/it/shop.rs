//! The shop behind a gateway whose headers are written by hand.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use prokura_demo::data;
use prokura_demo::shop::{self, Shop};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::fake::{Fake, TENANT, shop_with_sample_data};

const HAMBURG: &str = "nordwind-hamburg";
const BREMEN: &str = "nordwind-bremen";

/// Headers as the gateway would inject them.
#[derive(Clone)]
pub(crate) struct As(Vec<(&'static str, String)>);

impl As {
    pub(crate) fn customer(id: &str) -> Self {
        Self::subject("customer").with("x-prokura-customer", id)
    }

    pub(crate) fn guest(session: &str) -> Self {
        Self::subject("guest").with("x-prokura-session", session)
    }

    fn subject(kind: &str) -> Self {
        Self(vec![("x-prokura-tenant", TENANT.to_owned()), ("x-prokura-subject", kind.to_owned())])
    }

    fn acting_for(self, entity: &str, segments: &str) -> Self {
        self.with("legalEntityId", entity).with("Legal-Entity-Id", entity).with("x-prokura-segments", segments)
    }

    pub(crate) fn hamburg(customer: &str) -> Self {
        Self::customer(customer).acting_for(HAMBURG, "general,barista")
    }

    pub(crate) fn bremen(customer: &str) -> Self {
        Self::customer(customer).acting_for(BREMEN, "general,bakehouse")
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.0.push((name, value.to_owned()));
        self
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    response: Response<()>,
    pub(crate) body: Value,
}

pub(crate) struct Tried {
    pub(crate) shop: Router,
    pub(crate) fake: Fake,
}

impl Tried {
    pub(crate) async fn start() -> Self {
        let fake = Fake::start().await;
        Self { shop: shop::router(shop_with_sample_data(), fake.shop_config()), fake }
    }

    pub(crate) async fn send(&self, caller: &As, method: &str, target: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in &caller.0 {
            request = request.header(*name, value);
        }
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        let (parts, body) = self.shop.clone().oneshot(request.unwrap()).await.unwrap().into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status: parts.status, response: Response::from_parts(parts, ()), body }
    }

    pub(crate) async fn get(&self, caller: &As, target: &str) -> Answer {
        self.send(caller, "GET", target, None).await
    }

    async fn count(&self, caller: &As, target: &str) -> usize {
        let answer = self.get(caller, target).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
        let rows = answer.body.as_array().unwrap().len();
        assert_eq!(answer.response.headers()["x-total-count"], rows.to_string());
        rows
    }

    pub(crate) async fn add(&self, caller: &As, product: &str, quantity: i64) -> Answer {
        self.send(caller, "POST", "/api/baskets/items", Some(json!({ "productId": product, "quantity": quantity })))
            .await
    }
}

#[tokio::test]
async fn each_company_sees_the_products_of_its_segments() {
    let tried = Tried::start().await;
    for (caller, expected) in [
        (As::hamburg("erika"), 28),
        (As::bremen("erika"), 29),
        (As::customer("vreni").acting_for("alpenkueche", "general,barista,bakehouse"), 36),
        (As::customer("erika"), 20),
        (As::customer("nemo").with("x-prokura-segments", "barista"), 28),
        (As::guest("session-1"), 20),
        (As::subject("service"), 20),
        (As::customer("erika").acting_for("without-segments", ""), 0),
        (As::customer("erika").acting_for("with-unknown-segment", "unheard-of"), 0),
    ] {
        assert_eq!(tried.count(&caller, "/api/products").await, expected, "{:?}", caller.0);
    }
}

#[tokio::test]
async fn a_product_that_may_not_be_seen_is_answered_like_one_that_does_not_exist() {
    let tried = Tried::start().await;
    let hidden = tried.get(&As::bremen("erika"), "/api/products/CT-107").await;
    let absent = tried.get(&As::bremen("erika"), "/api/products/nothing").await;

    assert_eq!(tried.get(&As::hamburg("erika"), "/api/products/CT-107").await.status, 200);
    assert_eq!((hidden.status, &hidden.body), (absent.status, &absent.body));
    assert_eq!(hidden.status, 404);
    assert_eq!(tried.add(&As::bremen("erika"), "CT-107", 1).await.body, absent.body);
    let order = json!({ "lines": [{ "productId": "CT-107", "quantity": 1 }] });
    assert_eq!(tried.send(&As::bremen("erika"), "POST", "/api/orders", Some(order)).await.body, absent.body);
}

#[tokio::test]
async fn prices_follow_the_contract_of_the_company() {
    let tried = Tried::start().await;
    let price =
        async |caller: As, id: &str| tried.get(&caller, &format!("/api/products/{id}")).await.body["price"].clone();

    assert_eq!(price(As::guest("s"), "CT-101").await, "118.40");
    assert_eq!(price(As::customer("erika"), "CT-101").await, "118.40");
    assert_eq!(price(As::hamburg("erika"), "CT-101").await, "97.68", "for the product");
    assert_eq!(price(As::hamburg("erika"), "CT-103").await, "74.45", "for the category");
    assert_eq!(price(As::hamburg("erika"), "PB-201").await, "13.34", "for everything");
    assert_eq!(price(As::bremen("erika"), "PB-201").await, "10.84");
}

#[tokio::test]
async fn products_can_be_paged_searched_and_filtered() {
    let tried = Tried::start().await;
    let caller = As::hamburg("erika");
    let page = tried.get(&caller, "/api/products?pageSize=10&pageNumber=3").await;
    assert_eq!(page.body.as_array().unwrap().len(), 8);
    assert_eq!(page.response.headers()["x-total-count"], "28");
    assert_eq!(tried.count(&caller, "/api/products?search=ESPRESSO").await, 2);
    assert_eq!(tried.count(&caller, "/api/products?search=%25").await, 0);
    assert_eq!(tried.count(&caller, "/api/products?category=Tableware").await, 4);
    assert_eq!(tried.get(&caller, "/api/products?pageSize=0").await.status, 400);
    assert_eq!(tried.get(&caller, "/api/products?pageNumber=x").await.status, 400);
    assert_eq!(tried.get(&caller, "/api/products?pageNumber=9223372036854775807").await.status, 200);

    let categories = tried.get(&caller, "/api/categories").await.body;
    let sum: i64 = categories.as_array().unwrap().iter().map(|row| row["products"].as_i64().unwrap()).sum();
    assert_eq!(sum, 28);
}

#[tokio::test]
async fn orders_are_those_of_the_company_acted_for() {
    let tried = Tried::start().await;
    for (caller, expected) in [
        (As::hamburg("erika"), 17),
        (As::bremen("erika"), 9),
        (As::customer("mario").acting_for("lagune", "general"), 6),
        (As::customer("erika"), 0),
    ] {
        assert_eq!(tried.count(&caller, "/api/orders").await, expected, "{:?}", caller.0);
    }
    assert_eq!(tried.get(&As::guest("s"), "/api/orders").await.status, 403);
}

#[tokio::test]
async fn a_foreign_order_is_answered_like_one_that_does_not_exist() {
    let tried = Tried::start().await;
    let own = tried.get(&As::hamburg("erika"), "/api/orders").await.body[0]["id"].as_str().unwrap().to_owned();
    let target = format!("/api/orders/{own}");
    let absent = tried.get(&As::hamburg("erika"), "/api/orders/999999").await;

    assert_eq!(tried.get(&As::hamburg("somebody-else"), &target).await.status, 200);
    for stranger in [As::bremen("erika"), As::customer("erika")] {
        let answer = tried.get(&stranger, &target).await;
        assert_eq!((answer.status, answer.body), (StatusCode::NOT_FOUND, absent.body.clone()));
    }
}

#[tokio::test]
async fn a_basket_is_made_by_its_first_item_and_belongs_to_person_and_company() {
    let tried = Tried::start().await;
    let (hamburg, bremen) = (As::hamburg("erika"), As::bremen("erika"));
    assert_eq!(tried.get(&hamburg, "/api/baskets").await.body, json!([]));

    let first = tried.add(&hamburg, "CT-107", 2).await;
    let second = tried.add(&hamburg, "CT-107", 1).await;

    assert_eq!((first.status, second.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!(first.body["id"], second.body["id"]);
    assert_eq!(second.body["items"][0]["quantity"], 3);
    assert_eq!(second.body["total"], "348.48");
    let id = first.body["id"].as_str().unwrap();
    for stranger in [bremen.clone(), As::customer("erika"), As::hamburg("jonas"), As::guest("erika")] {
        assert_eq!(tried.get(&stranger, "/api/baskets").await.body, json!([]), "{:?}", stranger.0);
        for (method, target, body) in [
            ("GET", format!("/api/baskets/{id}"), None),
            ("DELETE", format!("/api/baskets/{id}"), None),
            ("DELETE", format!("/api/baskets/{id}/items/CT-107"), None),
            ("PATCH", format!("/api/baskets/{id}/items/CT-107"), Some(json!({ "quantity": 9 }))),
        ] {
            assert_eq!(tried.send(&stranger, method, &target, body).await.status, 404, "{method} {target}");
        }
    }
    assert_eq!(tried.get(&hamburg, &format!("/api/baskets/{id}")).await.body, second.body);
}

#[tokio::test]
async fn basket_items_are_changed_and_removed() {
    let tried = Tried::start().await;
    let guest = As::guest("session-1");
    let basket = tried.add(&guest, "CT-101", 1).await.body;
    let item = format!("/api/baskets/{}/items/CT-101", basket["id"].as_str().unwrap());
    let quantity = |quantity: i64| Some(json!({ "quantity": quantity }));

    assert_eq!(tried.send(&guest, "PATCH", &item, quantity(5)).await.body["total"], "592.00");
    for wrong in [0, -1, 10_000] {
        assert_eq!(tried.send(&guest, "PATCH", &item, quantity(wrong)).await.status, 422);
    }
    assert_eq!(tried.add(&guest, "CT-101", 9_999).await.status, 422, "together too many");
    assert_eq!(tried.add(&guest, "CH-507", 1).await.status, 409, "no longer sold");
    assert_eq!(tried.send(&guest, "DELETE", &item, None).await.body["items"], json!([]));
    assert_eq!(tried.send(&guest, "DELETE", &item, None).await.status, 404);
    let basket = format!("/api/baskets/{}", basket["id"].as_str().unwrap());
    assert_eq!(tried.send(&guest, "DELETE", &basket, None).await.status, 204);
    assert_eq!(tried.send(&guest, "DELETE", &basket, None).await.status, 404);
}

#[tokio::test]
async fn ordering_a_basket_twice_makes_one_order() {
    let tried = Tried::start().await;
    let caller = As::bremen("erika");
    let basket = tried.add(&caller, "PB-205", 4).await.body;
    let order = json!({ "basketId": basket["id"], "reference": "PO 77" });

    let first = tried.send(&caller, "POST", "/api/orders", Some(order.clone())).await;
    let again = tried.send(&caller, "POST", "/api/orders", Some(order)).await;

    assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::OK), "{}", first.body);
    assert_eq!(first.body, again.body);
    assert_eq!(first.body["total"], "83.32");
    assert_eq!(first.body["placedBy"]["customerId"], "erika");
    assert_eq!(first.response.headers()["location"], format!("/api/orders/{}", first.body["id"].as_str().unwrap()));
    assert_eq!(tried.get(&caller, "/api/orders").await.body[0]["id"], first.body["id"], "the newest is first");
    assert_eq!(tried.count(&caller, "/api/orders").await, 10);
    assert_eq!(tried.get(&caller, "/api/baskets").await.body, json!([]));
    assert_eq!(tried.get(&caller, "/api/products/PB-205").await.body["unitsInStock"], 86);
}

#[tokio::test]
async fn a_private_order_stays_with_the_person() {
    let tried = Tried::start().await;
    let order = json!({ "lines": [{ "productId": "CT-104", "quantity": 1 }] });
    let placed = tried.send(&As::customer("erika"), "POST", "/api/orders", Some(order)).await;
    assert_eq!(placed.status, 201);
    assert_eq!(placed.body["legalEntityId"], Value::Null);
    assert_eq!(tried.count(&As::customer("erika"), "/api/orders").await, 1);
    assert_eq!(tried.count(&As::customer("jonas"), "/api/orders").await, 0);
    assert_eq!(tried.count(&As::hamburg("erika"), "/api/orders").await, 17);
}

#[tokio::test]
async fn an_order_is_written_whole_or_not_at_all() {
    let tried = Tried::start().await;
    let caller = As::hamburg("erika");
    let line = |product: &str, quantity: i64| json!({ "productId": product, "quantity": quantity });
    for (order, status) in [
        (json!({ "lines": [line("CT-101", 1), line("KE-305", 7)] }), 409),
        (json!({ "lines": [line("CT-101", 1), line("CT-101", 1)] }), 422),
        (json!({ "lines": [line("CT-101", 1), line("nothing", 1)] }), 404),
        (json!({ "lines": [line("CT-101", 1), line("CH-507", 1)] }), 409),
        (json!({ "lines": [line("CT-101", -1)] }), 422),
        (json!({ "lines": [] }), 422),
        (json!({}), 422),
        (json!({ "basketId": "x", "lines": [line("CT-101", 1)] }), 422),
        (json!({ "basketId": "x" }), 404),
        (json!({ "lines": [line("CT-101", 1)], "legalEntityId": BREMEN }), 422),
        (json!({ "lines": [line("CT-101", 1)], "reference": "x".repeat(61) }), 422),
    ] {
        let answer = tried.send(&caller, "POST", "/api/orders", Some(order.clone())).await;
        assert_eq!(answer.status, status, "{order}: {}", answer.body);
        assert_eq!(answer.response.headers()["content-type"], "application/problem+json");
    }
    assert_eq!(tried.count(&caller, "/api/orders").await, 17);
    assert_eq!(tried.get(&caller, "/api/products/CT-101").await.body["unitsInStock"], 64);
}

#[tokio::test]
async fn a_request_that_did_not_come_through_the_gateway_is_refused() {
    let tried = Tried::start().await;
    for (caller, status) in [
        (As(vec![]), 403),
        (As(vec![("legalEntityId", HAMBURG.to_owned())]), 403),
        (As::subject("customer"), 403),
        (As::subject("operator"), 403),
        (As(vec![("x-prokura-tenant", "other".to_owned()), ("x-prokura-subject", "service".to_owned())]), 403),
        (As::hamburg("erika").with("LegalEntityId", BREMEN), 400),
        (As::customer("erika").with("legalEntityId", HAMBURG).with("legal-entity-id", BREMEN), 400),
        (As::customer("erika").with("x-prokura-customer", "jonas"), 400),
    ] {
        assert_eq!(tried.get(&caller, "/api/products").await.status, status, "{:?}", caller.0);
    }
}

#[tokio::test]
async fn an_empty_header_is_an_absent_one() {
    let tried = Tried::start().await;
    let caller = As::customer("erika").acting_for("", "").with("x-prokura-session", "");
    assert_eq!(tried.count(&caller, "/api/products").await, 20);
    assert_eq!(tried.count(&caller, "/api/orders").await, 0);
}

#[tokio::test]
async fn a_customer_with_more_segments_than_the_gateway_names_sees_them_all() {
    let tried = Tried::start().await;
    let caller = As::customer(data::BUYER.email).acting_for(BREMEN, "general").with("x-prokura-segments-more", "true");
    assert_eq!(tried.count(&caller, "/api/products").await, 29);
}

#[tokio::test]
async fn without_an_answer_about_segments_nothing_is_shown() {
    let tried = Tried::start().await;
    tried.fake.go_down();
    let answer = tried.get(&As::hamburg("erika"), "/api/products").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.response.headers()["retry-after"], "2");
}

#[tokio::test]
async fn segments_are_asked_once_for_many_requests() {
    let tried = Tried::start().await;
    let caller = As::hamburg("erika");
    tokio::join!(
        tried.get(&caller, "/api/products"),
        tried.get(&caller, "/api/products"),
        tried.get(&caller, "/api/categories")
    );
    let asked = tried.fake.calls().iter().filter(|call| call.ends_with("/items")).count();
    assert_eq!(asked, 2, "one call for each segment: {:?}", tried.fake.calls());
}

#[tokio::test]
async fn the_echo_shows_the_request_as_it_arrived() {
    let tried = Tried::start().await;
    let caller = As(vec![("X-One", "a".into()), ("X-Two", "b".into()), ("X-One", "c".into())]);
    let answer = tried.send(&caller, "PUT", "/api/echo/%7Bdeep%7D?a=1&a=2", Some(json!({ "hello": "you" }))).await;
    assert_eq!(answer.body["method"], "PUT");
    assert_eq!(answer.body["target"], "/api/echo/%7Bdeep%7D?a=1&a=2");
    assert_eq!(answer.body["body"], r#"{"hello":"you"}"#);
    let headers = answer.body["headers"].as_array().unwrap();
    assert_eq!(headers.iter().filter(|header| header[0] == "x-one").count(), 2);
    assert_eq!(headers.iter().filter(|header| header[0] == "legalentityid").count(), 0);
}

#[tokio::test]
async fn a_second_import_changes_nothing_not_even_the_stock() {
    let directory = tempfile::tempdir().unwrap();
    data::write_to(directory.path()).unwrap();
    let shop = Shop::open(&directory.path().join("shop.db")).unwrap();
    let first = shop.import(directory.path()).unwrap();
    let fake = Fake::start().await;
    let tried = Tried { shop: shop::router(shop.clone(), fake.shop_config()), fake };
    let caller = As::hamburg("erika");
    let stock = async || tried.get(&caller, "/api/products/CT-101").await.body["unitsInStock"].clone();
    let order = json!({ "lines": [{ "productId": "CT-101", "quantity": 4 }] });
    assert_eq!(tried.send(&caller, "POST", "/api/orders", Some(order)).await.status, 201);

    assert_eq!(first, shop.import(directory.path()).unwrap());

    assert_eq!(stock().await, 60);
    assert_eq!(tried.count(&caller, "/api/orders").await, 18);
    let products = std::fs::read_to_string(directory.path().join("products.csv")).unwrap();
    let counted_anew = products.replace("118.40,EUR,64,", "118.40,EUR,70,");
    assert_ne!(products, counted_anew);
    std::fs::write(directory.path().join("products.csv"), counted_anew).unwrap();
    shop.import(directory.path()).unwrap();
    assert_eq!(stock().await, 70, "a stock that changed in the file is taken over");
    assert_eq!((first.products.accepted, first.orders.accepted, first.order_lines.accepted), (41, 60, 206));
    assert_eq!(first.rejected(), 0);
    Shop::open(&directory.path().join("shop.db")).expect("the file can be opened again");
}

#[test]
fn bad_rows_are_named_and_good_ones_go_in() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| std::fs::write(directory.path().join(name), content).unwrap();
    write(
        "products.csv",
        "id,name,category,quantity_per_unit,unit_price,currency,units_in_stock,discontinued\n\
         a,Apple,Fruit,1 kg,1.20,EUR,5,false\n\
         a,Again,Fruit,1 kg,1.20,EUR,5,false\n\
         b,Bean,Fruit,1 kg,1.205,EUR,5,false\n\
         c,Corn,Fruit,1 kg,1.20,euro,5,false\n\
         d,Date,Fruit,1 kg,1.20,EUR,-5,no\n\
         e e,Egg,Fruit,1 kg,1.20,EUR,5,false\n\
         ,Fig,Fruit,1 kg,1.20,EUR,5,false\n\
         g,Grape\n",
    );
    write(
        "prices.csv",
        "legal_entity_id,product_id,category,discount_percent\nx,a,Fruit,5\nx,zzz,,5\nx,a,,101\nx,a,,5\n",
    );
    write(
        "orders.csv",
        "id,legal_entity_id,customer_email,placed_at,currency\n1,x,e@x.example,2026-02-30,EUR\n2,,e@x.example,2026-02-01,EUR\n3,x,e@x.example,2026-02-01,EUR\n",
    );
    write(
        "order_lines.csv",
        "order_id,product_id,unit_price,quantity,discount\n9,a,1.20,1,0\n3,a,1.20,0,0\n3,a,1.20,1,15\n3,a,1.20,1,0.15\n",
    );

    let report = Shop::open_in_memory().unwrap().import(directory.path()).unwrap();

    let named: Vec<String> =
        report.bad_rows.iter().map(|row| format!("{}:{}:{}", row.file, row.line, row.column)).collect();
    assert_eq!(
        named,
        [
            "products.csv:3:id",
            "products.csv:4:unit_price",
            "products.csv:5:currency",
            "products.csv:6:units_in_stock",
            "products.csv:7:id",
            "products.csv:8:id",
            "products.csv:9:",
            "prices.csv:2:category",
            "prices.csv:3:product_id",
            "prices.csv:4:discount_percent",
            "orders.csv:2:placed_at",
            "orders.csv:3:legal_entity_id",
            "order_lines.csv:2:order_id",
            "order_lines.csv:3:quantity",
            "order_lines.csv:4:discount",
        ]
    );
    assert_eq!(report.bad_rows[1].to_string(), "products.csv:4: unit_price: `1.205` is not an amount such as 18.00");
    assert_eq!(
        [report.products, report.prices, report.orders, report.order_lines].map(|file| file.accepted),
        [1, 1, 1, 1]
    );
}
