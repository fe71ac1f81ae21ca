//! How far and how fast an end reaches (S-70): two nodes over one PostgreSQL, with and without notifications. And for how
//! long a node that hears nothing decides about tokens (S-71).

use crate::arrange::{World, on_both_databases, refresh};
use prokura_domain::{ClientKind, RefreshPolicy};
use prokura_engine::{Actor, DatabaseConfig, Error, Origin, Refusal, Unverified};
use prokura_testkit::{Answer, Database, Options, TestServer};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// What the feed promises.
const REACH: Duration = Duration::from_secs(5);

async fn world_with_background() -> World {
    let options =
        Options { database: Database::Postgres, has_background: true, is_clock_frozen: false, ..Options::default() };
    World::on(TestServer::start_with(options).await, RefreshPolicy::Family).await
}

async fn an_end_reaches_the_other_node(is_channel_cut: bool) {
    let world = world_with_background().await;
    let other = world.server.start_second_node().await;
    let tenant = other.engine.tenant(&world.tenant.id).await.unwrap();
    let acting = world.acting("le-1").await;
    let elsewhere = world.acting("le-2").await;
    assert!(other.engine.verify(&acting.access_token().unwrap()).is_ok());
    if is_channel_cut {
        other.engine.stop_listening();
    }
    world
        .engine()
        .unassign(&world.tenant, world.assignments.first().unwrap(), &Actor::System, &Origin::local("test"))
        .await
        .unwrap();
    let answered = Instant::now();
    assert!(world.engine().verify(&acting.access_token().unwrap()).is_err(), "on the node itself at once");
    while other.engine.verify(&acting.access_token().unwrap()).is_ok() {
        assert!(answered.elapsed() < REACH, "the other node still accepts the token");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let refused = refresh(&other.engine, &tenant, &acting.refresh.unwrap().token, Some("le-1")).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::NotAssigned))), "{refused:?}");
    assert!(other.engine.verify(&elsewhere.access_token().unwrap()).is_ok(), "nobody else loses anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn s70_an_end_reaches_the_other_node_by_notification() {
    an_end_reaches_the_other_node(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s70_an_end_reaches_the_other_node_by_polling_alone() {
    an_end_reaches_the_other_node(true).await;
}

/// Every door that decides about an access token: as a bearer, in a parameter, and for a gateway elsewhere.
async fn knock_everywhere(server: &TestServer, token: &str) -> Vec<Answer> {
    let parameter = format!("/customerlogin/auth/anonymous/refresh?tenant=acme&client_id=sf&anonymous_token={token}");
    vec![
        server.get("/customer/acme/me", Some(token)).await,
        server.get(&format!("/customer/acme/logout?accessToken={token}"), Some(token)).await,
        server.get(&parameter, None).await,
        server.get("/t/acme/userinfo", Some(token)).await,
        server.post("/gateway/v1/resolve", Some("gateway-secret"), &json!({ "token": token })).await,
    ]
}

fn retry_after(answer: &Answer) -> u32 {
    answer.headers["retry-after"].to_str().unwrap().parse().unwrap()
}

async fn s71_tokens_are_decided_about_on_old_news_for_thirty_seconds_only(database: Database) {
    let options = Options { database, stale_seconds: Some(30), ..Options::default() };
    let world = World::on(TestServer::start_with(options).await, RefreshPolicy::Family).await;
    let token = world.acting("le-1").await.access_token().unwrap();
    let server = &world.server;
    let (grants, policy) = ("client_credentials token_exchange", RefreshPolicy::Rotate { leeway_seconds: 10 });
    let secret = server.client(&world.tenant, "bk", ClientKind::Confidential, grants, "a", policy).await;
    let secret = secret.unwrap();
    let form = async |path: &str, fields: &[(&str, &str)]| {
        let request = server.http.post(format!("{}/t/acme/{path}", server.url)).form(fields);
        server.send(request.basic_auth("bk", Some(secret.expose()))).await
    };
    let exchange = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token", &token),
    ];
    let me = async || server.get("/customer/acme/me", Some(&token)).await.status;
    assert_eq!(me().await, 200);
    server.advance(30);
    assert_eq!(me().await, 200);
    server.advance(1);
    for token in [token.as_str(), "nonsense"] {
        for answer in knock_everywhere(server, token).await {
            assert_eq!(answer.status, 503, "nothing is said about the token: {}", answer.text);
            assert!(retry_after(&answer) > 0);
        }
    }
    let introspected = form("introspect", &[("token", &token)]).await;
    assert_eq!(introspected.status, 503, "not even that it is inactive: {}", introspected.text);
    let exchanged = form("token", &exchange).await;
    assert_eq!(exchanged.status, 503, "{}", exchanged.text);
    assert_eq!(form("revoke", &[("token", &token)]).await.status, 200, "somebody else's token, so nothing ends");
    assert_eq!(server.get("/healthz", None).await.status, 200, "nobody restarts it");
    assert_eq!(server.get("/readyz", None).await.status, 503);
    world.engine().poll_feed().await.unwrap();
    assert_eq!(me().await, 200, "back at once");
    server.advance(-3);
    assert_eq!(me().await, 503, "heard of in the future: nobody knows how long ago that was (S-136)");
    world.engine().poll_feed().await.unwrap();
    assert_eq!(me().await, 200);
}

on_both_databases!(s71_tokens_are_decided_about_on_old_news_for_thirty_seconds_only);

/// Stands between a node and PostgreSQL, and freezes when told to: connections stay, and nothing passes.
struct Relay {
    port: u16,
    is_frozen: watch::Sender<bool>,
}

impl Relay {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (is_frozen, frozen) = watch::channel(false);
        let relay = Self { port: listener.local_addr().unwrap().port(), is_frozen };
        tokio::spawn(async move {
            while let Ok((node, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                let (from_node, to_node) = node.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass(from_node, to_server, frozen.clone()));
                tokio::spawn(pass(from_server, to_node, frozen.clone()));
            }
        });
        relay
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut frozen: watch::Receiver<bool>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if frozen.wait_for(|is_frozen| !is_frozen).await.is_err() || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s71_a_node_whose_database_froze_says_so_and_comes_back_by_itself() {
    let options = Options {
        database: Database::Postgres,
        has_background: true,
        is_clock_frozen: false,
        // Two missed readings.
        stale_seconds: Some(0),
        ..Options::default()
    };
    let world = World::on(TestServer::start_with(options).await, RefreshPolicy::Family).await;
    let DatabaseConfig::Postgres { url, pool_size, .. } = &world.server.database else { unreachable!() };
    let port = url.rsplit_once(':').unwrap().1.split_once('/').unwrap().0;
    let relay = Relay::to(port.parse().unwrap()).await;
    let url = url.replace(&format!(":{port}/"), &format!(":{}/", relay.port));
    let statement_deadline = Duration::from_secs(1);
    let config = DatabaseConfig::Postgres { url, pool_size: *pool_size, statement_deadline };
    let node = world.server.start_beside(config).await;
    let token = world.acting("le-1").await.access_token().unwrap();
    let me = async || node.get("/customer/acme/me", Some(&token)).await;
    assert_eq!(me().await.status, 200);
    assert_eq!(node.get("/readyz", None).await.status, 200);

    relay.is_frozen.send(true).unwrap();
    let frozen = Instant::now();
    assert!(node.engine.verify(&token).is_ok(), "what was just heard still counts");
    assert_eq!(node.get("/readyz", None).await.status, 503, "red long before that");
    while node.engine.verify(&token).is_ok() {
        assert!(frozen.elapsed() < Duration::from_secs(4), "it goes on believing");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(node.engine.verify(&token).unwrap_err(), Unverified::Stale);
    let asked = Instant::now();
    for answer in knock_everywhere(&node, &token).await {
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(retry_after(&answer) > 0);
    }
    assert!(asked.elapsed() < Duration::from_secs(1), "no answer waits for the database");
    assert_eq!(node.get("/healthz", None).await.status, 200, "nobody restarts it");
    assert!(world.server.engine.verify(&token).is_ok(), "the other node goes on");

    relay.is_frozen.send(false).unwrap();
    let thawed = Instant::now();
    while me().await.status != 200 || node.get("/readyz", None).await.status != 200 {
        assert!(thawed.elapsed() < REACH, "it does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
