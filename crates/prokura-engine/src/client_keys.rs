//! The keys of clients that publish them (`jwks_uri`, RFC 7591 section 2): fetched by the one client for calls, remembered for
//! as long as they may be, fetched anew when something names a key that is not among them. No transaction is open meanwhile
//! (S-122). A client whose keys are away is told to come again, and one whose address is good for nothing is not let in.

use crate::{
    Engine, Error, Fault, Tenant,
    outbound::{Outbound, OutboundFault},
    shelf::Shelf,
};
use moka::sync::Cache;
use prokura_domain::{ClientId, TenantId};
use prokura_jose::{JwsAlgorithm, PublicKey, Rejection, VerifiedJws, parse_json_object, verify_jws};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use thiserror::Error as ThisError;

/// The longest key set, in bytes (S-121), and the most keys of it that are read.
const MAX_DOCUMENT: usize = 64 * 1024;
const MAX_KEYS: usize = 50;
/// How many clients a node remembers, and for how long after the last assertion of one.
const CLIENTS: u64 = 10_000;
const IDLE: Duration = Duration::from_hours(24);

/// Why there are no keys.
#[derive(Clone, Debug, ThisError, PartialEq, Eq)]
pub(crate) enum KeysFault {
    /// Where they are is not called, whoever asks.
    #[error("the keys of a client are not fetched: {0}")]
    Refused(&'static str),
    /// Nobody answered.
    #[error("the keys of a client could not be fetched: {0}")]
    Away(&'static str),
    /// There are none there.
    #[error("the address of a client's keys answered {0}")]
    Status(u16),
    /// What is there is no set of keys.
    #[error("what a client names as its keys is no JWK set with a key that can be used")]
    Nonsense,
}

impl KeysFault {
    /// Whether it may be over in a moment.
    fn is_passing(&self) -> bool {
        match self {
            Self::Away(_) | Self::Status(408 | 425 | 429 | 500..) => true,
            Self::Refused(_) | Self::Status(_) | Self::Nonsense => false,
        }
    }
}

type Keys = Shelf<Vec<PublicKey>, KeysFault>;

/// The published keys of clients that came lately.
pub(crate) struct ClientKeys(Cache<(TenantId, ClientId, String), Arc<Keys>>);

impl ClientKeys {
    pub(crate) fn new() -> Self {
        Self(Cache::builder().max_capacity(CLIENTS).time_to_idle(IDLE).build())
    }
}

impl Engine {
    /// Verifies what a client signed with a key it publishes at `uri`; `None` when it did not.
    ///
    /// # Errors
    /// [`Fault::ClientKeys`] when nobody can say now.
    pub(crate) async fn verify_by_published_keys(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        uri: &str,
        (text, allowed): (&str, &[JwsAlgorithm]),
    ) -> Result<Option<VerifiedJws>, Error> {
        let place = (tenant.id.clone(), client.clone(), uri.to_owned());
        let board = self.client_keys.0.get_with(place, Arc::default);
        let fetch = || fetch(&self.outbound, uri);
        let known = match board.current(&*self.clock, fetch).await {
            Ok(known) => known,
            Err(fault) => return nobody(fault),
        };
        match verify_jws(text, &known, allowed, None) {
            Ok(verified) => Ok(Some(verified)),
            Err(Rejection::UnknownKey) => match board.newer(&*self.clock, &known, fetch).await {
                Ok(newer) => Ok(verify_jws(text, &newer, allowed, None).ok()),
                Err(fault) => nobody(fault),
            },
            Err(_) => Ok(None),
        }
    }
}

/// What is answered without keys.
fn nobody(fault: KeysFault) -> Result<Option<VerifiedJws>, Error> {
    if fault.is_passing() { Err(Fault::ClientKeys(Box::new(fault)).into()) } else { Ok(None) }
}

async fn fetch(outbound: &Outbound, uri: &str) -> Result<(Vec<PublicKey>, Option<u32>), KeysFault> {
    let answer = outbound.fetch(uri, MAX_DOCUMENT).await.map_err(|fault| match fault {
        OutboundFault::Refused(why) => KeysFault::Refused(why),
        OutboundFault::Unreachable(why) => KeysFault::Away(why),
    })?;
    if answer.status != 200 {
        return Err(KeysFault::Status(answer.status));
    }
    let set = parse_json_object(&answer.body).ok_or(KeysFault::Nonsense)?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or(KeysFault::Nonsense)?;
    // One that is broken, or for something else, spoils no other.
    let keys: Vec<_> = keys.iter().take(MAX_KEYS).filter_map(|jwk| PublicKey::from_jwk(jwk).ok()).collect();
    if keys.is_empty() { Err(KeysFault::Nonsense) } else { Ok((keys, answer.max_age_seconds)) }
}
