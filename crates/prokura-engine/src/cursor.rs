//! Cursors of lists: where a page ended, with a keyed code over the place the cursor was made for, so that one of
//! another tenant or list, or one somebody changed, opens nothing (S-74).

use crate::Engine;
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Bytes of the code.
const CODE: usize = 16;
/// The longest cursor that is looked at.
const MAX_LENGTH: usize = 512;

impl Engine {
    /// A cursor for the place `scope` names, such as a tenant and a list.
    pub fn cursor(&self, scope: &[&str], after: &str) -> String {
        let mut bytes = self.cursor_code(scope, after).to_vec();
        bytes.extend_from_slice(after.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Where the page ended; `None` for a cursor that was not made here for this place.
    pub fn open_cursor(&self, scope: &[&str], cursor: &str) -> Option<String> {
        if cursor.len() > MAX_LENGTH {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (code, after) = bytes.split_at_checked(CODE)?;
        let after = std::str::from_utf8(after).ok()?;
        let wanted = self.cursor_code(scope, after);
        aws_lc_rs::constant_time::verify_slices_are_equal(code, &wanted).ok()?;
        Some(after.to_owned())
    }

    fn cursor_code(&self, scope: &[&str], after: &str) -> [u8; CODE] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.master_key.derive("cursors"));
        let mut context = hmac::Context::with_key(&key);
        for part in scope.iter().copied().chain([after]) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let tag = context.sign();
        let mut code = [0; CODE];
        for (byte, made) in code.iter_mut().zip(tag.as_ref()) {
            *byte = *made;
        }
        code
    }
}
