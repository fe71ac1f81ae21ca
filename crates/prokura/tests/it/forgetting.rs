//! What is over is forgotten, and nothing before: rows of visitors who went away, and revocations of tokens that would
//! have expired by themselves.

use crate::arrange::{World, client_id, on_both_databases, origin};
use prokura_domain::{ClientKind, Clock as _, RefreshPolicy};
use prokura_engine::{Actor, ClientChange, CreateClient, DatabaseConfig, Engine, Granted, Manner};
use prokura_jose::feed::{RevocationEntry, RevocationsFeed};
use prokura_testkit::{Database, Options, TestServer};

const DAY: i64 = 86_400;
const YEAR: i64 = 31_536_000;
/// What revocations are remembered beyond the longest life: clocks of nodes differ.
const SKEW: i64 = 120;

/// The rows of one visitor, table by table.
fn rows_of(world: &World, guest: &Granted) -> [i64; 4] {
    let DatabaseConfig::Sqlite { path, .. } = &world.server.database else { panic!("this is about the file") };
    let database = rusqlite::Connection::open(path).unwrap();
    let session = guest.standing().session.as_ref().unwrap().as_str();
    let family = guest.standing().family.as_ref().unwrap().as_str();
    let count = |sql: &str, id: &str| database.query_row(sql, [id], |row| row.get(0)).unwrap();
    [
        count("SELECT COUNT(*) FROM refresh_tokens WHERE family_id = ?1", family),
        count("SELECT COUNT(*) FROM token_families WHERE id = ?1", family),
        count("SELECT COUNT(*) FROM sessions WHERE id = ?1", session),
        count("SELECT COUNT(*) FROM session_contexts WHERE session_id = ?1", session),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_stays_while_they_come_back_and_is_gone_a_day_after_their_last_token() {
    // A token that stays the same keeps its end as well.
    for policy in [RefreshPolicy::Rotate { leeway_seconds: 10 }, RefreshPolicy::Family] {
        let world = World::new(Database::Sqlite, policy).await;
        let (engine, tenant) = (world.engine(), &world.tenant);
        let gone = world.guest().await;
        let mut guest = world.guest().await;
        // Each refresh comes shortly before the end, and moves it on by a whole life.
        for _ in 0..4 {
            world.server.advance(DAY - 1);
            engine.sweep().await.unwrap();
            let token = guest.refresh.unwrap().token;
            guest =
                engine.refresh_guest(tenant, &client_id("sf"), &token, &Manner::default(), &origin()).await.unwrap();
            assert_eq!(i64::from(guest.refresh.as_ref().unwrap().seconds), DAY, "{policy:?}");
        }
        assert_eq!(rows_of(&world, &gone), [0; 4], "{policy:?}: nobody came back for them");

        world.server.advance(DAY);
        let token = &guest.refresh.as_ref().unwrap().token;
        assert!(
            engine.refresh_guest(tenant, &client_id("sf"), token, &Manner::default(), &origin()).await.is_err(),
            "{policy:?}: it is over"
        );
        world.server.advance(DAY - 1);
        engine.sweep().await.unwrap();
        assert!(rows_of(&world, &guest).iter().all(|count| *count > 0), "{policy:?}: kept for a day");
        world.server.advance(1);
        engine.sweep().await.unwrap();
        assert_eq!(rows_of(&world, &guest), [0; 4], "{policy:?}");
    }
}

async fn feed(server: &TestServer) -> Vec<RevocationEntry> {
    let answer = server.get("/gateway/v1/revocations?since=0", Some("gateway-secret")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    serde_json::from_str::<RevocationsFeed>(&answer.text).unwrap().entries
}

/// How long the newest entry of a kind is remembered, in seconds.
async fn remembered(world: &World, kind: &str) -> i64 {
    let entries = feed(&world.server).await;
    let newest = entries.iter().filter(|entry| entry.kind == kind).max_by_key(|entry| (entry.at, &entry.id));
    let newest = newest.unwrap_or_else(|| panic!("no {kind} in {entries:?}"));
    (newest.expires_at - newest.at) / 1000
}

async fn long_lived(world: &World, id: &str, seconds: u32) {
    let request = CreateClient {
        id: Some(client_id(id)),
        name: id.to_owned(),
        kind: ClientKind::Public,
        scopes: String::new(),
        grants: "guest password refresh_token".to_owned(),
        refresh_policy: RefreshPolicy::Family,
        access_seconds: Some(seconds),
        refresh_seconds: None,
        registration: prokura_engine::Registration::default(),
    };
    world.engine().create_client(&world.tenant, &request, &Actor::System, &origin()).await.unwrap();
}

async fn set_access(engine: &Engine, world: &World, seconds: u32) {
    let change = ClientChange { access_seconds: Some(Some(seconds)), ..ClientChange::default() };
    let (actor, from) = (Actor::System, origin());
    engine.update_client(&world.tenant, &client_id("long"), &change, None, &actor, &from).await.unwrap();
}

async fn with_short_lives(database: Database) -> World {
    let mut settings = prokura::app::tenant_template();
    settings.lifetimes.access = 600;
    settings.lifetimes.guest_access = 300;
    settings.lifetimes.service = 900;
    let options = Options { database, settings: Some(settings), ..Options::default() };
    World::on(TestServer::start_with(options).await, RefreshPolicy::Family).await
}

async fn s70_a_revocation_is_remembered_as_long_as_a_token_could_live_and_no_longer(database: Database) {
    let world = with_short_lives(database).await;
    let engine = world.engine();
    let acting = world.acting("le-1").await;
    world.server.advance(60);
    world.refresh(&acting.refresh.unwrap().token, Some("le-2")).await.unwrap();
    assert_eq!(remembered(&world, "epoch").await, 600 + SKEW, "the tokens before the switch are the family's own");
    let toggle = async || {
        for is_active in [false, true] {
            world.server.advance(1);
            let entity = "le-3".parse().unwrap();
            let (actor, from) = (Actor::System, origin());
            engine.set_legal_entity_active(&world.tenant, &entity, is_active, &actor, &from).await.unwrap();
        }
        remembered(&world, "legal_entity").await
    };
    assert_eq!(toggle().await, 900 + SKEW, "a machine's token lives longest");

    long_lived(&world, "long", 3_600).await;
    assert_eq!(toggle().await, 3_600 + SKEW);
    set_access(engine, &world, 7_200).await;
    assert_eq!(toggle().await, 7_200 + SKEW);
    set_access(engine, &world, 60).await;
    assert_eq!(toggle().await, 7_200 + SKEW, "what was issued lives on");
    let mut settings = world.tenant.settings.clone();
    settings.lifetimes.access = 10_800;
    let (actor, from) = (Actor::System, origin());
    engine.update_tenant(&world.tenant, "Acme", true, &settings, None, &actor, &from).await.unwrap();
    assert_eq!(toggle().await, 10_800 + SKEW);
    settings.lifetimes.access = 600;
    engine.update_tenant(&world.tenant, "Acme", true, &settings, None, &actor, &from).await.unwrap();
    assert_eq!(toggle().await, 10_800 + SKEW);

    world.server.advance(10_800 + SKEW);
    assert!(feed(&world.server).await.is_empty(), "nobody has to know any of it now");
}

on_both_databases!(s70_a_revocation_is_remembered_as_long_as_a_token_could_live_and_no_longer);

#[tokio::test(flavor = "multi_thread")]
async fn s70_a_token_of_a_year_stays_revoked_for_the_year() {
    let world = with_short_lives(Database::Sqlite).await;
    let engine = world.engine();
    long_lived(&world, "long", u32::try_from(YEAR).unwrap()).await;
    let wishes = prokura_engine::Wishes::default();
    let request = prokura_engine::BeginGuest::nameless(client_id("long"), wishes);
    let guest = engine.begin_guest(&world.tenant, &request, &origin()).await.unwrap();
    let logged_in =
        crate::arrange::log_in(engine, &world.tenant, guest.standing(), "ann@a.example", crate::arrange::PASSWORD);
    let token = logged_in.await.unwrap().granted.refresh.unwrap().token;
    let acting = world.refresh(&token, Some("le-1")).await.unwrap();
    set_access(engine, &world, 60).await;
    assert!(world.is_good(&acting.access_token().unwrap()));
    engine.unassign(&world.tenant, &world.assignments[0], &Actor::System, &origin()).await.unwrap();
    assert!(!world.is_good(&acting.access_token().unwrap()));
    for _ in 0..12 {
        world.server.advance(30 * DAY);
        engine.sweep().await.unwrap();
        engine.verifier().forget_expired(world.server.clock.now());
        assert!(!world.is_good(&acting.access_token().unwrap()));
    }
    // A node that starts now learns of it, too.
    assert!(feed(&world.server).await.iter().any(|entry| entry.kind == "grant"));
}
