//! Clocks that are wrong (S-136): a node whose clock differs from the database's takes no traffic and sweeps nothing, and
//! is itself again as soon as its clock is.

use crate::arrange::{PASSWORD, World};
use prokura_domain::{Clock as _, RefreshPolicy};
use prokura_engine::SystemClock;
use prokura_testkit::Database;

const TWO_HOURS: i64 = 7_200;
const TWO_YEARS: i64 = 63_072_000;

/// A world whose clock agrees with the database's.
async fn on_time(database: Database) -> World {
    let world = World::new(database, RefreshPolicy::Rotate { leeway_seconds: 10 }).await;
    world.server.advance(SystemClock.now().millis_since(world.server.clock.now()) / 1000);
    world.engine().poll_feed().await.unwrap();
    world
}

async fn readiness(world: &World) -> (u16, String) {
    let answer = world.server.get("/readyz", None).await;
    (answer.status, answer.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn s136_a_node_with_a_wrong_clock_takes_no_traffic_until_it_is_right() {
    let world = on_time(Database::Postgres).await;
    assert_eq!(readiness(&world).await.0, 200);
    let ann = world.acting("le-1").await;
    for off in [TWO_HOURS, -TWO_HOURS, 40, -40] {
        world.server.advance(off);
        world.engine().poll_feed().await.unwrap();
        let (status, text) = readiness(&world).await;
        assert_eq!(status, 503);
        assert!(text.contains("the clock is"), "{text}");
        assert_eq!(world.server.get("/healthz", None).await.status, 200, "nobody restarts it for that");
        world.server.advance(-off);
        world.engine().poll_feed().await.unwrap();
        assert_eq!(readiness(&world).await.0, 200, "and is itself again");
    }
    assert!(world.is_good(&ann.access_token().unwrap()), "nobody was logged out");
    assert!(world.refresh(&ann.refresh.unwrap().token, Some("le-2")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn s136_nothing_is_swept_by_a_wrong_clock() {
    for (database, is_swept) in [(Database::Sqlite, true), (Database::Postgres, false)] {
        let world = on_time(database).await;
        world.log_in(PASSWORD).await.unwrap();
        let sessions = async || world.engine().sessions(&world.tenant, None, "", 50).await.unwrap().len();
        assert_eq!(sessions().await, 1);
        world.engine().sweep().await.unwrap();
        assert_eq!(sessions().await, 1, "it is not over");
        // On SQLite there is one clock and it may be believed; PostgreSQL has its own and says otherwise.
        world.server.advance(TWO_YEARS);
        world.engine().sweep().await.unwrap();
        assert_eq!(sessions().await, usize::from(!is_swept), "{database:?}");
    }
}
