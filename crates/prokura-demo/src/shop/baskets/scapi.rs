//! The same baskets under the paths and in the words of Salesforce's Shopper Baskets API, versions 1 and 2.
//!
//! Whose basket it is comes from the gateway's headers here as well; the organization in the path and the site in the
//! query name nothing that the shop would look up. Prices are the shop's: what a client says about them is not read.

use std::collections::BTreeMap;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::handover::{HandedOver, IfThereIsOne, NotHandedOver};
use super::items::{Attributes, Custom, DEFAULT_SHIPMENT};
use super::merge::Mode;
use super::{Basket, Owner, change, check_quantity, edit, finish, handover, no_such_basket, orderable, read, store};
use crate::money::Cents;
use crate::shop::Context;
use crate::shop::caller::Caller;
use crate::shop::catalog::Buyer;
use crate::shop::problem::Problem;

/// Without a wish, an empty basket is in this currency until the first item goes in.
const CURRENCY: &str = "EUR";
/// The longest text of an attribute.
const MAX_TEXT_CHARS: usize = 256;

pub(super) fn routes() -> Router<Context> {
    const BASE: &str = "/checkout/shopper-baskets/{version}/organizations/{organization}/baskets";
    let under = |rest: &str| format!("{BASE}{rest}");
    Router::new()
        .route(BASE, post(create))
        .route(&under("/actions/merge"), post(merge))
        .route(&under("/actions/transfer"), post(transfer))
        .route(&under("/{basket}"), get(show).delete(remove))
        .route(&under("/{basket}/items"), post(add_items))
        .route(&under("/{basket}/items/{item}"), patch(change_item).delete(remove_item))
}

/// The path of a call: the version, and what it names. Another version is a path that does not exist.
#[derive(Debug, Deserialize)]
struct Place {
    version: Version,
    #[serde(default)]
    basket: String,
    #[serde(default)]
    item: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Version {
    V1,
    V2,
}

impl Place {
    fn of(path: Result<Path<Self>, PathRejection>) -> Result<Self, Problem> {
        let Path(place) = path.map_err(|_| Problem::not_found("there is nothing at this address"))?;
        match place.version {
            Version::V1 | Version::V2 => Ok(place),
        }
    }
}

/// A line as a client asks for it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewItem {
    product_id: String,
    #[serde(default = "super::one")]
    quantity: i64,
    shipment_id: Option<String>,
    #[serde(default)]
    option_items: Vec<ChosenOption>,
    product_list_item: Option<Reference>,
    inventory_id: Option<String>,
    #[serde(default)]
    gift: bool,
    gift_message: Option<String>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChosenOption {
    option_id: String,
    option_value_id: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Reference {
    id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NewBasket {
    currency: Option<String>,
    product_items: Vec<NewItem>,
}

#[derive(Debug, Deserialize)]
struct ChangedItem {
    quantity: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MergeQuery {
    #[serde(default)]
    create_destination_basket: bool,
    #[serde(default)]
    product_item_merge_mode: Mode,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransferQuery {
    #[serde(default)]
    merge: bool,
    #[serde(default)]
    override_existing: bool,
}

impl NewItem {
    fn checked(self) -> Result<(String, i64, Attributes, Custom), Problem> {
        check_quantity(self.quantity)?;
        let attributes = Attributes {
            shipment_id: self.shipment_id.unwrap_or_else(|| DEFAULT_SHIPMENT.to_owned()),
            options: self.option_items.into_iter().map(|item| (item.option_id, item.option_value_id)).collect(),
            wish_list_item: self.product_list_item.map(|reference| reference.id),
            inventory_id: self.inventory_id,
            is_gift: self.gift,
            gift_message: self.gift_message.filter(|_| self.gift),
            ad_hoc_price: None,
        };
        let texts = [&attributes.wish_list_item, &attributes.inventory_id, &attributes.gift_message];
        let texts = texts.into_iter().flatten().chain([&attributes.shipment_id]).chain(attributes.options.values());
        if texts.chain(attributes.options.keys()).any(|text| text.chars().count() > MAX_TEXT_CHARS) {
            return Err(Problem::unprocessable(format!(
                "a text of a product item has at most {MAX_TEXT_CHARS} characters"
            )));
        }
        let custom = self.others.into_iter().filter(|(name, _)| name.starts_with("c_")).collect();
        Ok((self.product_id, self.quantity, attributes, Custom(custom)))
    }
}

/// `createBasket`: only one may be open.
async fn create(
    State(context): State<Context>,
    caller: Caller,
    path: Result<Path<Place>, PathRejection>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    Place::of(path)?;
    let wanted: NewBasket = if body.is_empty() {
        NewBasket::default()
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| Problem::bad_request(format!("the body cannot be read: {error}")))?
    };
    let currency = wanted.currency.unwrap_or_else(|| CURRENCY.to_owned());
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(Problem::bad_request("`currency` has three letters, such as EUR"));
    }
    let items = wanted.product_items.into_iter().map(NewItem::checked).collect::<Result<Vec<_>, _>>()?;
    let owner = Owner::of(&context, &caller)?;
    let buyer = Buyer::of(&context, &caller).await?;
    let customer = owner.clone();
    let basket = change(context, move |db| {
        if let Some(open) = store::open_basket(db, &owner)? {
            return Err(quota_exceeded(&open));
        }
        let id = store::find_or_begin(db, &owner, &currency)?;
        put_in(db, &buyer, &id, items)?;
        finish(db, &owner, &buyer, &id)
    });
    Ok(Json(document(&customer, &basket.await?)))
}

/// `getBasket`
async fn show(
    State(context): State<Context>,
    caller: Caller,
    path: Result<Path<Place>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let place = Place::of(path)?;
    let owner = Owner::of(&context, &caller)?;
    let buyer = Buyer::of(&context, &caller).await?;
    let customer = owner.clone();
    let basket = context.shop.run(move |db| read(db, &owner, &buyer, &place.basket)).await?;
    Ok(Json(document(&customer, &basket.ok_or_else(no_such_basket)?)))
}

/// `deleteBasket`
async fn remove(
    State(context): State<Context>,
    caller: Caller,
    path: Result<Path<Place>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let place = Place::of(path)?;
    let owner = Owner::of(&context, &caller)?;
    let is_gone = context.shop.run(move |db| store::remove(db, &owner, &place.basket)).await?;
    if is_gone { Ok(StatusCode::NO_CONTENT) } else { Err(no_such_basket()) }
}

/// `addItemToBasket`: a list of items, all of them or none.
async fn add_items(
    State(context): State<Context>,
    caller: Caller,
    path: Result<Path<Place>, PathRejection>,
    items: Result<Json<Vec<NewItem>>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let (place, Json(items)) = (Place::of(path)?, items?);
    let items = items.into_iter().map(NewItem::checked).collect::<Result<Vec<_>, _>>()?;
    let owner = Owner::of(&context, &caller)?;
    let buyer = Buyer::of(&context, &caller).await?;
    let customer = owner.clone();
    let basket = change(context, move |db| {
        if store::open_basket(db, &owner)?.as_deref() != Some(place.basket.as_str()) {
            return Err(no_such_basket());
        }
        put_in(db, &buyer, &place.basket, items)?;
        finish(db, &owner, &buyer, &place.basket)
    });
    Ok(Json(document(&customer, &basket.await?)))
}

fn put_in(
    db: &rusqlite::Connection,
    buyer: &Buyer,
    basket: &str,
    items: Vec<(String, i64, Attributes, Custom)>,
) -> Result<(), Problem> {
    for (product, quantity, attributes, custom) in items {
        let product = orderable(db, buyer, &product)?;
        store::add(db, basket, &product, quantity, &attributes, &custom)?;
    }
    Ok(())
}

/// `updateItemInBasket`, as far as the quantity goes; 0 takes the item out.
async fn change_item(
    State(context): State<Context>,
    caller: Caller,
    path: Result<Path<Place>, PathRejection>,
    changed: Result<Json<ChangedItem>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let (place, Json(changed)) = (Place::of(path)?, changed?);
    if changed.quantity != 0 {
        check_quantity(changed.quantity)?;
    }
    let customer = Owner::of(&context, &caller)?;
    let quantity = Some(changed.quantity).filter(|quantity| *quantity > 0);
    let basket = edit(context, caller, place.basket, place.item, quantity).await?;
    Ok(Json(document(&customer, &basket)))
}

/// `removeItemFromBasket`
async fn remove_item(
    State(context): State<Context>,
    caller: Caller,
    path: Result<Path<Place>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let place = Place::of(path)?;
    let customer = Owner::of(&context, &caller)?;
    let basket = edit(context, caller, place.basket, place.item, None).await?;
    Ok(Json(document(&customer, &basket)))
}

/// `mergeBasket`: the guest's items go into the customer's basket, and the guest's is deleted.
async fn merge(
    State(context): State<Context>,
    caller: Caller,
    path: Result<Path<Place>, PathRejection>,
    query: Result<Query<MergeQuery>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let (_, Query(query)) = (Place::of(path)?, query?);
    let owner = Owner::of(&context, &caller)?;
    let before = owner.before_login(&caller).ok_or_else(no_previous_customer)?;
    let buyer = Buyer::of(&context, &caller).await?;
    let customer = owner.clone();
    let basket = change(context, move |db| {
        let mode = query.product_item_merge_mode;
        match handover::merge(db, &before, &owner, mode, query.create_destination_basket)? {
            Ok(HandedOver { basket }) => finish(db, &owner, &buyer, &basket),
            Err(refused) => Err(explain(refused)),
        }
    });
    Ok(Json(document(&customer, &basket.await?)))
}

/// `transferBasket`: the guest's basket becomes the customer's. 204 when there is none.
async fn transfer(
    State(context): State<Context>,
    caller: Caller,
    path: Result<Path<Place>, PathRejection>,
    query: Result<Query<TransferQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let (_, Query(query)) = (Place::of(path)?, query?);
    let if_there_is_one = match (query.merge, query.override_existing) {
        (false, false) => IfThereIsOne::Refuse,
        (true, false) => IfThereIsOne::Merge,
        (false, true) => IfThereIsOne::Replace,
        (true, true) => return Err(Problem::bad_request("`merge` and `overrideExisting` exclude each other")),
    };
    let owner = Owner::of(&context, &caller)?;
    let before = owner.before_login(&caller).ok_or_else(no_previous_customer)?;
    let buyer = Buyer::of(&context, &caller).await?;
    let customer = owner.clone();
    let basket = change(context, move |db| match handover::transfer(db, &before, &owner, if_there_is_one)? {
        Ok(HandedOver { basket }) => finish(db, &owner, &buyer, &basket).map(Some),
        Err(NotHandedOver::NoSource) => Ok(None),
        Err(refused) => Err(explain(refused)),
    });
    Ok(match basket.await? {
        Some(basket) => Json(document(&customer, &basket)).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

fn explain(refused: NotHandedOver) -> Problem {
    let (slug, title, detail) = match refused {
        NotHandedOver::NoSource => {
            ("no-source-basket-exception", "No Source Basket", "the guest has no basket with items, or no longer")
        }
        NotHandedOver::NoTarget => (
            "basket-merge-no-current-basket-exception",
            "No Current Basket",
            "the customer has no basket, and createDestinationBasket is not set",
        ),
        NotHandedOver::TargetExists => (
            "basket-transfer-basket-already-exists-exception",
            "Basket Already Exists",
            "the customer has a basket; say merge or overrideExisting",
        ),
        NotHandedOver::OtherCurrency => return super::other_currency(),
    };
    Problem::conflict(detail).named(slug, title)
}

fn no_previous_customer() -> Problem {
    Problem::forbidden("only a customer who was a guest in this browser has a previous basket")
        .named("no-previous-customer-exception", "No Previous Customer")
}

fn quota_exceeded(open: &str) -> Problem {
    let members = Map::from_iter([("basketIds".to_owned(), json!([open]))]);
    Problem::bad_request("only one basket may be open").named_with(
        "customer-baskets-quota-exceeded",
        "Customer Baskets Quota Exceeded",
        members,
    )
}

/// The basket as Salesforce spells it.
fn document(owner: &Owner, basket: &Basket) -> Value {
    let (kind, customer) = owner.person.split_once(':').unwrap_or(("", &owner.person));
    let items: Vec<Value> = basket.items.iter().map(|item| product_item(item, &basket.currency)).collect();
    let total = amount(basket.total.parse().unwrap_or_default());
    json!({
        "basketId": basket.id,
        "currency": basket.currency,
        "channelType": "storefront",
        "creationDate": basket.created_at,
        "lastModified": basket.changed_at,
        "customerInfo": { "customerId": customer, "guest": kind != "customer" },
        "c_legalEntityId": basket.legal_entity_id,
        "productItems": items,
        "shipments": [{ "shipmentId": DEFAULT_SHIPMENT, "gift": false }],
        "productSubTotal": total,
        "productTotal": total,
        "taxation": "net",
    })
}

fn product_item(item: &super::Item, currency: &str) -> Value {
    let attributes = &item.attributes;
    let options: Vec<ChosenOption> = attributes
        .options
        .iter()
        .map(|(id, value)| ChosenOption { option_id: id.clone(), option_value_id: value.clone() })
        .collect();
    let price = item.product.as_ref().map(|product| product.price_cents);
    let mut document = json!({
        "itemId": item.id,
        "productId": item.product_id,
        "productName": item.product.as_ref().map(|product| &product.name),
        "itemText": item.product.as_ref().map(|product| &product.name),
        "quantity": item.quantity,
        "shipmentId": attributes.shipment_id,
        "optionItems": options,
        "productListItem": attributes.wish_list_item.clone().map(|id| Reference { id }),
        "inventoryId": attributes.inventory_id,
        "gift": attributes.is_gift,
        "giftMessage": attributes.gift_message,
        "currency": currency,
        "basePrice": price.map(amount),
        "price": price.map(|price| amount(price.times(item.quantity))),
        "c_isAvailable": item.product.as_ref().is_some_and(|product| !product.discontinued),
    });
    if let Value::Object(members) = &mut document {
        members.retain(|_, value| !value.is_null());
        members.extend(item.custom.0.clone());
    }
    document
}

/// An amount as a number with its cents, as this API has it.
fn amount(cents: Cents) -> Value {
    // The text has two decimals, so the number is the one that is nearest to it.
    serde_json::from_str(&cents.to_string()).unwrap_or(Value::Null)
}
