//! The private store: one SQL text on SQLite and PostgreSQL. A method on [`Reader`] asks, a method on [`Tx`] changes;
//! the tenant leads every question.

mod addresses;
mod assignments;
mod audit;
mod authorizations;
mod categories;
mod clients;
mod codes;
mod colleagues;
mod companies;
mod contexts;
mod cookies;
mod customers;
mod devices;
pub(crate) mod driver;
mod factors;
mod federated;
mod groups;
mod invitations;
mod issue;
mod joins;
mod links;
mod locations;
mod migrate;
mod operators;
mod outbox;
mod partner_idps;
mod passkeys;
mod revocations;
mod rights;
mod segment_items;
mod segment_members;
mod segments;
mod sessions;
mod shop_cookies;
mod tenants;
mod throttle;
mod visitors;
#[cfg(test)]
mod walls;

pub(crate) use audit::{SealRow, entry_mac};
pub(crate) use authorizations::{AuthorizationRow, NewAuthorization};
pub(crate) use clients::{ClientRow, NewClient};
pub(crate) use codes::{CodeFor, NewCode};
pub(crate) use contexts::ContextRow;
pub(crate) use cookies::CookieRow;
pub(crate) use customers::{CredentialRow, NewCustomer};
pub(crate) use devices::DeviceRow;
pub use driver::{DatabaseConfig, StoreError};
pub(crate) use driver::{Driver, Reader, Row, copy, params};
pub(crate) use factors::{PendingLoginRow, TotpRow};
pub(crate) use invitations::NewInvitation;
pub(crate) use issue::{AssignmentFacts, NewRefreshToken, RefreshTokenRow, SessionFacts};
pub(crate) use links::NewLink;
pub(crate) use outbox::{Lane, NewErrand, OutboxRow};
pub(crate) use passkeys::{CeremonyRow, PasskeyRow};
pub(crate) use sessions::{EndedFamily, FadingSession, FamilyRow, NewFamily, NewSession, SessionRow};
pub(crate) use shop_cookies::{NewShopCookie, ShopCookieRow};
pub use tenants::Site;
pub(crate) use tenants::{KeyRow, TenantRow};
pub(crate) use throttle::Spent;

use crate::{Origin, feed::Feed};
use prokura_domain::{Revocation, TenantId, Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

/// The tables, for the generated page.
pub(crate) const SCHEMA: &str = include_str!("store/migrations/0001_foundation.sql");

/// Where a committed revocation is announced on PostgreSQL.
pub(crate) const FEED_CHANNEL: &str = "prokura_feed";

/// The database, and this node's view of what has been revoked.
#[derive(Clone)]
pub(crate) struct Store {
    driver: Driver,
    feed: Arc<Feed>,
    audit_key: Arc<[u8; 32]>,
}

impl Store {
    pub(crate) fn new(driver: Driver, feed: Arc<Feed>, audit_key: [u8; 32]) -> Self {
        Self { driver, feed, audit_key: Arc::new(audit_key) }
    }

    /// A consistent-enough view for questions outside a decision.
    pub(crate) async fn read(&self) -> Result<Reader, StoreError> {
        self.driver.read().await
    }

    /// A turn at changing things. Dropping it undoes them.
    pub(crate) async fn write(&self) -> Result<Tx<'_>, StoreError> {
        Ok(Tx { inner: self.driver.write().await?, store: self, feed: Vec::new() })
    }

    /// The same for a verb that decides before it changes anything; see [`Driver::write_decided`].
    pub(crate) async fn write_decided(&self) -> Result<Tx<'_>, StoreError> {
        Ok(Tx { inner: self.driver.write_decided().await?, store: self, feed: Vec::new() })
    }

    /// [`Self::write_decided`] for a request without a proof of a key. With one, a refusal may come late: whether the proof
    /// was used before is known when it is written down.
    pub(crate) async fn write_for(&self, origin: &Origin) -> Result<Tx<'_>, StoreError> {
        if origin.key_proof.is_some() { self.write().await } else { self.write_decided().await }
    }

    /// The moment by the database's own clock; `None` where it is this machine's.
    pub(crate) async fn database_now(&self) -> Result<Option<Timestamp>, StoreError> {
        match self.driver.engine() {
            driver::Engine::Sqlite => Ok(None),
            driver::Engine::Postgres => {
                let sql = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
                self.read().await?.query_one(sql, params![]).await?.map(|row| row.get(0)).transpose()
            }
        }
    }

    pub(crate) fn driver(&self) -> &Driver {
        &self.driver
    }
}

/// A transaction. What it revokes is applied on this node the moment it is durable, and announced to the others.
pub(crate) struct Tx<'a> {
    inner: driver::Tx,
    store: &'a Store,
    feed: Vec<Revocation>,
}

impl Deref for Tx<'_> {
    type Target = driver::Tx;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl DerefMut for Tx<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}

impl Tx<'_> {
    /// Makes everything durable, then lets this node know what was revoked. Returns the tenants whose keys or settings
    /// changed.
    pub(crate) async fn commit(mut self) -> Result<Vec<TenantId>, StoreError> {
        // Entries with a grace reach the other nodes by polling, well before they take effect.
        if self.feed.iter().any(|entry| entry.effective_at <= entry.at) {
            self.inner.notify(FEED_CHANNEL, "").await?;
        }
        self.inner.commit().await?;
        if self.feed.is_empty() { Ok(Vec::new()) } else { Ok(self.store.feed.apply(&self.feed)) }
    }

    fn audit_key(&self) -> &[u8; 32] {
        &self.store.audit_key
    }
}

/// Reads a JSON column.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str, column: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt { what: column.to_owned() })
}

/// Writes a JSON column.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::other)
}
