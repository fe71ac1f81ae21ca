//! The products somebody may see, and one of them.

use askama::Template;
use reqwest::Url;
use serde::Deserialize;

use super::{Frame, Pager, Picture, money};
use crate::site::shop::{self, Category, Listed, Wanted};

const PAGE_SIZE: u32 = 24;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct ProductsQuery {
    search: String,
    category: String,
    page: u32,
}

impl ProductsQuery {
    fn number(&self) -> u32 {
        self.page.max(1)
    }

    /// What to ask the shop for.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted {
            search: self.search.trim().to_owned(),
            category: self.category.clone(),
            page: self.number(),
            page_size: PAGE_SIZE,
        }
    }
}

#[derive(Template)]
#[template(path = "products.html")]
pub(crate) struct ProductsPage {
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
pub(crate) struct ProductPage {
    frame: Frame,
    product: Product,
    return_to: String,
}

/// A product as a page shows it.
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) category: String,
    pub(crate) unit: String,
    pub(crate) price: String,
    /// The list price and the discount, when the company has one.
    pub(crate) contract: Option<Contract>,
    pub(crate) stock: i64,
    pub(crate) is_orderable: bool,
    pub(crate) is_discontinued: bool,
    pub(crate) picture: Picture,
}

pub(crate) struct Contract {
    pub(crate) list_price: String,
    pub(crate) percent: String,
}

impl From<shop::Product> for Product {
    fn from(product: shop::Product) -> Self {
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

impl ProductsPage {
    pub(crate) fn new(
        frame: Frame,
        query: &ProductsQuery,
        categories: Vec<Category>,
        products: Listed<shop::Product>,
        return_to: String,
    ) -> Self {
        let search = query.search.trim().to_owned();
        Self {
            base: list_address(frame.base, &search, &query.category),
            search,
            category: query.category.clone(),
            all_products: categories.iter().map(|category| category.products).sum(),
            categories,
            total: products.total,
            pager: Pager::new(query.number(), PAGE_SIZE, products.total),
            products: products.rows.into_iter().map(Product::from).collect(),
            return_to,
            frame,
        }
    }
}

impl ProductPage {
    pub(crate) fn new(frame: Frame, product: shop::Product, return_to: String) -> Self {
        Self { frame, product: product.into(), return_to }
    }
}

/// The address of a list, ready for `page=` to be added.
fn list_address(base: &str, search: &str, category: &str) -> String {
    let mut url = Url::parse("http://localhost").expect("this is an address");
    let given = [("search", search), ("category", category)].into_iter().filter(|(_, value)| !value.is_empty());
    url.query_pairs_mut().extend_pairs(given);
    match url.query() {
        Some(query) if !query.is_empty() => format!("{base}/?{query}&"),
        Some(_) | None => format!("{base}/?"),
    }
}
