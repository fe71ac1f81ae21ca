//! What the tables say about baskets. Whatever finds a basket goes by its owner, and overlooks a guest's that has aged.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::items::{Attributes, Custom, Line, Stored};
use super::{MAX_LINES, Owner, check_quantity};
use crate::shop::catalog::Product;
use crate::shop::problem::Problem;
use crate::shop::store::{ShopError, moment};

/// How the table names the owner of a guest's basket, before the visitor's id.
pub(super) const VISITOR: &str = "visitor:";

/// A guest's basket is gone so long after its last change.
const GUEST_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// So many aged baskets are removed when a new one is made: more than are made, so that none pile up.
const SWEPT_AT_ONCE: u8 = 8;

/// An open basket of `?1` for `?2` that has changed since `?3`, if a guest's.
const OPEN: &str = "owner = ?1 AND legal_entity_id = ?2 AND order_id IS NULL
                    AND (owner LIKE 'customer:%' OR changed_at >= ?3)";

/// What a basket says besides its items.
pub(super) struct Header {
    pub(super) currency: String,
    pub(super) created_at: String,
    pub(super) changed_at: String,
}

fn oldest(owner: &Owner) -> String {
    moment(owner.now.checked_sub(GUEST_LIFE).unwrap_or(Timestamp::MIN))
}

pub(super) fn open_basket(db: &Connection, owner: &Owner) -> Result<Option<String>, ShopError> {
    let id = db
        .prepare_cached(&format!("SELECT id FROM baskets WHERE {OPEN}"))?
        .query_row(params![owner.person, owner.legal_entity, oldest(owner)], |row| row.get(0))
        .optional()?;
    Ok(id)
}

/// The owner's open basket of that id.
pub(super) fn header(db: &Connection, owner: &Owner, id: &str) -> Result<Option<Header>, ShopError> {
    let header = db
        .prepare_cached(&format!("SELECT currency, created_at, changed_at FROM baskets WHERE {OPEN} AND id = ?4"))?
        .query_row(params![owner.person, owner.legal_entity, oldest(owner), id], |row| {
            Ok(Header { currency: row.get(0)?, created_at: row.get(1)?, changed_at: row.get(2)? })
        })
        .optional()?;
    Ok(header)
}

/// The id of the owner's open basket, which is made if there is none.
pub(super) fn find_or_begin(db: &Connection, owner: &Owner, currency: &str) -> Result<String, ShopError> {
    if let Some(id) = open_basket(db, owner)? {
        return Ok(id);
    }
    // An aged basket of the same guest would be in the way of the unique index.
    db.prepare_cached("DELETE FROM baskets WHERE owner = ?1 AND legal_entity_id = ?2 AND order_id IS NULL")?
        .execute(params![owner.person, owner.legal_entity])?;
    db.prepare_cached(
        "DELETE FROM baskets WHERE rowid IN (
             SELECT rowid FROM baskets
              WHERE order_id IS NULL AND owner NOT LIKE 'customer:%' AND changed_at < ?1 LIMIT ?2)",
    )?
    .execute(params![oldest(owner), SWEPT_AT_ONCE])?;
    let now = moment(owner.now);
    let id = db
        .prepare_cached(
            "INSERT INTO baskets (id, owner, legal_entity_id, currency, created_at, changed_at)
             VALUES (lower(hex(randomblob(16))), ?1, ?2, ?3, ?4, ?4) RETURNING id",
        )?
        .query_row(params![owner.person, owner.legal_entity, currency, now], |row| row.get(0))?;
    Ok(id)
}

/// Puts units of a product into a basket: onto the line of the same thing, or onto a new one.
pub(super) fn add(
    db: &Connection,
    basket: &str,
    product: &Product,
    quantity: i64,
    attributes: &Attributes,
    custom: &Custom,
) -> Result<(), Problem> {
    let fault = ShopError::from;
    let lines = items(db, basket)?;
    let in_basket = currency(db, basket)?;
    // An emptied basket takes the currency of whatever goes in next.
    if lines.is_empty() {
        db.execute("UPDATE baskets SET currency = ?2 WHERE id = ?1", params![basket, product.currency])
            .map_err(fault)?;
    } else if in_basket != product.currency {
        return Err(Problem::conflict(format!(
            "{} is sold in {}, but the basket is in {in_basket}; please order it separately",
            product.name, product.currency
        )));
    }
    let same = lines.iter().find(|line| line.product_id == product.id && line.attributes == *attributes);
    if let Some(line) = same {
        check_quantity(line.quantity.saturating_add(quantity))?;
        let mut both = line.custom.clone();
        both.0.extend(custom.0.clone());
        db.prepare_cached(
            "UPDATE basket_items SET quantity = quantity + ?3, custom = ?4 WHERE basket_id = ?1 AND item_id = ?2",
        )
        .and_then(|mut statement| statement.execute(params![basket, line.id, quantity, Stored(&both)]))
        .map_err(fault)?;
        return Ok(());
    }
    if lines.len() >= usize::from(MAX_LINES) {
        return Err(Problem::conflict(format!("a basket holds at most {MAX_LINES} lines")));
    }
    insert(db, basket, &product.id, quantity, attributes, custom)?;
    Ok(())
}

fn insert(
    db: &Connection,
    basket: &str,
    product: &str,
    quantity: i64,
    attributes: &Attributes,
    custom: &Custom,
) -> Result<(), ShopError> {
    db.prepare_cached(
        "INSERT INTO basket_items (basket_id, item_id, product_id, quantity, attributes, custom, added)
         VALUES (?1, lower(hex(randomblob(13))), ?2, ?3, ?4, ?5,
                 (SELECT COALESCE(MAX(added), 0) + 1 FROM basket_items WHERE basket_id = ?1))",
    )?
    .execute(params![basket, product, quantity, Stored(attributes), Stored(custom)])?;
    Ok(())
}

/// Every line, oldest first.
pub(super) fn items(db: &Connection, basket: &str) -> Result<Vec<Line>, ShopError> {
    let items = db
        .prepare_cached(
            "SELECT item_id, product_id, quantity, attributes, custom FROM basket_items
              WHERE basket_id = ?1 ORDER BY added",
        )?
        .query_map([basket], Line::read)?
        .collect::<Result<_, _>>()?;
    Ok(items)
}

/// What is in a basket as product and quantity, one row for each product.
pub(in crate::shop) fn lines(db: &Connection, basket: &str) -> Result<Vec<(String, i64)>, ShopError> {
    let lines = db
        .prepare_cached(
            "SELECT product_id, SUM(quantity) FROM basket_items WHERE basket_id = ?1
              GROUP BY product_id ORDER BY MIN(added)",
        )?
        .query_map([basket], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    Ok(lines)
}

/// The ids of the lines that a name means: an item's own id, or a product's.
pub(super) fn items_named(db: &Connection, basket: &str, name: &str) -> Result<Vec<String>, ShopError> {
    let found = db
        .prepare_cached("SELECT item_id FROM basket_items WHERE basket_id = ?1 AND (item_id = ?2 OR product_id = ?2)")?
        .query_map(params![basket, name], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// Sets the units of a line; without a number it is taken out.
pub(super) fn set_quantity(db: &Connection, basket: &str, item: &str, quantity: Option<i64>) -> Result<(), ShopError> {
    match quantity {
        Some(quantity) => db
            .prepare_cached("UPDATE basket_items SET quantity = ?3 WHERE basket_id = ?1 AND item_id = ?2")?
            .execute(params![basket, item, quantity])?,
        None => db
            .prepare_cached("DELETE FROM basket_items WHERE basket_id = ?1 AND item_id = ?2")?
            .execute(params![basket, item])?,
    };
    Ok(())
}

/// Gives a basket other items. Lines keep their names, and their order is that of the list.
pub(super) fn replace_items(db: &Connection, basket: &str, currency: &str, lines: &[Line]) -> Result<(), ShopError> {
    db.execute("DELETE FROM basket_items WHERE basket_id = ?1", [basket])?;
    db.execute("UPDATE baskets SET currency = ?2 WHERE id = ?1", params![basket, currency])?;
    let mut statement = db.prepare_cached(
        "INSERT INTO basket_items (basket_id, item_id, product_id, quantity, attributes, custom, added)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for (line, added) in lines.iter().zip(1_i64..) {
        statement.execute(params![
            basket,
            line.id,
            line.product_id,
            line.quantity,
            Stored(&line.attributes),
            Stored(&line.custom),
            added
        ])?;
    }
    Ok(())
}

pub(super) fn currency(db: &Connection, basket: &str) -> Result<String, ShopError> {
    Ok(db.prepare_cached("SELECT currency FROM baskets WHERE id = ?1")?.query_row([basket], |row| row.get(0))?)
}

/// Makes a basket another person's. They must have none that is open.
pub(super) fn give(db: &Connection, basket: &str, owner: &Owner) -> Result<(), ShopError> {
    db.execute(
        "UPDATE baskets SET owner = ?2, legal_entity_id = ?3, changed_at = ?4 WHERE id = ?1",
        params![basket, owner.person, owner.legal_entity, moment(owner.now)],
    )?;
    Ok(())
}

pub(super) fn touch(db: &Connection, basket: &str, now: Timestamp) -> Result<(), ShopError> {
    db.prepare_cached("UPDATE baskets SET changed_at = ?2 WHERE id = ?1")?.execute(params![basket, moment(now)])?;
    Ok(())
}

/// Deletes a basket and what is in it.
pub(super) fn delete(db: &Connection, basket: &str) -> Result<(), ShopError> {
    db.prepare_cached("DELETE FROM baskets WHERE id = ?1")?.execute([basket])?;
    Ok(())
}

/// Deletes the owner's open basket of that id; `false` when there is none.
pub(super) fn remove(db: &Connection, owner: &Owner, id: &str) -> Result<bool, ShopError> {
    let removed = db.prepare_cached(&format!("DELETE FROM baskets WHERE {OPEN} AND id = ?4"))?.execute(params![
        owner.person,
        owner.legal_entity,
        oldest(owner),
        id
    ])?;
    Ok(removed > 0)
}
