//! QR codes as SVG, drawn by the server: no script, no image file, no secret in an address.

use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write as _;

/// The quiet zone around a code, in modules (ISO/IEC 18004 asks for four).
const MARGIN: usize = 4;

/// A QR code: how wide it is and one SVG path of all dark modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Qr {
    /// Modules on a side, with the quiet zone.
    pub(super) side: usize,
    /// The `d` of the path: digits, `M`, `h`, `v` and `z` only.
    pub(super) path: String,
}

impl Qr {
    /// The code of `text`; `None` when it is too long for one.
    pub(super) fn of(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let width = code.width();
        let mut path = String::new();
        for (position, color) in code.to_colors().into_iter().enumerate() {
            if color == Color::Dark {
                let (x, y) = (position % width + MARGIN, position / width + MARGIN);
                write!(path, "M{x} {y}h1v1h-1z").ok()?;
            }
        }
        Some(Self { side: width + 2 * MARGIN, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_three_finder_patterns_and_a_quiet_zone() {
        let qr = Qr::of("otpauth://totp/Shop:ann?secret=JBSWY3DPEHPK3PXP&issuer=Shop").unwrap();
        let last = qr.side - MARGIN - 1;
        for corner in [(MARGIN, MARGIN), (last, MARGIN), (MARGIN, last)] {
            assert!(qr.path.contains(&format!("M{} {}h", corner.0, corner.1)), "{corner:?}");
        }
        assert!(!qr.path.contains(&format!("M{last} {last}z")));
        assert!(!qr.path.contains("M0 ") && !qr.path.contains("M3 "));
    }

    #[test]
    fn what_does_not_fit_has_no_code() {
        assert_eq!(Qr::of(&"x".repeat(10_000)), None);
    }
}
