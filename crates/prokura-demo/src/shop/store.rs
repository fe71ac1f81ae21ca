//! The shop's SQLite file: opening it, its tables, and running work on it away from the async threads.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use rusqlite::Connection;

use super::baskets::Attributes;

/// Written to `PRAGMA user_version`; a file with a greater number is not ours to touch.
const SCHEMA_VERSION: i64 = 2;

/// Moments are RFC 3339 texts in UTC or plain dates, amounts are cents, discounts are basis points. An empty text stands
/// for "no company" in `baskets`, so that one unique index covers both kinds.
/// The lines of an order are written before the order, which takes its currency from them.
const SCHEMA: &str = "
    CREATE TABLE products (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        name_folded TEXT NOT NULL,
        category TEXT NOT NULL,
        quantity_per_unit TEXT NOT NULL,
        unit_price INTEGER NOT NULL,
        currency TEXT NOT NULL,
        units_in_stock INTEGER NOT NULL CHECK (units_in_stock >= 0),
        imported_stock INTEGER NOT NULL,
        discontinued INTEGER NOT NULL,
        import_run INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX products_by_category ON products (category);

    CREATE TABLE prices (
        legal_entity_id TEXT NOT NULL,
        product_id TEXT NOT NULL,
        category TEXT NOT NULL,
        discount INTEGER NOT NULL,
        import_run INTEGER NOT NULL,
        PRIMARY KEY (legal_entity_id, product_id, category)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE orders (
        id TEXT PRIMARY KEY,
        legal_entity_id TEXT,
        customer_id TEXT,
        customer_email TEXT,
        placed_at TEXT NOT NULL,
        currency TEXT NOT NULL,
        reference TEXT,
        import_run INTEGER
    ) STRICT;
    CREATE INDEX orders_of_company ON orders (legal_entity_id, placed_at, id) WHERE legal_entity_id IS NOT NULL;
    CREATE INDEX orders_of_person ON orders (customer_id, placed_at, id) WHERE legal_entity_id IS NULL;

    CREATE TABLE order_lines (
        order_id TEXT NOT NULL REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED,
        product_id TEXT NOT NULL,
        product_name TEXT,
        unit_price INTEGER NOT NULL,
        quantity INTEGER NOT NULL,
        discount INTEGER NOT NULL,
        import_run INTEGER,
        PRIMARY KEY (order_id, product_id)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO counters VALUES ('order', 10000), ('import', 0);
";

/// Only guests' baskets age, and customers' are by far the most: so the index for sweeping holds the guests' alone.
const BASKETS: &str = "
    CREATE TABLE baskets (
        id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        legal_entity_id TEXT NOT NULL,
        currency TEXT NOT NULL,
        order_id TEXT REFERENCES orders (id),
        created_at TEXT NOT NULL,
        changed_at TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX open_baskets ON baskets (owner, legal_entity_id) WHERE order_id IS NULL;
    CREATE INDEX aging_baskets ON baskets (changed_at) WHERE order_id IS NULL AND owner NOT LIKE 'customer:%';

    CREATE TABLE basket_items (
        basket_id TEXT NOT NULL REFERENCES baskets (id) ON DELETE CASCADE,
        item_id TEXT NOT NULL,
        product_id TEXT NOT NULL REFERENCES products (id),
        quantity INTEGER NOT NULL CHECK (quantity > 0),
        attributes TEXT NOT NULL,
        custom TEXT NOT NULL,
        added INTEGER NOT NULL,
        PRIMARY KEY (basket_id, item_id)
    ) STRICT, WITHOUT ROWID;
";

/// Renames the baskets of schema 1, where a product was on one line at most and no basket aged.
const BASKETS_ASIDE: &str = "
    DROP INDEX open_baskets;
    ALTER TABLE baskets RENAME TO baskets_1;
    ALTER TABLE basket_items RENAME TO basket_items_1;
";

/// Takes those baskets over, with `?1` as the moment of their last change.
const BASKETS_BACK: [&str; 4] = [
    "INSERT INTO baskets (id, owner, legal_entity_id, currency, order_id, created_at, changed_at)
     SELECT id, owner, legal_entity_id, currency, order_id, ?1, ?1 FROM baskets_1",
    "INSERT INTO basket_items (basket_id, item_id, product_id, quantity, attributes, custom, added)
     SELECT basket_id, lower(hex(randomblob(13))), product_id, quantity, ?1, '{}', added FROM basket_items_1",
    "DROP TABLE basket_items_1",
    "DROP TABLE baskets_1",
];

/// Tells the time.
pub(super) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A moment as the tables spell it; texts sort as the moments do.
pub(super) fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The shop's data. Clones share the same file.
#[derive(Clone)]
pub struct Shop {
    connection: Arc<Mutex<Connection>>,
    clock: Clock,
}

/// Something broke while the shop used its data.
#[derive(Debug, thiserror::Error)]
pub enum ShopError {
    /// SQLite refused.
    #[error("cannot use the shop database")]
    Database(#[from] rusqlite::Error),
    /// The file was written by another version of the shop.
    #[error(
        "the shop database has schema {found}, this program knows {SCHEMA_VERSION}; remove the file or use the program that made it"
    )]
    ForeignSchema {
        /// The number found in the file.
        found: i64,
    },
    /// A file to import cannot be read.
    #[error("cannot read {file}")]
    File {
        /// Its name inside the directory.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The thread that did the work ended early.
    #[error("work on the shop database was interrupted")]
    Interrupted,
}

impl Shop {
    /// Opens the shop's file and creates its tables when it is new.
    pub fn open(path: &Path) -> Result<Self, ShopError> {
        Self::prepare(Connection::open(path)?)
    }

    /// A shop that forgets everything when the last clone is dropped.
    pub fn open_in_memory() -> Result<Self, ShopError> {
        Self::prepare(Connection::open_in_memory()?)
    }

    fn prepare(mut connection: Connection) -> Result<Self, ShopError> {
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(64);
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        match transaction.pragma_query_value(None, "user_version", |row| row.get(0))? {
            0 => {
                transaction.execute_batch(SCHEMA)?;
                transaction.execute_batch(BASKETS)?;
            }
            1 => upgrade_from_1(&transaction)?,
            SCHEMA_VERSION => {}
            found => return Err(ShopError::ForeignSchema { found }),
        }
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        transaction.commit()?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), clock: Arc::new(Timestamp::now) })
    }

    /// The same shop by another clock.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Runs work on the database on a thread that may block.
    pub(super) async fn run<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<ShopError> + Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        let shop = self.clone();
        tokio::task::spawn_blocking(move || shop.run_blocking(work))
            .await
            .unwrap_or_else(|_| Err(E::from(ShopError::Interrupted)))
    }

    pub(super) fn run_blocking<T>(&self, work: impl FnOnce(&mut Connection) -> T) -> T {
        work(&mut self.connection.lock())
    }
}

fn upgrade_from_1(db: &Connection) -> Result<(), rusqlite::Error> {
    db.execute_batch(BASKETS_ASIDE)?;
    db.execute_batch(BASKETS)?;
    let [baskets, items, rest @ ..] = BASKETS_BACK;
    db.execute(baskets, [moment(Timestamp::now())])?;
    let plain = serde_json::to_string(&Attributes::default()).unwrap_or_default();
    db.execute(items, [plain])?;
    rest.iter().try_for_each(|statement| db.execute_batch(statement))
}
