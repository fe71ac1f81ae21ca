//! The products a visitor may see, and one of them.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use reqwest::Url;
use serde::Deserialize;

use super::gateway::{self, Category, Wanted};
use super::layout::{Frame, Pager, Picture, money, page};
use super::visit::{Lenient, Stop, Visit};

const PAGE_SIZE: u32 = 24;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ProductsQuery {
    search: String,
    category: String,
    page: u32,
}

#[derive(Template)]
#[template(path = "products.html")]
struct ProductsPage {
    frame: Frame,
    search: String,
    category: String,
    categories: Vec<Category>,
    all_products: i64,
    products: Vec<Product>,
    total: u32,
    pager: Pager,
    /// The address of this list without its page number.
    base: String,
    return_to: String,
}

#[derive(Template)]
#[template(path = "product.html")]
struct ProductPage {
    frame: Frame,
    product: Product,
    return_to: String,
}

/// A product as a page shows it.
pub(super) struct Product {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) category: String,
    pub(super) unit: String,
    pub(super) price: String,
    /// The list price and the discount, when the company has one.
    pub(super) contract: Option<Contract>,
    pub(super) stock: i64,
    pub(super) is_orderable: bool,
    pub(super) is_discontinued: bool,
    pub(super) picture: Picture,
}

pub(super) struct Contract {
    pub(super) list_price: String,
    pub(super) percent: String,
}

impl From<gateway::Product> for Product {
    fn from(product: gateway::Product) -> Self {
        let contract = (product.discount_percent != "0").then(|| Contract {
            list_price: money(&product.list_price, &product.currency),
            percent: product.discount_percent,
        });
        Self {
            picture: Picture::of(&product.id, &product.category),
            price: money(&product.price, &product.currency),
            id: product.id,
            name: product.name,
            category: product.category,
            unit: product.quantity_per_unit,
            contract,
            stock: product.units_in_stock,
            is_orderable: !product.discontinued && product.units_in_stock > 0,
            is_discontinued: product.discontinued,
        }
    }
}

/// `GET /`
pub(super) async fn products(visit: Visit, query: Lenient<ProductsQuery>) -> Result<Response, Stop> {
    let Query(query) = query.unwrap_or_default();
    let search = query.search.trim().to_owned();
    let number = query.page.max(1);
    let wanted =
        Wanted { search: search.clone(), category: query.category.clone(), page: number, page_size: PAGE_SIZE };
    let gateway = &visit.app.gateway;
    let (products, categories, basket) = tokio::join!(
        visit.call(gateway.products(&wanted)),
        visit.call(gateway.categories()),
        Frame::count_basket(&visit),
    );
    let (products, categories) = (products?, categories?);
    Ok(page(&ProductsPage {
        frame: Frame::new(&visit, "products", basket),
        base: list_address(&search, &query.category),
        search,
        category: query.category,
        all_products: categories.iter().map(|category| category.products).sum(),
        categories,
        total: products.total,
        pager: Pager::new(number, PAGE_SIZE, products.total),
        products: products.rows.into_iter().map(Product::from).collect(),
        return_to: visit.location,
    }))
}

/// The address of a list, ready for `page=` to be added.
fn list_address(search: &str, category: &str) -> String {
    let mut url = Url::parse("http://localhost").expect("this is an address");
    let given = [("search", search), ("category", category)].into_iter().filter(|(_, value)| !value.is_empty());
    url.query_pairs_mut().extend_pairs(given);
    match url.query() {
        Some(query) if !query.is_empty() => format!("/?{query}&"),
        Some(_) | None => "/?".to_owned(),
    }
}

/// `GET /products/{id}`
pub(super) async fn product(visit: Visit, Path(id): Path<String>) -> Result<Response, Stop> {
    let (product, basket) = tokio::join!(visit.call(visit.app.gateway.product(&id)), Frame::count_basket(&visit));
    let product = product?.into();
    let frame = Frame::new(&visit, "products", basket);
    Ok(page(&ProductPage { frame, product, return_to: visit.location }))
}
