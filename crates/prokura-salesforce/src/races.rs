//! Requests with one refresh token that overlap in time get one answer. Clients of this dialect race with themselves (two
//! tabs, one stored token), and the loser would throw everything away. Whoever comes after the answer was given is judged
//! like any replay.

use crate::fault::SlasFault;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use parking_lot::Mutex;
use prokura_engine::Granted;
use prokura_jose::SecretHash;
use std::{collections::HashMap, future::Future, sync::Arc};

/// What is under way on this node. An entry lives as long as somebody waits for it.
#[derive(Clone, Default)]
pub(crate) struct Races(Arc<Mutex<HashMap<String, WeakShared<Flight>>>>);

type Flight = BoxFuture<'static, Result<Arc<Granted>, SlasFault>>;

/// Entries whose answer was given are swept out once there are so many.
const SWEEP_AT: usize = 1_024;

impl Races {
    /// Does `work`, or waits for whoever does the `same` already. It is done to its end even where everybody who waited
    /// went away, so no token is half used.
    pub(crate) async fn once(
        &self,
        same: &str,
        work: impl Future<Output = Result<Granted, SlasFault>> + Send + 'static,
    ) -> Result<Arc<Granted>, SlasFault> {
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

fn fly(work: impl Future<Output = Result<Granted, SlasFault>> + Send + 'static) -> Shared<Flight> {
    let task = tokio::spawn(work);
    async move {
        match task.await {
            Ok(result) => result.map(Arc::new),
            Err(_) => Err(SlasFault::interrupted()),
        }
    }
    .boxed()
    .shared()
}
