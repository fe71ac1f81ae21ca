//! Signing keys: whose they are, when they begin and end, what the key set shows, and what a restore does to them
//! (S-40, S-41, S-42, S-146).

use crate::arrange::{PASSWORD, World, client_id, log_in, on_both_databases, origin, refresh};
use prokura_domain::{ClientKind, Clock as _, Entropy, EntropyUnavailable, KeyId, RefreshPolicy, Timestamp};
use prokura_engine::{
    Actor, BeginGuest, CreateClient, CreateTenant, DatabaseConfig, Engine, EngineConfig, Error, MailTransport, Refusal,
    Tenant, Unverified, Wishes, open_backup,
};
use prokura_jose::{Algorithm, MasterKey, PublicKey, Rejection, SigningKey, TokenMinter, TokenVerifier};
use prokura_testkit::{Answer, Database, TestClock, TestServer};
use std::{
    collections::HashSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tempfile::TempDir;

/// The testkit's master key.
const MASTER_KEY: [u8; 32] = [7; 32];

/// Counts up, and can be told to begin anew: then the same ids are drawn once more.
#[derive(Debug, Default)]
struct Rewinding(AtomicU64);

impl Entropy for Rewinding {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        for byte in bytes {
            let word = self.0.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            *byte = word.to_le_bytes()[4];
        }
        Ok(())
    }
}

async fn open(database: &Path, clock: Arc<TestClock>, entropy: Arc<dyn Entropy>, mail: &TempDir) -> Engine {
    let config = EngineConfig {
        database: DatabaseConfig::Sqlite { path: database.to_owned(), read_connections: 2 },
        public_url: "https://id.prokura.example".to_owned(),
        master_key: MasterKey::from_bytes(MASTER_KEY),
        tenant_template: prokura::app::tenant_template(),
        hash_workers: 1,
        leaked_passwords: None,
        mail: MailTransport::Folder(mail.path().to_owned()),
        outbound_networks: Vec::new(),
        hash_cost: Some((64, 1, 1)),
        stale_seconds: None,
    };
    Engine::open(config, clock, entropy).await.unwrap()
}

async fn signing_kid(engine: &Engine, tenant: &Tenant) -> KeyId {
    let keys = engine.keys(tenant).await.unwrap();
    keys.into_iter().find(|key| key.state == "active" && key.algorithm != "HS256").unwrap().kid
}

/// The header of a token names the key.
fn head(token: &str) -> &str {
    token.split('.').next().unwrap()
}

fn is_in_use<T: std::fmt::Debug>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Refused(Refusal::InUse(_))))
}

async fn key_set(server: &TestServer) -> Answer {
    let answer = server.get("/t/acme/.well-known/jwks.json", None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

async fn kids(server: &TestServer) -> Vec<String> {
    let set = key_set(server).await.json();
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn s40_tenants_whose_keys_have_the_same_kid_never_verify_each_others_tokens() {
    let (folder, mail) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = folder.path().join("prokura.db");
    let entropy = Arc::new(Rewinding::default());
    let engine = open(&path, Arc::default(), entropy.clone(), &mail).await;
    let mut tenants = Vec::new();
    for name in ["acme", "beta"] {
        entropy.0.store(0, Ordering::SeqCst);
        let request = CreateTenant { id: name.parse().unwrap(), name: name.to_owned(), settings: None };
        let tenant = engine.create_tenant(&request, &Actor::System, &origin()).await.unwrap();
        let client = CreateClient {
            id: Some(client_id(&format!("sf-{name}"))),
            name: name.to_owned(),
            kind: ClientKind::Public,
            scopes: String::new(),
            grants: "guest".to_owned(),
            refresh_policy: RefreshPolicy::Family,
            access_seconds: None,
            refresh_seconds: None,
            registration: prokura_engine::Registration::default(),
        };
        engine.create_client(&tenant, &client, &Actor::System, &origin()).await.unwrap();
        tenants.push(tenant);
    }
    let [acme, beta] = tenants.as_slice() else { unreachable!("two tenants") };
    let kid = signing_kid(&engine, acme).await;
    assert_eq!(kid, signing_kid(&engine, beta).await, "the test wants the same kid twice");

    let guest = BeginGuest::nameless(client_id("sf-acme"), Wishes::default());
    let token = engine.begin_guest(acme, &guest, &origin()).await.unwrap().access_token().unwrap();
    let says = engine.verify(&token).unwrap().token.clone();
    assert_eq!(says.standing.tenant, acme.id);

    // The private keys, as the database holds them.
    let database = rusqlite::Connection::open(&path).unwrap();
    let private = |tenant: &Tenant| {
        let sealed: String = database
            .query_row(
                "SELECT private_sealed FROM signing_keys WHERE tenant_id = ?1 AND kid = ?2 AND algorithm <> 'HS256'",
                [tenant.id.as_str(), kid.as_str()],
                |row| row.get(0),
            )
            .unwrap();
        let parts = ["signing_keys.private_sealed", tenant.id.as_str(), kid.as_str()];
        let algorithm: Algorithm = tenant.settings.algorithm.parse().unwrap();
        let key = MasterKey::from_bytes(MASTER_KEY).open(&parts, &sealed).unwrap();
        Arc::new(SigningKey::from_pkcs8(algorithm, kid.clone(), &key).unwrap())
    };
    let mint = |key: &Arc<SigningKey>, issuer: &Arc<str>| {
        let mut says = says.clone();
        says.issuer = issuer.clone();
        says.audience = issuer.clone().into();
        TokenMinter::new(key.clone(), issuer.clone(), issuer.clone()).mint(&says).unwrap()
    };
    let (of_acme, of_beta) = (private(acme), private(beta));
    assert!(engine.verify(&mint(&of_acme, &acme.issuer)).is_ok(), "the forger's tools work");
    let forged = engine.verify(&mint(&of_beta, &acme.issuer));
    assert!(matches!(forged, Err(Unverified::Rejected(Rejection::BadSignature))), "{:?}", forged.err());
    let forged = engine.verify(&mint(&of_acme, &beta.issuer));
    assert!(matches!(forged, Err(Unverified::Rejected(Rejection::BadSignature))), "{:?}", forged.err());
    // With the issuer of one and the tenant claim of the other, the honest key of the issuer does not help either.
    if let Ok(mixed) = engine.verify(&mint(&of_beta, &beta.issuer)) {
        assert_eq!(mixed.token.standing.tenant, beta.id, "beta's key speaks for acme");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s140_a_sealed_key_that_was_moved_to_another_row_is_not_opened() {
    let (folder, mail) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = folder.path().join("prokura.db");
    let new_entropy = || Arc::new(prokura_testkit::SeededEntropy::new(1));
    let engine = open(&path, Arc::default(), new_entropy(), &mail).await;
    for name in ["acme", "beta"] {
        let request = CreateTenant { id: name.parse().unwrap(), name: name.to_owned(), settings: None };
        engine.create_tenant(&request, &Actor::System, &origin()).await.unwrap();
    }
    let acme = engine.tenant(&"acme".parse().unwrap()).await.unwrap();
    let older = signing_kid(&engine, &acme).await;
    engine.rotate_keys(&acme, true, &Actor::System, &origin()).await.unwrap();
    engine.close().await.unwrap();
    drop(engine);

    let database = rusqlite::Connection::open(&path).unwrap();
    let sealed = |tenant: &str, state: &str| -> String {
        let sql =
            "SELECT private_sealed FROM signing_keys WHERE tenant_id = ?1 AND state = ?2 AND algorithm <> 'HS256'";
        database.query_row(sql, [tenant, state], |row| row.get(0)).unwrap()
    };
    let put = |value: &str| {
        let sql = "UPDATE signing_keys SET private_sealed = ?1
                    WHERE tenant_id = 'acme' AND state = 'active' AND algorithm <> 'HS256'";
        assert_eq!(database.execute(sql, [value]).unwrap(), 1);
    };
    let own = sealed("acme", "active");
    for (moved, from) in [(sealed("acme", "retired"), "an older key"), (sealed("beta", "active"), "another tenant")] {
        put(&moved);
        let engine = open(&path, Arc::default(), new_entropy(), &mail).await;
        let loaded = engine.tenant(&acme.id).await;
        assert!(matches!(loaded, Err(Error::Fault(_))), "the key of {from} is taken: {:?}", loaded.is_ok());
        assert!(engine.tenant(&"beta".parse().unwrap()).await.is_ok(), "the others work on");
        engine.close().await.unwrap();
    }
    put(&own);
    let engine = open(&path, Arc::default(), new_entropy(), &mail).await;
    let acme = engine.tenant(&acme.id).await.unwrap();
    assert_ne!(signing_kid(&engine, &acme).await, older);
}

#[tokio::test(flavor = "multi_thread")]
async fn s40_a_token_of_one_tenant_opens_nothing_of_another() {
    let server = TestServer::start().await;
    let mut tokens = Vec::new();
    for name in ["acme", "beta"] {
        let tenant = server.tenant(name).await;
        let client = format!("sf-{name}");
        server.client(&tenant, &client, ClientKind::Public, "guest", "", RefreshPolicy::Family).await;
        let guest = BeginGuest::nameless(client_id(&client), Wishes::default());
        tokens.push(server.engine.begin_guest(&tenant, &guest, &origin()).await.unwrap().access_token().unwrap());
    }
    for (at, token, expected) in [("acme", 0, 200), ("acme", 1, 401), ("beta", 0, 401), ("beta", 1, 200)] {
        let answer = server.get(&format!("/session-context/{at}/me/context"), Some(&tokens[token])).await;
        assert_eq!(answer.status, expected, "token {token} at {at}: {}", answer.text);
    }
}

on_both_databases!(
    s41_a_key_is_published_before_it_signs_and_stays_after_it,
    s41_a_compromised_key_ends_its_tokens_at_once,
    s41_no_verifier_with_a_cached_key_set_fails_during_a_rotation,
);

async fn s41_a_key_is_published_before_it_signs_and_stays_after_it(database: Database) {
    let mut world = World::new(database, RefreshPolicy::Family).await;
    let (engine, tenant) = (&world.engine().clone(), &Arc::clone(&world.tenant));
    let (actor, from) = (Actor::System, origin());
    let first = signing_kid(engine, tenant).await;
    let before = world.acting("le-1").await.access_token().unwrap();

    let next = engine.rotate_keys(tenant, false, &actor, &from).await.unwrap().kid;
    assert!(kids(&world.server).await.iter().any(|kid| kid == next.as_str()), "published at once");
    assert!(is_in_use(&engine.rotate_keys(tenant, false, &actor, &from).await), "one next key at a time");
    world.server.advance(599);
    engine.advance_keys().await.unwrap();
    assert_eq!(signing_kid(engine, tenant).await, first, "not before every cache of 300 s was renewed twice");
    let late = world.acting("le-1").await.access_token().unwrap();
    assert_eq!(head(&late), head(&before));

    world.server.advance(1);
    engine.advance_keys().await.unwrap();
    assert_eq!(signing_kid(engine, tenant).await, next);
    world.tenant = engine.tenant(&tenant.id).await.unwrap();
    let after = world.acting("le-1").await.access_token().unwrap();
    assert_ne!(head(&after), head(&before));
    for token in [&before, &late, &after] {
        assert!(world.is_good(token), "no token suffers from a rotation");
    }

    assert!(is_in_use(&engine.retire_key(tenant, &first, false, &actor, &from).await), "its tokens live");
    assert!(is_in_use(&engine.retire_key(tenant, &next, false, &actor, &from).await), "it signs");
    assert!(kids(&world.server).await.iter().any(|kid| kid == first.as_str()));
    let longest = i64::from(tenant.settings.lifetimes.access);
    world.server.advance(longest);
    assert!(is_in_use(&engine.retire_key(tenant, &first, false, &actor, &from).await), "clocks and caches differ");
    world.server.advance(60 + 300);
    engine.retire_key(tenant, &first, false, &actor, &from).await.unwrap();
    assert_eq!(kids(&world.server).await, [next.as_str()]);
}

async fn s41_a_compromised_key_ends_its_tokens_at_once(database: Database) {
    let world = World::new(database, RefreshPolicy::Family).await;
    let (engine, tenant) = (world.engine(), &world.tenant);
    let stolen = signing_kid(engine, tenant).await;
    let token = world.acting("le-1").await.access_token().unwrap();
    assert!(world.is_good(&token));
    engine.retire_key(tenant, &stolen, true, &Actor::System, &origin()).await.unwrap();
    assert!(!world.is_good(&token));
    let answer = world.server.get("/session-context/acme/me/context", Some(&token)).await;
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert!(!kids(&world.server).await.iter().any(|kid| kid == stolen.as_str()));
    let tenant = engine.tenant(&tenant.id).await.unwrap();
    let guest = BeginGuest::nameless(client_id("sf"), Wishes::default());
    let fresh = engine.begin_guest(&tenant, &guest, &origin()).await.unwrap();
    assert!(world.is_good(&fresh.access_token().unwrap()), "another key signs from here on");
    let again = engine.retire_key(&tenant, &stolen, true, &Actor::System, &origin()).await;
    assert!(matches!(again, Err(Error::Refused(Refusal::NotFound(_)))), "{again:?}");
}

/// Somebody who verifies tokens on their own and asks for the key set no more often than its `max-age` says.
struct Service {
    verifier: TokenVerifier,
    asked_at: Timestamp,
    /// Which node it happens to reach.
    node: usize,
}

impl Service {
    const MAX_AGE_MILLIS: i64 = 300_000;

    async fn work(&mut self, nodes: &[&TestServer], tenant: &Tenant, tokens: &[String]) {
        let now = nodes[0].clock.now();
        if now.millis_since(self.asked_at) >= Self::MAX_AGE_MILLIS {
            let set = key_set(nodes[self.node % nodes.len()]).await.json();
            let keys = set["keys"].as_array().unwrap().iter().map(|key| PublicKey::from_jwk(key).unwrap()).collect();
            self.verifier.set_keys(
                tenant.id.clone(),
                vec![prokura_jose::Names::native(tenant.issuer.clone(), tenant.issuer.clone())],
                keys,
            );
            self.asked_at = now;
        }
        for token in tokens {
            let verdict = self.verifier.verify(token, now);
            assert!(verdict.is_ok(), "{:?} at {now:?}", verdict.err());
        }
    }
}

/// New tokens of every node, several at the same time.
async fn tokens_of(nodes: &[&TestServer], tenant: &Tenant) -> Vec<String> {
    let mut tasks = tokio::task::JoinSet::new();
    for node in nodes {
        let tenant = node.engine.tenant(&tenant.id).await.unwrap();
        for _ in 0..4 {
            let (engine, tenant) = (node.engine.clone(), Arc::clone(&tenant));
            tasks.spawn(async move {
                let guest = BeginGuest::nameless(client_id("sf"), Wishes::default());
                engine.begin_guest(&tenant, &guest, &origin()).await.unwrap().access_token().unwrap()
            });
        }
    }
    tasks.join_all().await
}

async fn s41_no_verifier_with_a_cached_key_set_fails_during_a_rotation(database: Database) {
    const STEP_SECONDS: i64 = 30;
    let world = World::new(database, RefreshPolicy::Family).await;
    let other = if database == Database::Postgres { Some(world.server.start_second_node().await) } else { None };
    let nodes: Vec<&TestServer> = std::iter::once(&world.server).chain(&other).collect();
    let (engine, tenant, actor, from) = (world.engine(), &world.tenant, Actor::System, origin());
    let mut services = Vec::new();
    for node in 0..5 {
        services.push(Service { verifier: TokenVerifier::new(4_096), asked_at: Timestamp::from_millis(0), node });
    }
    let first = signing_kid(engine, tenant).await;
    let mut tokens = Vec::new();
    let mut kids_seen = HashSet::new();
    for step in 0_i64..50 {
        // Each service begins at a moment of its own, so their caches end at different ones.
        let working = services.len().min(usize::try_from(step / 2).unwrap() + 1);
        let fresh = if step == 12 {
            let (fresh, rotated) =
                tokio::join!(tokens_of(&nodes, tenant), engine.rotate_keys(tenant, false, &actor, &from));
            rotated.unwrap();
            fresh
        } else {
            tokens_of(&nodes, tenant).await
        };
        kids_seen.extend(fresh.iter().map(|token| head(token).to_owned()));
        tokens.extend(fresh);
        for service in services.iter_mut().take(working) {
            service.work(&nodes, tenant, &tokens).await;
        }
        world.server.advance(STEP_SECONDS);
        // The last node is the one whose turn it is, and the others hear of it.
        nodes[nodes.len() - 1].engine.advance_keys().await.unwrap();
        for node in &nodes {
            node.engine.poll_feed().await.unwrap();
        }
    }
    assert_eq!(kids_seen.len(), 2, "there was a rotation");
    assert_ne!(signing_kid(engine, tenant).await, first);
    assert!(tokens.len() >= 200, "there was a load: {}", tokens.len());

    world.server.advance(i64::from(tenant.settings.lifetimes.access) + 360);
    engine.retire_key(tenant, &first, false, &actor, &from).await.unwrap();
    for node in &nodes {
        node.engine.poll_feed().await.unwrap();
    }
    let tokens = tokens_of(&nodes, tenant).await;
    for service in &mut services {
        service.work(&nodes, tenant, &tokens).await;
    }
    let stolen = signing_kid(engine, tenant).await;
    engine.retire_key(tenant, &stolen, true, &actor, &from).await.unwrap();
    for node in &nodes {
        node.engine.poll_feed().await.unwrap();
        for token in &tokens {
            assert!(node.engine.verify(token).is_err(), "every node refuses what a compromised key signed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s42_the_key_set_is_public_cacheable_and_the_same_on_every_node() {
    let world = World::new(Database::Postgres, RefreshPolicy::Family).await;
    let other = world.server.start_second_node().await;
    other.engine.tenant(&world.tenant.id).await.unwrap();
    for is_rotated in [false, true] {
        if is_rotated {
            world.engine().rotate_keys(&world.tenant, false, &Actor::System, &origin()).await.unwrap();
            other.engine.poll_feed().await.unwrap();
        }
        let (here, there) = (key_set(&world.server).await, key_set(&other).await);
        assert_eq!(here.text, there.text);
        let etag = here.headers.get("etag").unwrap().clone();
        assert_eq!(Some(&etag), there.headers.get("etag"));
        assert!(here.headers.get("cache-control").unwrap().to_str().unwrap().contains("max-age=300"));
        let set = here.json();
        let keys = set["keys"].as_array().unwrap();
        assert_eq!(keys.len(), if is_rotated { 2 } else { 1 }, "the companion key is nobody's business");
        for key in keys {
            for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
                assert!(key.get(name).is_none(), "{name} is private");
            }
            for name in ["kid", "use", "alg", "kty"] {
                assert!(key[name].is_string(), "{name} is missing");
            }
        }
        let url = format!("{}/t/acme/.well-known/jwks.json", other.url);
        let same = other.send(other.http.get(&url).header("if-none-match", etag)).await;
        assert_eq!((same.status, same.text.as_str()), (304, ""));
        let stale = other.send(other.http.get(&url).header("if-none-match", "\"another\"")).await;
        assert_eq!((stale.status, stale.text.as_str()), (200, here.text.as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s146_a_restore_raises_nothing_that_was_handed_out_before_it() {
    let world = World::new(Database::Sqlite, RefreshPolicy::Rotate { leeway_seconds: 10 }).await;
    let (folder, mail) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let early = world.acting("le-1").await;
    let sealed = folder.path().join("prokura.backup");
    prokura_engine::back_up(&world.server.database, &MasterKey::from_bytes(MASTER_KEY), &sealed).await.unwrap();
    let early_token = early.refresh.as_ref().unwrap().token.clone();
    let rotated = world.refresh(&early_token, Some("le-2")).await.unwrap();
    let late = world.acting("le-1").await;

    let path = folder.path().join("restored.db");
    open_backup(&MasterKey::from_bytes(MASTER_KEY), &sealed, &path).unwrap();
    world.server.advance(3_600);
    let clock = Arc::clone(&world.server.clock);
    let entropy = Arc::new(prokura_testkit::SeededEntropy::new(clock.now().millis().unsigned_abs()));
    let restored = open(&path, clock, entropy, &mail).await;
    assert!(restored.begin_restored_epoch().await.unwrap() >= 1, "sessions of before were open in the backup");
    let tenant = restored.tenant(&world.tenant.id).await.unwrap();
    for granted in [&early, &rotated, &late] {
        assert!(restored.verify(&granted.access_token().unwrap()).is_err(), "an access token of before");
        let token = &granted.refresh.as_ref().unwrap().token;
        for entity in [None, Some("le-1")] {
            let answer = refresh(&restored, &tenant, token, entity).await;
            assert!(matches!(answer, Err(Error::Refused(Refusal::InvalidGrant))), "{answer:?}");
        }
    }
    let guest = BeginGuest::nameless(client_id("sf"), Wishes::default());
    let guest = restored.begin_guest(&tenant, &guest, &origin()).await.unwrap();
    let again = log_in(&restored, &tenant, guest.standing(), "ann@a.example", PASSWORD).await.unwrap().granted;
    assert!(restored.verify(&again.access_token().unwrap()).is_ok(), "people log in again");
    let token = again.refresh.unwrap().token;
    let acting = refresh(&restored, &tenant, &token, Some("le-1")).await.unwrap();
    assert_eq!(
        restored.verify(&acting.access_token().unwrap()).unwrap().token.standing.legal_entity().unwrap().as_str(),
        "le-1"
    );
}
