//! Baskets: at most one open per person and company, made when the first item goes in and never before.
//!
//! The owner is the customer, or for a guest the session; the same person has another basket for each company.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

use super::Context;
use super::caller::{Caller, Who};
use super::catalog::{Buyer, Product, product};
use super::problem::Problem;
use super::store::ShopError;
use crate::money::Cents;

/// The most units of one product in a basket or an order.
pub(super) const MAX_QUANTITY: i64 = 9_999;
/// The most different products in a basket or an order.
pub(super) const MAX_LINES: u8 = 200;

/// A basket with today's prices.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Basket {
    id: String,
    legal_entity_id: Option<String>,
    currency: String,
    items: Vec<Item>,
    /// Of the items that can be ordered.
    total: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    product_id: String,
    quantity: i64,
    /// Absent when the product has left the assortment since it was put in.
    product: Option<Product>,
    total: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewItem {
    product_id: String,
    #[serde(default = "one")]
    quantity: i64,
}

fn one() -> i64 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewQuantity {
    quantity: i64,
}

/// Whose basket: a person and the company they act for, as the table spells them.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    pub(super) person: String,
    pub(super) legal_entity: String,
}

impl Owner {
    pub(super) fn of(caller: &Caller) -> Result<Self, Problem> {
        let person = match &caller.who {
            Who::Guest { session } => format!("session:{session}"),
            Who::Customer { customer, .. } => format!("customer:{customer}"),
            Who::Service => return Err(Problem::forbidden("a service has no basket")),
        };
        Ok(Self { person, legal_entity: caller.legal_entity().unwrap_or_default().to_owned() })
    }
}

/// `GET /api/baskets`: the open basket, or an empty list. Looking does not make one.
pub(super) async fn list(State(context): State<Context>, caller: Caller) -> Result<Json<Vec<Basket>>, Problem> {
    let owner = Owner::of(&caller)?;
    let buyer = Buyer::of(&context, &caller).await?;
    let basket = context.shop.run(move |db| match open_basket(db, &owner)? {
        Some(id) => read(db, &owner, &buyer, &id),
        None => Ok::<_, Problem>(None),
    });
    Ok(Json(Vec::from_iter(basket.await?)))
}

/// `GET /api/baskets/{id}`
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Basket>, Problem> {
    let Path(id) = id?;
    let owner = Owner::of(&caller)?;
    let buyer = Buyer::of(&context, &caller).await?;
    let basket = context.shop.run(move |db| read(db, &owner, &buyer, &id)).await?;
    basket.map(Json).ok_or_else(no_such_basket)
}

/// `POST /api/baskets/items`: puts units of a product into the caller's basket, and makes the basket when there is none.
pub(super) async fn add_item(
    State(context): State<Context>,
    caller: Caller,
    item: Result<Json<NewItem>, JsonRejection>,
) -> Result<(StatusCode, Json<Basket>), Problem> {
    let Json(item) = item?;
    check_quantity(item.quantity)?;
    let owner = Owner::of(&caller)?;
    let buyer = Buyer::of(&context, &caller).await?;
    let basket = context.shop.run(move |db| {
        let product = orderable(db, &buyer, &item.product_id)?;
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(ShopError::from)?;
        let id = add(&transaction, &owner, &product, item.quantity)?;
        let basket = read(&transaction, &owner, &buyer, &id)?;
        transaction.commit().map_err(ShopError::from)?;
        Ok::<_, Problem>(basket)
    });
    basket.await?.map(|basket| (StatusCode::CREATED, Json(basket))).ok_or_else(no_such_basket)
}

/// `PATCH /api/baskets/{id}/items/{product_id}`: sets the number of units.
pub(super) async fn change_item(
    State(context): State<Context>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
    change: Result<Json<NewQuantity>, JsonRejection>,
) -> Result<Json<Basket>, Problem> {
    let (Path((id, product_id)), Json(change)) = (path?, change?);
    check_quantity(change.quantity)?;
    edit(context, caller, id, move |db, id| {
        db.execute(
            "UPDATE basket_items SET quantity = ?3 WHERE basket_id = ?1 AND product_id = ?2",
            params![id, product_id, change.quantity],
        )
    })
    .await
}

/// `DELETE /api/baskets/{id}/items/{product_id}`
pub(super) async fn remove_item(
    State(context): State<Context>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Basket>, Problem> {
    let Path((id, product_id)) = path?;
    edit(context, caller, id, move |db, id| {
        db.execute("DELETE FROM basket_items WHERE basket_id = ?1 AND product_id = ?2", params![id, product_id])
    })
    .await
}

/// `DELETE /api/baskets/{id}`
pub(super) async fn remove(
    State(context): State<Context>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id?;
    let owner = Owner::of(&caller)?;
    let removed = context.shop.run(move |db| {
        db.execute(
            "DELETE FROM baskets WHERE id = ?1 AND owner = ?2 AND legal_entity_id = ?3 AND order_id IS NULL",
            params![id, owner.person, owner.legal_entity],
        )
        .map_err(ShopError::from)
    });
    if removed.await? == 0 { Err(no_such_basket()) } else { Ok(StatusCode::NO_CONTENT) }
}

/// Changes one line of the caller's own open basket and answers the basket as it is then.
async fn edit(
    context: Context,
    caller: Caller,
    id: String,
    change: impl FnOnce(&Connection, &str) -> rusqlite::Result<usize> + Send + 'static,
) -> Result<Json<Basket>, Problem> {
    let owner = Owner::of(&caller)?;
    let buyer = Buyer::of(&context, &caller).await?;
    let basket = context.shop.run(move |db| {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(ShopError::from)?;
        if open_basket(&transaction, &owner)?.as_deref() != Some(id.as_str()) {
            return Err(no_such_basket());
        }
        if change(&transaction, &id).map_err(ShopError::from)? == 0 {
            return Err(Problem::not_found("that product is not in the basket"));
        }
        let basket = read(&transaction, &owner, &buyer, &id)?;
        transaction.commit().map_err(ShopError::from)?;
        Ok(basket)
    });
    basket.await?.map(Json).ok_or_else(no_such_basket)
}

/// A product that can be bought, or the reason why it cannot.
pub(super) fn orderable(db: &Connection, buyer: &Buyer, id: &str) -> Result<Product, Problem> {
    let product = product(db, buyer, id)?.ok_or_else(|| Problem::not_found("there is no such product"))?;
    if product.discontinued {
        return Err(Problem::conflict(format!("{} is no longer sold", product.name)));
    }
    Ok(product)
}

pub(super) fn check_quantity(quantity: i64) -> Result<(), Problem> {
    if (1..=MAX_QUANTITY).contains(&quantity) {
        Ok(())
    } else {
        Err(Problem::unprocessable(format!("a quantity is a whole number from 1 to {MAX_QUANTITY}")))
    }
}

fn add(db: &Connection, owner: &Owner, product: &Product, quantity: i64) -> Result<String, Problem> {
    let fault = ShopError::from;
    db.execute(
        "INSERT INTO baskets (id, owner, legal_entity_id, currency) VALUES (lower(hex(randomblob(16))), ?1, ?2, ?3)
         ON CONFLICT (owner, legal_entity_id) WHERE order_id IS NULL DO NOTHING",
        params![owner.person, owner.legal_entity, product.currency],
    )
    .map_err(fault)?;
    let (id, currency, lines): (String, String, u32) = db
        .query_row(
            "SELECT id, currency, (SELECT count(*) FROM basket_items WHERE basket_id = baskets.id) FROM baskets
              WHERE owner = ?1 AND legal_entity_id = ?2 AND order_id IS NULL",
            params![owner.person, owner.legal_entity],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .map_err(fault)?;
    // An emptied basket takes the currency of whatever goes in next.
    if lines == 0 {
        db.execute("UPDATE baskets SET currency = ?2 WHERE id = ?1", params![id, product.currency]).map_err(fault)?;
    } else if currency != product.currency {
        return Err(Problem::conflict(format!(
            "{} is sold in {}, but the basket is in {currency}; please order it separately",
            product.name, product.currency
        )));
    }
    let in_basket: i64 = db
        .query_row(
            "INSERT INTO basket_items (basket_id, product_id, quantity, added)
             VALUES (?1, ?2, ?3, (SELECT COALESCE(MAX(added), 0) + 1 FROM basket_items WHERE basket_id = ?1))
             ON CONFLICT (basket_id, product_id) DO UPDATE SET quantity = quantity + excluded.quantity
             RETURNING quantity",
            params![id, product.id, quantity],
            |row| row.get(0),
        )
        .map_err(fault)?;
    check_quantity(in_basket)?;
    if lines >= u32::from(MAX_LINES) && in_basket == quantity {
        return Err(Problem::conflict(format!("a basket holds at most {MAX_LINES} different products")));
    }
    Ok(id)
}

fn open_basket(db: &Connection, owner: &Owner) -> Result<Option<String>, ShopError> {
    let id = db
        .prepare_cached("SELECT id FROM baskets WHERE owner = ?1 AND legal_entity_id = ?2 AND order_id IS NULL")?
        .query_row(params![owner.person, owner.legal_entity], |row| row.get(0))
        .optional()?;
    Ok(id)
}

/// The lines of a basket as product and quantity, oldest first.
pub(super) fn lines(db: &Connection, id: &str) -> Result<Vec<(String, i64)>, ShopError> {
    let lines = db
        .prepare_cached("SELECT product_id, quantity FROM basket_items WHERE basket_id = ?1 ORDER BY added")?
        .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    Ok(lines)
}

/// The owner's open basket of that id.
fn read(db: &Connection, owner: &Owner, buyer: &Buyer, id: &str) -> Result<Option<Basket>, Problem> {
    let currency: Option<String> = db
        .prepare_cached(
            "SELECT currency FROM baskets WHERE id = ?1 AND owner = ?2 AND legal_entity_id = ?3 AND order_id IS NULL",
        )
        .and_then(|mut statement| {
            statement.query_row(params![id, owner.person, owner.legal_entity], |row| row.get(0)).optional()
        })
        .map_err(ShopError::from)?;
    let Some(currency) = currency else { return Ok(None) };
    let mut total = Cents(0);
    let mut items = Vec::new();
    for (product_id, quantity) in lines(db, id)? {
        let product = product(db, buyer, &product_id)?;
        let line = product.as_ref().map(|product| product.price_cents.times(quantity));
        total.0 += line.unwrap_or_default().0;
        items.push(Item { product_id, quantity, product, total: line.map(|cents| cents.to_string()) });
    }
    let legal_entity_id = Some(owner.legal_entity.clone()).filter(|id| !id.is_empty());
    Ok(Some(Basket { id: id.to_owned(), legal_entity_id, currency, items, total: total.to_string() }))
}

fn no_such_basket() -> Problem {
    Problem::not_found("there is no such basket")
}
