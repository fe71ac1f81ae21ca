//! How often another server is asked, by a clock that stands still.

use super::*;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("down")]
struct Down;

struct Still(AtomicI64);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

struct Server {
    clock: Still,
    shelf: Shelf<usize, Down>,
    asked: AtomicUsize,
}

impl Server {
    fn new() -> Self {
        Self { clock: Still(AtomicI64::new(1_000_000)), shelf: Shelf::default(), asked: AtomicUsize::new(0) }
    }

    fn advance(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Its documents are numbered.
    async fn answer(&self, max_age: Option<u32>, is_up: bool) -> Result<(usize, Option<u32>), Down> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        // Others get their turn to come for the same.
        tokio::task::yield_now().await;
        if is_up { Ok((number, max_age)) } else { Err(Down) }
    }

    async fn current(&self, max_age: Option<u32>, is_up: bool) -> Result<usize, Down> {
        self.shelf.current(&self.clock, || self.answer(max_age, is_up)).await.map(|number| *number)
    }
}

#[tokio::test]
async fn s88_a_document_is_fetched_when_it_is_not_fresh_and_by_one_at_a_time() {
    for (max_age, fresh) in [(None, 3_600), (Some(5), 300), (Some(900), 900), (Some(u32::MAX), 86_400)] {
        let server = Server::new();
        let all: Vec<_> = (0..50).map(|_| server.current(max_age, true)).collect();
        assert!(futures_util::future::join_all(all).await.into_iter().all(|found| found == Ok(1)));
        server.advance(fresh - 1);
        assert_eq!(server.current(max_age, true).await, Ok(1), "{max_age:?}");
        server.advance(1);
        assert_eq!(server.current(max_age, true).await, Ok(2), "{max_age:?}");
    }
}

#[tokio::test]
async fn s88_a_document_is_kept_for_a_day_while_its_server_is_away() {
    let server = Server::new();
    assert_eq!(server.current(None, true).await, Ok(1));
    server.advance(3_600);
    assert_eq!(server.current(None, false).await, Ok(1));
    assert_eq!(server.current(None, false).await, Ok(1));
    assert_eq!(server.asked(), 2, "nobody asks again within seconds");
    server.advance(10);
    assert_eq!(server.current(None, false).await, Ok(1));
    assert_eq!(server.asked(), 3);
    server.advance(86_400 - 3_610);
    assert_eq!(server.current(None, false).await, Err(Down), "a day is over");
    assert_eq!(server.current(None, true).await, Err(Down), "and nobody asks within seconds");
    server.advance(10);
    assert_eq!(server.current(None, true).await, Ok(5));
}

#[tokio::test]
async fn s88_many_reasons_to_ask_anew_are_one_question_a_minute() {
    let server = Server::new();
    let first = server.shelf.current(&server.clock, || server.answer(None, true)).await.unwrap();
    let anew = async |is_up| server.shelf.newer(&server.clock, &first, || server.answer(None, is_up)).await;
    let all: Vec<_> = (0..1_000).map(|_| anew(true)).collect();
    assert!(futures_util::future::join_all(all).await.into_iter().all(|found| *found.unwrap() == 2));
    assert_eq!(server.asked(), 2);
    let second = server.shelf.current(&server.clock, || server.answer(None, true)).await.unwrap();
    let anew = async |is_up| server.shelf.newer(&server.clock, &second, || server.answer(None, is_up)).await;
    server.advance(59);
    assert_eq!(*anew(true).await.unwrap(), 2, "not within a minute");
    server.advance(1);
    assert_eq!(anew(false).await, Err(Down));
    assert_eq!(*anew(true).await.unwrap(), 2, "a failure counts, too");
    assert_eq!(server.current(None, false).await, Ok(2), "and takes nothing from others");
    assert_eq!(server.asked(), 3);
}
