//! Products as one caller sees them: only their assortment, at their company's prices.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use serde::{Deserialize, Serialize};

use super::Context;
use super::caller::Caller;
use super::problem::Problem;
use super::segments::Assortment;
use super::store::ShopError;
use crate::money::{BasisPoints, Cents};

/// A product at the price of the caller's company.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Product {
    pub(super) id: String,
    pub(super) name: String,
    category: String,
    quantity_per_unit: String,
    list_price: String,
    /// What the caller pays for one unit.
    price: String,
    /// In percent, `"12.5"`; `"0"` without a contract.
    discount_percent: String,
    pub(super) currency: String,
    pub(super) units_in_stock: i64,
    pub(super) discontinued: bool,
    #[serde(skip)]
    pub(super) price_cents: Cents,
}

/// A category with the number of products the caller sees in it.
#[derive(Debug, Serialize)]
pub(super) struct Category {
    name: String,
    products: i64,
}

/// Which part of a list is wanted. Pages are counted from 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    pub(super) limit: i64,
    pub(super) offset: i64,
}

impl Page {
    const DEFAULT_SIZE: i64 = 100;
    const MAX_SIZE: i64 = 1000;

    pub(super) fn new(number: Option<i64>, size: Option<i64>) -> Result<Self, Problem> {
        let (number, size) = (number.unwrap_or(1), size.unwrap_or(Self::DEFAULT_SIZE));
        if number < 1 || size < 1 {
            return Err(Problem::bad_request("pageNumber and pageSize start at 1"));
        }
        let limit = size.min(Self::MAX_SIZE);
        Ok(Self { limit, offset: (number - 1).saturating_mul(limit) })
    }
}

/// A list answer: the rows of a page, and in `X-Total-Count` how many there are on all pages.
pub(super) type Listed<T> = ([(&'static str, String); 1], Json<Vec<T>>);

pub(super) fn listed<T>(total: i64, rows: Vec<T>) -> Listed<T> {
    ([("x-total-count", total.to_string())], Json(rows))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProductQuery {
    page_number: Option<i64>,
    page_size: Option<i64>,
    category: Option<String>,
    /// Part of the name, in any case.
    search: Option<String>,
}

/// `GET /api/products`
pub(super) async fn list(
    State(context): State<Context>,
    caller: Caller,
    query: Result<Query<ProductQuery>, QueryRejection>,
) -> Result<Listed<Product>, Problem> {
    let Query(query) = query?;
    let page = Page::new(query.page_number, query.page_size)?;
    let buyer = Buyer::of(&context, &caller).await?;
    let filter = Filter {
        category: query.category.filter(|text| !text.is_empty()),
        search: query.search.map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty()),
    };
    let (total, products) = context.shop.run(move |db| find(db, &buyer, &filter, page)).await?;
    Ok(listed(total, products))
}

/// `GET /api/products/{id}`
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Product>, Problem> {
    let Path(id) = id?;
    let buyer = Buyer::of(&context, &caller).await?;
    let product = context.shop.run(move |db| product(db, &buyer, &id)).await?;
    product.map(Json).ok_or_else(|| Problem::not_found("there is no such product"))
}

/// `GET /api/categories`
pub(super) async fn categories(State(context): State<Context>, caller: Caller) -> Result<Json<Vec<Category>>, Problem> {
    let buyer = Buyer::of(&context, &caller).await?;
    Ok(Json(context.shop.run(move |db| visible_categories(db, &buyer)).await?))
}

/// Everything about a caller that decides what they see and pay.
#[derive(Debug, Clone)]
pub(super) struct Buyer {
    assortment: Assortment,
    legal_entity: Option<String>,
}

impl Buyer {
    pub(super) async fn of(context: &Context, caller: &Caller) -> Result<Self, Problem> {
        let assortment = context.assortment(caller).await?;
        Ok(Self { assortment, legal_entity: caller.legal_entity().map(str::to_owned) })
    }
}

#[derive(Debug, Default)]
struct Filter {
    category: Option<String>,
    search: Option<String>,
}

/// The products in the assortment. Every statement about products starts from here, so none can forget the segments.
/// The discount is the most particular one: for the product, else for its category, else for the company.
const VISIBLE: &str = "
    WITH visible AS (
        SELECT p.*, COALESCE(
            (SELECT discount FROM prices WHERE legal_entity_id = :company AND product_id = p.id AND category = ''),
            (SELECT discount FROM prices WHERE legal_entity_id = :company AND product_id = '' AND category = p.category),
            (SELECT discount FROM prices WHERE legal_entity_id = :company AND product_id = '' AND category = ''),
            0) AS discount
          FROM products p
         WHERE p.id IN (SELECT value FROM json_each(:products))
            OR p.category IN (SELECT value FROM json_each(:categories))
    )";

fn find(db: &Connection, buyer: &Buyer, filter: &Filter, page: Page) -> Result<(i64, Vec<Product>), ShopError> {
    const MATCHES: &str = "(:category IS NULL OR category = :category)
                       AND (:search IS NULL OR instr(name_folded, :search) > 0)";
    let total = db.prepare_cached(&format!("{VISIBLE} SELECT count(*) FROM visible WHERE {MATCHES}"))?.query_row(
        named_params! {
            ":products": buyer.assortment.products, ":categories": buyer.assortment.categories,
            ":company": buyer.legal_entity, ":category": filter.category, ":search": filter.search,
        },
        |row| row.get(0),
    )?;
    let products = db
        .prepare_cached(&format!(
            "{VISIBLE} SELECT * FROM visible WHERE {MATCHES} ORDER BY name_folded, id LIMIT :limit OFFSET :offset"
        ))?
        .query_map(
            named_params! {
                ":products": buyer.assortment.products, ":categories": buyer.assortment.categories,
                ":company": buyer.legal_entity, ":category": filter.category, ":search": filter.search,
                ":limit": page.limit, ":offset": page.offset,
            },
            read_product,
        )?
        .collect::<Result<_, _>>()?;
    Ok((total, products))
}

/// One product, `None` when there is none or the buyer may not see it.
pub(super) fn product(db: &Connection, buyer: &Buyer, id: &str) -> Result<Option<Product>, ShopError> {
    let found = db
        .prepare_cached(&format!("{VISIBLE} SELECT * FROM visible WHERE id = :id"))?
        .query_row(
            named_params! {
                ":products": buyer.assortment.products, ":categories": buyer.assortment.categories,
                ":company": buyer.legal_entity, ":id": id,
            },
            read_product,
        )
        .optional()?;
    Ok(found)
}

fn visible_categories(db: &Connection, buyer: &Buyer) -> Result<Vec<Category>, ShopError> {
    let categories = db
        .prepare_cached(&format!(
            "{VISIBLE} SELECT category, count(*) FROM visible GROUP BY category ORDER BY category"
        ))?
        .query_map(
            named_params! {
                ":products": buyer.assortment.products, ":categories": buyer.assortment.categories,
                ":company": buyer.legal_entity,
            },
            |row| Ok(Category { name: row.get(0)?, products: row.get(1)? }),
        )?
        .collect::<Result<_, _>>()?;
    Ok(categories)
}

fn read_product(row: &Row<'_>) -> rusqlite::Result<Product> {
    let (list_price, discount) = (Cents(row.get("unit_price")?), BasisPoints(row.get("discount")?));
    let price = list_price.less(discount);
    Ok(Product {
        id: row.get("id")?,
        name: row.get("name")?,
        category: row.get("category")?,
        quantity_per_unit: row.get("quantity_per_unit")?,
        list_price: list_price.to_string(),
        price: price.to_string(),
        discount_percent: discount.to_string(),
        currency: row.get("currency")?,
        units_in_stock: row.get("units_in_stock")?,
        discontinued: row.get("discontinued")?,
        price_cents: price,
    })
}
