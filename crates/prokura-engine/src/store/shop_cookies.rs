//! The handles of sessions in cookies of a shop's own pages. Unlike those of our pages they stand for guests as well, and
//! for one family of tokens, whose company the pages follow.

use super::{Reader, StoreError, Tx, params};
use prokura_domain::{CustomerId, FamilyId, LegalEntityId, SessionId, SiteId, TenantId, Timestamp, VisitorId};
use prokura_jose::SecretHash;

/// A handle, with what stands behind it now.
#[derive(Clone, Debug)]
pub(crate) struct ShopCookieRow {
    pub(crate) session: SessionId,
    pub(crate) family: Option<FamilyId>,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) visitor: Option<VisitorId>,
    pub(crate) site: Option<SiteId>,
    pub(crate) legal_entity: Option<LegalEntityId>,
    pub(crate) idle_until: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// Whether session, family and customer stand at the moment that was asked for, and neither end has come.
    pub(crate) is_alive: bool,
}

/// A handle to be stored.
pub(crate) struct NewShopCookie<'a> {
    pub(crate) hash: &'a SecretHash,
    pub(crate) session: &'a SessionId,
    pub(crate) family: &'a FamilyId,
    pub(crate) idle_until: Timestamp,
    pub(crate) expires_at: Timestamp,
}

impl Reader {
    /// The handle of `hash`, alive or not; `None` when it is forgotten or was never one.
    pub(crate) async fn shop_cookie(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        now: Timestamp,
    ) -> Result<Option<ShopCookieRow>, StoreError> {
        let row = self
            .query_one(
                "SELECT s.id, k.family_id, s.customer_id, s.visitor_id, s.site_id, f.legal_entity_id, k.idle_until,
                        k.expires_at,
                        CASE WHEN k.idle_until > $3 AND k.expires_at > $3 AND s.state = 'active' AND s.expires_at > $3
                              AND f.state = 'active' AND f.expires_at > $3
                              AND (s.customer_id IS NULL OR u.state = 'active') THEN 1 ELSE 0 END
                   FROM cookie_sessions k
                   JOIN sessions s ON s.tenant_id = k.tenant_id AND s.id = k.session_id
                   LEFT JOIN token_families f ON f.tenant_id = k.tenant_id AND f.id = k.family_id
                   LEFT JOIN customers u ON u.tenant_id = s.tenant_id AND u.id = s.customer_id
                  WHERE k.tenant_id = $1 AND k.hash = $2 AND k.kind = 'shop'",
                params![tenant, hash, now],
            )
            .await?;
        row.map(|row| {
            Ok(ShopCookieRow {
                session: row.get(0)?,
                family: row.get(1)?,
                customer: row.get(2)?,
                visitor: row.get(3)?,
                site: row.get(4)?,
                legal_entity: row.get(5)?,
                idle_until: row.get(6)?,
                expires_at: row.get(7)?,
                is_alive: row.get(8)?,
            })
        })
        .transpose()
    }
}

impl Tx<'_> {
    pub(crate) async fn insert_shop_cookie(
        &mut self,
        tenant: &TenantId,
        cookie: &NewShopCookie<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO cookie_sessions (tenant_id, hash, kind, session_id, family_id, issued_at, idle_until, expires_at)
             VALUES ($1, $2, 'shop', $3, $4, $5, $6, $7)",
            params![tenant, cookie.hash, cookie.session, cookie.family, now, cookie.idle_until, cookie.expires_at],
        )
        .await?;
        Ok(())
    }

    /// Moves the idle end of a handle on that has not come; `false` when it has.
    pub(crate) async fn touch_shop_cookie(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        idle_until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE cookie_sessions SET idle_until = $3
                  WHERE tenant_id = $1 AND hash = $2 AND kind = 'shop' AND idle_until > $4 AND expires_at > $4",
                params![tenant, hash, idle_until, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Deletes handles of browsers that ended before `before`, at most `limit`.
    pub(crate) async fn forget_cookies(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.execute(
            "DELETE FROM cookie_sessions WHERE (tenant_id, hash) IN
                (SELECT tenant_id, hash FROM cookie_sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            params![before, limit],
        )
        .await
    }

    /// Lets the pages follow another family of the same session.
    pub(crate) async fn move_shop_cookie(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        family: &FamilyId,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE cookie_sessions SET family_id = $3 WHERE tenant_id = $1 AND hash = $2 AND kind = 'shop'",
            params![tenant, hash, family],
        )
        .await?;
        Ok(())
    }
}
