//! The company most tests are about. Tenant `acme` with the site `main`; a storefront key `sf` and a backend key `bk`
//! with every scope; ann acts for le-1 (Admin) and le-2 (Buyer), bob for le-1 (Requester), dee for le-2 (Buyer), cyd for
//! nobody; le-3 has none of them. Segments: S1 with P1 for ann in le-1, S2 with P2 for ann in le-2, S3 with P3 for ann
//! herself, S4 with P4 like S1 but inactive, S5 with the category K1 like S1.

use crate::{Answer, Database, Options, TestServer};
use prokura_domain::{
    AssignmentId, AssignmentKind, ClientKind, CompanyKind, CustomerId, CustomerKind, CustomerState, Email, GroupCode,
    RefreshPolicy, SegmentState, Validity,
};
use prokura_engine::{
    Actor, CreateCustomer, CreateLegalEntity, ImportSegmentItem, ImportSegmentMember, LegalEntityDetails,
    NewAssignment, NewPassword, Origin, Profile, Segment, SegmentItem, Tenant,
};
use prokura_jose::Secret;
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::{collections::HashMap, sync::Arc};

/// A running server with the company in it.
pub struct Acme {
    /// The server.
    pub server: TestServer,
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// The secret of the backend key.
    pub backend_secret: Secret,
    customers: HashMap<&'static str, CustomerId>,
    assignments: HashMap<(&'static str, &'static str), AssignmentId>,
}

/// What a login or a refresh hands out.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
    /// The saas token; empty for a guest.
    pub saas: String,
    /// The session.
    pub session: String,
}

impl Tokens {
    /// Reads an answer in either spelling.
    pub fn of(answer: &Answer) -> Self {
        let body = answer.json();
        let text = |names: &[&str]| {
            names.iter().find_map(|name| body.get(*name).and_then(Value::as_str)).unwrap_or_default().to_owned()
        };
        assert_eq!(answer.status, 200, "{}", answer.text);
        Self {
            access: text(&["access_token"]),
            refresh: text(&["refresh_token"]),
            saas: text(&["saas_token"]),
            session: text(&["session_id", "sessionId"]),
        }
    }
}

/// The claims of a token, without a look at its signature.
pub fn claims(token: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let payload = token.split('.').nth(1).expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&bytes).expect("claims")
}

impl Acme {
    /// Everybody's password.
    pub const PASSWORD: &str = "correct horse";

    /// The company on a server over SQLite with frozen time.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// The company on a server over the named database.
    pub async fn start_on(database: Database) -> Self {
        Self::start_with(Options { database, ..Options::default() }).await
    }

    /// The company on a server as wanted.
    pub async fn start_with(options: Options) -> Self {
        Self::move_in(TestServer::start_with(options).await).await
    }

    /// The company on a server that runs already.
    pub async fn move_in(server: TestServer) -> Self {
        let tenant = server.tenant("acme").await;
        let grants = "guest password refresh_token token_exchange";
        server.client(&tenant, "sf", ClientKind::Public, grants, "", RefreshPolicy::Family).await;
        let scopes = prokura_emporix::service_scopes();
        let kind = ClientKind::Confidential;
        let secret = server.client(&tenant, "bk", kind, "client_credentials", &scopes, RefreshPolicy::Family).await;
        let mut acme = Self {
            server,
            tenant,
            backend_secret: secret.expect("a confidential client has a secret"),
            customers: HashMap::new(),
            assignments: HashMap::new(),
        };
        for (id, name) in [("le-1", "Acme GmbH"), ("le-2", "Beta AG"), ("le-3", "Gamma Ltd")] {
            acme.company(id, name).await;
        }
        for (name, family_name) in [("ann", "Lee"), ("bob", "Kern"), ("cyd", "Moss"), ("dee", "Voss")] {
            acme.customers.insert(name, acme.new_customer(name, family_name).await);
        }
        for (name, entity, group) in [
            ("ann", "le-1", GroupCode::Admin),
            ("ann", "le-2", GroupCode::Buyer),
            ("bob", "le-1", GroupCode::Requester),
            ("dee", "le-2", GroupCode::Buyer),
        ] {
            // Lists show the oldest assignment first, so no two are of the same moment.
            acme.server.clock.advance(1);
            let assignment = acme.assign(name, entity, Some(group)).await;
            acme.assignments.insert((name, entity), assignment);
        }
        for (id, entity, kind, item, state) in [
            ("S1", Some("le-1"), "PRODUCT", "P1", SegmentState::Active),
            ("S2", Some("le-2"), "PRODUCT", "P2", SegmentState::Active),
            ("S3", None, "PRODUCT", "P3", SegmentState::Active),
            ("S4", Some("le-1"), "PRODUCT", "P4", SegmentState::Inactive),
            ("S5", Some("le-1"), "CATEGORY", "K1", SegmentState::Active),
        ] {
            acme.segment(id, state, ("ann", entity), (kind, item)).await;
        }
        acme
    }

    /// A segment with one member and one item.
    pub async fn segment(&self, id: &str, state: SegmentState, member: (&str, Option<&str>), item: (&str, &str)) {
        let (name, entity) = member;
        let (kind, item) = item;
        let now = self.server.engine.now();
        let segment = Segment {
            id: id.parse().expect("an id"),
            name: Map::from_iter([("en".to_owned(), json!(id))]),
            description: Map::new(),
            site: Some("main".parse().expect("an id")),
            state,
            validity: Validity::default(),
            details: Map::new(),
            version: 1,
            created_at: now,
            modified_at: now,
        };
        let member = ImportSegmentMember {
            segment: segment.id.clone(),
            email: Some(Email::parse(&Self::email(name)).expect("an address")),
            legal_entity: entity.map(|entity| entity.parse().expect("an id")),
        };
        let item = ImportSegmentItem {
            segment: segment.id.clone(),
            item: SegmentItem {
                kind: kind.parse().expect("PRODUCT or CATEGORY"),
                item: item.to_owned(),
                details: Map::new(),
            },
        };
        let engine = &self.server.engine;
        engine.import_segments(&self.tenant, &[segment]).await.expect("a segment");
        engine.import_segment_members(&self.tenant, &[member]).await.expect("a member");
        engine.import_segment_items(&self.tenant, &[item]).await.expect("an item");
    }

    /// Another company.
    pub async fn company(&self, id: &str, name: &str) {
        let request = CreateLegalEntity {
            id: Some(id.parse().expect("an id")),
            name: name.to_owned(),
            kind: CompanyKind::Company,
            parent: None,
            details: LegalEntityDetails::default(),
        };
        let made = self
            .server
            .engine
            .create_legal_entity(&self.tenant, &request, &Actor::System, &Origin::local("test"))
            .await;
        made.expect("a legal entity");
    }

    async fn new_customer(&self, name: &str, family_name: &str) -> CustomerId {
        let request = CreateCustomer {
            id: Some(name.parse().expect("an id")),
            kind: CustomerKind::Customer,
            email: Some(Email::parse(&Self::email(name)).expect("an address")),
            profile: Profile { given_name: name.to_owned(), family_name: family_name.to_owned(), ..Profile::default() },
            state: CustomerState::Active,
            password: Some((NewPassword::Plain(Secret::from(Self::PASSWORD.to_owned())), false)),
        };
        let made =
            self.server.engine.create_customer(&self.tenant, &request, &Actor::System, &Origin::local("test")).await;
        made.expect("a customer")
    }

    /// Lets somebody act for a company.
    pub async fn assign(&self, name: &str, entity: &str, group: Option<GroupCode>) -> AssignmentId {
        let request = NewAssignment {
            id: None,
            legal_entity: entity.parse().expect("an id"),
            customer: self.customer(name),
            kind: AssignmentKind::Contact,
            is_primary: false,
            group,
        };
        let made = self.server.engine.assign(&self.tenant, &request, &Actor::System, &Origin::local("test")).await;
        made.expect("an assignment")
    }

    /// The address `name` logs in with.
    pub fn email(name: &str) -> String {
        format!("{name}@a.example")
    }

    /// The id of ann, bob, cyd or dee.
    pub fn customer(&self, name: &str) -> CustomerId {
        self.customers.get(name).cloned().unwrap_or_else(|| name.parse().expect("an id"))
    }

    /// The assignment that was made for `name` and `entity`.
    pub fn assignment(&self, name: &str, entity: &str) -> AssignmentId {
        let found = self.assignments.iter().find(|((who, what), _)| *who == name && *what == entity);
        found.expect("an assignment of the cast").1.clone()
    }

    /// Any request, with more header fields than a bearer.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut request = self.server.http.request(method, format!("{}{path}", self.server.url));
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.server.send(request).await
    }

    /// A visitor's tokens.
    pub async fn guest(&self) -> Tokens {
        let path = "/customerlogin/auth/anonymous/login?tenant=acme&client_id=sf";
        Tokens::of(&self.server.get(path, None).await)
    }

    /// Tries to log in with a password.
    pub async fn try_log_in(&self, bearer: &str, email: &str, password: &str) -> Answer {
        let body = json!({ "email": email, "password": password });
        self.server.post("/customer/acme/login", Some(bearer), &body).await
    }

    /// Logs somebody in, in a session of their own.
    pub async fn log_in(&self, name: &str) -> Tokens {
        let guest = self.guest().await;
        self.log_in_as(&guest, name).await
    }

    /// Logs somebody in, in a visitor's session.
    pub async fn log_in_as(&self, guest: &Tokens, name: &str) -> Tokens {
        Tokens::of(&self.try_log_in(&guest.access, &Self::email(name), Self::PASSWORD).await)
    }

    /// Tries to choose a company; `None` leaves the parameter out.
    pub async fn try_refresh(&self, bearer: &str, refresh: &str, entity: Option<&str>) -> Answer {
        let entity = entity.map(|entity| format!("&legalEntityId={entity}")).unwrap_or_default();
        let path = format!("/customer/acme/refreshauthtoken?refreshToken={refresh}{entity}");
        self.server.get(&path, Some(bearer)).await
    }

    /// Chooses a company, or none.
    pub async fn refresh(&self, bearer: &str, refresh: &str, entity: Option<&str>) -> Tokens {
        Tokens::of(&self.try_refresh(bearer, refresh, entity).await)
    }

    /// Somebody logged in and acting for a company.
    pub async fn acting_for(&self, name: &str, entity: &str) -> Tokens {
        let guest = self.guest().await;
        let tokens = self.log_in_as(&guest, name).await;
        let chosen = self.try_refresh(&guest.access, &tokens.refresh, Some(entity)).await;
        Tokens::of(&chosen)
    }

    /// What `validateauthtoken` says about a token.
    pub async fn validate(&self, access: &str) -> Answer {
        self.server.get("/customer/acme/validateauthtoken", Some(access)).await
    }

    /// Asks for a service token.
    pub async fn try_service(&self, client: &str, secret: &str, scope: Option<&str>) -> Answer {
        let mut form = vec![("grant_type", "client_credentials"), ("client_id", client), ("client_secret", secret)];
        form.extend(scope.map(|scope| ("scope", scope)));
        let request = self.server.http.post(format!("{}/oauth/token", self.server.url)).form(&form);
        self.server.send(request).await
    }

    /// A service token of the backend key with every scope.
    pub async fn service(&self) -> String {
        let answer = self.try_service("bk", self.backend_secret.expose(), None).await;
        let token = answer.json().get("access_token").and_then(Value::as_str).map(str::to_owned);
        token.unwrap_or_else(|| panic!("no service token: {}", answer.text))
    }
}
