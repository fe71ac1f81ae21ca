//! Identity providers of partners, and the domains they may vouch for.

use super::{Reader, Row, StoreError, Tx, from_json, params, to_json};
use crate::{
    PartnerIdentifier,
    partner_idp::{PartnerIdp, SealedSecret},
};
use prokura_domain::{PartnerIdpId, TenantId, Timestamp};

fn partner_idp(row: &Row) -> Result<PartnerIdp, StoreError> {
    let domains: Option<String> = row.get(13)?;
    Ok(PartnerIdp {
        id: row.get(0)?,
        name: row.get(1)?,
        issuer: row.get(2)?,
        client_id: row.get(3)?,
        client_secret: SealedSecret(row.get(4)?),
        metadata: from_json(&row.get::<String>(5)?, "partner_idps.metadata_json")?,
        redirect_uris: from_json(&row.get::<String>(6)?, "partner_idps.redirect_uris_json")?,
        identifier: match row.get::<String>(7)?.as_str() {
            "email" => PartnerIdentifier::Email,
            "subject" => PartnerIdentifier::Subject,
            _ => return Err(StoreError::Corrupt { what: "partner_idps.identified_by".to_owned() }),
        },
        creates_customers: row.get::<String>(8)? == "just_in_time",
        is_active: row.get::<String>(9)? == "active",
        version: row.get(10)?,
        created_at: row.get(11)?,
        modified_at: row.get(12)?,
        email_domains: domains.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect(),
    })
}

/// What `identified_by`, `provisioning` and `state` say.
fn words(idp: &PartnerIdp) -> (&'static str, &'static str, &'static str) {
    let identified_by = match idp.identifier {
        PartnerIdentifier::Email => "email",
        PartnerIdentifier::Subject => "subject",
    };
    let provisioning = if idp.creates_customers { "just_in_time" } else { "invited" };
    (identified_by, provisioning, if idp.is_active { "active" } else { "disabled" })
}

impl Reader {
    pub(crate) async fn partner_idp(
        &mut self,
        tenant: &TenantId,
        id: &PartnerIdpId,
    ) -> Result<Option<PartnerIdp>, StoreError> {
        let row = self
            .query_one(
                "SELECT i.id, i.name, i.issuer, i.client_id, i.client_secret_sealed, i.metadata_json,
                        i.redirect_uris_json, i.identified_by, i.provisioning, i.state, i.version, i.created_at,
                        i.modified_at,
                        (SELECT string_agg(d.domain, ' ' ORDER BY d.domain) FROM partner_idp_domains d
                          WHERE d.tenant_id = i.tenant_id AND d.partner_idp_id = i.id)
                   FROM partner_idps i WHERE i.tenant_id = $1 AND i.id = $2",
                params![tenant, id],
            )
            .await?;
        row.map(|row| partner_idp(&row)).transpose()
    }

    /// Providers after `after`, by id.
    pub(crate) async fn partner_idps(
        &mut self,
        tenant: &TenantId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<PartnerIdp>, StoreError> {
        self.query(
            "SELECT i.id, i.name, i.issuer, i.client_id, i.client_secret_sealed, i.metadata_json,
                    i.redirect_uris_json, i.identified_by, i.provisioning, i.state, i.version, i.created_at,
                    i.modified_at,
                    (SELECT string_agg(d.domain, ' ' ORDER BY d.domain) FROM partner_idp_domains d
                      WHERE d.tenant_id = i.tenant_id AND d.partner_idp_id = i.id)
               FROM partner_idps i WHERE i.tenant_id = $1 AND i.id > $2 ORDER BY i.id LIMIT $3",
            params![tenant, after, limit],
        )
        .await?
        .iter()
        .map(partner_idp)
        .collect()
    }

    /// The provider whose codes storefronts hand in, when there is exactly one.
    pub(crate) async fn only_storefront_partner_idp(
        &mut self,
        tenant: &TenantId,
    ) -> Result<Option<PartnerIdpId>, StoreError> {
        let rows = self
            .query(
                "SELECT id FROM partner_idps
                  WHERE tenant_id = $1 AND state = 'active' AND redirect_uris_json <> '[]' ORDER BY id LIMIT 2",
                params![tenant],
            )
            .await?;
        match rows.as_slice() {
            [only] => Ok(Some(only.get(0)?)),
            _ => Ok(None),
        }
    }

    /// Providers that are switched off and have sessions left, at most `limit`.
    pub(crate) async fn disabled_partner_idps_with_sessions(
        &mut self,
        limit: u32,
    ) -> Result<Vec<(TenantId, PartnerIdpId)>, StoreError> {
        self.query(
            "SELECT i.tenant_id, i.id FROM partner_idps i
              WHERE i.state = 'disabled'
                AND EXISTS (SELECT 1 FROM sessions s
                             WHERE s.tenant_id = i.tenant_id AND s.partner_idp_id = i.id AND s.state = 'active')
              ORDER BY i.tenant_id, i.id LIMIT $1",
            params![limit],
        )
        .await?
        .iter()
        .map(|row| Ok((row.get(0)?, row.get(1)?)))
        .collect()
    }
}

impl Tx<'_> {
    /// Whether somebody may come in by the provider, which nobody changes until this transaction ends.
    pub(crate) async fn hold_partner_idp(&mut self, tenant: &TenantId, id: &PartnerIdpId) -> Result<bool, StoreError> {
        let rows = self
            .query_locked(
                "SELECT 1 FROM partner_idps WHERE tenant_id = $1 AND id = $2 AND state = 'active'",
                params![tenant, id],
            )
            .await?;
        Ok(!rows.is_empty())
    }

    /// `false` when the id is taken.
    pub(crate) async fn insert_partner_idp(
        &mut self,
        tenant: &TenantId,
        idp: &PartnerIdp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (identified_by, provisioning, state) = words(idp);
        let changed = self
            .execute(
                "INSERT INTO partner_idps (tenant_id, id, name, issuer, client_id, client_secret_sealed, metadata_json,
                                           redirect_uris_json, identified_by, provisioning, state, version, created_at,
                                           modified_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, $12) ON CONFLICT DO NOTHING",
                params![
                    tenant,
                    &idp.id,
                    &idp.name,
                    &idp.issuer,
                    &idp.client_id,
                    &idp.client_secret.0,
                    to_json(&idp.metadata)?,
                    to_json(&idp.redirect_uris)?,
                    identified_by,
                    provisioning,
                    state,
                    now
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// `false` when it is not there or was changed meanwhile.
    pub(crate) async fn update_partner_idp(
        &mut self,
        tenant: &TenantId,
        idp: &PartnerIdp,
        version: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (identified_by, provisioning, state) = words(idp);
        let changed = self
            .execute(
                "UPDATE partner_idps
                    SET name = $3, issuer = $4, client_id = $5, client_secret_sealed = $6, metadata_json = $7,
                        redirect_uris_json = $8, identified_by = $9, provisioning = $10, state = $11,
                        version = version + 1, modified_at = $12
                  WHERE tenant_id = $1 AND id = $2 AND version = $13",
                params![
                    tenant,
                    &idp.id,
                    &idp.name,
                    &idp.issuer,
                    &idp.client_id,
                    &idp.client_secret.0,
                    to_json(&idp.metadata)?,
                    to_json(&idp.redirect_uris)?,
                    identified_by,
                    provisioning,
                    state,
                    now,
                    version
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Deletes a provider that is switched off, and its domains; `false` when there is no such one.
    pub(crate) async fn delete_partner_idp(
        &mut self,
        tenant: &TenantId,
        id: &PartnerIdpId,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "DELETE FROM partner_idps WHERE tenant_id = $1 AND id = $2 AND state = 'disabled'",
                params![tenant, id],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Lets a provider vouch for a domain; `false` when the domain is somebody's already.
    pub(crate) async fn insert_partner_idp_domain(
        &mut self,
        tenant: &TenantId,
        domain: &str,
        idp: &PartnerIdpId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO partner_idp_domains (tenant_id, domain, partner_idp_id, verified_at)
                 VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                params![tenant, domain, idp, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Takes a domain from a provider.
    pub(crate) async fn delete_partner_idp_domain(
        &mut self,
        tenant: &TenantId,
        domain: &str,
        idp: &PartnerIdpId,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "DELETE FROM partner_idp_domains WHERE tenant_id = $1 AND domain = $2 AND partner_idp_id = $3",
                params![tenant, domain, idp],
            )
            .await?;
        Ok(changed == 1)
    }
}
