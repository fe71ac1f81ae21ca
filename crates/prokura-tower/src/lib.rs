//! A tower layer for services that take access tokens themselves, without the gateway in front.
//!
//! An [`Issuer`] knows the keys of one tenant, from the issuer's metadata, and keeps them fresh. A [`Guard`] is a layer that
//! lets a request through when its token is good enough, and puts the [`Caller`] into its extensions. What such a service
//! cannot see is the feed of revocations: a token that was taken back is good here until it expires, five minutes at most
//! where nobody configured more. Where that is too long, put the gateway in front.

mod caller;
mod clock;
mod demand;
mod fetch;
mod guard;
mod issuer;
mod refusal;
mod replay;

pub use caller::Caller;
pub use demand::Level;
pub use fetch::FetchError;
pub use guard::{Guard, Guarded};
pub use issuer::{Issuer, IssuerBuilder, IssuerError};
pub use prokura_domain::{LegalEntityId, Scopes, Standing, Subject};
