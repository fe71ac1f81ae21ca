//! Tenants: a shop and its belongings, with the keys it signs with and the settings it keeps.

use crate::{
    Actor, Engine, Error, Origin, Refusal, Site, TenantSettings, TokenAccent,
    audit::Entry,
    keys::TenantKeys,
    retrying,
    store::{TenantRow, Tx, from_json, to_json},
};
use prokura_domain::{GroupCode, PasswordPolicy, RevocationKind, Scopes, SiteId, TenantId, Timestamp};
use prokura_jose::{Audience, HmacKey, Jwks, Names, TokenMinter};
use std::sync::{Arc, OnceLock};

/// How far the clocks of those who issue, revoke and forget may be apart: each is within 30 seconds of the database's.
/// An answer that is repeated to a client whose first one was lost lasts up to a minute longer than what is noted.
const SLACK_SECONDS: i64 = 120;

/// A tenant, ready for work: what every verb is given first.
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// Whether it is open.
    pub is_active: bool,
    /// Its settings.
    pub settings: TenantSettings,
    /// The issuer of its tokens.
    pub issuer: Arc<str>,
    /// Its public keys, as served.
    pub jwks: Jwks,
    /// Counts its changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
    pub(crate) minter: Arc<TokenMinter>,
    pub(crate) companion_key: HmacKey,
    pub(crate) customer_scopes: Scopes,
    pub(crate) public_keys: Vec<prokura_jose::PublicKey>,
    metadata: OnceLock<Metadata>,
}

/// What a tenant's issuer says about itself, as bytes made once.
pub struct Metadata {
    /// The document.
    pub bytes: Arc<[u8]>,
    /// Its `ETag`.
    pub etag: String,
}

/// A tenant, as lists show it.
#[derive(Clone, Debug)]
pub struct TenantSummary {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// Whether it is open.
    pub is_active: bool,
    /// Counts its changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
}

/// A tenant to be made.
#[derive(Clone, Debug)]
pub struct CreateTenant {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// Its settings; `None` for the installation's template.
    pub settings: Option<TenantSettings>,
}

impl Tenant {
    /// What a new password must be like.
    pub fn password_policy(&self) -> PasswordPolicy {
        PasswordPolicy { min_characters: self.settings.password_min as usize }
    }

    /// What this tenant calls a predefined group.
    pub fn role_name(&self, code: GroupCode) -> String {
        let named = self.settings.group_templates.iter().find(|template| template.code == code.as_str());
        named.map_or_else(|| crate::group_name(code).to_owned(), |template| template.name.clone())
    }

    /// The key of companion tokens (HS256).
    pub fn companion_key(&self) -> &HmacKey {
        &self.companion_key
    }

    /// Its public keys.
    pub fn public_keys(&self) -> &[prokura_jose::PublicKey] {
        &self.public_keys
    }

    /// The metadata that `make` writes; kept until the tenant or its keys change.
    pub fn metadata(&self, make: impl FnOnce() -> Vec<u8>) -> &Metadata {
        self.metadata.get_or_init(|| Metadata {
            bytes: make().into(),
            etag: format!("\"m{}-{}\"", self.version, self.jwks.etag.trim_matches('"')),
        })
    }

    /// Signs any other token of a dialect; `typ` says which kind.
    ///
    /// # Errors
    /// Only faults.
    pub fn sign_claims(&self, typ: &str, claims: &serde_json::Value) -> Result<String, Error> {
        prokura_jose::sign_jwt(self.minter.key(), typ, claims).map_err(Error::crypto)
    }

    /// Whether a dialect answers for it.
    pub fn speaks(&self, dialect: &str) -> bool {
        self.settings.dialects.iter().any(|name| name == dialect)
    }
}

/// A client moves to another tenant only by being deleted and made anew, and is then nobody's for these seconds.
pub(crate) fn client_tenants() -> moka::sync::Cache<String, TenantId> {
    moka::sync::Cache::builder().max_capacity(10_000).time_to_live(std::time::Duration::from_secs(10)).build()
}

impl Engine {
    /// The tenant `id`, open for business.
    ///
    /// # Errors
    /// [`Refusal::UnknownTenant`] when there is none or it is suspended.
    pub async fn tenant(&self, id: &TenantId) -> Result<Arc<Tenant>, Error> {
        let tenant = self.any_tenant(id).await?;
        if tenant.is_active { Ok(tenant) } else { Err(Refusal::UnknownTenant.into()) }
    }

    /// The tenant `id`, suspended or not.
    ///
    /// # Errors
    /// [`Refusal::UnknownTenant`] when there is none.
    pub async fn any_tenant(&self, id: &TenantId) -> Result<Arc<Tenant>, Error> {
        if let Some(tenant) = self.tenants.read().get(id) {
            return Ok(Arc::clone(tenant));
        }
        self.load_tenant(id).await?.ok_or_else(|| Refusal::UnknownTenant.into())
    }

    /// The tenant whose tokens a dialect issues under this name.
    ///
    /// # Errors
    /// [`Refusal::UnknownTenant`] when nobody has it.
    pub async fn tenant_of_issuer(&self, issuer: &str) -> Result<Arc<Tenant>, Error> {
        let id = self.verifier().tenant_of(issuer).ok_or(Refusal::UnknownTenant)?;
        self.tenant(&id).await
    }

    /// The tenant a client belongs to, for surfaces that name no tenant.
    ///
    /// # Errors
    /// [`Refusal::InvalidClient`] when nobody has such a client.
    pub async fn tenant_of_client(&self, client: &str) -> Result<Arc<Tenant>, Error> {
        if let Some(id) = self.client_tenants.get(client) {
            return self.tenant(&id).await;
        }
        let found = self.store.read().await?.tenant_by_name("client", client).await?;
        let id = found.ok_or(Refusal::InvalidClient)?;
        self.client_tenants.insert(client.to_owned(), id.clone());
        self.tenant(&id).await
    }

    /// The tenant as it stands in the database at this moment, suspended or not, for whoever changes it.
    ///
    /// # Errors
    /// [`Refusal::UnknownTenant`] when there is none.
    pub async fn fresh_tenant(&self, id: &TenantId) -> Result<Arc<Tenant>, Error> {
        self.load_tenant(id).await?.ok_or_else(|| Refusal::UnknownTenant.into())
    }

    /// What new tenants start with.
    pub fn tenant_template(&self) -> &TenantSettings {
        &self.tenant_template
    }

    /// Reads a tenant, its settings and its keys, and lets the verifier know its keys.
    pub(crate) async fn load_tenant(&self, id: &TenantId) -> Result<Option<Arc<Tenant>>, Error> {
        let mut reader = self.store.read().await?;
        let Some(row) = reader.tenant(id).await? else {
            self.tenants.write().remove(id);
            self.verifier().remove_tenant(id);
            return Ok(None);
        };
        let settings: TenantSettings = from_json(&row.settings_json, "tenants.settings_json")?;
        let keys = self.read_keys(&mut reader, id, &settings.algorithm).await?;
        drop(reader);
        let issuer: Arc<str> = format!("{}/t/{id}", self.public_url).into();
        let TenantKeys { active, public, companion } = keys;
        let mut names = vec![Names::native(Arc::clone(&issuer), Arc::clone(&issuer))];
        names.extend(settings.accents.iter().map(|accent| Names {
            issuer: accent.issuer.as_str().into(),
            audience: Audience::from(accent.audience.as_str()),
            token_type: accent.token_type.as_str().into(),
        }));
        self.verifier().set_keys(id.clone(), names, public.clone());
        let tenant = Arc::new(Tenant {
            id: id.clone(),
            name: row.name,
            is_active: row.is_active,
            jwks: Jwks::new(&public),
            minter: Arc::new(TokenMinter::new(active, Arc::clone(&issuer), Arc::clone(&issuer))),
            companion_key: companion,
            customer_scopes: Scopes::parse(&settings.customer_scopes)
                .map_err(|_| crate::StoreError::Corrupt { what: "tenants.settings_json".to_owned() })?,
            public_keys: public,
            metadata: OnceLock::new(),
            settings,
            issuer,
            version: row.version,
            created_at: row.created_at,
            modified_at: row.modified_at,
        });
        self.tenants.write().insert(id.clone(), Arc::clone(&tenant));
        Ok(Some(tenant))
    }

    /// Reads every tenant once, so that the verifier knows all keys before the first request.
    ///
    /// # Errors
    /// Only faults.
    pub async fn load_tenants(&self) -> Result<(), Error> {
        let mut after = String::new();
        loop {
            let page = self.store.read().await?.tenants(&after, 200).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id.to_string();
            for row in &page {
                self.load_tenant(&row.id).await?;
            }
        }
    }

    /// The tenants this node has loaded, for the gateway feed.
    pub fn loaded_tenants(&self) -> Vec<Arc<Tenant>> {
        let mut tenants: Vec<_> = self.tenants.read().values().cloned().collect();
        tenants.sort_by(|a, b| a.id.cmp(&b.id));
        tenants
    }

    /// Tenants after `after`, by id.
    ///
    /// # Errors
    /// Only faults.
    pub async fn list_tenants(&self, after: &str, limit: u32) -> Result<Vec<TenantSummary>, Error> {
        let rows = self.store.read().await?.tenants(after, limit).await?;
        Ok(rows.into_iter().map(summary).collect())
    }

    /// Makes a tenant with its first keys.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`] or [`Refusal::Invalid`].
    pub async fn create_tenant(
        &self,
        request: &CreateTenant,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<Arc<Tenant>, Error> {
        if request.id.as_str() == crate::operator::INSTALLATION {
            return Err(Refusal::invalid("id", "this name stands for the installation itself").into());
        }
        let settings = request.settings.clone().unwrap_or_else(|| self.tenant_template.clone());
        check_settings(&settings)?;
        retrying!(self.create_tenant_once(request, &settings, actor, origin))?;
        self.any_tenant(&request.id).await
    }

    async fn create_tenant_once(
        &self,
        request: &CreateTenant,
        settings: &TenantSettings,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let keys = self.first_keys(&request.id, &settings.algorithm, now)?;
        let mut tx = self.store.write().await?;
        if !tx.insert_tenant(&request.id, &request.name, &to_json(settings)?, settings.longest_access(), now).await? {
            return Err(Refusal::AlreadyExists("tenant").into());
        }
        for key in &keys {
            tx.insert_signing_key(&request.id, key).await?;
        }
        name_issuers(&mut tx, &request.id, &[], &settings.accents).await?;
        let entry = Entry::new(actor, "tenant.create", "tenant", request.id.as_str());
        self.audit(&mut tx, &request.id, origin, entry, now).await?;
        self.publish_tenant(&mut tx, &request.id, RevocationKind::Keys, false, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Changes name, state or settings of a tenant. Suspending it reaches every door within the reach of the feed.
    ///
    /// # Errors
    /// [`Refusal::UnknownTenant`], [`Refusal::StaleVersion`] or [`Refusal::Invalid`].
    pub async fn update_tenant(
        &self,
        tenant: &Tenant,
        name: &str,
        is_active: bool,
        settings: &TenantSettings,
        version: Option<i64>,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<Arc<Tenant>, Error> {
        check_settings(settings)?;
        let row = TenantRow {
            id: tenant.id.clone(),
            name: name.to_owned(),
            is_active,
            settings_json: to_json(settings)?,
            longest_access_seconds: settings.longest_access(),
            version: 0,
            created_at: tenant.created_at,
            modified_at: tenant.modified_at,
        };
        retrying!(self.update_tenant_once(&row, version, actor, origin))?;
        self.load_tenant(&tenant.id).await?.ok_or_else(|| Refusal::UnknownTenant.into())
    }

    async fn update_tenant_once(
        &self,
        row: &TenantRow,
        version: Option<i64>,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let before = tx.tenant(&row.id).await?.ok_or(Refusal::UnknownTenant)?;
        if !tx.update_tenant(row, version, now).await? {
            return Err(Refusal::StaleVersion.into());
        }
        name_issuers(&mut tx, &row.id, &before.accents()?, &row.accents()?).await?;
        if before.is_active != row.is_active {
            self.publish_tenant(&mut tx, &row.id, RevocationKind::Tenant, row.is_active, now).await?;
        }
        self.publish_tenant(&mut tx, &row.id, RevocationKind::Keys, false, now).await?;
        let verb = match (before.is_active, row.is_active) {
            (true, false) => "tenant.suspend",
            (false, true) => "tenant.resume",
            _ => "tenant.update",
        };
        self.audit(&mut tx, &row.id, origin, Entry::new(actor, verb, "tenant", row.id.as_str()), now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// An entry of the feed about the tenant itself.
    pub(crate) async fn publish_tenant(
        &self,
        tx: &mut Tx<'_>,
        tenant: &TenantId,
        kind: RevocationKind,
        is_lifted: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let entry = prokura_domain::Revocation {
            id: self.new_id(now)?,
            tenant: tenant.clone(),
            kind,
            value: tenant.to_string(),
            is_lifted,
            at: now,
            effective_at: now,
            expires_at: remembered_until(tx, tenant, now).await?,
        };
        Ok(tx.revoke(entry).await?)
    }

    /// The tenant's sites, the default one first.
    ///
    /// # Errors
    /// Only faults.
    pub async fn sites(&self, tenant: &Tenant) -> Result<Vec<Site>, Error> {
        Ok(self.store.read().await?.sites(&tenant.id).await?)
    }

    /// Makes or replaces a site.
    ///
    /// # Errors
    /// Only faults.
    pub async fn put_site(&self, tenant: &Tenant, site: &Site, actor: &Actor, origin: &Origin) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        tx.upsert_site(&tenant.id, site, now).await?;
        let entry = Entry::new(actor, "site.put", "site", site.id.as_str());
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Sites after `after`, by id.
    ///
    /// # Errors
    /// Only faults.
    pub async fn list_sites(&self, tenant: &Tenant, after: &str, limit: u32) -> Result<Vec<Site>, Error> {
        Ok(self.store.read().await?.sites_after(&tenant.id, after, limit).await?)
    }

    /// One site.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn site(&self, tenant: &Tenant, id: &SiteId) -> Result<Site, Error> {
        Ok(self.store.read().await?.site(&tenant.id, id).await?.ok_or(Refusal::NotFound("site"))?)
    }

    /// Makes a site, or with the version that was `seen` replaces it.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`] for a new one whose id is taken; [`Refusal::NotFound`], [`Refusal::StaleVersion`];
    /// [`Refusal::Invalid`].
    pub async fn save_site(
        &self,
        tenant: &Tenant,
        site: &Site,
        seen: Option<i64>,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<Site, Error> {
        check_site(site)?;
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let there = tx.site(&tenant.id, &site.id).await?;
            match (&there, seen) {
                (Some(_), None) => return Err(Refusal::AlreadyExists("site").into()),
                (None, Some(_)) => return Err(Refusal::NotFound("site").into()),
                (Some(there), Some(seen)) if there.version != seen => return Err(Refusal::StaleVersion.into()),
                (Some(_), Some(_)) | (None, None) => {}
            }
            tx.upsert_site(&tenant.id, site, now).await?;
            let saved = tx.site(&tenant.id, &site.id).await?.ok_or(Refusal::NotFound("site"))?;
            if saved.version != seen.map_or(1, |seen| seen.saturating_add(1)) {
                // Somebody was between the question and the change.
                return Err(crate::StoreError::Conflict.into());
            }
            let entry = Entry::new(actor, "site.put", "site", site.id.as_str());
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(saved)
        })
    }

    /// The site to take when `wanted` names none of the tenant's.
    ///
    /// # Errors
    /// Only faults.
    pub async fn site_or_default(&self, tenant: &Tenant, wanted: Option<&SiteId>) -> Result<Option<Site>, Error> {
        let sites = self.sites(tenant).await?;
        let found = sites.iter().find(|site| site.is_active && Some(&site.id) == wanted);
        Ok(found.or_else(|| sites.iter().find(|site| site.is_default)).or_else(|| sites.first()).cloned())
    }
}

fn summary(row: TenantRow) -> TenantSummary {
    TenantSummary {
        id: row.id,
        name: row.name,
        is_active: row.is_active,
        version: row.version,
        created_at: row.created_at,
        modified_at: row.modified_at,
    }
}

/// The most names a tenant may have by its dialects, and the longest one.
const MAX_ACCENTS: usize = 10;
const MAX_ACCENT: usize = 200;

/// Names of dialects are never taken for issuers of our own, which are addresses, nor their tokens for native ones.
fn check_accents(accents: &[TokenAccent]) -> Result<(), Refusal> {
    let wrong = |wish: &str| Err(Refusal::invalid("accents", wish));
    if accents.len() > MAX_ACCENTS {
        return wrong("at most 10");
    }
    for (at, accent) in accents.iter().enumerate() {
        let is_name =
            |text: &str| !text.is_empty() && text.len() <= MAX_ACCENT && text.bytes().all(|b| b.is_ascii_graphic());
        if ![&accent.dialect, &accent.issuer, &accent.audience, &accent.token_type]
            .into_iter()
            .all(|text| is_name(text))
        {
            return wrong("each text has 1 to 200 printable characters");
        }
        if accent.issuer.contains("://") {
            return wrong("an issuer is no address");
        }
        if accent.token_type.to_ascii_lowercase().contains("at+jwt") {
            return wrong("at+jwt is the type of native tokens");
        }
        if accents.iter().take(at).any(|before| before.issuer == accent.issuer) {
            return wrong("no issuer comes twice");
        }
        let lives = &accent.lifetimes;
        let lives = [lives.access, lives.refresh, lives.guest_access, lives.guest_refresh];
        if lives.iter().any(|seconds| !(30..=31_536_000).contains(seconds)) {
            return wrong("lives are 30 seconds to 365 days");
        }
    }
    Ok(())
}

impl TenantRow {
    fn accents(&self) -> Result<Vec<TokenAccent>, Error> {
        let settings: TenantSettings = from_json(&self.settings_json, "tenants.settings_json")?;
        Ok(settings.accents)
    }
}

/// Takes the names of dialects for the tenant, which nobody else may have: a token under a name counts for whoever has it.
async fn name_issuers(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    before: &[TokenAccent],
    after: &[TokenAccent],
) -> Result<(), Error> {
    for gone in before.iter().filter(|accent| !after.iter().any(|other| other.issuer == accent.issuer)) {
        tx.delete_tenant_name("issuer", &gone.issuer, tenant).await?;
    }
    for new in after.iter().filter(|accent| !before.iter().any(|other| other.issuer == accent.issuer)) {
        if !tx.insert_tenant_name("issuer", &new.issuer, tenant).await? {
            return Err(Refusal::AlreadyExists("issuer").into());
        }
    }
    Ok(())
}

/// Whether a site says where and how it sells.
fn check_site(site: &Site) -> Result<(), Refusal> {
    let is_upper = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_uppercase());
    let is_language = |text: &str| {
        let (language, country) = text.split_once(['_', '-']).map_or((text, None), |(l, c)| (l, Some(c)));
        language.len() == 2
            && language.bytes().all(|b| b.is_ascii_lowercase())
            && country.is_none_or(|country| is_upper(country, 2))
    };
    if !is_upper(&site.currency, 3) {
        return Err(Refusal::invalid("currency", "three capital letters, as EUR"));
    }
    if !is_upper(&site.country, 2) {
        return Err(Refusal::invalid("country", "two capital letters, as DE"));
    }
    if !is_language(&site.language) {
        return Err(Refusal::invalid("language", "as en or en_US"));
    }
    if site.languages.len() > 100 || !site.languages.iter().all(|language| is_language(language)) {
        return Err(Refusal::invalid("languages", "at most 100, each as en or en_US"));
    }
    Ok(())
}

/// Until when a revocation decided now must be remembered: until whatever it ends would have expired by itself.
pub(crate) async fn remembered_until(tx: &mut Tx<'_>, tenant: &TenantId, now: Timestamp) -> Result<Timestamp, Error> {
    let longest = tx.longest_access_seconds(tenant).await?.ok_or(Refusal::UnknownTenant)?;
    Ok(outlasting(now.plus_seconds(longest.into())))
}

/// A little later than the last token ends, for whoever must remember its revocation.
pub(crate) fn outlasting(tokens_until: Timestamp) -> Timestamp {
    tokens_until.plus_seconds(SLACK_SECONDS)
}

/// Whether settings can be worked with.
fn check_settings(settings: &TenantSettings) -> Result<(), Refusal> {
    check_accents(&settings.accents)?;
    if settings.algorithm.parse::<prokura_jose::Algorithm>().is_err() {
        return Err(Refusal::invalid("algorithm", "one of ES256, EdDSA, RS256"));
    }
    if Scopes::parse(&settings.customer_scopes).is_err() {
        return Err(Refusal::invalid("customer_scopes", "scopes separated by blanks"));
    }
    if settings.contact_propagation.parse::<prokura_domain::ContactPropagation>().is_err() {
        return Err(Refusal::invalid("contact_propagation", "one of UPWARD, DOWNWARD, DISABLED"));
    }
    if Scopes::parse(&settings.client_registration.scopes).is_err() {
        return Err(Refusal::invalid("client_registration.scopes", "scopes separated by blanks"));
    }
    let hashes = &settings.client_registration.token_hashes;
    if hashes.len() > 100 || hashes.iter().any(|hash| hash.parse::<prokura_jose::SecretHash>().is_err()) {
        let wish = "at most 100, each the SHA-256 of a token as 43 characters of base64url";
        return Err(Refusal::invalid("client_registration.token_hashes", wish));
    }
    if settings.client_registration.max_clients > 100_000 {
        return Err(Refusal::invalid("client_registration.max_clients", "at most 100000"));
    }
    if !matches!(settings.sign_up.join.as_str(), "auto" | "pending" | "off") {
        return Err(Refusal::invalid("sign_up.join", "one of auto, pending, off"));
    }
    if !settings.mail.language.is_empty() && crate::mail::Language::of_tag(&settings.mail.language).is_none() {
        return Err(Refusal::invalid("mail.language", "en, de or fr"));
    }
    if !crate::mail::is_sender(&settings.mail.from) {
        return Err(Refusal::invalid("mail.from", "an address, or name <address>"));
    }
    for template in &settings.group_templates {
        if template.code.parse::<prokura_domain::GroupCode>().is_err() || Scopes::parse(&template.scopes).is_err() {
            return Err(Refusal::invalid("group_templates", "a predefined code, and scopes separated by blanks"));
        }
    }
    if !(1..=128).contains(&settings.password_min) {
        return Err(Refusal::invalid("password_min", "1 to 128"));
    }
    for (field, number) in [
        ("page_passwords.min", settings.page_passwords.min),
        ("page_passwords.min_with_second_factor", settings.page_passwords.min_with_second_factor),
    ] {
        if !(8..=64).contains(&number) {
            return Err(Refusal::invalid(field, "8 to 64"));
        }
    }
    for (field, number) in
        [("login_attempts", settings.login_attempts), ("login_refill_seconds", settings.login_refill_seconds)]
    {
        if !(1..=86_400).contains(&number) {
            return Err(Refusal::invalid(field, "1 to 86400"));
        }
    }
    for (field, seconds) in [
        ("lifetimes.access", settings.lifetimes.access),
        ("lifetimes.refresh", settings.lifetimes.refresh),
        ("lifetimes.guest_access", settings.lifetimes.guest_access),
        ("lifetimes.guest_refresh", settings.lifetimes.guest_refresh),
        ("lifetimes.service", settings.lifetimes.service),
        ("lifetimes.session", settings.lifetimes.session),
        ("lifetimes.page_idle", settings.lifetimes.page_idle),
        ("lifetimes.companion", settings.lifetimes.companion),
    ] {
        if !(30..=31_536_000).contains(&seconds) {
            return Err(Refusal::invalid(field, "30 seconds to 365 days"));
        }
    }
    // A link that opens an account is as good as a code (S-106); one that only shows that an address is read may wait.
    for (field, seconds, (longest, in_words)) in [
        ("lifetimes.reset_link", settings.lifetimes.reset_link, (600, "30 seconds to ten minutes")),
        ("lifetimes.email_link", settings.lifetimes.email_link, (3_600, "30 seconds to an hour")),
        ("lifetimes.sign_up_link", settings.lifetimes.sign_up_link, (604_800, "30 seconds to seven days")),
        ("lifetimes.shop_page_idle", settings.lifetimes.shop_page_idle, (1_800, "30 seconds to half an hour")),
        ("lifetimes.shop_page", settings.lifetimes.shop_page, (21_600, "30 seconds to six hours")),
    ] {
        if !(30..=longest).contains(&seconds) {
            return Err(Refusal::invalid(field, in_words));
        }
    }
    if settings.switch_grace_seconds > settings.lifetimes.access {
        return Err(Refusal::invalid("switch_grace_seconds", "at most the life of an access token"));
    }
    Ok(())
}
