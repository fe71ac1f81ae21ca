//! A guest's basket becomes the customer's: merged into theirs, or handed over whole.
//!
//! It happens once. Whoever comes second, be it the same call repeated or another one at the same moment, finds the
//! guest's basket gone. An empty basket counts as none on the guest's side, and never stands in the way on the customer's.

use rusqlite::Connection;

use super::Owner;
use super::items::Line;
use super::merge::{Mode, merged};
use super::store;
use crate::shop::store::ShopError;

/// The customer's basket that now holds what the guest had chosen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HandedOver {
    pub(super) basket: String,
}

/// Why nothing was handed over. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotHandedOver {
    /// The guest has chosen nothing, or it was handed over before.
    NoSource,
    /// The customer has no basket, and none was to be made.
    NoTarget,
    /// The customer has a basket, and it was not said what becomes of it.
    TargetExists,
    /// The two baskets cannot be added up.
    OtherCurrency,
}

/// What becomes of a basket that the customer has when the guest's is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfThereIsOne {
    Refuse,
    Merge,
    Replace,
}

/// Puts the guest's items into the customer's basket and deletes the guest's.
pub(super) fn merge(
    db: &Connection,
    guest: &Owner,
    customer: &Owner,
    mode: Mode,
    may_create: bool,
) -> Result<Result<HandedOver, NotHandedOver>, ShopError> {
    let Some((source, guests)) = filled(db, guest)? else { return Ok(Err(NotHandedOver::NoSource)) };
    let Some(target) = store::open_basket(db, customer)? else {
        return if may_create { give(db, &source, customer) } else { Ok(Err(NotHandedOver::NoTarget)) };
    };
    let customers = store::items(db, &target)?;
    let (from, to) = (store::currency(db, &source)?, store::currency(db, &target)?);
    if from != to && !customers.is_empty() {
        return Ok(Err(NotHandedOver::OtherCurrency));
    }
    store::delete(db, &source)?;
    store::replace_items(db, &target, &from, &merged(mode, customers, guests))?;
    store::touch(db, &target, customer.now)?;
    Ok(Ok(HandedOver { basket: target }))
}

/// Hands the guest's basket over to the customer.
pub(super) fn transfer(
    db: &Connection,
    guest: &Owner,
    customer: &Owner,
    if_there_is_one: IfThereIsOne,
) -> Result<Result<HandedOver, NotHandedOver>, ShopError> {
    let Some((source, _)) = filled(db, guest)? else { return Ok(Err(NotHandedOver::NoSource)) };
    if let Some(target) = store::open_basket(db, customer)? {
        let is_empty = store::items(db, &target)?.is_empty();
        match if_there_is_one {
            IfThereIsOne::Refuse if !is_empty => return Ok(Err(NotHandedOver::TargetExists)),
            IfThereIsOne::Merge => return merge(db, guest, customer, Mode::default(), true),
            IfThereIsOne::Refuse | IfThereIsOne::Replace => store::delete(db, &target)?,
        }
    }
    give(db, &source, customer)
}

fn give(db: &Connection, basket: &str, customer: &Owner) -> Result<Result<HandedOver, NotHandedOver>, ShopError> {
    store::give(db, basket, customer)?;
    Ok(Ok(HandedOver { basket: basket.to_owned() }))
}

/// The guest's basket, if there is something in it.
fn filled(db: &Connection, guest: &Owner) -> Result<Option<(String, Vec<Line>)>, ShopError> {
    let Some(id) = store::open_basket(db, guest)? else { return Ok(None) };
    let lines = store::items(db, &id)?;
    Ok((!lines.is_empty()).then_some((id, lines)))
}
