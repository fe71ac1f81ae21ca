//! Reading a directory of CSV files into the shop: products, contract prices, orders and their lines.
//!
//! Good rows go in, bad ones are named with file, line and column; everything is one transaction, so nothing is half
//! written. A second run with the same files changes nothing, not even the stock that orders have used up since.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use csv::StringRecord;
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::store::{Shop, ShopError};
use crate::money::{BasisPoints, Cents};

/// So many bad rows are described; the others are only counted.
const MAX_DESCRIBED: usize = 1000;

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Rows of `products.csv`.
    pub products: Imported,
    /// Rows of `prices.csv`.
    pub prices: Imported,
    /// Rows of `orders.csv`.
    pub orders: Imported,
    /// Rows of `order_lines.csv`.
    pub order_lines: Imported,
    /// The rows that were left out, at most the first thousand of them.
    pub bad_rows: Vec<BadRow>,
}

/// How many rows of one file are in the shop now, and how many were left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Rows that are in the shop, new or not.
    pub accepted: u64,
    /// Rows with a fault.
    pub rejected: u64,
}

/// A row that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Name of the file inside the directory.
    pub file: String,
    /// Line in the file; the header is line 1.
    pub line: u64,
    /// Name of the column, empty when the row as a whole is at fault.
    pub column: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.column.is_empty() {
            write!(f, "{}: ", self.column)?;
        }
        f.write_str(&self.message)
    }
}

impl ImportReport {
    /// Rows left out of all files.
    pub fn rejected(&self) -> u64 {
        [self.products, self.prices, self.orders, self.order_lines].iter().map(|file| file.rejected).sum()
    }
}

impl Shop {
    /// Reads `products.csv`, `prices.csv`, `orders.csv` and `order_lines.csv` from a directory, as far as they are
    /// there. Blocks until all is done.
    pub fn import(&self, directory: &Path) -> Result<ImportReport, ShopError> {
        self.run_blocking(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let run = transaction.query_row(
                "UPDATE counters SET value = value + 1 WHERE name = 'import' RETURNING value",
                [],
                |row| row.get(0),
            )?;
            let mut report = ImportReport::default();
            let bad = &mut report.bad_rows;
            let into = Target { transaction: &transaction, run };
            report.products = read_file(directory, "products.csv", bad, |row| into.product(row))?;
            report.prices = read_file(directory, "prices.csv", bad, |row| into.price(row))?;
            report.orders = read_file(directory, "orders.csv", bad, |row| into.order(row))?;
            report.order_lines = read_file(directory, "order_lines.csv", bad, |row| into.order_line(row))?;
            transaction.commit()?;
            Ok(report)
        })
    }
}

/// What is wrong with a row.
enum Fault {
    Row { column: String, message: String },
    Shop(ShopError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Shop(error.into())
    }
}

fn wrong(column: &str, message: impl Into<String>) -> Fault {
    Fault::Row { column: column.to_owned(), message: message.into() }
}

/// Reads one file row by row; a file that is not there has no rows.
fn read_file(
    directory: &Path,
    name: &str,
    bad_rows: &mut Vec<BadRow>,
    mut take: impl FnMut(&Fields<'_>) -> Result<(), Fault>,
) -> Result<Imported, ShopError> {
    let failed = |source: io::Error| ShopError::File { file: name.to_owned(), source };
    let file = match File::open(directory.join(name)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Imported::default()),
        Err(error) => return Err(failed(error)),
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let headers = reader.headers().map_err(|error| failed(error.into()))?.clone();
    let mut imported = Imported::default();
    let mut record = StringRecord::new();
    loop {
        let (line, taken) = match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {
                let line = record.position().map_or(0, csv::Position::line);
                (line, take(&Fields { headers: &headers, record: &record }))
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                if error.is_io_error() {
                    return Err(failed(error.into()));
                }
                (line, Err(wrong("", unreadable(error.kind()))))
            }
        };
        match taken {
            Ok(()) => imported.accepted += 1,
            Err(Fault::Shop(error)) => return Err(error),
            Err(Fault::Row { column, message }) => {
                imported.rejected += 1;
                if bad_rows.len() < MAX_DESCRIBED {
                    bad_rows.push(BadRow { file: name.to_owned(), line, column, message });
                }
            }
        }
    }
    Ok(imported)
}

fn unreadable(kind: &csv::ErrorKind) -> String {
    if let csv::ErrorKind::UnequalLengths { expected_len, len, .. } = kind {
        format!("{len} fields where the header has {expected_len}")
    } else if let csv::ErrorKind::Utf8 { .. } = kind {
        "not UTF-8".to_owned()
    } else {
        "not a CSV row".to_owned()
    }
}

/// One row, read by the names of its columns.
struct Fields<'r> {
    headers: &'r StringRecord,
    record: &'r StringRecord,
}

impl Fields<'_> {
    /// The text in a column; empty means absent, and so does a column that the file does not have.
    fn optional(&self, column: &str) -> Option<&str> {
        let position = self.headers.iter().position(|name| name == column)?;
        self.record.get(position).filter(|text| !text.is_empty())
    }

    fn text(&self, column: &str) -> Result<&str, Fault> {
        self.optional(column).ok_or_else(|| wrong(column, "missing"))
    }

    fn id(&self, column: &str) -> Result<&str, Fault> {
        checked_id(column, self.text(column)?)
    }

    fn optional_id(&self, column: &str) -> Result<Option<&str>, Fault> {
        self.optional(column).map(|text| checked_id(column, text)).transpose()
    }

    fn price(&self, column: &str) -> Result<Cents, Fault> {
        let text = self.text(column)?;
        text.parse().map_err(|_| wrong(column, format!("`{text}` is not an amount such as 18.00")))
    }

    fn whole(&self, column: &str) -> Result<i64, Fault> {
        let text = self.text(column)?;
        text.parse::<u32>()
            .map(i64::from)
            .map_err(|_| wrong(column, format!("`{text}` is not a whole number such as 12")))
    }

    fn yes_or_no(&self, column: &str) -> Result<bool, Fault> {
        match self.text(column)? {
            "true" => Ok(true),
            "false" => Ok(false),
            text => Err(wrong(column, format!("`{text}` is neither true nor false"))),
        }
    }

    fn currency(&self) -> Result<&str, Fault> {
        let text = self.text("currency")?;
        if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            Ok(text)
        } else {
            Err(wrong("currency", format!("`{text}` is not a currency code such as EUR")))
        }
    }

    /// A date, or a moment with its offset.
    fn moment(&self, column: &str) -> Result<String, Fault> {
        let text = self.text(column)?;
        text.parse::<Date>()
            .map(|date| date.to_string())
            .ok()
            .filter(|_| text.len() == 10)
            .or_else(|| text.parse::<Timestamp>().ok().map(|moment| moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
            .ok_or_else(|| wrong(column, format!("`{text}` is not a date such as 2026-03-01")))
    }
}

fn checked_id<'t>(column: &str, text: &'t str) -> Result<&'t str, Fault> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.len() <= 66 && text.bytes().all(is_plain) {
        Ok(text)
    } else {
        Err(wrong(column, format!("`{text}` is not an id: up to 66 letters, digits, `-` and `_`")))
    }
}

/// Where the rows go. A row that carries the number of this run has been in the file before.
struct Target<'t> {
    transaction: &'t Transaction<'t>,
    run: i64,
}

impl Target<'_> {
    fn product(&self, row: &Fields<'_>) -> Result<(), Fault> {
        let id = row.id("id")?;
        let name = row.text("name")?;
        let stock = row.whole("units_in_stock")?;
        // Stock is taken over only when the file says something new: between two imports it goes down with every order.
        let changed = self.statement(
            "INSERT INTO products VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10)
             ON CONFLICT (id) DO UPDATE SET
                 name = excluded.name, name_folded = excluded.name_folded, category = excluded.category,
                 quantity_per_unit = excluded.quantity_per_unit, unit_price = excluded.unit_price,
                 currency = excluded.currency, discontinued = excluded.discontinued, import_run = excluded.import_run,
                 units_in_stock = iif(imported_stock = excluded.imported_stock, units_in_stock, excluded.units_in_stock),
                 imported_stock = excluded.imported_stock
              WHERE import_run < excluded.import_run",
            params![
                id,
                name,
                name.to_lowercase(),
                row.text("category")?,
                row.optional("quantity_per_unit").unwrap_or_default(),
                row.price("unit_price")?.0,
                row.currency()?,
                stock,
                row.yes_or_no("discontinued")?,
                self.run,
            ],
        )?;
        if changed { Ok(()) } else { Err(wrong("id", format!("`{id}` is in the file twice"))) }
    }

    fn price(&self, row: &Fields<'_>) -> Result<(), Fault> {
        let (product, category) = (row.optional_id("product_id")?, row.optional("category"));
        if product.is_some() && category.is_some() {
            return Err(wrong("category", "a price is for a product or for a category, not for both"));
        }
        if let Some(product) = product {
            self.known("SELECT 1 FROM products WHERE id = ?1", "product_id", product)?;
        }
        let percent = row.text("discount_percent")?;
        let discount = BasisPoints::from_percent(percent)
            .map_err(|_| wrong("discount_percent", format!("`{percent}` is not a percentage from 0 to 100")))?;
        let changed = self.statement(
            "INSERT INTO prices VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (legal_entity_id, product_id, category) DO UPDATE SET
                 discount = excluded.discount, import_run = excluded.import_run
              WHERE import_run < excluded.import_run",
            params![
                row.id("legal_entity_id")?,
                product.unwrap_or_default(),
                category.unwrap_or_default(),
                discount.0,
                self.run
            ],
        )?;
        if changed { Ok(()) } else { Err(wrong("", "this company has that price in the file twice")) }
    }

    fn order(&self, row: &Fields<'_>) -> Result<(), Fault> {
        let id = row.id("id")?;
        // A private order belongs to a customer's id, which no file knows before Prokura has given it out.
        let company = row.optional_id("legal_entity_id")?.ok_or_else(|| wrong("legal_entity_id", "missing"))?;
        let changed = self.statement(
            "INSERT INTO orders (id, legal_entity_id, customer_email, placed_at, currency, reference, import_run)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (id) DO UPDATE SET
                 legal_entity_id = excluded.legal_entity_id, customer_email = excluded.customer_email,
                 placed_at = excluded.placed_at, currency = excluded.currency, reference = excluded.reference,
                 import_run = excluded.import_run
              WHERE import_run < excluded.import_run",
            params![
                id,
                company,
                row.text("customer_email")?,
                row.moment("placed_at")?,
                row.currency()?,
                row.optional("reference"),
                self.run,
            ],
        )?;
        if !changed {
            return Err(wrong("id", format!("`{id}` is in the file twice, or was placed in this shop")));
        }
        // Orders placed here are numbered behind the imported ones.
        if let Ok(number) = id.parse::<u32>() {
            self.statement(
                "UPDATE counters SET value = max(value, ?1) WHERE name = 'order' AND value < ?1",
                params![i64::from(number)],
            )?;
        }
        Ok(())
    }

    fn order_line(&self, row: &Fields<'_>) -> Result<(), Fault> {
        let (order, product) = (row.id("order_id")?, row.id("product_id")?);
        self.known("SELECT 1 FROM orders WHERE id = ?1 AND import_run IS NOT NULL", "order_id", order)?;
        self.known("SELECT 1 FROM products WHERE id = ?1", "product_id", product)?;
        let quantity = row.whole("quantity")?;
        if !(1..=1_000_000).contains(&quantity) {
            return Err(wrong("quantity", format!("`{quantity}` is not from 1 to 1000000")));
        }
        let fraction = row.optional("discount").unwrap_or("0");
        let discount = BasisPoints::from_fraction(fraction)
            .map_err(|_| wrong("discount", format!("`{fraction}` is not a fraction from 0 to 1, such as 0.15")))?;
        let changed = self.statement(
            "INSERT INTO order_lines (order_id, product_id, unit_price, quantity, discount, import_run)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (order_id, product_id) DO UPDATE SET
                 unit_price = excluded.unit_price, quantity = excluded.quantity, discount = excluded.discount,
                 import_run = excluded.import_run
              WHERE import_run < excluded.import_run",
            params![order, product, row.price("unit_price")?.0, quantity, discount.0, self.run],
        )?;
        if changed { Ok(()) } else { Err(wrong("product_id", format!("order {order} has `{product}` twice"))) }
    }

    fn statement(&self, sql: &str, parameters: &[&dyn rusqlite::ToSql]) -> Result<bool, Fault> {
        Ok(Connection::prepare_cached(self.transaction, sql)?.execute(parameters)? > 0)
    }

    fn known(&self, question: &str, column: &str, id: &str) -> Result<(), Fault> {
        let found = Connection::prepare_cached(self.transaction, question)?.query_row([id], |_| Ok(())).optional()?;
        found.ok_or_else(|| wrong(column, format!("nothing has the id `{id}`")))
    }
}
