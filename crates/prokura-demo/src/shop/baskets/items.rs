//! A line of a basket: the product, and everything besides it that decides whether two lines are the same thing.

use std::collections::BTreeMap;

use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Row, ToSql};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The shipment that every basket has.
pub(super) const DEFAULT_SHIPMENT: &str = "me";

/// A line as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) product_id: String,
    pub(super) quantity: i64,
    pub(super) attributes: Attributes,
    pub(super) custom: Custom,
}

/// What tells two lines of one product apart. Lines that agree in it are one line when a product is put in again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::shop) struct Attributes {
    pub(super) shipment_id: String,
    /// The chosen value of each option, by the option's id.
    pub(super) options: BTreeMap<String, String>,
    /// The entry of a wish list that it was taken from.
    pub(super) wish_list_item: Option<String>,
    pub(super) inventory_id: Option<String>,
    pub(super) is_gift: bool,
    pub(super) gift_message: Option<String>,
    /// A price agreed for this line alone, in cents.
    pub(super) ad_hoc_price: Option<i64>,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            shipment_id: DEFAULT_SHIPMENT.to_owned(),
            options: BTreeMap::new(),
            wish_list_item: None,
            inventory_id: None,
            is_gift: false,
            gift_message: None,
            ad_hoc_price: None,
        }
    }
}

/// A storefront's own attributes of a line, by name. They do not make it another line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Custom(pub(super) BTreeMap<String, Value>);

impl Line {
    /// Reads a line from `SELECT item_id, product_id, quantity, attributes, custom`.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            product_id: row.get(1)?,
            quantity: row.get(2)?,
            attributes: row.get::<_, Stored<_>>(3)?.0,
            custom: row.get::<_, Stored<_>>(4)?.0,
        })
    }

    pub(super) fn is_the_same_thing(&self, other: &Self) -> bool {
        self.product_id == other.product_id && self.attributes == other.attributes
    }
}

/// A value that a column holds as JSON. Equal values have equal texts, since fields and keys have one order.
pub(super) struct Stored<T>(pub(super) T);

impl<T: DeserializeOwned> FromSql for Stored<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        serde_json::from_str(text).map(Self).map_err(|error| rusqlite::types::FromSqlError::Other(Box::new(error)))
    }
}

impl<T: Serialize> ToSql for Stored<&T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let text =
            serde_json::to_string(self.0).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        Ok(ToSqlOutput::from(text))
    }
}
