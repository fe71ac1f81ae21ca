//! Requests with one refresh token that overlap in time get one answer. Clients of this dialect race with themselves (two
//! tabs, one stored token), and the loser would throw everything away. Whoever comes after the answer was given is judged
//! like any replay.

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use parking_lot::Mutex;
use prokura_jose::SecretHash;
use std::{collections::HashMap, future::Future, sync::Arc};

/// What is under way on this node. An entry lives as long as somebody waits for it.
#[derive(Clone)]
pub(crate) struct Races<T: Clone>(Arc<Mutex<HashMap<String, WeakShared<Flight<T>>>>>);

type Flight<T> = BoxFuture<'static, Option<T>>;

/// Entries whose answer was given are swept out once there are so many.
const SWEEP_AT: usize = 1_024;

impl<T: Clone> Default for Races<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone + Send + Sync + 'static> Races<T> {
    /// Does `work`, or waits for whoever does the `same` already. It is done to its end even where everybody who waited
    /// went away, so no token is half used. `None` when it broke off.
    pub(crate) async fn once(&self, same: &str, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let key = SecretHash::of(same).to_string();
        let flight = {
            let mut flights = self.0.lock();
            if let Some(flight) = flights.get(&key).and_then(WeakShared::upgrade) {
                flight
            } else {
                let flight = fly(work);
                if flights.len() >= SWEEP_AT {
                    flights.retain(|_, flight| flight.upgrade().is_some());
                }
                if let Some(weak) = flight.downgrade() {
                    flights.insert(key.clone(), weak);
                }
                flight
            }
        };
        let result = flight.clone().await;
        drop(flight);
        let mut flights = self.0.lock();
        if flights.get(&key).is_some_and(|flight| flight.upgrade().is_none()) {
            flights.remove(&key);
        }
        result
    }
}

fn fly<T: Clone + Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Shared<Flight<T>> {
    let task = tokio::spawn(work);
    async move { task.await.ok() }.boxed().shared()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::sync::{Notify, oneshot};

    /// Work that ends when it is let go, and tells its number.
    fn work(count: &Arc<AtomicU32>, go: &Arc<Notify>) -> impl Future<Output = u32> + Send + 'static {
        let (count, go) = (Arc::clone(count), Arc::clone(go));
        async move {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            go.notified().await;
            number
        }
    }

    #[tokio::test]
    async fn who_overlaps_gets_one_answer_and_who_comes_later_another() {
        let (races, count, go) = (Races::default(), Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let let_go = async {
            tokio::task::yield_now().await;
            go.notify_one();
        };
        let (one, two, other, ()) = tokio::join!(
            races.once("a", work(&count, &go)),
            races.once("a", work(&count, &go)),
            races.once("b", async { 9 }),
            let_go
        );
        assert_eq!((one, two, other), (Some(1), Some(1), Some(9)));
        assert_eq!(count.load(Ordering::SeqCst), 1, "it was done once");
        go.notify_one();
        assert_eq!(races.once("a", work(&count, &go)).await, Some(2), "nobody waits for what is over");
        assert!(races.0.lock().is_empty(), "nothing is kept of it");
    }

    #[tokio::test]
    async fn it_is_done_to_its_end_though_everybody_went_away() {
        let (races, go, (done, is_done)) = (Races::default(), Arc::new(Notify::new()), oneshot::channel());
        let going = Arc::clone(&go);
        let waiter = races.once("a", async move {
            going.notified().await;
            done.send(()).expect("somebody looks");
        });
        assert_eq!(waiter.now_or_never(), None, "it is under way");
        go.notify_one();
        is_done.await.expect("it was done");
    }

    #[tokio::test]
    async fn what_broke_off_is_no_answer() {
        assert_eq!(Races::<()>::default().once("a", async { panic!("on purpose") }).await, None);
    }
}
