//! Where a request came from and who asks: what the audit trail and the throttle need to know about it.

use crate::KeyProof;
use prokura_domain::{ClientId, CustomerId, OperatorId};
use std::{net::IpAddr, sync::Arc};

/// Where a request came from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The id the logs and the caller's error answer carry.
    pub request_id: Arc<str>,
    /// The peer, after trusted proxies.
    pub address: Option<IpAddr>,
    /// What the caller says it is, cut at 200 characters.
    pub user_agent: Option<Arc<str>>,
    /// The key whoever sent it showed (RFC 9449), where a door asks for tokens: they are bound to it. The issuing
    /// function uses the proof up.
    pub key_proof: Option<Arc<KeyProof>>,
}

impl Origin {
    /// A request that came from the command line of the server itself.
    pub fn local(command: &str) -> Self {
        Self { request_id: Arc::from(format!("cli-{command}")), address: None, user_agent: None, key_proof: None }
    }

    /// The address prefix that counts as one place: IPv4 whole, IPv6 by /64.
    pub fn prefix(&self) -> String {
        match self.address {
            Some(IpAddr::V4(v4)) => v4.to_string(),
            Some(IpAddr::V6(v6)) => {
                let [a, b, c, d, ..] = v6.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
            None => "local".to_owned(),
        }
    }
}

/// Who asks for a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A customer, for themselves or inside their company.
    Customer(CustomerId),
    /// A visitor without a login.
    Guest,
    /// A machine with a service token.
    Client(ClientId),
    /// Somebody who runs the tenant, through the administration API.
    Operator(OperatorId),
    /// The command line, the importer or a background job of the server itself.
    System,
}

impl Actor {
    /// Whoever shops: the customer, or somebody nobody knows.
    pub(crate) fn shopper(customer: Option<&CustomerId>) -> Self {
        customer.cloned().map_or(Self::Guest, Self::Customer)
    }

    /// The kind, as the audit trail spells it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Customer(_) => "customer",
            Self::Guest => "guest",
            Self::Client(_) => "client",
            Self::Operator(_) => "operator",
            Self::System => "system",
        }
    }

    /// Which one; `-` where there is only one.
    pub fn id(&self) -> &str {
        match self {
            Self::Customer(id) => id.as_str(),
            Self::Client(id) => id.as_str(),
            Self::Operator(id) => id.as_str(),
            Self::Guest | Self::System => "-",
        }
    }
}
