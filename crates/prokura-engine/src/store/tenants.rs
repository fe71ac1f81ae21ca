//! Tenants, their names, sites and signing keys.

use super::{Reader, StoreError, Tx, from_json, params};
use prokura_domain::{KeyId, SiteId, TenantId, Timestamp};

/// A tenant as stored.
pub(crate) struct TenantRow {
    pub(crate) id: TenantId,
    pub(crate) name: String,
    pub(crate) is_active: bool,
    pub(crate) settings_json: String,
    /// The longest life of access tokens by these settings alone; a client may have a longer one.
    pub(crate) longest_access_seconds: u32,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
}

/// A signing key as stored.
pub(crate) struct KeyRow {
    pub(crate) kid: KeyId,
    pub(crate) algorithm: String,
    pub(crate) state: String,
    pub(crate) private_sealed: String,
    pub(crate) public_json: String,
    pub(crate) created_at: Timestamp,
    pub(crate) published_at: Timestamp,
    pub(crate) activated_at: Option<Timestamp>,
    pub(crate) retired_at: Option<Timestamp>,
}

/// A storefront of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its id; dialects call it code.
    pub id: SiteId,
    /// Its name.
    pub name: String,
    /// The language it starts in, as `en` or `en_US`.
    pub language: String,
    /// Every language it speaks.
    pub languages: Vec<String>,
    /// The currency it sells in (ISO 4217).
    pub currency: String,
    /// The country it sells from (ISO 3166 alpha-2).
    pub country: String,
    /// Whether it is the one taken when none is named.
    pub is_default: bool,
    /// Whether it is open.
    pub is_active: bool,
    /// Counts its changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
}

impl Reader {
    /// The number of the newest migration.
    pub(crate) async fn schema_version(&mut self) -> Result<i64, StoreError> {
        let row = self.query_one("SELECT COALESCE(MAX(version), 0) FROM schema_migrations", params![]).await?;
        row.map_or(Ok(0), |row| row.get(0))
    }

    pub(crate) async fn tenant(&mut self, tenant: &TenantId) -> Result<Option<TenantRow>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, name, state, settings_json, version, created_at, modified_at, longest_access_seconds
                   FROM tenants WHERE id = $1",
                params![tenant],
            )
            .await?;
        row.map(|row| tenant_row(&row)).transpose()
    }

    /// Tenants after `after`, by id.
    pub(crate) async fn tenants(&mut self, after: &str, limit: u32) -> Result<Vec<TenantRow>, StoreError> {
        self.query(
            "SELECT id, name, state, settings_json, version, created_at, modified_at, longest_access_seconds
               FROM tenants WHERE id > $1 ORDER BY id LIMIT $2",
            params![after, limit],
        )
        .await?
        .iter()
        .map(tenant_row)
        .collect()
    }

    /// The tenant a surface means by `name`.
    pub(crate) async fn tenant_by_name(&mut self, kind: &str, name: &str) -> Result<Option<TenantId>, StoreError> {
        let row = self
            .query_one("SELECT tenant_id FROM tenant_names WHERE kind = $1 AND name = $2", params![kind, name])
            .await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// Every key of the tenant that is still published or sealed away, newest first.
    pub(crate) async fn signing_keys(&mut self, tenant: &TenantId) -> Result<Vec<KeyRow>, StoreError> {
        self.query(
            "SELECT kid, algorithm, state, private_sealed, public_json, created_at, published_at, activated_at, retired_at
               FROM signing_keys WHERE tenant_id = $1 ORDER BY created_at DESC, kid",
            params![tenant],
        )
        .await?
        .iter()
        .map(|row| {
            Ok(KeyRow {
                kid: row.get(0)?,
                algorithm: row.get(1)?,
                state: row.get(2)?,
                private_sealed: row.get(3)?,
                public_json: row.get(4)?,
                created_at: row.get(5)?,
                published_at: row.get(6)?,
                activated_at: row.get(7)?,
                retired_at: row.get(8)?,
            })
        })
        .collect()
    }

    /// The tenant's sites, the default one first.
    pub(crate) async fn sites(&mut self, tenant: &TenantId) -> Result<Vec<Site>, StoreError> {
        self.query(
            "SELECT id, name, language, languages_json, currency, country, is_default, state, version, created_at, modified_at
               FROM sites WHERE tenant_id = $1 ORDER BY is_default DESC, id",
            params![tenant],
        )
        .await?
        .iter()
        .map(site)
        .collect()
    }

    pub(crate) async fn site(&mut self, tenant: &TenantId, id: &SiteId) -> Result<Option<Site>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, name, language, languages_json, currency, country, is_default, state, version, created_at, modified_at
                   FROM sites WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        row.map(|row| site(&row)).transpose()
    }

    /// Sites after `after`, by id.
    pub(crate) async fn sites_after(
        &mut self,
        tenant: &TenantId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Site>, StoreError> {
        self.query(
            "SELECT id, name, language, languages_json, currency, country, is_default, state, version, created_at, modified_at
               FROM sites WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3",
            params![tenant, after, limit],
        )
        .await?
        .iter()
        .map(site)
        .collect()
    }
}

fn site(row: &super::Row) -> Result<Site, StoreError> {
    Ok(Site {
        id: row.get(0)?,
        name: row.get(1)?,
        language: row.get(2)?,
        languages: from_json(&row.get::<String>(3)?, "sites.languages_json")?,
        currency: row.get(4)?,
        country: row.get(5)?,
        is_default: row.get(6)?,
        is_active: row.get::<String>(7)? == "active",
        version: row.get(8)?,
        created_at: row.get(9)?,
        modified_at: row.get(10)?,
    })
}

fn tenant_row(row: &super::Row) -> Result<TenantRow, StoreError> {
    Ok(TenantRow {
        id: row.get(0)?,
        name: row.get(1)?,
        is_active: row.get::<String>(2)? == "active",
        settings_json: row.get(3)?,
        version: row.get(4)?,
        created_at: row.get(5)?,
        modified_at: row.get(6)?,
        longest_access_seconds: row.get(7)?,
    })
}

impl Tx<'_> {
    /// `false` when the id is taken.
    pub(crate) async fn insert_tenant(
        &mut self,
        tenant: &TenantId,
        name: &str,
        settings_json: &str,
        longest_access_seconds: u32,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO tenants (id, name, state, settings_json, longest_access_seconds, version, created_at,
                                      modified_at)
                 VALUES ($1, $2, 'active', $3, $4, 1, $5, $5) ON CONFLICT DO NOTHING",
                params![tenant, name, settings_json, longest_access_seconds, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// `false` when the tenant is not there or `version` is stale.
    pub(crate) async fn update_tenant(
        &mut self,
        row: &TenantRow,
        version: Option<i64>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let state = if row.is_active { "active" } else { "suspended" };
        let changed = self
            .execute(
                "UPDATE tenants
                    SET name = $2, state = $3, settings_json = $4, version = version + 1, modified_at = $5,
                        longest_access_seconds =
                            CASE WHEN longest_access_seconds > $7 THEN longest_access_seconds ELSE $7 END
                  WHERE id = $1 AND ($6 IS NULL OR version = $6)",
                params![&row.id, &row.name, state, &row.settings_json, now, version, row.longest_access_seconds],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Notes that an access token may live that long from now on; never shortens.
    pub(crate) async fn raise_longest_access(&mut self, tenant: &TenantId, seconds: u32) -> Result<(), StoreError> {
        self.execute(
            "UPDATE tenants SET longest_access_seconds = $2 WHERE id = $1 AND longest_access_seconds < $2",
            params![tenant, seconds],
        )
        .await?;
        Ok(())
    }

    /// The longest life any access token of the tenant could have so far, which nobody raises until this transaction
    /// ends: what is revoked in it was issued with that life at most.
    pub(crate) async fn longest_access_seconds(&mut self, tenant: &TenantId) -> Result<Option<u32>, StoreError> {
        let rows =
            self.query_locked("SELECT longest_access_seconds FROM tenants WHERE id = $1", params![tenant]).await?;
        rows.first().map(|row| row.get(0)).transpose()
    }

    /// `false` when the name means another tenant already.
    pub(crate) async fn insert_tenant_name(
        &mut self,
        kind: &str,
        name: &str,
        tenant: &TenantId,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO tenant_names (kind, name, tenant_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                params![kind, name, tenant],
            )
            .await?;
        Ok(changed == 1)
    }

    pub(crate) async fn delete_tenant_name(
        &mut self,
        kind: &str,
        name: &str,
        tenant: &TenantId,
    ) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM tenant_names WHERE kind = $1 AND name = $2 AND tenant_id = $3",
            params![kind, name, tenant],
        )
        .await?;
        Ok(())
    }

    /// Makes or replaces a site; at most one is the default.
    pub(crate) async fn upsert_site(
        &mut self,
        tenant: &TenantId,
        site: &Site,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let languages = super::to_json(&site.languages)?;
        let state = if site.is_active { "active" } else { "inactive" };
        if site.is_default {
            self.execute(
                "UPDATE sites SET is_default = 0 WHERE tenant_id = $1 AND id <> $2 AND is_default = 1",
                params![tenant, &site.id],
            )
            .await?;
        }
        self.execute(
            "INSERT INTO sites (tenant_id, id, name, language, languages_json, currency, country, is_default, state,
                                version, created_at, modified_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $10)
             ON CONFLICT (tenant_id, id) DO UPDATE
                SET name = excluded.name, language = excluded.language, languages_json = excluded.languages_json,
                    currency = excluded.currency, country = excluded.country, is_default = excluded.is_default,
                    state = excluded.state, version = sites.version + 1, modified_at = excluded.modified_at",
            params![
                tenant,
                &site.id,
                &site.name,
                &site.language,
                languages,
                &site.currency,
                &site.country,
                site.is_default,
                state,
                now
            ],
        )
        .await?;
        Ok(())
    }

    pub(crate) async fn insert_signing_key(&mut self, tenant: &TenantId, key: &KeyRow) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO signing_keys (tenant_id, kid, algorithm, state, private_sealed, public_json, created_at,
                                           published_at, activated_at, retired_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
                params![
                    tenant,
                    &key.kid,
                    &key.algorithm,
                    &key.state,
                    &key.private_sealed,
                    &key.public_json,
                    key.created_at,
                    key.published_at,
                    key.activated_at,
                    key.retired_at
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Moves a key from one state to the next; `false` when it was not in `from`.
    pub(crate) async fn move_signing_key(
        &mut self,
        tenant: &TenantId,
        kid: &KeyId,
        from: &str,
        to: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE signing_keys
                    SET state = $4,
                        activated_at = CASE WHEN $4 = 'active' THEN $5 ELSE activated_at END,
                        retired_at = CASE WHEN $4 IN ('retired', 'compromised') THEN $5 ELSE retired_at END
                  WHERE tenant_id = $1 AND kid = $2 AND state = $3",
                params![tenant, kid, from, to, now],
            )
            .await?;
        Ok(changed == 1)
    }

    pub(crate) async fn delete_signing_key(&mut self, tenant: &TenantId, kid: &KeyId) -> Result<bool, StoreError> {
        let changed =
            self.execute("DELETE FROM signing_keys WHERE tenant_id = $1 AND kid = $2", params![tenant, kid]).await?;
        Ok(changed == 1)
    }
}
