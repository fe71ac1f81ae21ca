//! Codes that no page gave out: a client that has its own forms brings a visitor, or somebody with their password, and
//! redeems the code for tokens. They are bound to client, redirect URI, challenge, visitor and site, like any code.

use crate::{
    Actor, AuthorizationRequest, Engine, Error, LogIn, Origin, RedeemCode, Refusal, Tenant, VisitorWish,
    arrival::Arrival,
    assurance::Proven,
    audit::Entry,
    issue::Door,
    log_in::Proof,
    retrying,
    store::{NewAuthorization, Tx},
};
use prokura_domain::{AuthorizationId, ClientId, CustomerId, SessionId, SiteId, Timestamp, VisitorId};
use prokura_jose::{Secret, SecretHash};
use serde::{Deserialize, Serialize};

/// The kind prefix of these codes.
const CODE_PREFIX: &str = "pkr_dc_";
/// How long a code lives, and the session behind it until it is redeemed, in seconds (S-20).
pub(crate) const CODE_SECONDS: i64 = 60;
/// How soon the same account may log in again where the dialect asks for a pause, in seconds.
const PAUSE_SECONDS: i64 = 1;
const PAUSE: &str = "log_in_pause";

/// What a code stands for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A visitor who begins, or goes on, as a guest.
    Guest,
    /// Somebody who gave their password.
    LogIn,
    /// Nobody yet: it goes with the proof of a session of a shop's own pages.
    Bridge,
    /// Whoever logs in on our own pages, or at a partner's identity provider.
    Pages,
}

/// How a dialect's client hears where a login on pages ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Told {
    /// What the dialect calls the issuer.
    pub issuer: String,
    /// What it calls the visitor's name.
    pub visitor_as: String,
    /// The scopes as they were asked for, handed back beside a code.
    #[serde(default)]
    pub scope: Option<String>,
}

/// What is kept with a code that no page gave out.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Direct {
    /// What it stands for.
    pub purpose: Purpose,
    /// The visitor's name.
    pub visitor: String,
    /// The storefront; `None` where that is said when it is redeemed.
    #[serde(default)]
    pub site: Option<String>,
    /// How the client hears of it; `None` where the code is handed out at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    /// The partner's identity provider that is to say who it is; `None` where nobody else is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idp: Option<String>,
}

/// Whom and where a client that redeems a code believes it to be for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectWish {
    /// Whether it is one that no page gave out: it must be, or must not.
    pub is_direct: bool,
    /// The visitor, when they are named again.
    pub visitor: Option<VisitorId>,
    /// The storefront.
    pub site: Option<SiteId>,
}

/// Who asks for a code, and what it is bound to.
#[derive(Clone, Debug)]
pub struct CodeOrder {
    /// The client.
    pub client: ClientId,
    /// Where it is to be sent.
    pub redirect_uri: String,
    /// The PKCE challenge (S256).
    pub code_challenge: Option<String>,
    /// The visitor's name.
    pub visitor: VisitorWish,
    /// The storefront.
    pub site: Option<SiteId>,
}

/// A code that was given out.
#[derive(Debug)]
pub struct DirectCode {
    /// The code.
    pub code: Secret,
    /// The visitor it is bound to.
    pub visitor: VisitorId,
}

impl Direct {
    /// The storefront the code is for.
    pub(crate) fn site(&self, request: &RedeemCode) -> Option<SiteId> {
        self.site.as_deref().and_then(|site| site.parse().ok()).or_else(|| request.direct.site.clone())
    }
}

impl DirectWish {
    /// Whether a code is what the client takes it for.
    pub(crate) fn fits(&self, direct: Option<&Direct>) -> bool {
        let Some(direct) = direct else { return !self.is_direct };
        let is_visitor = self.visitor.as_ref().is_none_or(|visitor| visitor.as_str() == direct.visitor);
        let is_site = match (&self.site, &direct.site) {
            (Some(wanted), Some(bound)) => wanted.as_str() == bound,
            (_, None) | (None, Some(_)) => true,
        };
        self.is_direct && is_visitor && is_site
    }
}

impl Engine {
    /// A code for a visitor; with `is_bridge`, one that only goes with the proof of a session of a shop's own pages.
    ///
    /// # Errors
    /// [`Refusal::InvalidClient`], [`Refusal::UnauthorizedClient`].
    pub async fn offer_guest_code(
        &self,
        tenant: &Tenant,
        order: &CodeOrder,
        is_bridge: bool,
    ) -> Result<DirectCode, Error> {
        let (door, purpose) = if is_bridge { (Door::Bridge, Purpose::Bridge) } else { (Door::Guest, Purpose::Guest) };
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            Self::check_grant(&mut tx, tenant, &order.client, door).await?;
            let visitor = self.settle_visitor(&mut tx, tenant, &order.visitor, None, now).await?;
            let visitor = visitor.ok_or(Refusal::InvalidGrant)?;
            let code = self.put_code(&mut tx, tenant, order, (purpose, &visitor, None), now).await?;
            tx.commit().await?;
            Ok::<_, Error>(DirectCode { code, visitor })
        })
    }

    /// A code for whoever has the password.
    ///
    /// # Errors
    /// [`Refusal::InvalidCredentials`], [`Refusal::Throttled`], or the state of the customer once the password was
    /// right; [`Refusal::ProofNeeded`] when they have a second factor, for which there is no place here;
    /// [`Refusal::AlreadyExists`] when the same account logged in less than a second ago.
    pub async fn log_in_for_code(
        &self,
        tenant: &Tenant,
        request: &LogIn,
        order: &CodeOrder,
        origin: &Origin,
    ) -> Result<DirectCode, Error> {
        let proof = self.prove_login_by(tenant, &order.client, request, origin).await?;
        let result = retrying!(self.log_in_for_code_once(tenant, &proof, order, origin));
        self.note_missing_factor(tenant, (&order.client, &proof), result, origin).await
    }

    async fn log_in_for_code_once(
        &self,
        tenant: &Tenant,
        proof: &Proof,
        order: &CodeOrder,
        origin: &Origin,
    ) -> Result<DirectCode, Error> {
        let now = self.clock.now();
        let customer = &proof.customer;
        let mut tx = self.store.write().await?;
        let account = SecretHash::of(customer.as_str());
        if !tx.use_for_now(&tenant.id, PAUSE, &account, now.plus_seconds(PAUSE_SECONDS), now).await? {
            return Err(Refusal::AlreadyExists("login").into());
        }
        self.check_password_is_enough(&mut tx, tenant, customer).await?;
        self.use_proof(&mut tx, tenant, proof, now).await?;
        let visitor = self.settle_visitor(&mut tx, tenant, &order.visitor, Some(customer), now).await?;
        let visitor = visitor.ok_or(Refusal::InvalidGrant)?;
        let arrival = Arrival {
            client: &order.client,
            customer,
            visitor: &visitor,
            site: order.site.as_ref(),
            door: Door::Password,
            proven: Some(Proven::Password),
            // Until the code is redeemed.
            expires_at: now.plus_seconds(CODE_SECONDS),
        };
        let session = self.new_shop_session(&mut tx, tenant, &arrival, origin).await?;
        let code = self.put_code(&mut tx, tenant, order, (Purpose::LogIn, &visitor, Some(&session)), now).await?;
        let actor = Actor::Customer(customer.clone());
        let entry = Entry::new(&actor, Door::Password.verb(), "session", session.as_str())
            .client(&order.client)
            .session(Some(&session));
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        tx.commit().await?;
        Ok(DirectCode { code, visitor })
    }

    async fn put_code(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        order: &CodeOrder,
        (purpose, visitor, session): (Purpose, &VisitorId, Option<&SessionId>),
        now: Timestamp,
    ) -> Result<Secret, Error> {
        let code = Secret::generate(&*self.entropy, CODE_PREFIX)?;
        let id: AuthorizationId = self.new_id(now)?.parse().map_err(Error::crypto)?;
        let request = AuthorizationRequest {
            redirect_uri: order.redirect_uri.clone(),
            code_challenge: order.code_challenge.clone(),
            direct: Some(Direct {
                purpose,
                visitor: visitor.to_string(),
                site: order.site.as_ref().map(ToString::to_string),
                told: None,
                idp: None,
            }),
            ..AuthorizationRequest::default()
        };
        let new = NewAuthorization {
            id: &id,
            client: &order.client,
            request: &request,
            pushed: None,
            browser: None,
            expires_at: now.plus_seconds(CODE_SECONDS),
        };
        let hash = SecretHash::of(code.expose());
        tx.insert_direct_code(&tenant.id, &new, (session, &hash), now).await?;
        Ok(code)
    }

    /// What becomes of the session behind a login's code once it is redeemed: it lasts, and the visitor's guests end.
    pub(crate) async fn settle_direct_session(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        direct: &Direct,
        (session, customer): (&SessionId, &CustomerId),
        now: Timestamp,
    ) -> Result<(), Error> {
        let visitor: VisitorId = direct.visitor.parse().map_err(|_| Refusal::InvalidGrant)?;
        if tx.is_visitor_taken(&tenant.id, &visitor, Some(customer), now).await? {
            // Somebody else logged in under this name since the code was made.
            return Err(Refusal::InvalidGrant.into());
        }
        let until = now.plus_seconds(tenant.settings.lifetimes.session.into());
        tx.prolong_session(&tenant.id, session, until).await?;
        self.end_guests_of(tx, tenant, &visitor, now).await
    }
}
