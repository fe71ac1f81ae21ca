//! The session engine: one file per verb, and the only place that issues, rotates and revokes.
//!
//! Every door calls a verb here; every verb that yields a token goes through the one issuing function in `issue`. The
//! database is private to this crate.

mod account;
mod addresses;
mod agent;
mod arrival;
mod assignment;
mod assurance;
mod audit;
mod authorize;
mod backchannel_logout;
mod background;
mod backup;
mod begin_guest;
mod bridge;
mod category;
mod client;
mod client_credentials;
mod client_keys;
mod client_proof;
mod client_registration;
mod colleague;
mod company;
mod cookie;
mod cursor;
mod customer;
mod device;
mod direct_code;
mod direct_login;
mod dpop;
mod email_change;
mod entity_lock;
mod error;
mod exchange;
mod feed;
mod group;
mod id_token;
mod import;
mod introspect;
mod invitation;
mod issue;
mod join_request;
mod keys;
mod location;
mod log_in;
mod log_in_by_code;
mod log_out;
mod mail;
mod new_password;
mod on_behalf;
mod one_time_codes;
mod one_time_link;
mod operator;
mod origin;
mod outbound;
mod outbox;
mod owner_notice;
mod page_login;
mod partner;
mod partner_code;
mod partner_idp;
mod partner_login;
mod passkey;
mod password_reset;
mod passwords;
mod ports;
mod provider;
mod put;
mod redeem_code;
mod refresh;
mod registration;
mod rights;
mod run_out;
mod seals;
mod second_factor;
mod segment;
mod segment_item;
mod segment_member;
mod segment_view;
mod session_context;
mod settings;
mod shelf;
mod shop_pages;
mod shop_passkeys;
mod sign_up;
mod store;
mod target;
mod tenant;
mod throttle;

pub use account::{Account, Oneself, OwnSession};
pub use addresses::{Address, AddressBody, AddressDetails};
pub use agent::ActAsAgent;
pub use arrival::ShopLogIn;
pub use assignment::{Assignment, AssignmentDetails, Contact, ContactFilter, NewAssignment, PutAssignment};
pub use audit::{AuditEvent, AuditFilter, Outcome};
pub use authorize::{
    Authorization, AuthorizationAnswer, AuthorizationRequest, EntityChoice, PUSH_SECONDS, Progress, Prompt,
    ResponseMode, Weight, grantable_scopes,
};
pub use backup::{back_up, open_backup};
pub use begin_guest::{BeginGuest, VisitorWish};
pub use bridge::BridgeToTokens;
pub use category::{Category, PutCategory};
pub use client::{Client, ClientChange, CreateClient, CreatedClient};
pub use client_credentials::ClientCredentials;
pub use client_proof::ClientProof;
pub use client_registration::{RegisterClient, RegisteredClient};
pub use colleague::{Colleague, Colleagues, CompanyEvent, InviteColleague, RoleToGive};
pub use company::{
    CreateLegalEntity, LegalEntity, LegalEntityDetails, LegalEntityFilter, LegalEntityParts, PutLegalEntity,
};
pub use cookie::{PageLogin, PageSession};
pub use customer::{CreateCustomer, Customer, CustomerChange, NewPassword, Profile};
pub use device::{DEVICE_INTERVAL_SECONDS, DEVICE_SECONDS, DeviceGrant, DevicePoll, WaitingDevice};
pub use direct_code::{CodeOrder, DirectCode, DirectWish, Told};
pub use direct_login::DirectLogin;
pub use dpop::{KeyProof, KeyRefusal};
pub use email_change::ChangeEmail;
pub use error::{Error, Fault, FieldFault, Refusal, Unverified};
pub use exchange::ExchangeToken;
pub use group::{Group, GroupDetails, GroupFilter, GroupMember, Membership, PutGroup};
pub use import::{ImportAssignment, ImportLegalEntity, ImportSeat, ImportSegmentItem, ImportSegmentMember, RowOutcome};
pub use introspect::Introspection;
pub use invitation::{Invitation, InvitationState, Invite, OpenInvitation};
pub use issue::{Door, Granted, Manner, RefreshGranted};
pub use join_request::{JoinRequest, JoinState};
pub use keys::KeySummary;
pub use location::{Location, LocationDetails, LocationFilter, PutLocation};
pub use log_in::{LogIn, LoggedIn};
pub use log_out::{LogOut, SessionSummary};
pub use mail::MailTransport;
pub use new_password::Whose;
pub use on_behalf::{KnownBy, OnBehalf};
pub use one_time_codes::{AskForCode, CODE_SECONDS, CodeCall, CodeDigits, CodePurpose, CodeWay, Newcomer, ShownCode};
pub use one_time_link::Purpose as LinkPurpose;
pub use operator::{CreatedOperator, Operator};
pub use origin::{Actor, Origin};
pub use page_login::{AtBrowser, PageEntry};
pub use partner::{Partner, PartnerIdentifier};
pub use partner_code::{PartnerLogin, RedeemPartnerCode};
pub use partner_idp::{PartnerIdp, PartnerMetadata, PutPartnerIdp};
pub use partner_login::PartnerReturn;
pub use passkey::{BegunPasskey, OwnPasskey, PasskeyAnswer};
pub use ports::{SystemClock, SystemEntropy};
pub use put::{PutMode, PutOutcome};
pub use redeem_code::RedeemCode;
pub use refresh::{Bearer, EntityWish, Refresh};
pub use registration::{AuthMethod, Registration, SecurityProfile};
pub use rights::Rights;
pub use seals::AuditVerdict;
pub use second_factor::{Enrolled, Factors, TotpSetup};
pub use segment::{PutSegment, Segment, SegmentFilter, SegmentItem, SegmentMember};
pub use segment_item::{ItemFilter, ItemKey, SegmentEntry};
pub use segment_member::{MemberFilter, SegmentMembership};
pub use segment_view::{CategoryNode, SegmentViewer};
pub use session_context::{ContextChange, ContextViewer, SessionContext, Wishes};
pub use settings::{
    AccentLifetimes, ClientRegistration, GroupTemplate, Lifetimes, MailSettings, PagePasswords, PageSettings, SignUp,
    TenantSettings, TokenAccent, group_name,
};
pub use shop_pages::{ShopPages, ShopVisit, VisitPages};
pub use shop_passkeys::{MadePasskey, PasskeyLogIn, RelyingParty};
pub use sign_up::SignUpRequest;
pub use store::{DatabaseConfig, Site, StoreError};
pub use tenant::{CreateTenant, Metadata, Tenant, TenantSummary};

use feed::Feed;
use moka::sync::Cache;
use parking_lot::{Mutex, RwLock};
use passwords::Passwords;
use prokura_credentials::LeakedPasswords;
use prokura_domain::{Clock, Entropy, IpPrefix, SessionId, TenantId, Timestamp};
use prokura_jose::{MasterKey, TokenVerifier, VerifiedToken, dpop::NonceSource};
use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};
use store::{Driver, Store};

/// The tables, as text.
pub fn schema() -> &'static str {
    store::SCHEMA
}

/// How old the revocation feed grows while all is well: it is read each second, and one reading may be late.
const FEED_TOLERANCE_MILLIS: i64 = 2_500;

/// How many verified tokens a node remembers.
const TOKEN_CACHE: usize = 65_536;

/// How many origins of browsers a node remembers an answer for, and for how long.
const ORIGINS: u64 = 10_000;
const ORIGINS_LIFE: Duration = Duration::from_secs(5);

/// What an engine is started with.
pub struct EngineConfig {
    /// Where the database is.
    pub database: DatabaseConfig,
    /// The origin issuers are built from, without a slash at the end, as `https://id.example`.
    pub public_url: String,
    /// The key that seals secrets at rest; comes from outside the database.
    pub master_key: MasterKey,
    /// What new tenants start with, dialects included.
    pub tenant_template: TenantSettings,
    /// Password checks at once; normally the number of cores.
    pub hash_workers: usize,
    /// A file of leaked passwords that nobody may choose on the pages, as [`prokura_credentials::LeakedPasswords`] reads it.
    pub leaked_passwords: Option<std::path::PathBuf>,
    /// The way mails leave.
    pub mail: MailTransport,
    /// Networks besides the open internet that addresses registered by clients may lie in (S-120).
    pub outbound_networks: Vec<IpPrefix>,
    /// Memory (KiB), passes and lanes of password hashes; `None` for the default. Tests take less.
    pub hash_cost: Option<(u32, u32, u32)>,
    /// How long decisions about access tokens may rest on what the database last said, in seconds; 0 allows two missed
    /// readings (S-71). `None` never asks, for tests whose clock runs ahead of the background jobs.
    pub stale_seconds: Option<u32>,
}

/// The engine. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

/// What the clones share. Public only as the target of [`Deref`]; its fields are private to this crate.
pub struct Inner {
    pub(crate) store: Store,
    pub(crate) feed: Arc<Feed>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) master_key: MasterKey,
    pub(crate) refresh_key: [u8; 32],
    pub(crate) nonces: NonceSource,
    pub(crate) recovery_key: [u8; 32],
    pub(crate) code_key: [u8; 32],
    pub(crate) passkeys: Option<prokura_credentials::Passkeys>,
    pub(crate) throttle: throttle::Throttle,
    pub(crate) passwords: Passwords,
    pub(crate) leaked: Option<LeakedPasswords>,
    pub(crate) mailer: mail::Mailer,
    pub(crate) outbound: outbound::Outbound,
    pub(crate) providers: provider::Providers,
    pub(crate) client_keys: client_keys::ClientKeys,
    pub(crate) public_url: String,
    pub(crate) tenant_template: TenantSettings,
    pub(crate) tenants: RwLock<HashMap<TenantId, Arc<Tenant>>>,
    /// Whose clients were asked for lately, where the request names no tenant.
    pub(crate) client_tenants: moka::sync::Cache<String, TenantId>,
    pub(crate) rights: rights::RightsCache,
    pub(crate) origins: Cache<(TenantId, String), bool>,
    pub(crate) is_deaf: AtomicBool,
    pub(crate) stale_millis: Option<i64>,
    pub(crate) segments_announced: Mutex<Option<Timestamp>>,
}

impl Deref for Engine {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Engine {
    /// Opens the database and brings its tables up to date.
    ///
    /// # Errors
    /// When the database cannot be opened or migrated.
    pub async fn open(config: EngineConfig, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Self, Error> {
        let driver = Driver::open(config.database).await?;
        driver.migrate(clock.now()).await?;
        let feed = Arc::new(Feed::new(Arc::new(TokenVerifier::new(TOKEN_CACHE))));
        let store = Store::new(driver, Arc::clone(&feed), config.master_key.derive("audit entries"));
        let mut digest_key = [0; 32];
        entropy.fill(&mut digest_key)?;
        let engine = Self(Arc::new(Inner {
            store,
            feed,
            recovery_key: config.master_key.derive("recovery codes"),
            code_key: config.master_key.derive("one-time codes"),
            passkeys: prokura_credentials::Passkeys::of(&config.public_url),
            refresh_key: config.master_key.derive("refresh successors"),
            nonces: NonceSource::new(&config.master_key.derive("dpop nonces")),
            throttle: throttle::Throttle::new(config.master_key.derive("throttle keys"), digest_key),
            leaked: config.leaked_passwords.as_deref().map(LeakedPasswords::open).transpose().map_err(Error::crypto)?,
            passwords: Passwords::new(config.hash_workers, config.hash_cost)?,
            mailer: mail::Mailer::new(config.mail).map_err(Error::crypto)?,
            outbound: outbound::Outbound::new(config.outbound_networks)?,
            providers: provider::Providers::new(),
            client_keys: client_keys::ClientKeys::new(),
            rights: rights::RightsCache::new(),
            origins: Cache::builder().max_capacity(ORIGINS).time_to_live(ORIGINS_LIFE).build(),
            is_deaf: AtomicBool::new(false),
            stale_millis: config.stale_seconds.map(|seconds| (i64::from(seconds) * 1000).max(FEED_TOLERANCE_MILLIS)),
            segments_announced: Mutex::default(),
            tenants: RwLock::default(),
            client_tenants: tenant::client_tenants(),
            public_url: config.public_url,
            tenant_template: config.tenant_template,
            master_key: config.master_key,
            clock,
            entropy,
        }));
        engine.poll_feed().await?;
        Ok(engine)
    }

    /// The present moment, by the engine's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What verifies access tokens on this node: keys of all loaded tenants, verified tokens, revocations.
    pub fn verifier(&self) -> &Arc<TokenVerifier> {
        self.feed.verifier()
    }

    /// The origin issuers are built from.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// Verifies a bearer token of any loaded tenant. A token that is bound to a key or for resources alone is none.
    ///
    /// # Errors
    /// [`Unverified::Rejected`] says what is wrong with it, for the log and for dialects that spell expiry differently;
    /// [`Unverified::Stale`], whatever the token, when this node knows too little to decide.
    pub fn verify(&self, token: &str) -> Result<Arc<VerifiedToken>, Unverified> {
        Ok(self.feed.verifier().verify(token, self.fresh_now()?)?)
    }

    /// Looks at any access token of any loaded tenant, to answer a question about it: never enough to let somebody in.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn examine(&self, token: &str) -> Result<Arc<VerifiedToken>, Unverified> {
        Ok(self.feed.verifier().examine(token, self.fresh_now()?)?)
    }

    /// The present moment, when this node knows enough of it to decide about tokens.
    fn fresh_now(&self) -> Result<Timestamp, Unverified> {
        let now = self.clock.now();
        if self.is_stale(now) { Err(Unverified::Stale) } else { Ok(now) }
    }

    /// Whether what this node knows of revocations is too old to decide about access tokens by (S-71). Heard of in the
    /// future means that the clock was set back since: nobody knows how old it is then (S-136).
    fn is_stale(&self, now: Timestamp) -> bool {
        let Some(allowed) = self.stale_millis else { return false };
        !self
            .feed
            .verifier()
            .last_contact()
            .is_some_and(|contact| (-FEED_TOLERANCE_MILLIS..=allowed).contains(&now.millis_since(contact)))
    }

    /// A new time-ordered id (RFC 9562, version 7) of 32 hexadecimal digits.
    pub(crate) fn new_id(&self, now: Timestamp) -> Result<String, Error> {
        Ok(self.new_uuid(now)?.simple().to_string())
    }

    pub(crate) fn new_session_id(&self, now: Timestamp) -> Result<SessionId, Error> {
        self.new_uuid(now)?.to_string().parse().map_err(Error::crypto)
    }

    /// A new time-ordered id, to be spelled by the caller.
    pub(crate) fn new_uuid(&self, now: Timestamp) -> Result<uuid::Uuid, Error> {
        let mut random = [0; 10];
        self.entropy.fill(&mut random)?;
        let millis = u64::try_from(now.millis()).unwrap_or_default();
        Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

/// Runs a verb again when its transaction lost to another one (SQLSTATE 40001, 40P01) or a token was rotated under it.
macro_rules! retrying {
    ($verb:expr) => {{
        let mut attempt = 0;
        loop {
            match $verb.await {
                Err(error) if error.is_conflict() && attempt < 4 => attempt += 1,
                result => break result,
            }
        }
    }};
}
pub(crate) use retrying;
