//! Amounts of money as whole cents, and percentages as whole basis points. Never a floating-point number: a price that
//! is shown, multiplied and added up must stay the same price.

use std::fmt;
use std::str::FromStr;

/// An amount in hundredths of its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Cents(pub(crate) i64);

/// A share in hundredths of a percent: `1250` is 12.5 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct BasisPoints(pub(crate) i64);

impl Cents {
    /// This amount less a discount, rounded half up to the cent.
    pub(crate) fn less(self, discount: BasisPoints) -> Self {
        Self((self.0 * (10_000 - discount.0) + 5_000) / 10_000)
    }

    /// This amount for a number of pieces.
    pub(crate) fn times(self, quantity: i64) -> Self {
        Self(self.0 * quantity)
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

/// Written as a percentage without needless zeros: `12.5`, `15`.
impl fmt::Display for BasisPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, rest) if rest % 10 == 0 => write!(f, "{whole}.{}", rest / 10),
            (whole, rest) => write!(f, "{whole}.{rest:02}"),
        }
    }
}

/// The text is not a decimal number of the expected size.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotDecimal;

impl FromStr for Cents {
    type Err = NotDecimal;

    fn from_str(text: &str) -> Result<Self, NotDecimal> {
        scaled(text, 2).map(Self)
    }
}

impl BasisPoints {
    /// Reads a percentage, `12.5`, from 0 to 100.
    pub(crate) fn from_percent(text: &str) -> Result<Self, NotDecimal> {
        scaled(text, 2).and_then(Self::bounded)
    }

    /// Reads a fraction, `0.125`, from 0 to 1.
    pub(crate) fn from_fraction(text: &str) -> Result<Self, NotDecimal> {
        scaled(text, 4).and_then(Self::bounded)
    }

    fn bounded(points: i64) -> Result<Self, NotDecimal> {
        if points <= 10_000 { Ok(Self(points)) } else { Err(NotDecimal) }
    }
}

/// Reads an unsigned decimal number with at most `places` digits after the point, scaled to a whole number. Nine digits
/// before the point are enough for any price and keep every product far from overflow.
fn scaled(text: &str, places: usize) -> Result<i64, NotDecimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let only_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 9 || fraction.len() > places || !only_digits(whole) || !only_digits(fraction) {
        return Err(NotDecimal);
    }
    format!("{whole}{fraction:0<places$}").parse().map_err(|_| NotDecimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly_and_nothing_else_is() {
        for (text, expected) in
            [("18", Ok(1800)), ("18.5", Ok(1850)), ("0.05", Ok(5)), ("123456789.99", Ok(12_345_678_999))]
        {
            assert_eq!(text.parse::<Cents>().map(|cents| cents.0), expected, "{text}");
        }
        for text in ["", ".5", "1.234", "-1", "1e3", "1,50", " 1", "1234567890"] {
            assert_eq!(text.parse::<Cents>(), Err(NotDecimal), "{text:?}");
        }
        assert_eq!(BasisPoints::from_fraction("0.15"), Ok(BasisPoints(1500)));
        assert_eq!(BasisPoints::from_percent("12.5"), Ok(BasisPoints(1250)));
        assert_eq!(BasisPoints::from_percent("100.01"), Err(NotDecimal));
    }

    #[test]
    fn a_discount_rounds_half_up_to_the_cent() {
        assert_eq!(Cents(1999).less(BasisPoints(1250)), Cents(1749));
        assert_eq!(Cents(10).less(BasisPoints(500)), Cents(10));
        assert_eq!(Cents(1800).less(BasisPoints(0)), Cents(1800));
        assert_eq!(Cents(1800).less(BasisPoints(10_000)), Cents(0));
    }

    #[test]
    fn amounts_and_percentages_are_written_plainly() {
        assert_eq!(Cents(5).to_string(), "0.05");
        assert_eq!(Cents(-1234).to_string(), "-12.34");
        assert_eq!(BasisPoints(1500).to_string(), "15");
        assert_eq!(BasisPoints(1250).to_string(), "12.5");
        assert_eq!(BasisPoints(1205).to_string(), "12.05");
    }
}
