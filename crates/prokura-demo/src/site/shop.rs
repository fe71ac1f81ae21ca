//! The shop as the gateway lets a token see it. Nothing here says for which company: the token does.

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::upstream::{Call, address};

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) category: String,
    pub(crate) quantity_per_unit: String,
    pub(crate) list_price: String,
    pub(crate) price: String,
    pub(crate) discount_percent: String,
    pub(crate) currency: String,
    pub(crate) units_in_stock: i64,
    pub(crate) discontinued: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Category {
    pub(crate) name: String,
    pub(crate) products: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Basket {
    pub(crate) id: String,
    pub(crate) currency: String,
    pub(crate) items: Vec<Item>,
    pub(crate) total: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) product_id: String,
    pub(crate) quantity: i64,
    pub(crate) product: Option<Product>,
    pub(crate) total: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) placed_by: PlacedBy,
    pub(crate) placed_at: String,
    pub(crate) currency: String,
    pub(crate) reference: Option<String>,
    pub(crate) line_count: i64,
    pub(crate) total: String,
    #[serde(default)]
    pub(crate) lines: Vec<Line>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlacedBy {
    pub(crate) customer_id: Option<String>,
    pub(crate) email: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    pub(crate) product_id: String,
    pub(crate) name: Option<String>,
    pub(crate) unit_price: String,
    pub(crate) quantity: i64,
    pub(crate) discount_percent: String,
    pub(crate) total: String,
}

/// One page of a list and the number of rows on all pages.
#[derive(Debug, Clone)]
pub(crate) struct Listed<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) total: u32,
}

/// Which products to list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) search: String,
    pub(crate) category: String,
    /// Counted from 1.
    pub(crate) page: u32,
    pub(crate) page_size: u32,
}

/// The shop's interface behind the gateway.
pub(crate) struct ShopClient {
    http: Client,
    base: String,
}

impl ShopClient {
    pub(crate) fn new(http: Client, base: &str) -> Self {
        Self { http, base: base.to_owned() }
    }

    pub(crate) fn products(&self, wanted: &Wanted) -> Call<Listed<Product>> {
        let query = [
            ("search", wanted.search.clone()),
            ("category", wanted.category.clone()),
            ("pageNumber", wanted.page.to_string()),
            ("pageSize", wanted.page_size.to_string()),
        ];
        Call::reading(self.request(Method::GET, &["products"]).map(|request| request.query(&query)), listed)
    }

    pub(crate) fn product(&self, id: &str) -> Call<Product> {
        Call::json(self.request(Method::GET, &["products", id]))
    }

    pub(crate) fn categories(&self) -> Call<Vec<Category>> {
        Call::json(self.request(Method::GET, &["categories"]))
    }

    /// The open basket: a list of one, or of none.
    pub(crate) fn baskets(&self) -> Call<Vec<Basket>> {
        Call::json(self.request(Method::GET, &["baskets"]))
    }

    pub(crate) fn add_to_basket(&self, product: &str, quantity: i64) -> Call<Basket> {
        let body = json!({ "productId": product, "quantity": quantity });
        Call::json(self.request(Method::POST, &["baskets", "items"]).map(|request| request.json(&body)))
    }

    pub(crate) fn set_quantity(&self, basket: &str, item: &str, quantity: i64) -> Call<()> {
        let body = json!({ "quantity": quantity });
        let request = self.request(Method::PATCH, &["baskets", basket, "items", item]);
        Call::unit(request.map(|request| request.json(&body)))
    }

    pub(crate) fn remove_from_basket(&self, basket: &str, item: &str) -> Call<()> {
        Call::unit(self.request(Method::DELETE, &["baskets", basket, "items", item]))
    }

    /// Puts what the customer had chosen as a guest into their basket. Repeating it does nothing.
    pub(crate) fn bring_guest_basket(&self) -> Call<()> {
        Call::unit(self.request(Method::POST, &["baskets", "merge"]))
    }

    /// The same in Salesforce's words: refused when there is nothing to merge.
    pub(crate) fn merge_baskets(&self, organization: &str, site: &str) -> Call<()> {
        let version = ["checkout", "shopper-baskets", "v1", "organizations", organization];
        let path = [&version[..], &["baskets", "actions", "merge"]].concat();
        let query =
            [("siteId", site), ("createDestinationBasket", "true"), ("productItemMergeMode", "higher_quantity")];
        let request = address(&self.base, &path).map(|address| self.http.request(Method::POST, address).query(&query));
        Call::unit(request.map(|request| request.header("content-type", "application/json")))
    }

    /// Orders a basket. Repeating it gives the same order.
    pub(crate) fn order_basket(&self, basket: &str, reference: &str) -> Call<Order> {
        let body = json!({ "basketId": basket, "reference": reference });
        Call::json(self.request(Method::POST, &["orders"]).map(|request| request.json(&body)))
    }

    pub(crate) fn orders(&self, page: u32, page_size: u32) -> Call<Listed<Order>> {
        let query = [("pageNumber", page), ("pageSize", page_size)];
        Call::reading(self.request(Method::GET, &["orders"]).map(|request| request.query(&query)), listed)
    }

    pub(crate) fn order(&self, id: &str) -> Call<Order> {
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
