//! Keys, signatures and what hangs on them: JSON web tokens, opaque secrets, sealed values, and the verifier with its
//! cache and its knowledge of what was revoked.
//!
//! Everything cryptographic of Prokura happens here and rests on one library, aws-lc. One parser reads every compact
//! JWS, ours and a partner's, so no two places can understand one token differently.

mod audience;
mod base64url;
pub mod dpop;
pub mod feed;
mod json;
mod jws;
mod key;
mod life;
mod seal;
mod secret;
#[cfg(test)]
mod testing;
mod token;
mod verify;

pub use audience::{Audience, MAX_AUDIENCES};
pub use json::parse_object as parse_json_object;
pub use jws::{Claims, Rejection, VerifiedJws, verify_hs256, verify_jws};
pub use key::{Algorithm, HmacKey, Jwks, JwsAlgorithm, KeyError, PublicKey, SigningKey};
pub use life::{CLOCK_SKEW_SECONDS, JWKS_MAX_AGE_SECONDS, KeyLife, PUBLISH_AHEAD_SECONDS};
pub use seal::{MasterKey, MasterKeyError, SealError};
pub use secret::{InvalidSecretHash, Secret, SecretHash};
pub use token::{Accent, AccessToken, ActorClaim, MAX_ACTORS, TokenMinter, mint_hs256, sign_jwt};
pub use verify::{Names, TokenVerifier, VerifiedToken};
