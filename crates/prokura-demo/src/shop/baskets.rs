//! Baskets: at most one open per person and company, made when the first item goes in and never before.
//!
//! The owner is the customer, or for a guest the visitor behind the browser; the same person has another basket for each
//! company. A guest's basket lives for 30 days after its last change. What a guest chose goes into the customer's basket
//! by a call of its own (`handover`), since only the storefront knows when it is decided for whom the customer acts. The
//! same baskets are offered to Salesforce's clients under their own paths (`scapi`).

mod handover;
mod items;
mod merge;
mod scapi;
mod store;

use axum::Json;
use axum::Router;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use serde::{Deserialize, Serialize};

use super::Context;
use super::caller::{Caller, Who};
use super::catalog::{Buyer, Product, product};
use super::problem::Problem;
use super::store::ShopError;
use crate::money::Cents;
use handover::{HandedOver, NotHandedOver};
use merge::Mode;

pub(super) use items::Attributes;
pub(super) use store::lines;

/// The most units of one product in a basket or an order.
pub(super) const MAX_QUANTITY: i64 = 9_999;
/// The most lines in a basket or an order. Only a merged basket may have more, until it is ordered.
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
    #[serde(skip)]
    created_at: String,
    #[serde(skip)]
    changed_at: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    /// Names the line; a product may be on several.
    id: String,
    product_id: String,
    quantity: i64,
    /// Absent when the product has left the assortment since it was put in.
    product: Option<Product>,
    total: Option<String>,
    #[serde(skip)]
    attributes: Attributes,
    #[serde(skip)]
    custom: items::Custom,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewItem {
    product_id: String,
    #[serde(default = "one")]
    quantity: i64,
}

fn one() -> i64 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewQuantity {
    quantity: i64,
}

/// Whose basket: a person and the company they act for, as the table spells them, and the moment of the question.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    pub(super) person: String,
    pub(super) legal_entity: String,
    now: Timestamp,
}

impl Owner {
    pub(super) fn of(context: &Context, caller: &Caller) -> Result<Self, Problem> {
        let person = match (&caller.who, &caller.visitor) {
            (Who::Guest { .. }, Some(visitor)) => guest(visitor),
            (Who::Guest { session }, None) => format!("session:{session}"),
            (Who::Customer { customer, .. }, _) => format!("customer:{customer}"),
            (Who::Service, _) => return Err(Problem::forbidden("a service has no basket")),
        };
        let legal_entity = caller.legal_entity().unwrap_or_default().to_owned();
        Ok(Self { person, legal_entity, now: context.shop.now() })
    }

    /// The guest whom the customer was in this browser before logging in.
    fn before_login(&self, caller: &Caller) -> Option<Self> {
        match (&caller.who, &caller.visitor) {
            (Who::Customer { .. }, Some(visitor)) => {
                Some(Self { person: guest(visitor), legal_entity: String::new(), now: self.now })
            }
            (Who::Guest { .. } | Who::Service, _) | (Who::Customer { .. }, None) => None,
        }
    }
}

fn guest(visitor: &str) -> String {
    format!("{}{visitor}", store::VISITOR)
}

/// The shop's own paths, and Salesforce's.
pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/api/baskets", get(list))
        .route("/api/baskets/items", post(add_item))
        .route("/api/baskets/merge", post(bring))
        .route("/api/baskets/{id}", get(show).delete(remove))
        .route("/api/baskets/{id}/items/{item}", delete(remove_item).patch(change_item))
        .merge(scapi::routes())
}

/// `GET /api/baskets`: the open basket, or an empty list. Looking does not make one.
async fn list(State(context): State<Context>, caller: Caller) -> Result<Json<Vec<Basket>>, Problem> {
    let owner = Owner::of(&context, &caller)?;
    let buyer = Buyer::of(&context, &caller).await?;
    let basket = context.shop.run(move |db| match store::open_basket(db, &owner)? {
        Some(id) => read(db, &owner, &buyer, &id),
        None => Ok::<_, Problem>(None),
    });
    Ok(Json(Vec::from_iter(basket.await?)))
}

/// `GET /api/baskets/{id}`
async fn show(
    State(context): State<Context>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Basket>, Problem> {
    let Path(id) = id?;
    let owner = Owner::of(&context, &caller)?;
    let buyer = Buyer::of(&context, &caller).await?;
    let basket = context.shop.run(move |db| read(db, &owner, &buyer, &id)).await?;
    basket.map(Json).ok_or_else(no_such_basket)
}

/// `POST /api/baskets/items`: puts units of a product into the caller's basket, and makes the basket when there is none.
async fn add_item(
    State(context): State<Context>,
    caller: Caller,
    item: Result<Json<NewItem>, JsonRejection>,
) -> Result<(StatusCode, Json<Basket>), Problem> {
    let Json(item) = item?;
    check_quantity(item.quantity)?;
    let owner = Owner::of(&context, &caller)?;
    let buyer = Buyer::of(&context, &caller).await?;
    let basket = change(context, move |db| {
        let product = orderable(db, &buyer, &item.product_id)?;
        let id = store::find_or_begin(db, &owner, &product.currency)?;
        store::add(db, &id, &product, item.quantity, &Attributes::default(), &items::Custom::default())?;
        finish(db, &owner, &buyer, &id)
    });
    Ok((StatusCode::CREATED, Json(basket.await?)))
}

/// `PATCH /api/baskets/{id}/items/{item}`: sets the number of units. The item is named by its id, or by its product when
/// that is on one line only.
async fn change_item(
    State(context): State<Context>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
    wanted: Result<Json<NewQuantity>, JsonRejection>,
) -> Result<Json<Basket>, Problem> {
    let (Path((id, item)), Json(wanted)) = (path?, wanted?);
    check_quantity(wanted.quantity)?;
    edit(context, caller, id, item, Some(wanted.quantity)).await.map(Json)
}

/// `DELETE /api/baskets/{id}/items/{item}`
async fn remove_item(
    State(context): State<Context>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Basket>, Problem> {
    let Path((id, item)) = path?;
    edit(context, caller, id, item, None).await.map(Json)
}

/// `DELETE /api/baskets/{id}`
async fn remove(
    State(context): State<Context>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id?;
    let owner = Owner::of(&context, &caller)?;
    if context.shop.run(move |db| store::remove(db, &owner, &id)).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(no_such_basket())
    }
}

#[derive(Debug, Deserialize)]
struct Bringing {
    #[serde(default)]
    mode: Mode,
}

/// `POST /api/baskets/merge?mode=`: puts what the caller chose as a guest into the basket of whomever they act for now.
/// 200 with that basket, 204 when there is nothing to bring, so that it may be called after each login and each choice
/// of a company.
async fn bring(
    State(context): State<Context>,
    caller: Caller,
    query: Result<Query<Bringing>, QueryRejection>,
) -> Result<(StatusCode, Json<Option<Basket>>), Problem> {
    let Query(Bringing { mode }) = query?;
    let owner = Owner::of(&context, &caller)?;
    let Some(before) = owner.before_login(&caller) else { return Ok((StatusCode::NO_CONTENT, Json(None))) };
    let buyer = Buyer::of(&context, &caller).await?;
    let brought = change(context, move |db| match handover::merge(db, &before, &owner, mode, true)? {
        Ok(HandedOver { basket }) => finish(db, &owner, &buyer, &basket).map(Some),
        Err(NotHandedOver::NoSource | NotHandedOver::NoTarget | NotHandedOver::TargetExists) => Ok(None),
        Err(NotHandedOver::OtherCurrency) => Err(other_currency()),
    });
    let basket = brought.await?;
    let status = if basket.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT };
    Ok((status, Json(basket)))
}

fn other_currency() -> Problem {
    Problem::conflict("the two baskets are in different currencies; please order one of them first")
}

/// Does a change of baskets whole or not at all.
async fn change<T, F>(context: Context, work: F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, Problem> + Send + 'static,
{
    let done = context.shop.run(move |db| {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(ShopError::from)?;
        let result = work(&transaction)?;
        transaction.commit().map_err(ShopError::from)?;
        Ok::<_, Problem>(result)
    });
    done.await
}

/// Notes that a basket has changed, and answers it as it is now.
fn finish(db: &Connection, owner: &Owner, buyer: &Buyer, id: &str) -> Result<Basket, Problem> {
    store::touch(db, id, owner.now)?;
    read(db, owner, buyer, id)?.ok_or_else(no_such_basket)
}

/// Changes one line of the caller's own open basket, or takes it out, and answers the basket as it is then.
async fn edit(
    context: Context,
    caller: Caller,
    id: String,
    item: String,
    quantity: Option<i64>,
) -> Result<Basket, Problem> {
    let owner = Owner::of(&context, &caller)?;
    let buyer = Buyer::of(&context, &caller).await?;
    change(context, move |db| {
        if store::open_basket(db, &owner)?.as_deref() != Some(id.as_str()) {
            return Err(no_such_basket());
        }
        let item = match store::items_named(db, &id, &item)?.as_slice() {
            [] => return Err(Problem::not_found("that product is not in the basket")),
            [only] => only.clone(),
            _ => return Err(Problem::conflict("that product is on several lines; please name the item")),
        };
        store::set_quantity(db, &id, &item, quantity)?;
        finish(db, &owner, &buyer, &id)
    })
    .await
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

/// The owner's open basket of that id.
fn read(db: &Connection, owner: &Owner, buyer: &Buyer, id: &str) -> Result<Option<Basket>, Problem> {
    let Some(header) = store::header(db, owner, id)? else { return Ok(None) };
    let mut total = Cents(0);
    let mut items = Vec::new();
    for line in store::items(db, id)? {
        let product = product(db, buyer, &line.product_id)?;
        let sum = product.as_ref().map(|product| product.price_cents.times(line.quantity));
        total.0 += sum.unwrap_or_default().0;
        items.push(Item {
            id: line.id,
            product_id: line.product_id,
            quantity: line.quantity,
            product,
            total: sum.map(|cents| cents.to_string()),
            attributes: line.attributes,
            custom: line.custom,
        });
    }
    Ok(Some(Basket {
        id: id.to_owned(),
        legal_entity_id: Some(owner.legal_entity.clone()).filter(|id| !id.is_empty()),
        currency: header.currency,
        items,
        total: total.to_string(),
        created_at: header.created_at,
        changed_at: header.changed_at,
    }))
}

fn no_such_basket() -> Problem {
    Problem::not_found("there is no such basket")
}
