//! One-time codes: a few digits that somebody is sent and types in, or that a shop's own server is told and passes on.
//! Digits can be guessed, so what is kept of them is keyed (S-106), tries are counted in the database, five wrong ones end
//! a code, and slots are taken before anything is looked at (S-101). Who is behind an address is looked up when the code is
//! made, by the outbox, so asking costs and answers the same for everybody (S-102).

use crate::{
    Actor, Customer, Engine, Error, Origin, Refusal, Tenant,
    audit::Entry,
    issue::Door,
    mail::{self, Letter, Topic, Way},
    outbound::OutboundFault,
    outbox::{Errand, Undone},
    redeem_code::is_challenged_by,
    retrying,
    store::{CodeFor, NewCode, StoreError, Tx},
    throttle::{Attempt, NAMELESS_CODE, ONE_TIME_CODE},
};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prokura_domain::{ClientId, CustomerId, CustomerKind, CustomerState, Email, SiteId, Timestamp, VisitorId};
use prokura_jose::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// How long a code lives, in seconds (S-106).
pub const CODE_SECONDS: u32 = 600;
/// The wrong try that ends a code.
const MAX_WRONG_TRIES: i64 = 5;
/// How often digits are drawn until they are nobody else's.
const DRAWS: u32 = 8;
/// What the trail calls it when somebody shows a code and nothing else.
const PROVE_VERB: &str = "customer.prove_address";
/// The media type in the header of what proves a call to be ours: nothing else of ours has it.
const CALL_TYPE: &str = "code-call+jwt";
/// How long such a proof is good for, in seconds; each try makes a new one.
const CALL_PROOF_SECONDS: i64 = 120;

/// What a code is good for. One of another purpose is as good as none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodePurpose {
    /// To log in.
    LogIn,
    /// To choose a password.
    Password,
    /// To show that somebody reads what is sent to their address.
    Proof,
    /// To make a passkey.
    Passkey,
}

impl CodePurpose {
    /// The word in the table.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::LogIn => "log_in",
            Self::Password => "password",
            Self::Proof => "proof",
            Self::Passkey => "passkey",
        }
    }

    /// Whether somebody in this state is sent one.
    fn is_for(self, state: CustomerState) -> bool {
        match state {
            CustomerState::Active => true,
            CustomerState::Pending => self == Self::Password,
            CustomerState::OnHold | CustomerState::Inactive | CustomerState::Deleted => false,
        }
    }
}

/// How many digits a code has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeDigits {
    /// Six: never enough to say who somebody is without their address.
    Six,
    /// Eight.
    Eight,
}

impl CodeDigits {
    const fn count(self) -> usize {
        match self {
            Self::Six => 6,
            Self::Eight => 8,
        }
    }
}

/// How a code gets to whoever asked for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeWay {
    /// By a mail to the address.
    Mail,
    /// By a call to a server of the client, which passes it on.
    Call(CodeCall),
}

/// What a client's server is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CodeCall {
    /// Where; registered for the client, byte for byte.
    pub uri: String,
    /// What it is told besides the code.
    pub body: Map<String, Value>,
    /// The member the code stands in.
    pub code_member: String,
    /// The header field with a token that proves that the call is ours.
    pub proof_header: String,
    /// Who signed that token, in the dialect's words.
    pub proof_issuer: String,
}

/// What somebody who has no account yet told of themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newcomer {
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// Telephone.
    pub phone: Option<String>,
}

/// Somebody asks for a code.
#[derive(Clone, Debug)]
pub struct AskForCode {
    /// What for.
    pub purpose: CodePurpose,
    /// Through which client.
    pub client: ClientId,
    /// Whether the client proved who it is: then everybody comes from its one address.
    pub is_client_proven: bool,
    /// For whom.
    pub email: Email,
    /// Of how many digits.
    pub digits: CodeDigits,
    /// How it gets there.
    pub way: CodeWay,
    /// The language to write in, where one is asked for.
    pub language: Option<String>,
    /// The name the visitor goes by.
    pub visitor: Option<VisitorId>,
    /// The storefront.
    pub site: Option<SiteId>,
    /// The PKCE challenge (S256) that must be answered when the code is shown.
    pub code_challenge: Option<String>,
    /// With whose particulars an account is made where nobody has the address; `None`: nobody is written to then.
    pub newcomer: Option<Newcomer>,
}

/// Somebody shows a code.
#[derive(Clone, Debug)]
pub struct ShownCode {
    /// What for.
    pub purpose: CodePurpose,
    /// Through which client.
    pub client: ClientId,
    /// For which address; without one the digits alone must be right.
    pub email: Option<Email>,
    /// The digits.
    pub code: Secret,
    /// The storefront, when it is named.
    pub site: Option<SiteId>,
    /// The PKCE verifier. It says nothing where no challenge was given.
    pub code_verifier: Option<Secret>,
}

/// What a code leads to; kept sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) email: String,
    pub(crate) visitor: Option<String>,
    pub(crate) site: Option<String>,
    code_challenge: Option<String>,
    pub(crate) is_mailed: bool,
    pub(crate) newcomer: Option<Newcomer>,
}

/// A code that waits in the outbox to be made.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WantedCode {
    purpose: CodePurpose,
    pub(crate) client: String,
    digits: CodeDigits,
    way: CodeWay,
    language: Option<String>,
    kept: Kept,
}

impl WantedCode {
    pub(crate) const fn is_call(&self) -> bool {
        matches!(self.way, CodeWay::Call(_))
    }
}

/// A code that was right, and is used up.
pub(crate) struct Redeemed {
    pub(crate) customer: Option<CustomerId>,
    pub(crate) kept: Kept,
}

impl Engine {
    /// Asks for a code. Nothing tells whether somebody has the address.
    ///
    /// # Errors
    /// [`Refusal::Throttled`] for whoever asks too often for one address, known or not; [`Refusal::InvalidClient`],
    /// [`Refusal::UnauthorizedClient`].
    pub async fn ask_for_code(&self, tenant: &Tenant, request: &AskForCode, origin: &Origin) -> Result<(), Error> {
        self.check_code_client(tenant, request.purpose, &request.client).await?;
        let wanted = Errand::OneTimeCode(Box::new(WantedCode {
            purpose: request.purpose,
            client: request.client.to_string(),
            digits: request.digits,
            way: request.way.clone(),
            language: request.language.clone(),
            kept: Kept {
                email: request.email.as_str().to_owned(),
                visitor: request.visitor.as_ref().map(ToString::to_string),
                site: request.site.as_ref().map(ToString::to_string),
                code_challenge: request.code_challenge.clone(),
                is_mailed: request.way == CodeWay::Mail,
                newcomer: request.newcomer.clone(),
            },
        }));
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let name = (request.purpose.as_str(), request.email.key());
            let from = (!request.is_client_proven).then_some(origin);
            let (account, allowed) = self.take_code_request(&mut tx, tenant, name, from, now).await?;
            let mut entry = Entry::new(&Actor::Guest, "code.request", "account", &account)
                .client(&request.client)
                .detail(json!({ "purpose": request.purpose.as_str() }));
            match &allowed {
                Ok(()) => self.put_down(&mut tx, tenant, &wanted, now).await?,
                Err(refusal) => entry = entry.refused(refusal),
            }
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            allowed.map_err(Error::from)
        })
    }

    /// Whether a client stands, and may log people in by codes where that is what they are for.
    pub(crate) async fn check_code_client(
        &self,
        tenant: &Tenant,
        purpose: CodePurpose,
        client: &ClientId,
    ) -> Result<(), Error> {
        let mut reader = self.store.read().await?;
        match purpose {
            CodePurpose::LogIn => Self::check_grant(&mut reader, tenant, client, Door::OneTimeCode).await,
            CodePurpose::Password | CodePurpose::Proof | CodePurpose::Passkey => {
                let there = reader.client(&tenant.id, client).await?;
                if there.is_some_and(|there| there.is_active) { Ok(()) } else { Err(Refusal::InvalidClient.into()) }
            }
        }
    }

    /// Makes a code and sends it; nothing happens when there is nobody to send it to. Tried again, it makes another one,
    /// and the one before ends.
    pub(crate) async fn send_code(
        &self,
        tenant: &Tenant,
        (errand, asked_at): (&str, Timestamp),
        wanted: &WantedCode,
    ) -> Result<Result<(), Undone>, Error> {
        if self.clock.now().millis_since(asked_at) > i64::from(CODE_SECONDS) * 1000 {
            return Ok(Err(Undone::Forever("nobody waits for the code any more".to_owned())));
        }
        let (Ok(email), Ok(client)) = (Email::parse(&wanted.kept.email), wanted.client.parse::<ClientId>()) else {
            return Ok(Ok(()));
        };
        let made = retrying!(self.make_code(tenant, wanted, &email, &client));
        let Some((customer, code)) = made? else { return Ok(Ok(())) };
        match &wanted.way {
            CodeWay::Mail => {
                let own = customer.as_ref().and_then(|customer| customer.profile.language.as_deref());
                let language = self.code_language(tenant, wanted.language.as_deref(), own).await?;
                let to = customer.and_then(|customer| customer.email).and_then(|email| Email::parse(&email).ok());
                let to = to.unwrap_or(email);
                let topic = Topic::OneTimeCode(wanted.purpose);
                let letter = Letter { id: errand, to: &to, language, topic, way: Way::Code(code.expose().to_owned()) };
                match mail::compose(tenant, &letter, self.clock.now()) {
                    Ok(message) => Ok(self.mailer.send(errand, message).await),
                    Err(fault) => Ok(Err(fault)),
                }
            }
            CodeWay::Call(call) => self.tell_code(tenant, call, &code).await,
        }
    }

    async fn code_language(
        &self,
        tenant: &Tenant,
        wanted: Option<&str>,
        own: Option<&str>,
    ) -> Result<mail::Language, Error> {
        match wanted.and_then(mail::Language::of_tag) {
            Some(language) => Ok(language),
            None => self.mail_language(tenant, own).await,
        }
    }

    /// Draws digits, and keeps what is to be known of them; `None` when there is nobody to send them to.
    async fn make_code(
        &self,
        tenant: &Tenant,
        wanted: &WantedCode,
        email: &Email,
        client: &ClientId,
    ) -> Result<Option<(Option<Customer>, Secret)>, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        if tx.client(&tenant.id, client).await?.is_none_or(|client| !client.is_active) {
            return Ok(None);
        }
        let found = tx.customer_by_email(&tenant.id, email.key()).await?;
        let is_somebody = |found: &Customer| found.kind == CustomerKind::Customer && wanted.purpose.is_for(found.state);
        let customer = match found {
            Some(found) if is_somebody(&found) => Some(found),
            Some(_) => return Ok(None),
            None if wanted.kept.newcomer.is_some() && wanted.purpose == CodePurpose::LogIn => None,
            None => return Ok(None),
        };
        let account = self.throttle.code_account(email.key());
        let whose = CodeFor { purpose: wanted.purpose, client, account: &account };
        tx.revoke_codes(&tenant.id, whose, now).await?;
        let id = self.new_id(now)?;
        let kept = serde_json::to_vec(&wanted.kept).map_err(Error::crypto)?;
        let sealed = self.master_key.seal(&aad(tenant, &id), &kept).map_err(Error::crypto)?;
        let mut drawn = None;
        for _ in 0..DRAWS {
            let code = self.draw_digits(wanted.digits)?;
            let new = NewCode {
                id: &id,
                whose,
                customer: customer.as_ref().map(|customer| &customer.id),
                hash: &self.code_hash(tenant, wanted.purpose, client, &code),
                kept_sealed: &sealed,
                expires_at: now.plus_seconds(CODE_SECONDS.into()),
            };
            if tx.insert_code(&tenant.id, &new, now).await? {
                drawn = Some(code);
                break;
            }
        }
        // So many others are open that none is left: as if the transaction had lost to them.
        let code = drawn.ok_or(StoreError::Conflict)?;
        let (kind, subject) = match &customer {
            Some(customer) => ("customer", customer.id.as_str()),
            None => ("account", account.as_str()),
        };
        let entry = Entry::new(&Actor::System, "code.make", kind, subject)
            .client(client)
            .detail(json!({ "purpose": wanted.purpose.as_str() }));
        self.audit(&mut tx, &tenant.id, &Origin::local("outbox"), entry, now).await?;
        tx.commit().await?;
        Ok(Some((customer, code)))
    }

    /// Digits, each number of them as likely as any other.
    fn draw_digits(&self, digits: CodeDigits) -> Result<Secret, Error> {
        let mut text = String::with_capacity(digits.count());
        while text.len() < digits.count() {
            let mut byte = [0];
            self.entropy.fill(&mut byte)?;
            // 250 is the last multiple of 10 in a byte: above it, some digits would come more often.
            if let Some(digit) = char::from_digit(u32::from(byte[0] % 10), 10).filter(|_| byte[0] < 250) {
                text.push(digit);
            }
        }
        Ok(Secret::from(text))
    }

    /// What is kept of a code. Keyed, for digits could be tried out in no time; and good for one tenant, client and
    /// purpose only. Whose it is says its row.
    fn code_hash(&self, tenant: &Tenant, purpose: CodePurpose, client: &ClientId, code: &Secret) -> String {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.code_key));
        for part in [tenant.id.as_str(), client.as_str(), purpose.as_str(), code.expose()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(context.sign())
    }

    /// Tells a client's server.
    async fn tell_code(&self, tenant: &Tenant, call: &CodeCall, code: &Secret) -> Result<Result<(), Undone>, Error> {
        let now = self.clock.now();
        let claims = json!({
            "iss": call.proof_issuer,
            "aud": call.uri,
            "iat": now.seconds(),
            "exp": now.plus_seconds(CALL_PROOF_SECONDS).seconds(),
            "jti": self.new_id(now)?,
        });
        let proof = tenant.sign_claims(CALL_TYPE, &claims)?;
        let mut body = call.body.clone();
        body.insert(call.code_member.clone(), json!(code.expose()));
        let body = Value::Object(body).to_string();
        Ok(match self.outbound.post_json(&call.uri, (&call.proof_header, &proof), body).await {
            Ok(200..=299) => Ok(()),
            Ok(status) => Err(Undone::ForNow(format!("the client answered {status}"))),
            Err(fault @ (OutboundFault::Refused(_) | OutboundFault::Unreachable(_))) => {
                Err(Undone::ForNow(format!("the client was not called: {fault}")))
            }
        })
    }

    /// Takes a slot for trying a code, durably: one of the account's, or one that all who name no account share.
    ///
    /// # Errors
    /// [`Refusal::Throttled`] when a budget is spent.
    pub(crate) async fn take_code_attempt(
        &self,
        tenant: &Tenant,
        shown: &ShownCode,
        origin: &Origin,
    ) -> Result<Attempt, Error> {
        let (door, name) = match &shown.email {
            Some(email) => (ONE_TIME_CODE, email.key()),
            None => (NAMELESS_CODE, shown.client.as_str()),
        };
        self.take_attempt(tenant, door, name, &shown.code, origin).await
    }

    /// Uses a code up in `tx`; `None` when it is wrong. What a wrong one counts must be committed.
    pub(crate) async fn redeem_one_time_code(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        shown: &ShownCode,
        now: Timestamp,
    ) -> Result<Option<Redeemed>, Error> {
        let code: String = shown.code.expose().chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let hash = self.code_hash(tenant, shown.purpose, &shown.client, &Secret::from(code));
        let used = match &shown.email {
            Some(email) => {
                let account = self.throttle.code_account(email.key());
                let whose = CodeFor { purpose: shown.purpose, client: &shown.client, account: &account };
                tx.try_code(&tenant.id, whose, &hash, MAX_WRONG_TRIES, now).await?
            }
            None => tx.use_code(&tenant.id, (shown.purpose, &shown.client), &hash, now).await?,
        };
        let Some(used) = used else { return Ok(None) };
        let kept = self.master_key.open(&aad(tenant, &used.id), &used.kept_sealed).map_err(Error::crypto)?;
        let kept: Kept = serde_json::from_slice(&kept).map_err(Error::crypto)?;
        let is_site = shown.site.as_ref().is_none_or(|site| kept.site.as_deref() == Some(site.as_str()));
        let challenge = kept.code_challenge.as_deref();
        let verifier = shown.code_verifier.as_ref().filter(|_| challenge.is_some());
        // Right digits in wrong hands are used up all the same.
        if is_site && is_challenged_by(challenge, verifier) {
            Ok(Some(Redeemed { customer: used.customer, kept }))
        } else {
            Ok(None)
        }
    }

    /// Takes a code for the proof that somebody reads what is sent to their address.
    ///
    /// # Errors
    /// [`Refusal::InvalidCredentials`] for a code that is wrong, used, over, or another client's;
    /// [`Refusal::Throttled`].
    pub async fn prove_address_by_code(
        &self,
        tenant: &Tenant,
        shown: &ShownCode,
        origin: &Origin,
    ) -> Result<(), Error> {
        self.check_code_client(tenant, shown.purpose, &shown.client).await?;
        let attempt = self.take_code_attempt(tenant, shown, origin).await?;
        let proven = retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let Some(redeemed) = self.redeem_one_time_code(&mut tx, tenant, shown, now).await? else {
                tx.commit().await?;
                return Err(Refusal::InvalidCredentials.into());
            };
            let owner = self.owner_of_code(&mut tx, tenant, &redeemed).await?;
            let owner =
                owner.filter(|owner| owner.state == CustomerState::Active).ok_or(Refusal::InvalidCredentials)?;
            if redeemed.kept.is_mailed {
                tx.verify_email(&tenant.id, &owner.id, now).await?;
            }
            self.attempt_was_right(&mut tx, tenant, &attempt, now).await?;
            let actor = Actor::Customer(owner.id.clone());
            let entry = Entry::new(&actor, PROVE_VERB, "customer", owner.id.as_str()).client(&shown.client);
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        });
        match proven {
            Err(Error::Refused(refusal)) => {
                let entry = Entry::new(&Actor::Guest, PROVE_VERB, "account", attempt.account()).client(&shown.client);
                Err(self.audit_refusal(&tenant.id, origin, entry, refusal).await?)
            }
            proven => proven,
        }
    }

    /// Whoever has the address of a code, when that is whom it was made for.
    pub(crate) async fn owner_of_code(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        redeemed: &Redeemed,
    ) -> Result<Option<Customer>, Error> {
        let email = Email::parse(&redeemed.kept.email).map_err(|_| Refusal::InvalidCredentials)?;
        let found = tx.customer_by_email(&tenant.id, email.key()).await?;
        let found = found.filter(|found| found.kind == CustomerKind::Customer);
        match (&redeemed.customer, found) {
            (Some(customer), Some(found)) if found.id != *customer => Err(Refusal::InvalidCredentials.into()),
            (Some(_), None) => Err(Refusal::InvalidCredentials.into()),
            (_, found) => Ok(found),
        }
    }
}

fn aad<'a>(tenant: &'a Tenant, id: &'a str) -> [&'a str; 3] {
    ["one_time_code", tenant.id.as_str(), id]
}
