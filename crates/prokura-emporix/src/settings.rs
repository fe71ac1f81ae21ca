//! What a tenant that speaks this dialect starts with, and the scopes of the dialect.

use prokura_domain::GroupCode;
use prokura_engine::{GroupTemplate, Lifetimes, TenantSettings, group_name};

/// What every customer may do, whatever company they act for.
const CUSTOMER_SCOPES: [&str; 18] = [
    "customer.customerprofile_view",
    "customer.customerprofile_edit",
    "customer.consent_view",
    "customer.consent_manage",
    "approval.approval_read_own",
    "approval.approval_manage_own",
    "returns.returns_read_own",
    "returns.returns_manage_own",
    "quote.quote_read_own",
    "quote.quote_manage_own",
    "iam.scope_read_own",
    "customersegment.segment_read_own",
    "customermanagement.legalentity_read_own",
    "order.order_readascustomer",
    "order.order_updateascustomer",
    "order.history_view",
    "coupon.coupon_redeem",
    "ai.agentexecution_manage_own",
];

/// What those who fill, place or approve a company's carts may do besides.
const APPROVAL_SCOPES: &str = "approval.approval_read approval.approval_manage";

/// What those who manage a company's people may do besides.
const ADMIN_SCOPES: &str = "customer.customer_read_own customer.customer_manage_own iam.user_read_own iam.group_read_own \
                            iam.assignment_create_own iam.assignment_delete_own order.order_read_le";

/// What machines may be given.
const SERVICE_SCOPES: [&str; 29] = [
    "customer.customer_read",
    "customer.customer_manage",
    "customer.import_read",
    "customer.import_manage",
    "customer.assistedBuying_manage",
    "customermanagement.legalentity_read",
    "customermanagement.legalentity_manage",
    "customermanagement.contactassignment_read",
    "customermanagement.contactassignment_manage",
    "customermanagement.location_read",
    "customermanagement.location_manage",
    "customersegment.segment_read",
    "customersegment.segment_manage",
    "iam.user_read",
    "iam.user_create",
    "iam.user_update",
    "iam.user_delete",
    "iam.group_read",
    "iam.group_manage",
    "iam.assignment_manage",
    "iam.scope_read",
    "iam.scope_manage",
    "iam.access_read",
    "iam.access_manage",
    "sessioncontext.context_manage",
    "cart.cart_manage",
    "order.order_read",
    "order.order_read_le",
    "order.history_view",
];

/// Origins of browsers while storefronts are developed: the showcase and the examples of the SDK.
const DEVELOPMENT_ORIGINS: [&str; 4] =
    ["http://localhost:3000", "http://localhost:5173", "http://127.0.0.1:3000", "http://127.0.0.1:5173"];

/// What a tenant that speaks this dialect starts with.
///
/// Access tokens live long because one of the storefronts never refreshes; refresh tokens live as long and slide, until
/// the session ends 90 days after login.
pub fn tenant_settings() -> TenantSettings {
    TenantSettings {
        dialects: vec!["oauth".to_owned(), crate::caller::DIALECT.to_owned()],
        lifetimes: Lifetimes {
            access: 2_592_000,
            refresh: 2_592_000,
            session: 90 * 86_400,
            guest_access: 3_600,
            guest_refresh: 86_400,
            service: 14_400,
            companion: 14_400,
            ..Lifetimes::default()
        },
        switch_grace_seconds: 60,
        cors_origins: DEVELOPMENT_ORIGINS.map(str::to_owned).to_vec(),
        customer_scopes: CUSTOMER_SCOPES.join(" "),
        group_templates: GroupCode::ALL
            .iter()
            .map(|code| GroupTemplate {
                code: code.to_string(),
                name: group_name(*code).to_owned(),
                scopes: group_scopes(*code),
            })
            .collect(),
        has_implicit_entity: true,
        password_min: 6,
        ..TenantSettings::default()
    }
}

/// Every scope of this surface a backend key can have, blank separated.
pub fn service_scopes() -> String {
    SERVICE_SCOPES.join(" ")
}

fn group_scopes(code: GroupCode) -> String {
    match code {
        GroupCode::Admin => format!("{ADMIN_SCOPES} {APPROVAL_SCOPES}"),
        GroupCode::Buyer | GroupCode::Requester => APPROVAL_SCOPES.to_owned(),
        GroupCode::Contact => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prokura_domain::Scopes;

    #[test]
    fn only_admins_manage_the_people_of_a_company() {
        for template in tenant_settings().group_templates {
            let scopes = Scopes::parse(&template.scopes).unwrap();
            assert_eq!(scopes.contains("customer.customer_read_own"), template.code == "B2B_ADMIN", "{template:?}");
            assert_eq!(scopes.contains("approval.approval_manage"), template.code != "B2B_CONTACT", "{template:?}");
        }
    }

    #[test]
    fn scopes_are_scopes() {
        assert_eq!(Scopes::parse(&service_scopes()).unwrap().iter().count(), SERVICE_SCOPES.len());
        let settings = tenant_settings();
        assert_eq!(Scopes::parse(&settings.customer_scopes).unwrap().iter().count(), CUSTOMER_SCOPES.len());
    }
}
