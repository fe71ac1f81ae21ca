//! Whom a customer may act for, asked with their access token. Salesforce's interface knows no companies, so this one
//! question goes to the Emporix-compatible one of the same server.

use reqwest::{Client, Method};

use super::pages::Company;
use super::upstream::{Call, address};

/// All companies the customer may act for, by name.
pub(crate) fn companies(http: &Client, prokura_url: &str, tenant: &str) -> Call<Vec<Company>> {
    let address = address(prokura_url, &["customer-management", tenant, "legal-entities"]);
    Call::reading(address.map(|address| http.request(Method::GET, address)), |_, body| {
        let mut companies: Vec<Company> = serde_json::from_slice(body)?;
        companies.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
        Ok(companies)
    })
}
