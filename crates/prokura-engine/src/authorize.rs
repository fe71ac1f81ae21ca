//! The authorization endpoint's side of the engine: what a client asked for is frozen when it arrives (S-05), and what
//! is still missing follows each time from what is known then: who is logged in, which company was chosen, what the
//! client may have. No page can be skipped, repeated for somebody else, or entered from another browser (S-95).

use crate::direct_code::Direct;
use crate::{
    Actor, Client, Engine, Error, Origin, PageSession, Refusal, Tenant,
    audit::Entry,
    issue::Door,
    retrying,
    store::{AuthorizationRow, CookieRow, NewAuthorization, Tx},
};
use prokura_domain::{AuthorizationId, ClientId, CustomerId, LegalEntityId, Scope, Scopes, Timestamp};
use prokura_jose::{Secret, SecretHash};
use serde::{Deserialize, Serialize};

/// The kind prefixes of codes and of pushed requests.
pub(crate) const CODE_PREFIX: &str = "pkr_ac_";
const PUSH_PREFIX: &str = "pkr_pr_";
/// How long a browser may take for the pages, a code lives (S-20), and a pushed request waits (S-10), in seconds.
const PAGES_SECONDS: i64 = 3_600;
const CODE_SECONDS: i64 = 60;
/// Seconds a pushed request waits for its browser (S-10).
pub const PUSH_SECONDS: i64 = 90;

/// The most companies a chooser offers; a person has a search to get to each.
const MAX_CHOICES: u32 = 5_000;

/// How the answer gets to the client.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    #[default]
    Query,
    /// In a form the browser posts (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

/// What the client wants of the pages (OpenID Connect Core section 3.1.2.1).
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Prompt {
    /// No page at all.
    pub none: bool,
    /// A login, even by who is logged in.
    pub login: bool,
    /// A consent, even where one was given.
    pub consent: bool,
}

/// How much a client wants its wish to be met.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// As far as it goes.
    Voluntary,
    /// Or no answer but an error (OpenID Connect Core section 5.5.1.1).
    Essential,
}

/// What a client asked for, as it arrived.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// Where the answer goes.
    pub redirect_uri: String,
    /// The scopes it asks for and is registered for, blank separated.
    pub scope: String,
    /// Handed back untouched.
    #[serde(default)]
    pub state: Option<String>,
    /// For the ID token.
    #[serde(default)]
    pub nonce: Option<String>,
    /// The PKCE challenge (S256).
    #[serde(default)]
    pub code_challenge: Option<String>,
    /// How the answer gets there.
    #[serde(default)]
    pub response_mode: ResponseMode,
    /// What it wants of the pages.
    #[serde(default)]
    pub prompt: Prompt,
    /// The greatest age of the login, in seconds.
    #[serde(default)]
    pub max_age: Option<u32>,
    /// Whether two factors are to be proven (`acr_values`, or the claim `acr`).
    #[serde(default)]
    pub multi_factor: Option<Weight>,
    /// The only customer this is for (the claim `sub` with a value).
    #[serde(default)]
    pub subject: Option<String>,
    /// Claims about the person that the ID token is to say as well, as far as the scopes reach.
    #[serde(default)]
    pub id_token_claims: Vec<String>,
    /// Whom it expects.
    #[serde(default)]
    pub login_hint: Option<String>,
    /// The languages of the pages, best first, blank separated.
    #[serde(default)]
    pub ui_locales: Option<String>,
    /// The company to act for.
    #[serde(default)]
    pub legal_entity: Option<String>,
    /// The resources the tokens are for (RFC 8707); none for everything of the tenant.
    #[serde(default)]
    pub resources: Vec<String>,
    /// What a code stands for that no page gave out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<Direct>,
    /// The thumbprint of the key whoever redeems the code must show (RFC 9449 section 10).
    #[serde(default)]
    pub dpop_jkt: Option<String>,
}

/// An authorization in progress, as its pages show it.
#[derive(Clone, Debug)]
pub struct Authorization {
    /// Its id.
    pub id: AuthorizationId,
    /// Who asked.
    pub client: ClientId,
    /// For what.
    pub request: AuthorizationRequest,
}

/// What is to happen next.
#[derive(Debug)]
pub enum Progress {
    /// Somebody must log in.
    LogIn,
    /// Who is logged in must prove it by two factors.
    StepUp,
    /// The customer must choose a company.
    ChooseEntity,
    /// The customer must agree.
    Consent,
    /// The client gets its answer.
    Answer(AuthorizationAnswer),
}

/// A company a customer may choose.
#[derive(Clone, Debug)]
pub struct EntityChoice {
    /// Its id.
    pub id: LegalEntityId,
    /// Its name.
    pub name: String,
    /// What the customer is there, as the tenant calls it.
    pub role: Option<String>,
}

/// An answer for the client.
#[derive(Debug)]
pub struct AuthorizationAnswer {
    /// Where to.
    pub redirect_uri: String,
    /// How.
    pub response_mode: ResponseMode,
    /// The client's own.
    pub state: Option<String>,
    /// The code, or the error (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6, RFC 8707 section 2).
    pub outcome: Result<Secret, &'static str>,
    /// What a dialect's client is told beside it, instead of the issuer.
    pub told: Option<Vec<(String, String)>>,
}

impl AuthorizationRow {
    fn scopes(&self) -> Scopes {
        Scopes::parse(&self.request.scope).unwrap_or_default()
    }

    pub(crate) fn answer(&self, outcome: Result<Secret, &'static str>) -> AuthorizationAnswer {
        AuthorizationAnswer {
            redirect_uri: self.request.redirect_uri.clone(),
            response_mode: self.request.response_mode,
            state: self.request.state.clone(),
            told: self.request.direct.as_ref().and_then(|direct| direct.told(&outcome)),
            outcome,
        }
    }

    /// Whether the login behind the cookie is recent enough for what was asked.
    fn is_fresh(&self, cookie: &CookieRow, now: Timestamp) -> bool {
        let Some(at) = cookie.authenticated_at else { return false };
        let is_new = at >= self.created_at;
        let is_young = self.request.max_age.is_none_or(|seconds| now.millis_since(at) <= i64::from(seconds) * 1000);
        is_new || (!self.request.prompt.login && is_young)
    }
}

impl Engine {
    /// Keeps a request a client pushed (RFC 9126); the answer is what follows the fixed part of its `request_uri`.
    ///
    /// # Errors
    /// [`Refusal::InvalidClient`], [`Refusal::UnauthorizedClient`].
    pub async fn push_authorization(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        request: &AuthorizationRequest,
    ) -> Result<Secret, Error> {
        retrying!(async {
            let now = self.clock.now();
            let pushed = Secret::generate(&*self.entropy, PUSH_PREFIX)?;
            let hash = SecretHash::of(pushed.expose());
            let until = now.plus_seconds(PUSH_SECONDS);
            self.keep_authorization(tenant, client, request, (Some(&hash), None), until).await?;
            Ok::<_, Error>(pushed)
        })
    }

    /// Opens the pages for a request a browser brought.
    ///
    /// # Errors
    /// [`Refusal::InvalidClient`], [`Refusal::UnauthorizedClient`].
    pub async fn begin_authorization(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        request: &AuthorizationRequest,
        browser: &Secret,
    ) -> Result<AuthorizationId, Error> {
        let browser = SecretHash::of(browser.expose());
        retrying!(async {
            let until = self.clock.now().plus_seconds(PAGES_SECONDS);
            self.keep_authorization(tenant, client, request, (None, Some(&browser)), until).await
        })
    }

    async fn keep_authorization(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        request: &AuthorizationRequest,
        (pushed, browser): (Option<&SecretHash>, Option<&SecretHash>),
        expires_at: Timestamp,
    ) -> Result<AuthorizationId, Error> {
        let now = self.clock.now();
        let id: AuthorizationId = self.new_id(now)?.parse().map_err(Error::crypto)?;
        let mut tx = self.store.write().await?;
        self.authorizing_client(&mut tx, tenant, client).await?;
        let new = NewAuthorization { id: &id, client, request, pushed, browser, expires_at };
        tx.insert_authorization(&tenant.id, &new, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Opens the pages for a pushed request. The browser that opened it first may open it again.
    ///
    /// # Errors
    /// [`Refusal::InvalidGrant`] when it is unknown, over, another client's or another browser's.
    pub async fn open_pushed_authorization(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        pushed: &Secret,
        browser: &Secret,
    ) -> Result<AuthorizationId, Error> {
        let (pushed, browser) = (SecretHash::of(pushed.expose()), SecretHash::of(browser.expose()));
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let until = now.plus_seconds(PAGES_SECONDS);
            let id = tx.open_pushed(&tenant.id, &pushed, client, &browser, until, now).await?;
            let id = id.ok_or(Refusal::InvalidGrant)?;
            tx.commit().await?;
            Ok::<_, Error>(id)
        })
    }

    /// An authorization in progress, for the browser it belongs to.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it is unknown, over or another browser's.
    pub async fn authorization(
        &self,
        tenant: &Tenant,
        id: &AuthorizationId,
        browser: &Secret,
    ) -> Result<Authorization, Error> {
        let row = self.store.read().await?.authorization(&tenant.id, id).await?;
        let row = self.open_row(row, browser)?;
        Ok(Authorization { id: row.id, client: row.client, request: row.request })
    }

    /// Goes as far as it can: to the next page, or to the client's answer.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it is unknown, over or another browser's; [`Refusal::InvalidClient`].
    pub async fn continue_authorization(
        &self,
        tenant: &Tenant,
        id: &AuthorizationId,
        browser: &Secret,
        cookie: Option<&Secret>,
        origin: &Origin,
    ) -> Result<Progress, Error> {
        retrying!(self.continue_authorization_once(tenant, id, browser, cookie, origin))
    }

    async fn continue_authorization_once(
        &self,
        tenant: &Tenant,
        id: &AuthorizationId,
        browser: &Secret,
        cookie: Option<&Secret>,
        origin: &Origin,
    ) -> Result<Progress, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let row = tx.authorization(&tenant.id, id).await?;
        let mut row = self.open_row(row, browser)?;
        let client = self.authorizing_client(&mut tx, tenant, &row.client).await?;
        let cookie_row = match cookie {
            Some(cookie) => tx.cookie_session(&tenant.id, &SecretHash::of(cookie.expose()), now).await?,
            None => None,
        };
        let Some(there) = cookie_row.filter(|there| row.is_fresh(there, now)) else {
            return self.stop_at(tx, tenant, row, Progress::LogIn, "login_required").await;
        };
        if row.request.subject.as_ref().is_some_and(|wanted| *wanted != there.customer.as_str()) {
            tx.cancel_authorization(&tenant.id, &row.id, now).await?;
            tx.commit().await?;
            return Ok(Progress::Answer(row.answer(Err("login_required"))));
        }
        match self.proof_wanted(&mut tx, tenant, &row, &there).await? {
            ProofWanted::No => {}
            ProofWanted::Yes => return self.stop_at(tx, tenant, row, Progress::StepUp, "login_required").await,
            ProofWanted::Impossible => {
                tx.cancel_authorization(&tenant.id, &row.id, now).await?;
                tx.commit().await?;
                return Ok(Progress::Answer(row.answer(Err("unmet_authentication_requirements"))));
            }
        }
        if row.session.as_ref() != Some(&there.session) {
            if !tx.bind_authorization(&tenant.id, &row.id, &there.session, now).await? {
                return Err(Refusal::NotFound("authorization").into());
            }
            (row.session, row.is_entity_chosen, row.legal_entity, row.has_consented) =
                (Some(there.session.clone()), false, None, false);
        }
        if !row.is_entity_chosen {
            match self.only_choice(&mut tx, tenant, &row, &there).await? {
                Choice::One(entity) => {
                    tx.choose_for_authorization(&tenant.id, &row.id, &there.session, entity.as_ref(), now).await?;
                    row.legal_entity = entity;
                }
                Choice::Many => {
                    return self.stop_at(tx, tenant, row, Progress::ChooseEntity, "interaction_required").await;
                }
                Choice::NotTheirs => {
                    let actor = Actor::Customer(there.customer.clone());
                    let entry = Entry::new(&actor, "authorization.refuse", "authorization", row.id.as_str())
                        .client(&row.client)
                        .session(Some(&there.session))
                        .refused(&Refusal::NotAssigned);
                    self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
                    tx.cancel_authorization(&tenant.id, &row.id, now).await?;
                    tx.commit().await?;
                    return Ok(Progress::Answer(row.answer(Err("invalid_target"))));
                }
            }
        }
        if !row.has_consented && self.needs_consent(&mut tx, tenant, &row, &client, &there.customer).await? {
            return self.stop_at(tx, tenant, row, Progress::Consent, "consent_required").await;
        }
        self.name_visitor(&mut tx, tenant, &mut row, &there.customer, now).await?;
        let code = Secret::generate(&*self.entropy, CODE_PREFIX)?;
        let hash = SecretHash::of(code.expose());
        let until = now.plus_seconds(CODE_SECONDS);
        if !tx.fulfil_authorization(&tenant.id, &row.id, &there.session, &hash, until, now).await? {
            return Err(Refusal::NotFound("authorization").into());
        }
        if let Some(cookie) = cookie {
            let idle_until = now.plus_seconds(tenant.settings.lifetimes.page_idle.into());
            let hash = SecretHash::of(cookie.expose());
            tx.touch_cookie_session(&tenant.id, &hash, row.legal_entity.as_ref(), idle_until).await?;
        }
        let actor = Actor::Customer(there.customer.clone());
        let entry = Entry::new(&actor, "authorization.fulfil", "authorization", row.id.as_str())
            .entity(row.legal_entity.as_ref())
            .client(&row.client)
            .session(Some(&there.session));
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        tx.commit().await?;
        Ok(Progress::Answer(row.answer(Ok(code))))
    }

    /// Whether the client's wish for two factors leads to another proof. Who was asked and could not is let by, unless
    /// the client wants it at all costs.
    async fn proof_wanted(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        row: &AuthorizationRow,
        there: &CookieRow,
    ) -> Result<ProofWanted, Error> {
        let Some(weight) = row.request.multi_factor.filter(|_| !there.is_multi_factor) else {
            return Ok(ProofWanted::No);
        };
        let has_app = tx.totp(&tenant.id, &there.customer).await?.is_some_and(|row| row.is_active);
        let is_possible = has_app || !tx.passkeys(&tenant.id, &there.customer).await?.is_empty();
        let was_asked = there.authenticated_at.is_some_and(|at| at >= row.created_at);
        Ok(match weight {
            Weight::Essential if is_possible => ProofWanted::Yes,
            Weight::Essential => ProofWanted::Impossible,
            Weight::Voluntary if is_possible && !was_asked => ProofWanted::Yes,
            Weight::Voluntary => ProofWanted::No,
        })
    }

    /// A page is needed; a client that wants none gets the error instead.
    async fn stop_at(
        &self,
        mut tx: Tx<'_>,
        tenant: &Tenant,
        row: AuthorizationRow,
        page: Progress,
        error: &'static str,
    ) -> Result<Progress, Error> {
        if row.request.prompt.none {
            tx.cancel_authorization(&tenant.id, &row.id, self.clock.now()).await?;
            tx.commit().await?;
            return Ok(Progress::Answer(row.answer(Err(error))));
        }
        tx.commit().await?;
        Ok(page)
    }

    /// The customer chose a company, or nobody.
    ///
    /// # Errors
    /// [`Refusal::NotAssigned`]; [`Refusal::NotFound`] when the authorization is over or another browser's.
    pub async fn choose_for_authorization(
        &self,
        tenant: &Tenant,
        id: &AuthorizationId,
        browser: &Secret,
        cookie: &Secret,
        entity: Option<&LegalEntityId>,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let row = tx.authorization(&tenant.id, id).await?;
            let row = self.open_row(row, browser)?;
            if row.request.legal_entity.is_some() {
                // The client named the company, and no form changes what it asked for (S-05).
                return Err(Refusal::NotAssigned.into());
            }
            let there = self.page_session_in(&mut tx, tenant, cookie).await?;
            Self::check_lock(&mut tx, tenant, &there.session, entity).await?;
            if let Some(entity) = entity {
                let found = tx.assignment_for_issue(&tenant.id, &there.customer, entity).await?;
                found.filter(|found| found.is_entity_active).ok_or(Refusal::NotAssigned)?;
            }
            if !tx.choose_for_authorization(&tenant.id, &row.id, &there.session, entity, now).await? {
                return Err(Refusal::NotFound("authorization").into());
            }
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// The customer agreed to what the client asks for; it is remembered.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the authorization is over or another browser's.
    pub async fn consent_to_authorization(
        &self,
        tenant: &Tenant,
        id: &AuthorizationId,
        browser: &Secret,
        cookie: &Secret,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let row = tx.authorization(&tenant.id, id).await?;
            let row = self.open_row(row, browser)?;
            let there = self.page_session_in(&mut tx, tenant, cookie).await?;
            if !tx.consent_to_authorization(&tenant.id, &row.id, &there.session, now).await? {
                return Err(Refusal::NotFound("authorization").into());
            }
            let before = tx.consent(&tenant.id, &there.customer, &row.client).await?.unwrap_or_default();
            let mut scopes = row.scopes();
            scopes.extend(&Scopes::parse(&before).unwrap_or_default());
            tx.put_consent(&tenant.id, &there.customer, &row.client, &scopes.to_string(), now).await?;
            let actor = Actor::Customer(there.customer);
            let entry = Entry::new(&actor, "consent.give", "client", row.client.as_str())
                .client(&row.client)
                .session(Some(&there.session))
                .detail(serde_json::json!({ "scopes": row.request.scope }));
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// The customer said no.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the authorization is over or another browser's.
    pub async fn refuse_authorization(
        &self,
        tenant: &Tenant,
        id: &AuthorizationId,
        browser: &Secret,
    ) -> Result<AuthorizationAnswer, Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let row = tx.authorization(&tenant.id, id).await?;
            let row = self.open_row(row, browser)?;
            if !tx.cancel_authorization(&tenant.id, &row.id, now).await? {
                return Err(Refusal::NotFound("authorization").into());
            }
            tx.commit().await?;
            Ok::<_, Error>(row.answer(Err("access_denied")))
        })
    }

    /// The companies a customer may choose from in a browser, by name; in a locked session that one alone, or none
    /// (S-34).
    ///
    /// # Errors
    /// Only faults.
    pub async fn choices_of(&self, tenant: &Tenant, page: &PageSession) -> Result<Vec<EntityChoice>, Error> {
        match (&page.last_entity, page.is_locked) {
            (None, true) => Ok(Vec::new()),
            (Some(entity), true) => self.choices_in(tenant, &page.customer, Some(entity)).await,
            (_, false) => self.choices_in(tenant, &page.customer, None).await,
        }
    }

    /// A company a customer may act for, unless they may not.
    pub(crate) async fn choice_of(
        &self,
        tenant: &Tenant,
        customer: &CustomerId,
        entity: &LegalEntityId,
    ) -> Result<Option<EntityChoice>, Error> {
        Ok(self.choices_in(tenant, customer, Some(entity)).await?.into_iter().next())
    }

    async fn choices_in(
        &self,
        tenant: &Tenant,
        customer: &CustomerId,
        entity: Option<&LegalEntityId>,
    ) -> Result<Vec<EntityChoice>, Error> {
        let rows = self.store.read().await?.choices_of(&tenant.id, customer, entity, MAX_CHOICES).await?;
        let role = |code: Option<String>| {
            let templates = &tenant.settings.group_templates;
            code.and_then(|code| templates.iter().find(|template| template.code == code))
                .map(|found| found.name.clone())
        };
        Ok(rows.into_iter().map(|(id, name, code)| EntityChoice { id, name, role: role(code) }).collect())
    }

    fn open_row(&self, row: Option<AuthorizationRow>, browser: &Secret) -> Result<AuthorizationRow, Error> {
        let browser = SecretHash::of(browser.expose());
        let now = self.clock.now();
        let is_open = |row: &AuthorizationRow| {
            let is_of_browser = row.browser.as_ref().is_some_and(|of| of.matches(&browser));
            // Who logs in at a partner's identity provider has no pages to go through.
            let is_of_pages = row.request.direct.as_ref().is_none_or(|direct| direct.idp.is_none());
            row.state == "pending" && row.expires_at > now && is_of_browser && is_of_pages
        };
        Ok(row.filter(is_open).ok_or(Refusal::NotFound("authorization"))?)
    }

    pub(crate) async fn authorizing_client(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        id: &ClientId,
    ) -> Result<Client, Error> {
        let client =
            tx.client(&tenant.id, id).await?.filter(|client| client.is_active).ok_or(Refusal::InvalidClient)?;
        if !Door::AuthorizationCode.is_among(&client.grants) {
            return Err(Refusal::UnauthorizedClient.into());
        }
        Ok(crate::client::client(client))
    }

    /// The company when there is nothing to choose.
    async fn only_choice(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        row: &AuthorizationRow,
        there: &CookieRow,
    ) -> Result<Choice, Error> {
        let customer = &there.customer;
        if let Some(locked) = tx.session_lock(&tenant.id, &there.session).await? {
            let wanted = row.request.legal_entity.as_deref();
            let is_allowed =
                wanted.is_none_or(|wanted| locked.as_ref().is_some_and(|locked| locked.as_str() == wanted));
            return Ok(if is_allowed { Choice::One(locked) } else { Choice::NotTheirs });
        }
        if let Some(wanted) = &row.request.legal_entity {
            let Ok(wanted) = wanted.parse::<LegalEntityId>() else { return Ok(Choice::NotTheirs) };
            let found = tx.assignment_for_issue(&tenant.id, customer, &wanted).await?;
            let is_theirs = found.is_some_and(|found| found.is_entity_active);
            return Ok(if is_theirs { Choice::One(Some(wanted)) } else { Choice::NotTheirs });
        }
        let mut entities = tx.entities_of(&tenant.id, customer, 2).await?;
        let first = entities.pop();
        Ok(if entities.is_empty() { Choice::One(first) } else { Choice::Many })
    }

    async fn needs_consent(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        row: &AuthorizationRow,
        client: &Client,
        customer: &CustomerId,
    ) -> Result<bool, Error> {
        if row.request.prompt.consent {
            return Ok(true);
        }
        if client.registration.is_first_party {
            return Ok(false);
        }
        let given = tx.consent(&tenant.id, customer, &row.client).await?.unwrap_or_default();
        let given = Scopes::parse(&given).unwrap_or_default();
        Ok(!row.scopes().is_subset(&given) || given.is_empty())
    }
}

/// Whether another proof of who it is is wanted.
enum ProofWanted {
    No,
    Yes,
    Impossible,
}

/// What there is to choose from.
enum Choice {
    One(Option<LegalEntityId>),
    Many,
    NotTheirs,
}

/// The scopes of a request that `client` is registered for; what it is not registered for is left out. Without a wish,
/// everything it is registered for but what is about identity.
pub fn grantable_scopes(client: &Client, wanted: Option<&Scopes>) -> Scopes {
    let own = Scopes::parse(&client.scopes).unwrap_or_default();
    match wanted {
        Some(wanted) => own.intersection(wanted),
        None => own.iter().filter(|scope: &&Scope| !scope.is_about_identity()).cloned().collect(),
    }
}
