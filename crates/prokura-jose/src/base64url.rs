//! Base64url without padding (RFC 7515 section 2), and only in its canonical form: one value has one spelling, so that
//! two texts never mean the same token.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Encodes `bytes`.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Appends the encoding of `bytes` to `text`.
pub(crate) fn encode_onto(bytes: &[u8], text: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Decodes `text`; `None` when it is padded, has loose trailing bits or another alphabet.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_read() {
        assert_eq!(decode("-_8"), Some(vec![0xfb, 0xff]));
        for bad in ["-_8=", "-_9", "+/8", "-_ 8", "-_8\n", "A"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }
}
