//! Orders: a company's own, or a customer's private ones; and placing new ones.
//!
//! An order is placed from a basket or from lines. Ordering the same basket twice, because the first answer was lost or
//! the button was pressed twice, answers the one order that was made.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, named_params, params};
use serde::{Deserialize, Serialize};

use super::Context;
use super::baskets::{self, MAX_LINES, Owner, check_quantity, orderable};
use super::caller::Caller;
use super::catalog::{Buyer, Listed, Page, listed};
use super::problem::Problem;
use super::store::{ShopError, moment};
use crate::money::{BasisPoints, Cents};

/// The longest reference a buyer may give an order.
const MAX_REFERENCE_CHARS: usize = 60;

/// An order with its sums; the lines only when a single order is asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    id: String,
    legal_entity_id: Option<String>,
    placed_by: PlacedBy,
    placed_at: String,
    currency: String,
    /// The buyer's own order number.
    reference: Option<String>,
    line_count: i64,
    total: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<Line>,
}

/// Imported orders know an e-mail address, orders placed here the customer's id.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PlacedBy {
    customer_id: Option<String>,
    email: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    product_id: String,
    name: Option<String>,
    unit_price: String,
    quantity: i64,
    discount_percent: String,
    total: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderQuery {
    page_number: Option<i64>,
    page_size: Option<i64>,
}

/// What to order: a basket or lines, one of the two.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewOrder {
    basket_id: Option<String>,
    lines: Option<Vec<NewLine>>,
    reference: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewLine {
    product_id: String,
    quantity: i64,
}

/// Whose orders: a company's, or one person's private ones.
#[derive(Debug, Clone)]
enum Scope {
    Company { id: String },
    Person { customer: String },
}

impl Scope {
    fn of(caller: &Caller) -> Result<Self, Problem> {
        let customer = caller.customer()?.to_owned();
        Ok(match caller.legal_entity() {
            Some(id) => Self::Company { id: id.to_owned() },
            None => Self::Person { customer },
        })
    }

    fn company(&self) -> Option<&str> {
        match self {
            Self::Company { id } => Some(id),
            Self::Person { .. } => None,
        }
    }

    /// The condition that every question about orders begins with, and its one parameter `?1`.
    fn condition(&self) -> (&'static str, &str) {
        match self {
            Self::Company { id } => ("o.legal_entity_id = ?1", id),
            Self::Person { customer } => ("o.legal_entity_id IS NULL AND o.customer_id = ?1", customer),
        }
    }
}

/// `GET /api/orders`: newest first.
pub(super) async fn list(
    State(context): State<Context>,
    caller: Caller,
    query: Result<Query<OrderQuery>, QueryRejection>,
) -> Result<Listed<Order>, Problem> {
    let Query(query) = query?;
    let page = Page::new(query.page_number, query.page_size)?;
    let scope = Scope::of(&caller)?;
    let (total, orders) = context.shop.run(move |db| find(db, &scope, page)).await?;
    Ok(listed(total, orders))
}

/// `GET /api/orders/{id}`
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Order>, Problem> {
    let Path(id) = id?;
    let scope = Scope::of(&caller)?;
    let order = context.shop.run(move |db| read(db, &scope, &id)).await?;
    order.map(Json).ok_or_else(|| Problem::not_found("there is no such order"))
}

/// `POST /api/orders`: 201 with the new order, or 200 with the one that this basket became before.
pub(super) async fn place(
    State(context): State<Context>,
    caller: Caller,
    order: Result<Json<NewOrder>, JsonRejection>,
) -> Result<(StatusCode, [(&'static str, String); 1], Json<Order>), Problem> {
    let Json(order) = order?;
    let (scope, owner, customer) = (Scope::of(&caller)?, Owner::of(&context, &caller)?, caller.customer()?.to_owned());
    let reference = checked_reference(order.reference)?;
    let wanted = Wanted::of(order.basket_id, order.lines)?;
    let buyer = Buyer::of(&context, &caller).await?;
    let placed_at = moment(context.shop.now());

    let placed = context.shop.run(move |db| {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(ShopError::from)?;
        let (basket, lines) = match wanted {
            Wanted::Lines(lines) => (None, lines),
            Wanted::Basket(id) => match basket_state(&transaction, &owner, &id)? {
                BasketState::Absent => return Err(Problem::not_found("there is no such basket")),
                BasketState::Ordered { order } => return Ok((StatusCode::OK, read(&transaction, &scope, &order)?)),
                BasketState::Open => {
                    let lines = baskets::lines(&transaction, &id)?;
                    (Some(id), lines)
                }
            },
        };
        let header = Header { scope: &scope, customer: &customer, placed_at: &placed_at, reference };
        let id = insert(&transaction, &buyer, &header, &lines)?;
        if let Some(basket) = basket {
            transaction
                .execute("UPDATE baskets SET order_id = ?2 WHERE id = ?1", params![basket, id])
                .map_err(ShopError::from)?;
        }
        let order = read(&transaction, &scope, &id)?;
        transaction.commit().map_err(ShopError::from)?;
        Ok((StatusCode::CREATED, order))
    });
    let (status, order) = placed.await?;
    let order = order.ok_or_else(|| Problem::not_found("there is no such order"))?;
    Ok((status, [("location", format!("/api/orders/{}", order.id))], Json(order)))
}

enum Wanted {
    Basket(String),
    Lines(Vec<(String, i64)>),
}

impl Wanted {
    fn of(basket: Option<String>, lines: Option<Vec<NewLine>>) -> Result<Self, Problem> {
        match (basket, lines) {
            (Some(id), None) => Ok(Self::Basket(id)),
            (None, Some(lines)) => {
                Ok(Self::Lines(lines.into_iter().map(|line| (line.product_id, line.quantity)).collect()))
            }
            (Some(_), Some(_)) | (None, None) => {
                Err(Problem::unprocessable("an order is made from either a basketId or lines"))
            }
        }
    }
}

fn checked_reference(reference: Option<String>) -> Result<Option<String>, Problem> {
    let reference = reference.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    match &reference {
        Some(text) if text.chars().count() > MAX_REFERENCE_CHARS || text.chars().any(char::is_control) => {
            Err(Problem::unprocessable(format!("a reference is one line of at most {MAX_REFERENCE_CHARS} characters")))
        }
        Some(_) | None => Ok(reference),
    }
}

enum BasketState {
    Absent,
    Open,
    Ordered { order: String },
}

fn basket_state(db: &Connection, owner: &Owner, id: &str) -> Result<BasketState, ShopError> {
    let found: Option<Option<String>> = db
        .prepare_cached("SELECT order_id FROM baskets WHERE id = ?1 AND owner = ?2 AND legal_entity_id = ?3")?
        .query_row(params![id, owner.person, owner.legal_entity], |row| row.get(0))
        .optional()?;
    Ok(match found {
        None => BasketState::Absent,
        Some(None) => BasketState::Open,
        Some(Some(order)) => BasketState::Ordered { order },
    })
}

/// What an order says besides its lines.
struct Header<'o> {
    scope: &'o Scope,
    customer: &'o str,
    placed_at: &'o str,
    reference: Option<String>,
}

/// Checks every line, takes the units from stock and writes the order. Any refusal drops the whole transaction.
fn insert(db: &Connection, buyer: &Buyer, header: &Header<'_>, lines: &[(String, i64)]) -> Result<String, Problem> {
    let fault = ShopError::from;
    if lines.is_empty() || lines.len() > usize::from(MAX_LINES) {
        return Err(Problem::unprocessable(format!("an order has 1 to {MAX_LINES} lines")));
    }
    let id: i64 = db
        .query_row("UPDATE counters SET value = value + 1 WHERE name = 'order' RETURNING value", [], |row| row.get(0))
        .map_err(fault)?;
    let mut currency: Option<String> = None;
    for (product_id, quantity) in lines {
        check_quantity(*quantity)?;
        let product = orderable(db, buyer, product_id)?;
        if currency.get_or_insert_with(|| product.currency.clone()) != &product.currency {
            return Err(Problem::unprocessable("all lines of an order must be in one currency"));
        }
        let taken = db.execute(
            "UPDATE products SET units_in_stock = units_in_stock - ?2 WHERE id = ?1 AND units_in_stock >= ?2",
            params![product_id, quantity],
        );
        if taken.map_err(fault)? == 0 {
            return Err(Problem::conflict(format!(
                "only {} of {} are in stock, {quantity} were ordered",
                product.units_in_stock, product.name
            )));
        }
        let is_first = db.execute(
            "INSERT INTO order_lines (order_id, product_id, product_name, unit_price, quantity, discount)
             VALUES (?1, ?2, ?3, ?4, ?5, 0) ON CONFLICT DO NOTHING",
            params![id.to_string(), product_id, product.name, product.price_cents.0, quantity],
        );
        if is_first.map_err(fault)? == 0 {
            return Err(Problem::unprocessable(format!("{} is on two lines of the order", product.name)));
        }
    }
    db.execute(
        "INSERT INTO orders (id, legal_entity_id, customer_id, placed_at, currency, reference)
         VALUES (:id, :company, :customer, :placed_at, :currency, :reference)",
        named_params! {
            ":id": id.to_string(), ":company": header.scope.company(), ":customer": header.customer,
            ":placed_at": header.placed_at, ":currency": currency, ":reference": header.reference,
        },
    )
    .map_err(fault)?;
    Ok(id.to_string())
}

fn find(db: &Connection, scope: &Scope, page: Page) -> Result<(i64, Vec<Order>), ShopError> {
    let (condition, whose) = scope.condition();
    let total = db
        .prepare_cached(&format!("SELECT count(*) FROM orders o WHERE {condition}"))?
        .query_row([whose], |row| row.get(0))?;
    let mut orders: Vec<Order> = db
        .prepare_cached(&format!(
            "SELECT * FROM orders o WHERE {condition} ORDER BY placed_at DESC, id DESC LIMIT ?2 OFFSET ?3"
        ))?
        .query_map(params![whose, page.limit, page.offset], read_header)?
        .collect::<Result<_, _>>()?;
    for order in &mut orders {
        add_lines(db, order)?;
        order.lines.clear();
    }
    Ok((total, orders))
}

fn read(db: &Connection, scope: &Scope, id: &str) -> Result<Option<Order>, ShopError> {
    let (condition, whose) = scope.condition();
    let mut order = db
        .prepare_cached(&format!("SELECT * FROM orders o WHERE {condition} AND id = ?2"))?
        .query_row([whose, id], read_header)
        .optional()?;
    if let Some(order) = &mut order {
        add_lines(db, order)?;
    }
    Ok(order)
}

fn read_header(row: &Row<'_>) -> rusqlite::Result<Order> {
    Ok(Order {
        id: row.get("id")?,
        legal_entity_id: row.get("legal_entity_id")?,
        placed_by: PlacedBy { customer_id: row.get("customer_id")?, email: row.get("customer_email")? },
        placed_at: row.get("placed_at")?,
        currency: row.get("currency")?,
        reference: row.get("reference")?,
        line_count: 0,
        total: String::new(),
        lines: Vec::new(),
    })
}

/// Reads the lines of an order and adds them up. A product that has left the assortment keeps its name on old orders.
fn add_lines(db: &Connection, order: &mut Order) -> Result<(), ShopError> {
    let mut total = Cents(0);
    let mut statement = db.prepare_cached(
        "SELECT l.product_id, COALESCE(l.product_name, p.name), l.unit_price, l.quantity, l.discount
           FROM order_lines l LEFT JOIN products p ON p.id = l.product_id
          WHERE l.order_id = ?1 ORDER BY l.product_id",
    )?;
    let mut rows = statement.query([&order.id])?;
    while let Some(row) = rows.next()? {
        let (unit_price, quantity, discount) = (Cents(row.get(2)?), row.get(3)?, BasisPoints(row.get(4)?));
        let line = unit_price.times(quantity).less(discount);
        total.0 += line.0;
        order.line_count += 1;
        order.lines.push(Line {
            product_id: row.get(0)?,
            name: row.get(1)?,
            unit_price: unit_price.to_string(),
            quantity,
            discount_percent: discount.to_string(),
            total: line.to_string(),
        });
    }
    order.total = total.to_string();
    Ok(())
}
