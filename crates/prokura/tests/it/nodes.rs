//! A second node that finds things otherwise than the first: another time (S-136), or a dead host of the database.

use crate::arrange::{PASSWORD, World, refresh};
use prokura_domain::{Clock as _, RefreshPolicy};
use prokura_engine::{DatabaseConfig, SystemClock};
use prokura_testkit::{Database, TestServer};
use std::time::Duration;

const ROTATE: RefreshPolicy = RefreshPolicy::Rotate { leeway_seconds: 10 };
const TWO_HOURS: i64 = 2 * 3_600;

/// A world whose clock stands at the machine's time, which is the database's as well.
async fn present() -> World {
    let world = World::new(Database::Postgres, ROTATE).await;
    world.server.advance(SystemClock.now().millis_since(world.server.clock.now()) / 1000);
    world.engine().poll_feed().await.unwrap();
    world
}

async fn readiness(server: &TestServer) -> (u16, String) {
    let answer = server.get("/readyz", None).await;
    (answer.status, answer.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn s136_a_second_node_whose_clock_is_off_takes_no_traffic() {
    let world = present().await;
    assert_eq!(readiness(&world.server).await.0, 200);
    for seconds in [0, 20, -20] {
        let near = world.server.start_second_node_ahead(seconds).await;
        assert_eq!(readiness(&near).await.0, 200, "{seconds} s off");
    }
    for seconds in [TWO_HOURS, -TWO_HOURS, 60, -60] {
        let off = world.server.start_second_node_ahead(seconds).await;
        let (status, text) = readiness(&off).await;
        assert_eq!(status, 503, "{seconds} s off");
        assert!(text.contains("the clock is"), "{text}");
        assert_eq!(off.get("/healthz", None).await.status, 200, "nobody restarts it for that");
    }
    assert_eq!(readiness(&world.server).await.0, 200, "the others go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_passes_over_a_host_that_is_dead() {
    let world = present().await;
    let DatabaseConfig::Postgres { url, pool_size, statement_deadline } = &world.server.database else {
        panic!("this test needs PostgreSQL")
    };
    // Nobody listens on port 1; the primary is the second host.
    let url = format!("{}?target_session_attrs=read-write&sslmode=prefer", url.replace('@', "@127.0.0.1:1,"));
    let (pool_size, statement_deadline) = (*pool_size, *statement_deadline);
    let node = world.server.start_beside(DatabaseConfig::Postgres { url, pool_size, statement_deadline }).await;
    assert_eq!(readiness(&node).await.0, 200);
    let tenant = node.engine.tenant(&world.tenant.id).await.unwrap();
    let held = world.log_in(PASSWORD).await.unwrap().granted.refresh.unwrap().token;
    let begun = std::time::Instant::now();
    let acting = refresh(&node.engine, &tenant, &held, Some("le-1")).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "a refused connection costs no time");
    assert!(node.engine.verify(&acting.access_token().unwrap()).is_ok());
}
