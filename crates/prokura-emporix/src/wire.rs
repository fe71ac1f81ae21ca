//! Spellings every service of the dialect shares.

use jiff::Timestamp as Moment;
use prokura_domain::{Scopes, TenantId, Timestamp};

/// A moment as the dialect writes it: UTC with milliseconds.
pub(crate) fn iso(at: Timestamp) -> String {
    let moment = Moment::from_millisecond(at.millis()).unwrap_or(Moment::MAX);
    format!("{moment:.3}")
}

/// Scopes as the dialect writes them: the tenant comes last, in the guise of one.
pub(crate) fn scope_text(scopes: &Scopes, tenant: &TenantId) -> String {
    if scopes.is_empty() { format!("tenant={tenant}") } else { format!("{scopes} tenant={tenant}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_milliseconds_even_when_there_are_none() {
        for (millis, expected) in [(0, "1970-01-01T00:00:00.000Z"), (1_787_306_400_120, "2026-08-21T10:00:00.120Z")] {
            assert_eq!(iso(Timestamp::from_millis(millis)), expected);
        }
    }

    #[test]
    fn the_tenant_is_the_last_scope() {
        let tenant: TenantId = "acme".parse().unwrap();
        assert_eq!(scope_text(&Scopes::default(), &tenant), "tenant=acme");
        assert_eq!(scope_text(&Scopes::parse("b a").unwrap(), &tenant), "a b tenant=acme");
    }
}
