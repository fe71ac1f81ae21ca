//! Identity providers of partners, as operators keep them: who they are, how we prove ourselves to them, whom they may vouch
//! for. One that is switched off lets nobody in, and whom it let in is out within the reach of the feed (S-86).

use crate::{
    Actor, Engine, Error, Origin, PartnerIdentifier, Refusal, Tenant,
    audit::Entry,
    outbound::OutboundFault,
    provider::{self, CLIENT_METHODS},
    registration::{is_redirect_uri, is_web_address},
    retrying,
};
use prokura_domain::{PartnerIdpId, TenantId, Timestamp};
use prokura_jose::{JwsAlgorithm, Secret};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// A provider.
#[derive(Clone, Debug)]
pub struct PartnerIdp {
    /// Its id. Storefronts that know several begin their `state` with it and two hyphens, so it has no two in a row.
    pub id: PartnerIdpId,
    /// Its name.
    pub name: String,
    /// Its issuer, byte for byte.
    pub issuer: String,
    /// Who we are to it.
    pub client_id: String,
    pub(crate) client_secret: SealedSecret,
    /// What is known of it without asking it.
    pub metadata: PartnerMetadata,
    /// Where it may send the browsers of storefronts that hand in its codes.
    pub redirect_uris: Vec<String>,
    /// The domains whose addresses it may vouch for; with none, every verified address of somebody new is taken.
    pub email_domains: Vec<String>,
    /// What a customer is found by the first time.
    pub identifier: PartnerIdentifier,
    /// Whether somebody unknown becomes a customer.
    pub creates_customers: bool,
    /// Whether anybody may come in by it.
    pub is_active: bool,
    /// Counts changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
}

/// A sealed client secret. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SealedSecret(pub(crate) String);

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sealed]")
    }
}

/// What an operator says of a provider, by the names of its own metadata (OpenID Connect Discovery 1.0 section 3). What is
/// absent is read from the provider; where it leaves nothing to be read, the provider is not asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct PartnerMetadata {
    /// Where codes are redeemed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// Where its keys are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Its keys themselves, as a JWK set; they go before `jwks_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// How we may prove ourselves: `client_secret_basic`, `client_secret_post`; the first one counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// What it may sign ID tokens with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_signing_alg_values_supported: Option<Vec<String>>,
}

/// A provider as it should be.
#[derive(Clone, Debug)]
pub struct PutPartnerIdp {
    /// Its id.
    pub id: PartnerIdpId,
    /// Its name.
    pub name: String,
    /// Its issuer.
    pub issuer: String,
    /// Who we are to it.
    pub client_id: String,
    /// The secret we prove that by; `None` keeps the one there is.
    pub client_secret: Option<Secret>,
    /// What is known of it without asking it.
    pub metadata: PartnerMetadata,
    /// Where it may send the browsers of storefronts that hand in its codes.
    pub redirect_uris: Vec<String>,
    /// The domains whose addresses it may vouch for.
    pub email_domains: Vec<String>,
    /// What a customer is found by the first time.
    pub identifier: PartnerIdentifier,
    /// Whether somebody unknown becomes a customer.
    pub creates_customers: bool,
    /// Whether anybody may come in by it.
    pub is_active: bool,
}

/// What the trail calls one.
const KIND: &str = "partner_idp";
/// What a client id and a secret may be long, in bytes.
const MAX_CLIENT_ID: usize = 255;
const MAX_SECRET: usize = 1_024;
/// The most redirect URIs and domains of one.
const MAX_REDIRECTS: usize = 50;
const MAX_DOMAINS: usize = 100;
/// How many sessions one transaction ends, and how many people one forgets.
const SESSIONS_AT_ONCE: u32 = 100;
const PEOPLE_AT_ONCE: u32 = 1_000;
/// The reason in the sessions that end with one.
const REASON: &str = "partner_idp_off";

impl PutPartnerIdp {
    fn check(&self) -> Result<(), Refusal> {
        let wrong = |field: &'static str, wish: &str| Err(Refusal::invalid(field, wish));
        if self.id.as_str().contains("--") {
            return wrong("id", "no two hyphens in a row: they end it in a state");
        }
        if !is_web_address(&self.issuer) || self.issuer.contains('?') {
            return wrong(
                "issuer",
                "whole, with https (http only for loopback), without query, fragment and user name",
            );
        }
        let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if self.client_id.len() > MAX_CLIENT_ID || !is_plain(&self.client_id) {
            return wrong("client_id", "1 to 255 visible characters of ASCII");
        }
        let secret = self.client_secret.as_ref().map(Secret::expose);
        if secret.is_some_and(|secret| secret.len() > MAX_SECRET || !is_plain(secret)) {
            return wrong("client_secret", "1 to 1024 visible characters of ASCII");
        }
        if self.redirect_uris.len() > MAX_REDIRECTS || !self.redirect_uris.iter().all(|uri| is_redirect_uri(uri)) {
            return wrong("redirect_uris", "at most 50, each whole and without fragment; http only for loopback");
        }
        if self.email_domains.len() > MAX_DOMAINS || !self.email_domains.iter().all(|domain| is_domain(domain)) {
            return wrong("email_domains", "at most 100, each in lower case, as acme.example");
        }
        if self.identifier == PartnerIdentifier::Email && self.email_domains.is_empty() {
            // Whoever may vouch for any address may take any account.
            return wrong("email_domains", "the domains the provider may vouch for, as it identifies by e-mail");
        }
        self.metadata.check()
    }
}

impl PartnerMetadata {
    fn check(&self) -> Result<(), Refusal> {
        for (field, uri) in [("metadata.token_endpoint", &self.token_endpoint), ("metadata.jwks_uri", &self.jwks_uri)] {
            if uri.as_ref().is_some_and(|uri| !is_web_address(uri)) {
                return Err(Refusal::invalid(field, "whole, with https (http only for loopback)"));
            }
        }
        if let Some(methods) = &self.token_endpoint_auth_methods_supported
            && !methods.iter().any(|method| CLIENT_METHODS.contains(&method.as_str()))
        {
            let field = "metadata.token_endpoint_auth_methods_supported";
            return Err(Refusal::invalid(field, format!("one of {}", CLIENT_METHODS.join(", "))));
        }
        if let Some(algorithms) = &self.id_token_signing_alg_values_supported
            && (algorithms.is_empty() || algorithms.iter().any(|word| word.parse::<JwsAlgorithm>().is_err()))
        {
            let field = "metadata.id_token_signing_alg_values_supported";
            return Err(Refusal::invalid(field, "signature algorithms with a public key, as RS256"));
        }
        if let Some(jwks) = &self.jwks
            && provider::keys(jwks, &provider::algorithms(self.id_token_signing_alg_values_supported.as_deref()))
                .is_empty()
        {
            return Err(Refusal::invalid("metadata.jwks", "a JWK set with a public key that can verify"));
        }
        Ok(())
    }

    /// The addresses that are going to be called.
    fn addresses(&self) -> impl Iterator<Item = (&'static str, &String)> {
        [("metadata.token_endpoint", &self.token_endpoint), ("metadata.jwks_uri", &self.jwks_uri)]
            .into_iter()
            .filter_map(|(field, uri)| uri.as_ref().map(|uri| (field, uri)))
    }
}

/// A domain name of an e-mail address, as it is compared.
fn is_domain(text: &str) -> bool {
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
}

impl Engine {
    /// Providers after `after`, by id.
    ///
    /// # Errors
    /// Only faults.
    pub async fn partner_idps(&self, tenant: &Tenant, after: &str, limit: u32) -> Result<Vec<PartnerIdp>, Error> {
        Ok(self.store.read().await?.partner_idps(&tenant.id, after, limit).await?)
    }

    /// One provider.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn partner_idp(&self, tenant: &Tenant, id: &PartnerIdpId) -> Result<PartnerIdp, Error> {
        let found = self.store.read().await?.partner_idp(&tenant.id, id).await?;
        Ok(found.ok_or(Refusal::NotFound("partner IdP"))?)
    }

    /// The provider whose codes a storefront hands in: the one it names, or the only one with a redirect URI. `None` when
    /// there is no such one, or it is switched off.
    ///
    /// # Errors
    /// Only faults.
    pub async fn storefront_partner_idp(
        &self,
        tenant: &Tenant,
        name: Option<&PartnerIdpId>,
    ) -> Result<Option<PartnerIdp>, Error> {
        let mut reader = self.store.read().await?;
        let id = match name {
            Some(name) => Some(name.clone()),
            None => reader.only_storefront_partner_idp(&tenant.id).await?,
        };
        let Some(id) = id else { return Ok(None) };
        let found = reader.partner_idp(&tenant.id, &id).await?;
        Ok(found.filter(|idp| idp.is_active && !idp.redirect_uris.is_empty()))
    }

    /// Makes a provider (`seen` is `None`) or replaces the version the caller has seen. Switching it off ends the sessions of
    /// whom it let in.
    ///
    /// # Errors
    /// [`Refusal::Invalid`], [`Refusal::AlreadyExists`], [`Refusal::NotFound`], [`Refusal::StaleVersion`];
    /// [`Refusal::InUse`] for another issuer while people are known by this one.
    pub async fn save_partner_idp(
        &self,
        tenant: &Tenant,
        request: &PutPartnerIdp,
        seen: Option<i64>,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<PartnerIdp, Error> {
        request.check()?;
        for (field, uri) in [("issuer", &request.issuer)].into_iter().chain(request.metadata.addresses()) {
            if let Err(OutboundFault::Refused(reason) | OutboundFault::Unreachable(reason)) = self.outbound.check(uri) {
                return Err(Refusal::invalid(field, reason).into());
            }
        }
        let saved = retrying!(self.save_partner_idp_once(tenant, request, seen, actor, origin))?;
        if !saved.is_active {
            self.end_sessions_of_partner(tenant, &saved.id).await?;
        }
        Ok(saved)
    }

    async fn save_partner_idp_once(
        &self,
        tenant: &Tenant,
        request: &PutPartnerIdp,
        seen: Option<i64>,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<PartnerIdp, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let there = tx.partner_idp(&tenant.id, &request.id).await?;
        match (&there, seen) {
            (Some(_), None) => return Err(Refusal::AlreadyExists("partner IdP").into()),
            (None, Some(_)) => return Err(Refusal::NotFound("partner IdP").into()),
            (Some(there), Some(seen)) if there.version != seen => return Err(Refusal::StaleVersion.into()),
            (Some(_), Some(_)) | (None, None) => {}
        }
        let client_secret = match (&request.client_secret, &there) {
            (Some(secret), _) => self.seal_partner_secret(tenant, &request.id, secret)?,
            (None, Some(there)) => there.client_secret.clone(),
            (None, None) => return Err(Refusal::invalid("client_secret", "needed for a new one").into()),
        };
        let wanted = PartnerIdp {
            id: request.id.clone(),
            name: request.name.clone(),
            issuer: request.issuer.clone(),
            client_id: request.client_id.clone(),
            client_secret,
            metadata: request.metadata.clone(),
            redirect_uris: request.redirect_uris.clone(),
            email_domains: request.email_domains.clone(),
            identifier: request.identifier,
            creates_customers: request.creates_customers,
            is_active: request.is_active,
            version: 1,
            created_at: now,
            modified_at: now,
        };
        match &there {
            None if !tx.insert_partner_idp(&tenant.id, &wanted, now).await? => {
                return Err(crate::StoreError::Conflict.into());
            }
            None => {}
            Some(there) => {
                // The row is held from here on, and nobody is linked to it meanwhile.
                if !tx.update_partner_idp(&tenant.id, &wanted, there.version, now).await? {
                    return Err(crate::StoreError::Conflict.into());
                }
                // Subjects mean nothing at another issuer: they could be those of other people.
                if there.issuer != wanted.issuer && tx.has_federated_identities(&tenant.id, &wanted.id).await? {
                    return Err(Refusal::InUse("people are known by this issuer; make another provider").into());
                }
                for domain in there.email_domains.iter().filter(|domain| !wanted.email_domains.contains(domain)) {
                    tx.delete_partner_idp_domain(&tenant.id, domain, &wanted.id).await?;
                }
            }
        }
        let known: &[String] = there.as_ref().map_or(&[], |there| &there.email_domains);
        let mut added: Vec<&String> = wanted.email_domains.iter().filter(|domain| !known.contains(domain)).collect();
        added.sort_unstable();
        added.dedup();
        for domain in added {
            if !tx.insert_partner_idp_domain(&tenant.id, domain, &wanted.id, now).await? {
                return Err(Refusal::invalid("email_domains", format!("{domain} is another provider's")).into());
            }
        }
        let verb = match there.as_ref().map(|there| (there.is_active, wanted.is_active)) {
            None => "partner_idp.create",
            Some((true, false)) => "partner_idp.disable",
            Some((false, true)) => "partner_idp.enable",
            Some((true, true) | (false, false)) => "partner_idp.update",
        };
        let detail = serde_json::json!({
            "issuer": wanted.issuer, "email_domains": wanted.email_domains,
            "has_new_secret": request.client_secret.is_some(),
        });
        let entry = Entry::new(actor, verb, KIND, wanted.id.as_str()).detail(detail);
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        let saved = tx.partner_idp(&tenant.id, &wanted.id).await?.ok_or(Refusal::NotFound("partner IdP"))?;
        tx.commit().await?;
        Ok(saved)
    }

    /// Deletes a provider. Nobody comes in by it from now on; sessions it opened end, and who its people were is forgotten.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::StaleVersion`] when somebody switched it on again meanwhile.
    pub async fn delete_partner_idp(
        &self,
        tenant: &Tenant,
        id: &PartnerIdpId,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(self.switch_partner_off(tenant, id))?;
        self.end_sessions_of_partner(tenant, id).await?;
        while !retrying!(self.delete_partner_step(tenant, id, actor, origin))? {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn switch_partner_off(&self, tenant: &Tenant, id: &PartnerIdpId) -> Result<(), Error> {
        let mut tx = self.store.write().await?;
        let there = tx.partner_idp(&tenant.id, id).await?.ok_or(Refusal::NotFound("partner IdP"))?;
        if there.is_active {
            let off = PartnerIdp { is_active: false, ..there };
            if !tx.update_partner_idp(&tenant.id, &off, off.version, self.clock.now()).await? {
                return Err(crate::StoreError::Conflict.into());
            }
            tx.commit().await?;
        }
        Ok(())
    }

    /// Forgets some of its people, or the provider once there is nobody left; whether it is gone.
    async fn delete_partner_step(
        &self,
        tenant: &Tenant,
        id: &PartnerIdpId,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<bool, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let forgotten = tx.forget_identities_of_partner_idp(&tenant.id, id, PEOPLE_AT_ONCE).await?;
        let is_last = forgotten < u64::from(PEOPLE_AT_ONCE);
        if is_last {
            if !tx.delete_partner_idp(&tenant.id, id).await? {
                // It was switched on again, or somebody else deleted it.
                return Err(Refusal::StaleVersion.into());
            }
            self.audit(&mut tx, &tenant.id, origin, Entry::new(actor, "partner_idp.delete", KIND, id.as_str()), now)
                .await?;
        }
        tx.commit().await?;
        Ok(is_last)
    }

    /// Ends every session a provider opened, some at a time. New ones cannot come: logins hold its row.
    async fn end_sessions_of_partner(&self, tenant: &Tenant, id: &PartnerIdpId) -> Result<(), Error> {
        while retrying!(self.end_some_sessions_of_partner(tenant, id))? {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Whether there may be more.
    async fn end_some_sessions_of_partner(&self, tenant: &Tenant, id: &PartnerIdpId) -> Result<bool, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let sessions = tx.sessions_of_partner_idp(&tenant.id, id, SESSIONS_AT_ONCE).await?;
        for session in &sessions {
            self.end_session_in(&mut tx, tenant, session, REASON, now).await?;
        }
        tx.commit().await?;
        Ok(sessions.len() >= SESSIONS_AT_ONCE as usize)
    }

    /// Ends what a node that stopped halfway left behind.
    pub(crate) async fn end_sessions_of_disabled_partners(&self) -> Result<(), Error> {
        const PAGE: u32 = 100;
        let left: Vec<(TenantId, PartnerIdpId)> =
            self.store.read().await?.disabled_partner_idps_with_sessions(PAGE).await?;
        for (tenant, id) in left {
            let tenant = self.any_tenant(&tenant).await?;
            self.end_sessions_of_partner(&tenant, &id).await?;
        }
        Ok(())
    }

    fn seal_partner_secret(&self, tenant: &Tenant, id: &PartnerIdpId, secret: &Secret) -> Result<SealedSecret, Error> {
        let sealed = self.master_key.seal(&place(tenant, id), secret.expose().as_bytes());
        Ok(SealedSecret(sealed.map_err(Error::crypto)?))
    }

    pub(crate) fn open_partner_secret(&self, tenant: &Tenant, idp: &PartnerIdp) -> Result<Secret, Error> {
        let bytes = self.master_key.open(&place(tenant, &idp.id), &idp.client_secret.0).map_err(Error::crypto)?;
        Ok(Secret::from(String::from_utf8(bytes.to_vec()).map_err(Error::crypto)?))
    }
}

/// What the sealed secret is bound to.
fn place<'a>(tenant: &'a Tenant, id: &'a PartnerIdpId) -> [&'a str; 3] {
    [KIND, tenant.id.as_str(), id.as_str()]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        CreateCustomer, CreateTenant, DatabaseConfig, EngineConfig, MailTransport, SystemClock, SystemEntropy,
        store::NewSession,
    };
    use prokura_domain::{CustomerKind, CustomerState, Email};
    use prokura_jose::MasterKey;
    use std::sync::Arc;

    /// A provider with these redirect URIs.
    pub(crate) fn idp(redirect_uris: &[&str]) -> PartnerIdp {
        PartnerIdp {
            id: "okta".parse().unwrap(),
            name: "Okta".to_owned(),
            issuer: "https://idp.example".to_owned(),
            client_id: "shop".to_owned(),
            client_secret: SealedSecret(String::new()),
            metadata: PartnerMetadata::default(),
            redirect_uris: redirect_uris.iter().map(|uri| (*uri).to_owned()).collect(),
            email_domains: Vec::new(),
            identifier: PartnerIdentifier::Subject,
            creates_customers: true,
            is_active: true,
            version: 1,
            created_at: Timestamp::from_millis(0),
            modified_at: Timestamp::from_millis(0),
        }
    }

    #[tokio::test]
    async fn s86_what_a_node_left_half_done_is_finished_by_the_sweep() {
        let folder = tempfile::tempdir().unwrap();
        let config = EngineConfig {
            database: DatabaseConfig::Sqlite { path: folder.path().join("prokura.db"), read_connections: 1 },
            public_url: "https://id.example".to_owned(),
            master_key: MasterKey::from_bytes([7; 32]),
            tenant_template: crate::TenantSettings::default(),
            hash_workers: 1,
            leaked_passwords: None,
            mail: MailTransport::Folder(folder.path().to_owned()),
            outbound_networks: Vec::new(),
            hash_cost: Some((64, 1, 1)),
            stale_seconds: None,
        };
        let engine = Engine::open(config, Arc::new(SystemClock), Arc::new(SystemEntropy::default())).await.unwrap();
        let (system, from) = (Actor::System, Origin::local("test"));
        let acme = CreateTenant { id: "acme".parse().unwrap(), name: "Acme".to_owned(), settings: None };
        let tenant = engine.create_tenant(&acme, &system, &from).await.unwrap();
        let ann = CreateCustomer {
            id: Some("ann".parse().unwrap()),
            kind: CustomerKind::Customer,
            email: Some(Email::parse("ann@a.example").unwrap()),
            profile: crate::Profile::default(),
            state: CustomerState::Active,
            password: None,
        };
        let ann = engine.create_customer(&tenant, &ann, &system, &from).await.unwrap();
        let (now, idp) = (engine.now(), idp(&[]));
        let until = now.plus_seconds(3_600);
        let mut tx = engine.store.write().await.unwrap();
        tx.insert_partner_idp(&tenant.id, &idp, now).await.unwrap();
        // One more than a transaction ends.
        for number in 0..=SESSIONS_AT_ONCE {
            let id = format!("s-{number}").parse().unwrap();
            let session = NewSession {
                id: &id,
                client: &"sf".parse().unwrap(),
                customer: None,
                visitor: None,
                site: None,
                door: "guest.begin",
                authenticated_at: None,
                proven: None,
                expires_at: until,
                origin: &Origin::local("test"),
                look_at: None,
            };
            tx.insert_session(&tenant.id, &session, now).await.unwrap();
            let came = ("customer.redeem_partner_code", None, Some(&idp.id));
            assert!(tx.adopt_session(&tenant.id, &id, &ann, came, until, now).await.unwrap());
        }
        tx.commit().await.unwrap();
        engine.sweep().await.unwrap();
        let living = async || {
            let sessions = engine.sessions(&tenant, Some(&ann), "", 200).await.unwrap();
            sessions.iter().filter(|session| session.is_active).count()
        };
        assert_eq!(living().await, 101, "it is on");
        engine.switch_partner_off(&tenant, &idp.id).await.unwrap();
        assert_eq!(living().await, 101, "the node stopped here");
        engine.sweep().await.unwrap();
        assert_eq!(living().await, 0);
    }

    #[test]
    fn s82_a_domain_is_a_name_in_lower_case() {
        for good in ["acme.example", "a-b.c1.example", "xn--mnchen-3ya.example"] {
            assert!(is_domain(good), "{good}");
        }
        for bad in
            ["", "localhost", "Acme.example", "acme.example.", ".example", "a..b", "-a.b", "a b.c", "m\u{fc}n.de"]
        {
            assert!(!is_domain(bad), "{bad}");
        }
    }
}
