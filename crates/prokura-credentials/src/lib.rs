//! How people prove who they are beside a password, and which passwords nobody should choose: codes of authenticator
//! apps, recovery codes, passkeys. Pure with regard to our tables: what is to be kept is handed out and back in, and
//! the engine decides where it lies and who may use it.

mod passkey;
mod passwords;
mod recovery;
mod totp;

pub use passkey::{Ceremony, NewPasskey, PasskeyClaim, PasskeyFault, PasskeyOwner, Passkeys};
pub use passwords::{LeakedPasswords, is_common, is_personal, listed_as, normalized};
pub use recovery::RecoveryCode;
pub use totp::{Totp, TotpFault};
