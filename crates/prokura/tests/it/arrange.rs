//! What most tests need: a tenant, a client, a customer with two companies, and short words for the verbs.

use prokura_domain::{
    AssignmentId, AssignmentKind, ClientId, ClientKind, CompanyKind, CustomerId, CustomerKind, CustomerState, Email,
    GroupCode, LegalEntityId, MemberKind, RefreshPolicy, Scopes, Standing,
};
use prokura_engine::{
    Actor, AtBrowser, Bearer, BeginGuest, CreateCustomer, CreateLegalEntity, Engine, EntityWish, Error, Granted,
    GroupDetails, LegalEntityDetails, LogIn, LoggedIn, Manner, Membership, NewAssignment, NewPassword, Origin,
    PageEntry, PageLogin, Profile, PutGroup, PutMode, Refresh, Tenant,
};
use prokura_jose::Secret;
use prokura_testkit::{Database, TestServer};
use std::sync::Arc;

/// Runs each test function on both databases.
macro_rules! on_both_databases {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use prokura_testkit::Database;

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                super::$name(Database::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgresql() {
                super::$name(Database::Postgres).await;
            }
        }
    )+};
}
pub(crate) use on_both_databases;

pub(crate) const PASSWORD: &str = "correct horse";

pub(crate) fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

pub(crate) fn origin() -> Origin {
    Origin::local("test")
}

/// A tenant `acme` with the client `sf`, two companies `le-1` and `le-2`, a foreign one `le-3`, and ann, who acts for
/// the two.
pub(crate) struct World {
    pub(crate) server: TestServer,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) ann: CustomerId,
    pub(crate) assignments: Vec<AssignmentId>,
}

impl World {
    pub(crate) async fn new(database: Database, policy: RefreshPolicy) -> Self {
        Self::on(TestServer::start_on(database).await, policy).await
    }

    pub(crate) async fn on(server: TestServer, policy: RefreshPolicy) -> Self {
        let tenant = server.tenant("acme").await;
        server
            .client(
                &tenant,
                "sf",
                ClientKind::Public,
                "guest password refresh_token token_exchange authorization_code device_code session_bridge on_behalf one_time_code passkey",
                "",
                policy,
            )
            .await;
        for id in ["le-1", "le-2", "le-3"] {
            company(&server.engine, &tenant, id).await;
        }
        let ann = customer(&server.engine, &tenant, "ann@a.example").await;
        let mut assignments = Vec::new();
        for id in ["le-1", "le-2"] {
            assignments.push(assign(&server.engine, &tenant, &ann, id, GroupCode::Buyer).await);
        }
        Self { server, tenant, ann, assignments }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.server.engine
    }

    pub(crate) async fn guest(&self) -> Granted {
        let request = BeginGuest::nameless(client_id("sf"), prokura_engine::Wishes::default());
        self.engine().begin_guest(&self.tenant, &request, &origin()).await.expect("a guest")
    }

    pub(crate) async fn log_in(&self, password: &str) -> Result<LoggedIn, Error> {
        let guest = self.guest().await;
        log_in(self.engine(), &self.tenant, guest.standing(), "ann@a.example", password).await
    }

    /// A login of ann, already acting for `entity`.
    pub(crate) async fn acting(&self, entity: &str) -> Granted {
        let token = self.log_in(PASSWORD).await.expect("a login").granted.refresh.expect("a refresh token").token;
        self.refresh(&token, Some(entity)).await.expect("a switch")
    }

    pub(crate) async fn refresh(&self, token: &Secret, entity: Option<&str>) -> Result<Granted, Error> {
        refresh(self.engine(), &self.tenant, token, entity).await
    }

    pub(crate) fn is_good(&self, token: &str) -> bool {
        self.engine().verify(token).is_ok()
    }
}

pub(crate) fn client_id(id: &str) -> ClientId {
    id.parse().expect("a client id")
}

pub(crate) async fn log_in(
    engine: &Engine,
    tenant: &Tenant,
    guest: &Standing,
    email: &str,
    password: &str,
) -> Result<LoggedIn, Error> {
    let request = LogIn { email: Email::parse(email).expect("an address"), password: secret(password) };
    engine.log_in(tenant, Bearer { standing: guest }, &request, &origin()).await
}

/// A login to the pages by password alone, from a browser we do not know yet.
pub(crate) async fn page_login(
    engine: &Engine,
    tenant: &Tenant,
    client: Option<&ClientId>,
    email: &str,
    password: &str,
) -> Result<PageLogin, Error> {
    let request = LogIn { email: Email::parse(email).expect("an address"), password: secret(password) };
    let browser = AtBrowser { secret: &secret("a browser"), before: None };
    match engine.log_in_to_pages(tenant, client, &request, &browser, &origin()).await? {
        PageEntry::In(login) => Ok(*login),
        PageEntry::SecondFactor => Err(prokura_engine::Refusal::ProofNeeded.into()),
    }
}

pub(crate) async fn refresh(
    engine: &Engine,
    tenant: &Tenant,
    token: &Secret,
    entity: Option<&str>,
) -> Result<Granted, Error> {
    let request = Refresh {
        refresh_token: token.clone(),
        client: None,
        legal_entity: entity.map_or(EntityWish::Nobody, |entity| EntityWish::Of(entity.parse().expect("an entity id"))),
        scopes: None,
        resources: Vec::new(),
        manner: Manner::default(),
    };
    engine.refresh(tenant, None, &request, &origin()).await
}

pub(crate) async fn company(engine: &Engine, tenant: &Tenant, id: &str) -> LegalEntityId {
    let request = CreateLegalEntity {
        id: Some(id.parse().expect("an entity id")),
        name: id.to_uppercase(),
        kind: CompanyKind::Company,
        parent: None,
        details: LegalEntityDetails::default(),
    };
    engine.create_legal_entity(tenant, &request, &Actor::System, &origin()).await.expect("a company")
}

pub(crate) async fn customer(engine: &Engine, tenant: &Tenant, email: &str) -> CustomerId {
    let request = CreateCustomer {
        id: None,
        kind: CustomerKind::Customer,
        email: Some(Email::parse(email).expect("an address")),
        profile: Profile::default(),
        state: CustomerState::Active,
        password: Some((NewPassword::Plain(secret(PASSWORD)), false)),
    };
    engine.create_customer(tenant, &request, &Actor::System, &origin()).await.expect("a customer")
}

pub(crate) async fn assign(
    engine: &Engine,
    tenant: &Tenant,
    customer: &CustomerId,
    entity: &str,
    group: GroupCode,
) -> AssignmentId {
    let request = NewAssignment {
        id: None,
        legal_entity: entity.parse().expect("an entity id"),
        customer: customer.clone(),
        kind: AssignmentKind::Contact,
        is_primary: false,
        group: Some(group),
    };
    engine.assign(tenant, &request, &Actor::System, &origin()).await.expect("an assignment")
}

/// Gives a customer a right, by a group of the tenant's own.
pub(crate) async fn permit(engine: &Engine, tenant: &Tenant, customer: &CustomerId, scope: &str) {
    let put = PutGroup {
        id: None,
        legal_entity: None,
        code: None,
        member_kind: MemberKind::Customer,
        name: serde_json::Map::new(),
        description: serde_json::Map::new(),
        scopes: Scopes::parse(scope).expect("scopes"),
        details: GroupDetails::default(),
    };
    let (system, from) = (Actor::System, origin());
    let (group, _) = engine.put_group(tenant, &put, PutMode::Create, &system, &from).await.expect("a group");
    let member = Membership { group, member: customer.to_string(), kind: None, confined_to: None };
    engine.join_group(tenant, &member, &system, &from).await.expect("a member");
}

/// Runs a program that brings or makes something a test needs.
pub(crate) async fn run(command: &mut tokio::process::Command) {
    let output = command.stdin(std::process::Stdio::null()).output().await;
    let output =
        output.unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}; `cargo xtask test` brings it"));
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
}
