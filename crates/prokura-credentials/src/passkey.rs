//! Passkeys (Web Authentication Level 3). A ceremony has two halves; what the second needs to know of the first is kept by
//! the server and never shown to the browser. Every passkey verifies its user, so it counts as two factors; none names a
//! customer, neither in its options nor by its user handle.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use thiserror::Error;
use uuid::Uuid;
use webauthn_rs::prelude::{
    CredentialID, DiscoverableAuthentication, DiscoverableKey, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url, Webauthn, WebauthnBuilder, WebauthnError,
};

/// Why a ceremony came to nothing.
#[derive(Debug, Error)]
pub enum PasskeyFault {
    /// The browser's answer does not hold.
    #[error("the passkey's answer does not hold")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was kept cannot be read.
    #[error("what was kept of a passkey cannot be read")]
    Kept(#[source] serde_json::Error),
    /// The ceremony could not begin.
    #[error("the ceremony could not begin")]
    Broken(#[source] WebauthnError),
}

/// The first half of a ceremony.
pub struct Ceremony {
    /// What the browser is told, as the script of the pages reads it.
    pub options: Value,
    /// What the second half needs.
    pub state: String,
}

/// Whose passkey is made.
pub struct PasskeyOwner<'a> {
    /// Random, one per customer; the authenticator keeps it.
    pub handle: [u8; 16],
    /// The address the customer logs in with, shown by the browser.
    pub name: &'a str,
    /// The name of the customer, shown by the browser.
    pub display_name: &'a str,
    /// The shop, shown by the browser.
    pub shop: &'a str,
    /// The credential ids the customer has already: no authenticator makes a second one.
    pub present: Vec<Vec<u8>>,
}

/// A passkey that was made.
pub struct NewPasskey {
    /// The id the authenticator knows it by.
    pub credential_id: Vec<u8>,
    /// What is to be kept: public key and counter, nothing secret.
    pub kept: String,
}

/// Who a browser says it is, before anything is proven.
pub struct PasskeyClaim {
    answer: PublicKeyCredential,
    /// The user handle.
    pub handle: [u8; 16],
    /// The credential id.
    pub credential_id: Vec<u8>,
}

/// The relying party: one host, and every tenant on it.
pub struct Passkeys(Webauthn);

impl Passkeys {
    /// The relying party of an origin, as `https://id.example`; `None` where passkeys cannot be, because browsers know
    /// none for bare addresses and plain http elsewhere.
    pub fn of(public_url: &str) -> Option<Self> {
        let origin = Url::parse(public_url).ok()?;
        let host = origin.domain()?.to_owned();
        let is_local = host == "localhost" || host.ends_with(".localhost");
        if origin.scheme() != "https" && !is_local {
            return None;
        }
        let builder = WebauthnBuilder::new(&host, &origin).ok()?;
        Some(Self(builder.rp_name("Prokura").build().ok()?))
    }

    /// The relying party of other pages: `host` is that of the origins, or one above it; `None` where passkeys cannot be.
    pub fn at(host: &str, origins: &[String]) -> Option<Self> {
        let mut origins = origins.iter().filter_map(|origin| Url::parse(origin).ok()).filter(|origin| {
            let name = origin.domain().unwrap_or_default();
            let is_below = name.strip_suffix(host).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            let is_local = name == "localhost" || name.ends_with(".localhost");
            !host.is_empty() && is_below && (origin.scheme() == "https" || is_local)
        });
        let first = origins.next()?;
        let builder = WebauthnBuilder::new(host, &first).ok()?;
        let builder = origins.fold(builder, |builder, origin| builder.append_allowed_origin(&origin));
        Some(Self(builder.rp_name("Prokura").build().ok()?))
    }

    /// Begins making a passkey.
    ///
    /// # Errors
    /// [`PasskeyFault::Broken`].
    pub fn begin_registration(&self, owner: &PasskeyOwner<'_>) -> Result<Ceremony, PasskeyFault> {
        let present = owner.present.iter().map(|id| CredentialID::from(id.clone())).collect();
        let handle = Uuid::from_bytes(owner.handle);
        let (options, state) = self
            .0
            .start_passkey_registration(handle, owner.name, owner.display_name, Some(present))
            .map_err(PasskeyFault::Broken)?;
        let mut options = json!(options);
        if let Some(public_key) = options.get_mut("publicKey") {
            set(public_key, &["rp", "name"], json!(owner.shop));
            // Found by the browser itself, so that nobody has to say who they are first.
            set(public_key, &["authenticatorSelection", "residentKey"], json!("required"));
            set(public_key, &["authenticatorSelection", "requireResidentKey"], json!(true));
        }
        Ok(Ceremony { options, state: kept(&state)? })
    }

    /// Ends making a passkey.
    ///
    /// # Errors
    /// [`PasskeyFault::Refused`], [`PasskeyFault::Kept`].
    pub fn finish_registration(&self, state: &str, answer: &str) -> Result<NewPasskey, PasskeyFault> {
        let state: PasskeyRegistration = read(state)?;
        let answer: RegisterPublicKeyCredential = serde_json::from_str(answer).map_err(refused)?;
        let passkey = self.0.finish_passkey_registration(&answer, &state).map_err(refused)?;
        Ok(NewPasskey { credential_id: passkey.cred_id().as_slice().to_vec(), kept: kept(&passkey)? })
    }

    /// Begins a login. The options are the same for everybody.
    ///
    /// # Errors
    /// [`PasskeyFault::Broken`].
    pub fn begin_login(&self) -> Result<Ceremony, PasskeyFault> {
        let (options, state) = self.0.start_discoverable_authentication().map_err(PasskeyFault::Broken)?;
        Ok(Ceremony { options: json!(options), state: kept(&state)? })
    }

    /// Reads whose passkey answered.
    ///
    /// # Errors
    /// [`PasskeyFault::Refused`].
    pub fn claim(&self, answer: &str) -> Result<PasskeyClaim, PasskeyFault> {
        let answer: PublicKeyCredential = serde_json::from_str(answer).map_err(refused)?;
        let (handle, credential_id) = self.0.identify_discoverable_authentication(&answer).map_err(refused)?;
        let (handle, credential_id) = (handle.into_bytes(), credential_id.to_vec());
        Ok(PasskeyClaim { answer, handle, credential_id })
    }

    /// Ends a login with the passkey that was kept; a counter that does not count up is refused. Returns what is to be
    /// kept from now on.
    ///
    /// # Errors
    /// [`PasskeyFault::Refused`], [`PasskeyFault::Kept`].
    pub fn finish_login(&self, state: &str, claim: &PasskeyClaim, before: &str) -> Result<String, PasskeyFault> {
        let state: DiscoverableAuthentication = read(state)?;
        let mut passkey: Passkey = read(before)?;
        let key = DiscoverableKey::from(&passkey);
        let result = self.0.finish_discoverable_authentication_v2(&claim.answer, state, &key).map_err(refused)?;
        if !result.user_verified() {
            return Err(refused(WebauthnError::UserNotVerified));
        }
        passkey.update_credential(&result);
        kept(&passkey)
    }
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> PasskeyFault {
    PasskeyFault::Refused(Box::new(error))
}

fn kept(value: &impl Serialize) -> Result<String, PasskeyFault> {
    serde_json::to_string(value).map_err(PasskeyFault::Kept)
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, PasskeyFault> {
    serde_json::from_str(text).map_err(PasskeyFault::Kept)
}

/// Sets a member of nested objects, which are made where they are missing.
fn set(value: &mut Value, path: &[&str], to: Value) {
    match path {
        [] => *value = to,
        [name, rest @ ..] => {
            if !value.is_object() {
                *value = json!({});
            }
            if let Some(object) = value.as_object_mut() {
                set(object.entry(*name).or_insert(Value::Null), rest, to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_belong_to_names_not_to_addresses() {
        for (url, is_possible) in [
            ("https://id.example", true),
            ("https://id.example:8443", true),
            ("http://localhost:8400", true),
            ("http://id.demo.localhost:8400", true),
            ("http://id.example", false),
            ("http://127.0.0.1:8400", false),
            ("https://[::1]", false),
            ("nonsense", false),
        ] {
            assert_eq!(Passkeys::of(url).is_some(), is_possible, "{url}");
        }
    }

    #[test]
    fn passkeys_of_other_pages_belong_to_a_host_those_are_below() {
        for (host, origins, is_possible) in [
            ("shop.example", &["https://shop.example"][..], true),
            ("shop.example", &["https://www.shop.example", "https://m.shop.example"], true),
            ("shop.example", &["https://evil.example", "https://www.shop.example"], true),
            ("shop.example", &["https://evilshop.example"], false),
            ("shop.example", &["http://shop.example"], false),
            ("shop.example", &[], false),
            ("localhost", &["http://localhost:3000"], true),
            ("", &["https://shop.example"], false),
        ] {
            let origins: Vec<String> = origins.iter().map(|&origin| origin.to_owned()).collect();
            assert_eq!(Passkeys::at(host, &origins).is_some(), is_possible, "{host} {origins:?}");
        }
    }

    #[test]
    fn s102_the_options_of_a_login_name_nobody() {
        let passkeys = Passkeys::of("https://id.example").unwrap();
        let ceremony = passkeys.begin_login().unwrap();
        let options = &ceremony.options["publicKey"];
        assert_eq!(options["rpId"], "id.example");
        assert_eq!(options["allowCredentials"], json!([]));
        assert_eq!(options["userVerification"], "required");
    }

    #[test]
    fn a_new_passkey_is_found_by_the_browser_and_names_no_customer() {
        let passkeys = Passkeys::of("https://id.example").unwrap();
        let owner = PasskeyOwner {
            handle: [7; 16],
            name: "ann@a.example",
            display_name: "Ann",
            shop: "Acme",
            present: vec![vec![1, 2, 3]],
        };
        let options = passkeys.begin_registration(&owner).unwrap().options;
        let options = &options["publicKey"];
        assert_eq!(options["rp"], json!({ "name": "Acme", "id": "id.example" }));
        assert_eq!(options["user"]["id"], "BwcHBwcHBwcHBwcHBwcHBw");
        assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
        assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
        assert_eq!(options["excludeCredentials"][0]["id"], "AQID");
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let passkeys = Passkeys::of("https://id.example").unwrap();
        let state = passkeys.begin_login().unwrap().state;
        assert!(matches!(passkeys.claim("{}"), Err(PasskeyFault::Refused(_))));
        assert!(matches!(passkeys.finish_registration(&state, "{}"), Err(PasskeyFault::Kept(_))));
    }
}
