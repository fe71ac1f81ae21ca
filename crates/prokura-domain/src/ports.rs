//! The ports through which time and randomness come in. Real implementations live in the engine, scripted ones in the
//! testkit; nothing else asks the system.

use crate::Timestamp;
use thiserror::Error;

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no randomness from the operating system")]
pub struct EntropyUnavailable;

/// Where randomness comes from.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with unpredictable values.
    ///
    /// # Errors
    /// When the operating system refuses; there is no fallback (S-137).
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable>;
}
