//! The main job, through the engine: guest, login, choose, switch, remove.

use prokura_domain::{
    AssignmentKind, ClientKind, CompanyKind, CustomerKind, CustomerState, Email, GroupCode, LegalEntityId,
    RefreshPolicy,
};
use prokura_engine::{
    Actor, Bearer, BeginGuest, CreateCustomer, CreateLegalEntity, EntityWish, Error, LegalEntityDetails, LogIn, Manner,
    NewAssignment, NewPassword, Origin, Profile, Refresh, Refusal, Tenant, Wishes,
};
use prokura_jose::Secret;
use prokura_testkit::{Database, TestServer};

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

async fn company(server: &TestServer, tenant: &Tenant, id: &str) -> LegalEntityId {
    let request = CreateLegalEntity {
        id: Some(id.parse().unwrap()),
        name: id.to_uppercase(),
        kind: CompanyKind::Company,
        parent: None,
        details: LegalEntityDetails::default(),
    };
    server.engine.create_legal_entity(tenant, &request, &Actor::System, &Origin::local("test")).await.unwrap()
}

async fn a_customer_switches_company_without_logging_in_again(database: Database) {
    let server = TestServer::start_on(database).await;
    let (engine, origin, system) = (&server.engine, Origin::local("test"), Actor::System);
    let tenant = server.tenant("acme").await;
    server.client(&tenant, "sf", ClientKind::Public, "guest password refresh_token", "", RefreshPolicy::Family).await;
    let one = company(&server, &tenant, "le-1").await;
    let two = company(&server, &tenant, "le-2").await;
    company(&server, &tenant, "le-3").await;
    let customer = CreateCustomer {
        id: None,
        kind: CustomerKind::Customer,
        email: Some(Email::parse("ann@a.example").unwrap()),
        profile: Profile::default(),
        state: CustomerState::Active,
        password: Some((NewPassword::Plain(secret("correct horse")), false)),
    };
    let ann = engine.create_customer(&tenant, &customer, &system, &origin).await.unwrap();
    let mut assignments = Vec::new();
    for entity in [&one, &two] {
        let request = NewAssignment {
            id: None,
            legal_entity: entity.clone(),
            customer: ann.clone(),
            kind: AssignmentKind::Contact,
            is_primary: false,
            group: Some(GroupCode::Buyer),
        };
        assignments.push(engine.assign(&tenant, &request, &system, &origin).await.unwrap());
    }

    let guest = BeginGuest::nameless("sf".parse().unwrap(), Wishes::default());
    let guest = engine.begin_guest(&tenant, &guest, &origin).await.unwrap();
    let bearer = Bearer { standing: guest.standing() };
    let log_in = LogIn { email: Email::parse("ANN@a.example").unwrap(), password: secret("correct horse") };
    let wrong = LogIn { password: secret("wrong horse"), ..log_in.clone() };
    let refused = engine.log_in(&tenant, bearer, &wrong, &origin).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::InvalidCredentials)));
    let logged_in = engine.log_in(&tenant, bearer, &log_in, &origin).await.unwrap().granted;
    assert_eq!(logged_in.standing().session, guest.standing().session);
    assert_eq!(logged_in.standing().legal_entity(), None);

    let refresh = |token: &Secret, entity: Option<&str>| Refresh {
        refresh_token: token.clone(),
        client: None,
        legal_entity: entity.map_or(EntityWish::Nobody, |entity| EntityWish::Of(entity.parse().unwrap())),
        scopes: None,
        resources: Vec::new(),
        manner: Manner::default(),
    };
    let first = logged_in.refresh.unwrap().token;
    let foreign = engine.refresh(&tenant, Some(bearer), &refresh(&first, Some("le-3")), &origin).await.unwrap_err();
    assert!(matches!(foreign, Error::Refused(Refusal::NotAssigned)));
    let chosen = engine.refresh(&tenant, Some(bearer), &refresh(&first, Some("le-1")), &origin).await.unwrap();
    assert_eq!(engine.verify(&chosen.access_token().unwrap()).unwrap().token.standing.legal_entity(), Some(&one));
    let switched = engine.refresh(&tenant, None, &refresh(&first, Some("le-2")), &origin).await.unwrap();
    assert_eq!(engine.verify(&switched.access_token().unwrap()).unwrap().token.standing.legal_entity(), Some(&two));

    assert!(engine.verify(&chosen.access_token().unwrap()).is_ok(), "the token before the switch has a grace");
    server.advance(61);
    assert!(engine.verify(&chosen.access_token().unwrap()).is_err(), "and then it is over");
    engine.unassign(&tenant, assignments.last().unwrap(), &system, &origin).await.unwrap();
    assert!(engine.verify(&switched.access_token().unwrap()).is_err(), "what acts by a removed right ends at once");
    let newest = switched.refresh.unwrap().token;
    let gone = engine.refresh(&tenant, None, &refresh(&newest, Some("le-2")), &origin).await.unwrap_err();
    assert!(matches!(gone, Error::Refused(Refusal::NotAssigned)));
    let back = engine.refresh(&tenant, None, &refresh(&newest, Some("le-1")), &origin).await.unwrap();
    assert!(engine.verify(&back.access_token().unwrap()).is_ok());

    engine.seal_audit().await.unwrap();
    let verdict = engine.verify_audit(&tenant.id, None).await.unwrap();
    assert_eq!(verdict.fault, None);
    assert!(verdict.entries > 10 && verdict.seals >= 1, "{verdict:?}");
}

#[tokio::test]
async fn the_main_job_works_on_sqlite() {
    a_customer_switches_company_without_logging_in_again(Database::Sqlite).await;
}

#[tokio::test]
async fn the_main_job_works_on_postgresql() {
    a_customer_switches_company_without_logging_in_again(Database::Postgres).await;
}
