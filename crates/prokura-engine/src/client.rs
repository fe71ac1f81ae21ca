//! Clients: applications that ask for tokens. Secrets are made here, shown once, and kept as hashes (S-02).

use crate::{
    Actor, Engine, Error, Origin, Refusal, Registration, Tenant,
    audit::Entry,
    retrying,
    store::{ClientRow, NewClient, Tx},
    tenant::remembered_until,
};
use prokura_domain::{ClientId, ClientKind, RefreshPolicy, Revocation, RevocationKind, Scopes, Timestamp};
use prokura_jose::{Secret, SecretHash};

/// The kind prefix of client secrets.
const SECRET_PREFIX: &str = "pkr_cs_";

/// A client, as its owner sees it.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Its name.
    pub name: String,
    /// Whether it can keep a secret.
    pub kind: ClientKind,
    /// Whether it may ask for anything.
    pub is_active: bool,
    /// The scopes it may have.
    pub scopes: String,
    /// The grants it may use: `guest`, `password`, `refresh_token`, `client_credentials`, `token_exchange`,
    /// `authorization_code`, `device_code`, `session_bridge`, `on_behalf`, `one_time_code`, `passkey`.
    pub grants: String,
    /// What using a refresh token does to it.
    pub refresh_policy: RefreshPolicy,
    /// The life of its access tokens; `None` for the tenant's.
    pub access_seconds: Option<u32>,
    /// The life of its refresh tokens; `None` for the tenant's.
    pub refresh_seconds: Option<u32>,
    /// Until when the secret before the present one is good.
    pub previous_secret_until: Option<Timestamp>,
    /// What it registered for the native protocol.
    pub registration: Registration,
    /// What a dialect keeps about it, as a JSON object.
    pub settings_json: String,
    /// Counts its changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
}

/// A client to be made.
#[derive(Clone, Debug)]
pub struct CreateClient {
    /// Its id; `None` for a random one. Unique in the whole installation.
    pub id: Option<ClientId>,
    /// Its name.
    pub name: String,
    /// Whether it can keep a secret; a confidential client gets one.
    pub kind: ClientKind,
    /// The scopes it may have, blank separated.
    pub scopes: String,
    /// The grants it may use, blank separated.
    pub grants: String,
    /// What using a refresh token does to it.
    pub refresh_policy: RefreshPolicy,
    /// The life of its access tokens.
    pub access_seconds: Option<u32>,
    /// The life of its refresh tokens.
    pub refresh_seconds: Option<u32>,
    /// What it registers for the native protocol.
    pub registration: Registration,
}

/// A client that was made, with its secret, which is shown this once.
#[derive(Debug)]
pub struct CreatedClient {
    /// The client.
    pub client: Client,
    /// Its secret, when it is confidential.
    pub secret: Option<Secret>,
}

/// What may be changed about a client; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct ClientChange {
    /// Its name.
    pub name: Option<String>,
    /// Whether it may ask for anything.
    pub is_active: Option<bool>,
    /// The scopes it may have.
    pub scopes: Option<String>,
    /// The grants it may use.
    pub grants: Option<String>,
    /// What using a refresh token does to it.
    pub refresh_policy: Option<RefreshPolicy>,
    /// The life of its access tokens.
    pub access_seconds: Option<Option<u32>>,
    /// The life of its refresh tokens.
    pub refresh_seconds: Option<Option<u32>>,
    /// What it registered for the native protocol.
    pub registration: Option<Registration>,
}

const GRANTS: [&str; 11] = [
    "guest",
    "password",
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "token_exchange",
    "device_code",
    "session_bridge",
    "on_behalf",
    "one_time_code",
    "passkey",
];

/// Clients that are read at a time to look for an origin.
const ORIGIN_PAGE: u32 = 500;

/// The lives a client may ask for its tokens, in seconds: half a minute to a year. Revocations are remembered as long.
const LIVES: std::ops::RangeInclusive<u32> = 30..=31_536_000;

fn check_lives(access: Option<u32>, refresh: Option<u32>) -> Result<(), Refusal> {
    for (field, seconds) in [("access_seconds", access), ("refresh_seconds", refresh)] {
        if seconds.is_some_and(|seconds| !LIVES.contains(&seconds)) {
            return Err(Refusal::invalid(field, "30 seconds to 365 days"));
        }
    }
    Ok(())
}

fn check(scopes: &str, grants: &str) -> Result<(), Refusal> {
    if Scopes::parse(scopes).is_err() {
        return Err(Refusal::invalid("scopes", "scopes separated by blanks"));
    }
    match grants.split_ascii_whitespace().find(|grant| !GRANTS.contains(grant)) {
        Some(grant) => Err(Refusal::invalid("grants", format!("{grant} is not one of {}", GRANTS.join(", ")))),
        None => Ok(()),
    }
}

/// What is wrong with a client that is to be made.
pub(crate) fn check_new(tenant: &Tenant, request: &CreateClient) -> Result<(), Refusal> {
    check(&request.scopes, &request.grants)?;
    check_lives(request.access_seconds, request.refresh_seconds)?;
    request.registration.check(request.kind)?;
    request.registration.check_profile(request.kind, &request.grants, &tenant.settings.algorithm)
}

impl Engine {
    /// Makes a client.
    ///
    /// # Errors
    /// [`Refusal::AlreadyExists`] when anybody has this id, [`Refusal::Invalid`].
    pub async fn create_client(
        &self,
        tenant: &Tenant,
        request: &CreateClient,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<CreatedClient, Error> {
        check_new(tenant, request)?;
        retrying!(async {
            let mut tx = self.store.write().await?;
            let made = self.create_client_in(&mut tx, tenant, request, None, actor, origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(made)
        })
    }

    /// The same in `tx`, for what was checked; with what opens its registration when it makes itself.
    pub(crate) async fn create_client_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        request: &CreateClient,
        registration_hash: Option<&SecretHash>,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<CreatedClient, Error> {
        let now = self.clock.now();
        let id = match &request.id {
            Some(id) => id.clone(),
            None => self.random_text(24)?.parse().map_err(Error::crypto)?,
        };
        let secret = match request.kind {
            ClientKind::Confidential => Some(self.new_secret(SECRET_PREFIX)?),
            ClientKind::Public => None,
        };
        let hash = secret.as_ref().map(|secret| SecretHash::of(secret.expose()).to_string());
        let new = NewClient {
            id: &id,
            name: &request.name,
            kind: request.kind,
            secret_hash: hash.as_deref(),
            scopes: &request.scopes,
            grants: &request.grants,
            refresh_policy: request.refresh_policy,
            access_seconds: request.access_seconds,
            refresh_seconds: request.refresh_seconds,
            registration: &request.registration,
            settings_json: "{}",
            registration_hash,
        };
        if !tx.insert_tenant_name("client", id.as_str(), &tenant.id).await?
            || !tx.insert_client(&tenant.id, &new, now).await?
        {
            return Err(Refusal::AlreadyExists("client").into());
        }
        if let Some(seconds) = request.access_seconds {
            tx.raise_longest_access(&tenant.id, seconds).await?;
        }
        let entry = Entry::new(actor, "client.create", "client", id.as_str());
        self.audit(tx, &tenant.id, origin, entry, now).await?;
        let row = tx.client(&tenant.id, &id).await?.ok_or(Refusal::NotFound("client"))?;
        Ok(CreatedClient { client: client(row), secret })
    }

    /// One client.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn client(&self, tenant: &Tenant, id: &ClientId) -> Result<Client, Error> {
        let row = self.store.read().await?.client(&tenant.id, id).await?;
        Ok(client(row.ok_or(Refusal::NotFound("client"))?))
    }

    /// Clients after `after`, by id.
    ///
    /// # Errors
    /// Only faults.
    pub async fn clients(&self, tenant: &Tenant, after: &str, limit: u32) -> Result<Vec<Client>, Error> {
        let rows = self.store.read().await?.clients(&tenant.id, after, limit).await?;
        Ok(rows.into_iter().map(client).collect())
    }

    /// Whether browsers of `origin` may call the token endpoint: the tenant or a client that is switched on registered
    /// it (S-12). Remembered for some seconds.
    ///
    /// # Errors
    /// Only faults.
    pub async fn allows_origin(&self, tenant: &Tenant, origin: &str) -> Result<bool, Error> {
        if tenant.settings.cors_origins.iter().any(|known| known == origin) {
            return Ok(true);
        }
        let key = (tenant.id.clone(), origin.to_owned());
        if let Some(known) = self.origins.get(&key) {
            return Ok(known);
        }
        let mut after = String::new();
        let mut is_allowed = false;
        loop {
            let page = self.store.read().await?.clients(&tenant.id, &after, ORIGIN_PAGE).await?;
            is_allowed |=
                page.iter().any(|row| row.is_active && row.registration.origins.iter().any(|of| of == origin));
            match page.last() {
                Some(last) if !is_allowed => last.id.as_str().clone_into(&mut after),
                _ => break,
            }
        }
        self.origins.insert(key, is_allowed);
        Ok(is_allowed)
    }

    /// Changes a client. Disabling it reaches every door within the reach of the feed.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::StaleVersion`], [`Refusal::Invalid`].
    pub async fn update_client(
        &self,
        tenant: &Tenant,
        id: &ClientId,
        change: &ClientChange,
        version: Option<i64>,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<Client, Error> {
        check(change.scopes.as_deref().unwrap_or_default(), change.grants.as_deref().unwrap_or_default())?;
        check_lives(change.access_seconds.flatten(), change.refresh_seconds.flatten())?;
        retrying!(self.update_client_once(tenant, id, change, version, actor, origin))
    }

    async fn update_client_once(
        &self,
        tenant: &Tenant,
        id: &ClientId,
        change: &ClientChange,
        version: Option<i64>,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<Client, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let mut row = tx.client(&tenant.id, id).await?.ok_or(Refusal::NotFound("client"))?;
        let was_active = row.is_active;
        change.apply(&mut row);
        row.registration.check(row.kind)?;
        row.registration.check_profile(row.kind, &row.grants, &tenant.settings.algorithm)?;
        let found = row.version;
        if version.is_some_and(|version| version != found)
            || !tx.update_client(&tenant.id, &row, Some(found), now).await?
        {
            return Err(Refusal::StaleVersion.into());
        }
        if let Some(seconds) = row.access_seconds {
            tx.raise_longest_access(&tenant.id, seconds).await?;
        }
        if was_active != row.is_active {
            self.publish_client(&mut tx, tenant, id, row.is_active, now).await?;
        }
        let verb = match (was_active, row.is_active) {
            (true, false) => "client.disable",
            (false, true) => "client.enable",
            _ => "client.update",
        };
        self.audit(&mut tx, &tenant.id, origin, Entry::new(actor, verb, "client", id.as_str()), now).await?;
        let row = tx.client(&tenant.id, id).await?.ok_or(Refusal::NotFound("client"))?;
        tx.commit().await?;
        Ok(client(row))
    }

    /// Tells every node that nothing of a client counts any more, or that it does again.
    pub(crate) async fn publish_client(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        id: &ClientId,
        is_active: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let entry = Revocation {
            id: self.new_id(now)?,
            tenant: tenant.id.clone(),
            kind: RevocationKind::Client,
            value: id.to_string(),
            is_lifted: is_active,
            at: now,
            effective_at: now,
            expires_at: remembered_until(tx, &tenant.id, now).await?,
        };
        Ok(tx.revoke(entry).await?)
    }

    /// Makes a new secret; the one before stays good for `overlap_seconds`.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Invalid`] for a public client, which has none.
    pub async fn rotate_client_secret(
        &self,
        tenant: &Tenant,
        id: &ClientId,
        overlap_seconds: u32,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<Secret, Error> {
        retrying!(self.rotate_client_secret_once(tenant, id, overlap_seconds, actor, origin))
    }

    async fn rotate_client_secret_once(
        &self,
        tenant: &Tenant,
        id: &ClientId,
        overlap_seconds: u32,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<Secret, Error> {
        let now = self.clock.now();
        let secret = self.new_secret(SECRET_PREFIX)?;
        let mut tx = self.store.write().await?;
        let mut row = tx.client(&tenant.id, id).await?.ok_or(Refusal::NotFound("client"))?;
        if row.kind == ClientKind::Public {
            return Err(Refusal::invalid("kind", "a public client has no secret").into());
        }
        row.previous_secret_hash = row.secret_hash.take();
        row.previous_secret_until = Some(now.plus_seconds(overlap_seconds.into()));
        row.secret_hash = Some(SecretHash::of(secret.expose()).to_string());
        let version = row.version;
        if !tx.update_client(&tenant.id, &row, Some(version), now).await? {
            return Err(Refusal::StaleVersion.into());
        }
        let entry = Entry::new(actor, "client.rotate_secret", "client", id.as_str());
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        tx.commit().await?;
        Ok(secret)
    }
}

impl ClientChange {
    fn apply(&self, row: &mut ClientRow) {
        if let Some(name) = &self.name {
            row.name.clone_from(name);
        }
        if let Some(is_active) = self.is_active {
            row.is_active = is_active;
        }
        if let Some(scopes) = &self.scopes {
            row.scopes.clone_from(scopes);
        }
        if let Some(grants) = &self.grants {
            row.grants.clone_from(grants);
        }
        if let Some(policy) = self.refresh_policy {
            row.refresh_policy = policy;
        }
        if let Some(seconds) = self.access_seconds {
            row.access_seconds = seconds;
        }
        if let Some(seconds) = self.refresh_seconds {
            row.refresh_seconds = seconds;
        }
        if let Some(registration) = &self.registration {
            row.registration.clone_from(registration);
        }
    }
}

pub(crate) fn client(row: ClientRow) -> Client {
    Client {
        id: row.id,
        name: row.name,
        kind: row.kind,
        is_active: row.is_active,
        scopes: row.scopes,
        grants: row.grants,
        refresh_policy: row.refresh_policy,
        access_seconds: row.access_seconds,
        refresh_seconds: row.refresh_seconds,
        previous_secret_until: row.previous_secret_until,
        registration: row.registration,
        settings_json: row.settings_json,
        version: row.version,
        created_at: row.created_at,
        modified_at: row.modified_at,
    }
}
