//! The shop as the gateway lets a token see it. Nothing here says for which company: the token does.

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::upstream::{Call, address};

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Product {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) category: String,
    pub(super) quantity_per_unit: String,
    pub(super) list_price: String,
    pub(super) price: String,
    pub(super) discount_percent: String,
    pub(super) currency: String,
    pub(super) units_in_stock: i64,
    pub(super) discontinued: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Category {
    pub(super) name: String,
    pub(super) products: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Basket {
    pub(super) id: String,
    pub(super) currency: String,
    pub(super) items: Vec<Item>,
    pub(super) total: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) product_id: String,
    pub(super) quantity: i64,
    pub(super) product: Option<Product>,
    pub(super) total: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) placed_by: PlacedBy,
    pub(super) placed_at: String,
    pub(super) currency: String,
    pub(super) reference: Option<String>,
    pub(super) line_count: i64,
    pub(super) total: String,
    #[serde(default)]
    pub(super) lines: Vec<Line>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlacedBy {
    pub(super) customer_id: Option<String>,
    pub(super) email: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    pub(super) product_id: String,
    pub(super) name: Option<String>,
    pub(super) unit_price: String,
    pub(super) quantity: i64,
    pub(super) discount_percent: String,
    pub(super) total: String,
}

/// One page of a list and the number of rows on all pages.
#[derive(Debug, Clone)]
pub(super) struct Listed<T> {
    pub(super) rows: Vec<T>,
    pub(super) total: u32,
}

/// Which products to list.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) search: String,
    pub(super) category: String,
    /// Counted from 1.
    pub(super) page: u32,
    pub(super) page_size: u32,
}

/// The shop's interface behind the gateway.
pub(super) struct Gateway {
    http: Client,
    base: String,
}

impl Gateway {
    pub(super) fn new(http: Client, base: &str) -> Self {
        Self { http, base: base.to_owned() }
    }

    pub(super) fn products(&self, wanted: &Wanted) -> Call<Listed<Product>> {
        let query = [
            ("search", wanted.search.clone()),
            ("category", wanted.category.clone()),
            ("pageNumber", wanted.page.to_string()),
            ("pageSize", wanted.page_size.to_string()),
        ];
        Call::reading(self.request(Method::GET, &["products"]).map(|request| request.query(&query)), listed)
    }

    pub(super) fn product(&self, id: &str) -> Call<Product> {
        Call::json(self.request(Method::GET, &["products", id]))
    }

    pub(super) fn categories(&self) -> Call<Vec<Category>> {
        Call::json(self.request(Method::GET, &["categories"]))
    }

    /// The open basket: a list of one, or of none.
    pub(super) fn baskets(&self) -> Call<Vec<Basket>> {
        Call::json(self.request(Method::GET, &["baskets"]))
    }

    pub(super) fn add_to_basket(&self, product: &str, quantity: i64) -> Call<Basket> {
        let body = json!({ "productId": product, "quantity": quantity });
        Call::json(self.request(Method::POST, &["baskets", "items"]).map(|request| request.json(&body)))
    }

    pub(super) fn set_quantity(&self, basket: &str, item: &str, quantity: i64) -> Call<()> {
        let body = json!({ "quantity": quantity });
        let request = self.request(Method::PATCH, &["baskets", basket, "items", item]);
        Call::unit(request.map(|request| request.json(&body)))
    }

    pub(super) fn remove_from_basket(&self, basket: &str, item: &str) -> Call<()> {
        Call::unit(self.request(Method::DELETE, &["baskets", basket, "items", item]))
    }

    /// Orders a basket. Repeating it gives the same order.
    pub(super) fn order_basket(&self, basket: &str, reference: &str) -> Call<Order> {
        let body = json!({ "basketId": basket, "reference": reference });
        Call::json(self.request(Method::POST, &["orders"]).map(|request| request.json(&body)))
    }

    pub(super) fn orders(&self, page: u32, page_size: u32) -> Call<Listed<Order>> {
        let query = [("pageNumber", page), ("pageSize", page_size)];
        Call::reading(self.request(Method::GET, &["orders"]).map(|request| request.query(&query)), listed)
    }

    pub(super) fn order(&self, id: &str) -> Call<Order> {
        Call::json(self.request(Method::GET, &["orders", id]))
    }

    fn request(&self, method: Method, path: &[&str]) -> Option<RequestBuilder> {
        let path = [&["api"], path].concat();
        Some(self.http.request(method, address(&self.base, &path)?))
    }
}

fn listed<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<Listed<T>, serde_json::Error> {
    let total = headers.get("x-total-count").and_then(|value| value.to_str().ok()?.parse().ok());
    let rows: Vec<T> = serde_json::from_slice(body)?;
    Ok(Listed { total: total.unwrap_or_else(|| u32::try_from(rows.len()).unwrap_or(u32::MAX)), rows })
}
