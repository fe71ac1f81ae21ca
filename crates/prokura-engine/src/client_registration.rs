//! Clients that register themselves (RFC 7591) and look after their registration (RFC 7592). Off unless a tenant says
//! otherwise, and then behind an initial access token, unless it says that, too. What they may have is bounded by the tenant, how
//! many there are as well, what they name is checked by the one rule for every client, and nobody who registered themselves
//! belongs to the shop: people are asked for consent.

use crate::{
    Actor, AuthMethod, Client, ClientChange, CreateClient, CreatedClient, Engine, Error, Origin, Refusal, Registration,
    Tenant,
    audit::Entry,
    client::{check_new, client},
    retrying,
    store::ClientRow,
};
use prokura_domain::{ClientId, ClientKind, DEFAULT_LEEWAY_SECONDS, RefreshPolicy, Scopes};
use prokura_jose::{Secret, SecretHash};

/// The grants a client may register itself for.
const GRANTS: [&str; 2] = ["authorization_code", "refresh_token"];
/// The kind prefix of what opens a registration.
const REGISTRATION_PREFIX: &str = "pkr_rg_";
/// How long the guard that counts clients one after another is remembered.
const COUNTING_SECONDS: i64 = 60;

/// What a client says about itself.
#[derive(Clone, Debug, Default)]
pub struct RegisterClient {
    /// Its name, as people read it on the page that asks for consent.
    pub name: String,
    /// How it proves who it is; `None` for a public client.
    pub auth_method: Option<AuthMethod>,
    /// The grants it wants; `authorization_code` when empty.
    pub grants: Vec<String>,
    /// The scopes it wants, blank separated; all it may have when absent. What it may not have is left out.
    pub scopes: Option<String>,
    /// Everything else.
    pub registration: Registration,
}

/// A client that registered itself.
#[derive(Debug)]
pub struct RegisteredClient {
    /// The client, with its secret, when it has one.
    pub made: CreatedClient,
    /// What opens its registration, shown this once.
    pub registration_token: Secret,
}

impl RegisterClient {
    fn kind(&self) -> ClientKind {
        if self.auth_method.is_some() { ClientKind::Confidential } else { ClientKind::Public }
    }

    /// The grants and scopes it gets, within what the tenant allows and what it has `before`.
    fn admitted(&self, tenant: &Tenant, before: Option<&ClientRow>) -> Result<(String, String), Refusal> {
        let had: Vec<&str> = before.map_or_else(Vec::new, |row| row.grants.split_ascii_whitespace().collect());
        let wanted = self.grants.iter().map(String::as_str);
        let grants: Vec<&str> = if self.grants.is_empty() { vec!["authorization_code"] } else { wanted.collect() };
        if let Some(grant) = grants.iter().find(|grant| !GRANTS.contains(grant) && !had.contains(grant)) {
            return Err(Refusal::invalid("grant_types", format!("{grant} is not one of {}", GRANTS.join(", "))));
        }
        if !grants.contains(&"authorization_code") || self.registration.redirect_uris.is_empty() {
            return Err(Refusal::invalid("redirect_uris", "authorization_code, with at least one of them"));
        }
        let mut allowed = Scopes::parse(&tenant.settings.client_registration.scopes).unwrap_or_default();
        if let Some(row) = before {
            allowed.extend(&Scopes::parse(&row.scopes).unwrap_or_default());
        }
        let scopes = match &self.scopes {
            None => allowed,
            Some(wanted) => {
                let wanted =
                    Scopes::parse(wanted).map_err(|_| Refusal::invalid("scope", "scopes separated by blanks"))?;
                allowed.intersection(&wanted)
            }
        };
        Ok((grants.join(" "), scopes.to_string()))
    }

    /// What is registered. Whatever it says: it is somebody else's, it leaves nothing out, and nobody acts through it,
    /// unless an operator said so since.
    fn registered(&self, before: Registration) -> Registration {
        Registration {
            auth_method: self.auth_method.unwrap_or_default(),
            origins: before.origins,
            is_first_party: before.is_first_party,
            may_omit_pkce: before.may_omit_pkce,
            needs_dpop_nonce: before.needs_dpop_nonce,
            may_act: before.may_act,
            resources: before.resources,
            profile: before.profile,
            ..self.registration.clone()
        }
    }
}

impl Engine {
    /// Registers a client that came by itself, with `token` if it has one.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] where nobody may register; [`Refusal::InvalidToken`] without the token that is asked for;
    /// [`Refusal::Forbidden`] when there are as many as the tenant takes; [`Refusal::Invalid`]; [`Refusal::Throttled`] for who
    /// guesses tokens.
    pub async fn register_client(
        &self,
        tenant: &Tenant,
        token: Option<&Secret>,
        request: RegisterClient,
        origin: &Origin,
    ) -> Result<RegisteredClient, Error> {
        let rules = &tenant.settings.client_registration;
        if !rules.is_open {
            return Err(Refusal::NotFound("registration").into());
        }
        if rules.needs_token {
            let token = token.ok_or(Refusal::InvalidToken)?;
            let hash = SecretHash::of(token.expose());
            let is_known = rules
                .token_hashes
                .iter()
                .filter_map(|known| known.parse::<SecretHash>().ok())
                .fold(false, |found, known| known.matches(&hash) | found);
            if !is_known {
                self.take_attempt(tenant, "registration_token", "registration", token, origin).await?;
                return Err(Refusal::InvalidToken.into());
            }
        }
        let (grants, scopes) = request.admitted(tenant, None)?;
        let new = CreateClient {
            id: None,
            kind: request.kind(),
            scopes,
            grants,
            refresh_policy: RefreshPolicy::Rotate { leeway_seconds: DEFAULT_LEEWAY_SECONDS },
            access_seconds: None,
            refresh_seconds: None,
            registration: request.registered(Registration::default()),
            name: request.name,
        };
        check_new(tenant, &new)?;
        retrying!(async {
            let now = self.clock.now();
            let registration_token = self.new_secret(REGISTRATION_PREFIX)?;
            let hash = SecretHash::of(registration_token.expose());
            let mut tx = self.store.write().await?;
            // One after another, or two could both be the last one.
            let until = now.plus_seconds(COUNTING_SECONDS);
            tx.take_turn(&tenant.id, "client_registration", "count", until).await?;
            if tx.registered_clients(&tenant.id).await? >= u64::from(rules.max_clients) {
                return Err(Refusal::Forbidden("as many clients registered themselves here as the shop takes").into());
            }
            let made = self.create_client_in(&mut tx, tenant, &new, Some(&hash), &Actor::Guest, origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(RegisteredClient { made, registration_token })
        })
    }

    /// The client whose registration `token` opens.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] for another's token, and for a client that is gone or switched off (RFC 7592 section 2);
    /// [`Refusal::Throttled`].
    pub async fn registered_client(
        &self,
        tenant: &Tenant,
        id: &ClientId,
        token: &Secret,
        origin: &Origin,
    ) -> Result<Client, Error> {
        let mut reader = self.store.read().await?;
        let known = reader.registration_hash(&tenant.id, id).await?;
        let row = reader.client(&tenant.id, id).await?.filter(|row| row.is_active);
        drop(reader);
        let presented = SecretHash::of(token.expose());
        if let Some(row) = row.filter(|_| known.is_some_and(|known| known.matches(&presented))) {
            return Ok(client(row));
        }
        self.take_attempt(tenant, "registration_token", id.as_str(), token, origin).await?;
        Err(Refusal::InvalidToken.into())
    }

    /// Replaces what a client registered about itself (RFC 7592 section 2.2). `secret` is its own, when it names one.
    ///
    /// # Errors
    /// As [`Engine::registered_client`]; [`Refusal::Invalid`]; [`Refusal::StaleVersion`] when it was changed meanwhile.
    pub async fn update_registered_client(
        &self,
        tenant: &Tenant,
        id: &ClientId,
        token: &Secret,
        (request, secret): (&RegisterClient, Option<&Secret>),
        origin: &Origin,
    ) -> Result<Client, Error> {
        self.registered_client(tenant, id, token, origin).await?;
        let row = self.store.read().await?.client(&tenant.id, id).await?.ok_or(Refusal::InvalidToken)?;
        if request.kind() != row.kind {
            let reason = "a client that has a secret keeps one, and one that has none gets none: register anew";
            return Err(Refusal::invalid("token_endpoint_auth_method", reason).into());
        }
        let now = self.clock.now();
        if secret.is_some_and(|secret| !crate::client_proof::has_secret(&row, secret, now)) {
            return Err(Refusal::invalid("client_secret", "another one than it has").into());
        }
        let (grants, scopes) = request.admitted(tenant, Some(&row))?;
        let version = row.version;
        let change = ClientChange {
            name: Some(request.name.clone()),
            scopes: Some(scopes),
            grants: Some(grants),
            registration: Some(request.registered(row.registration)),
            ..ClientChange::default()
        };
        self.update_client(tenant, id, &change, Some(version), &Actor::Client(id.clone()), origin).await
    }

    /// Deletes a client at its own word, with everything it got (RFC 7592 section 2.3).
    ///
    /// # Errors
    /// As [`Engine::registered_client`].
    pub async fn delete_registered_client(
        &self,
        tenant: &Tenant,
        id: &ClientId,
        token: &Secret,
        origin: &Origin,
    ) -> Result<(), Error> {
        self.registered_client(tenant, id, token, origin).await?;
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            if !tx.delete_registered_client(&tenant.id, id).await? {
                return Err(Refusal::InvalidToken.into());
            }
            // Its ids are random, so nobody comes after it whom this could hit.
            self.publish_client(&mut tx, tenant, id, false, now).await?;
            let actor = Actor::Client(id.clone());
            self.audit(&mut tx, &tenant.id, origin, Entry::new(&actor, "client.delete", "client", id.as_str()), now)
                .await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }
}
