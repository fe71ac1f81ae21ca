//! How far and how fast an end reaches (S-70): two nodes over one PostgreSQL, with and without notifications.

use crate::arrange::{World, refresh};
use prokura_domain::RefreshPolicy;
use prokura_engine::{Actor, Error, Origin, Refusal};
use prokura_testkit::{Database, Options, TestServer};
use std::time::{Duration, Instant};

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
    assert!(other.engine.verify(&acting.access_token).is_ok());
    if is_channel_cut {
        other.engine.stop_listening();
    }
    world
        .engine()
        .unassign(&world.tenant, world.assignments.first().unwrap(), &Actor::System, &Origin::local("test"))
        .await
        .unwrap();
    let answered = Instant::now();
    assert!(world.engine().verify(&acting.access_token).is_err(), "on the node itself at once");
    while other.engine.verify(&acting.access_token).is_ok() {
        assert!(answered.elapsed() < REACH, "the other node still accepts the token");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let refused = refresh(&other.engine, &tenant, &acting.refresh.unwrap().token, Some("le-1")).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::NotAssigned))), "{refused:?}");
    assert!(other.engine.verify(&elsewhere.access_token).is_ok(), "nobody else loses anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn s70_an_end_reaches_the_other_node_by_notification() {
    an_end_reaches_the_other_node(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s70_an_end_reaches_the_other_node_by_polling_alone() {
    an_end_reaches_the_other_node(true).await;
}
