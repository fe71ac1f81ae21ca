//! How SLAS spells tokens: positional claims that its clients take apart, and the answer they come in.

use crate::{call::names, fault::SlasFault};
use aws_lc_rs::digest;
use md5::{Digest as _, Md5};
use prokura_domain::{CustomerId, SiteId, Standing, VisitorId};
use prokura_engine::{Customer, Door, Engine, Granted, ShopPages, Tenant};
use prokura_jose::Accent;
use serde_json::{Map, Value, json};

/// What separates positions.
const BREAK: &str = "::";
/// The most characters of the claim `isb`.
const MAX_ISB: usize = 256;
/// Customer ids have this many characters.
const ID_LENGTH: usize = 26;
/// Where a guest stands in place of a person.
const GUEST: &str = "upn:Guest::uidn:Guest User";

/// An id of 26 letters and digits for what `parts` name together; always the same for the same.
fn short_id(parts: &[&str]) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let hash = digest::digest(&digest::SHA256, parts.join("\0").as_bytes());
    let letter = |byte: &u8| ALPHABET.get(usize::from(*byte) % ALPHABET.len()).copied().map_or('a', char::from);
    hash.as_ref().iter().take(ID_LENGTH).map(letter).collect()
}

/// A customer's id as its clients know it.
pub(crate) fn customer_id(tenant: &Tenant, customer: &CustomerId) -> String {
    let id = customer.as_str();
    if id.len() == ID_LENGTH && id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    short_id(&["customer", tenant.id.as_str(), id])
}

/// The id of the guest behind a visitor's name at a site.
pub(crate) fn guest_id(standing: &Standing) -> String {
    guest(standing.tenant.as_str(), standing.visitor().unwrap_or_default(), standing.site.as_ref())
}

/// The same, of a session of a shop's own pages.
pub(crate) fn guest_of(tenant: &Tenant, pages: &ShopPages) -> String {
    let visitor = pages.visitor.as_ref().map_or(pages.session.as_str(), VisitorId::as_str);
    guest(tenant.id.as_str(), visitor, pages.site.as_ref())
}

fn guest(tenant: &str, visitor: &str, site: Option<&SiteId>) -> String {
    short_id(&["guest", tenant, visitor, site.map_or("", SiteId::as_str)])
}

/// What cookies of a site have in their names, as 32 hexadecimal digits.
pub(crate) fn short_site(tenant: &Tenant, site: &str) -> String {
    hexadecimal(&Md5::digest([tenant.id.as_str(), site].join("\0").as_bytes()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// The id of whoever is here: the customer's, or the guest's.
pub(crate) fn shopper_id(tenant: &Tenant, standing: &Standing) -> String {
    standing.customer().map_or_else(|| guest_id(standing), |customer| customer_id(tenant, customer))
}

/// Who is logged in, where somebody is.
pub(crate) async fn person(
    engine: &Engine,
    tenant: &Tenant,
    standing: &Standing,
) -> Result<Option<Customer>, SlasFault> {
    match standing.customer() {
        Some(customer) => Ok(Some(engine.customer(tenant, customer).await?)),
        None => Ok(None),
    }
}

/// The name of a person; made from their address where they gave none.
pub(crate) fn name(person: &Customer) -> String {
    let name = format!("{} {}", person.profile.given_name, person.profile.family_name);
    let name = name.trim();
    if !name.is_empty() {
        return name.to_owned();
    }
    let address = person.email.as_deref().unwrap_or_default();
    address.replacen('@', " ", 1)
}

/// The positions after the person: where the family came from, and the site last.
fn extras(granted: &Granted) -> String {
    let mut text = String::new();
    for (door, word) in [
        (Door::Bridge, "sesb:session_bridge"),
        (Door::OnBehalf, "tsob:ts_ext_on_behalf_of"),
        (Door::Agent, "taob:ta_ext_on_behalf_of"),
        (Door::OneTimeCode, "login:pwdless"),
    ] {
        if *granted.family_door == *door.verb() {
            text.push_str(BREAK);
            text.push_str(word);
        }
    }
    if let Some(agent) = granted.token.actors.first() {
        text.extend([BREAK, "agent:", agent.subject.as_str()]);
    }
    text
}

/// The claim `isb`: who it is, by position. A name that is too long is cut, because nobody is known by it.
fn issuer_subject(tenant: &Tenant, granted: &Granted, person: Option<&Customer>) -> Result<String, SlasFault> {
    let standing = granted.standing();
    let site = standing.site.as_ref().map_or("", |site| site.as_str());
    let guest = guest_id(standing);
    let tail = format!("{}{BREAK}chid:{site}", extras(granted));
    let Some(person) = person else {
        return Ok(format!("uido:slas{BREAK}{GUEST}{BREAK}gcid:{guest}{tail}"));
    };
    let id = customer_id(tenant, &person.id);
    let login = person.email.as_deref().unwrap_or(&id).replace(BREAK, "%3A%3A");
    let head = format!("uido:ecom{BREAK}upn:{login}{BREAK}uidn:");
    let tail = format!("{BREAK}gcid:{guest}{BREAK}rcid:{id}{tail}");
    let room = MAX_ISB.checked_sub(head.chars().count() + tail.chars().count());
    let room =
        room.ok_or_else(|| SlasFault::invalid_request("Issuer Subject length must be less than 256 characters"))?;
    let name: String = name(person).replace(':', "%3A").chars().take(room).collect();
    Ok(format!("{head}{name}{tail}"))
}

/// The claim `sub`: instance, client and visitor, by position.
pub(crate) fn subject(tenant: &Tenant, standing: &Standing) -> Result<String, SlasFault> {
    let instance = names(tenant)?.issuer.rsplit('/').next().unwrap_or_default();
    let visitor = standing.visitor().unwrap_or_default();
    Ok(format!("cc-slas::{instance}::scid:{}::usid:{visitor}", standing.client))
}

/// The token's number, as `jti` has it.
fn number(granted: &Granted) -> String {
    let digits = u128::from_str_radix(granted.token.id.as_str(), 16);
    digits.map_or_else(|_| format!("C2C-{}", granted.token.id), |number| format!("C2C-{number}"))
}

/// Signs what was granted as SLAS spells it.
pub(crate) fn sign(
    tenant: &Tenant,
    granted: &Granted,
    scopes: &str,
    person: Option<&Customer>,
) -> Result<String, SlasFault> {
    let accent = names(tenant)?;
    let standing = granted.standing();
    let subject = subject(tenant, standing)?;
    let mut claims = Map::new();
    let issued_at = granted.token.issued_at.seconds();
    for (name, value) in [
        ("aut", json!("GUID")),
        ("scp", json!(scopes)),
        ("ctx", json!("slas")),
        ("ist", json!(1)),
        ("nbf", json!(issued_at - 30)),
        ("sty", json!("User")),
        ("dnt", json!(if granted.does_not_track { "1" } else { "0" })),
        ("isb", json!(issuer_subject(tenant, granted, person)?)),
    ] {
        claims.insert(name.to_owned(), value);
    }
    let number = number(granted);
    let spelled = Accent {
        issuer: &accent.issuer,
        audience: &accent.audience,
        token_type: &accent.token_type,
        subject: &subject,
        id: &number,
        // A label, no address: nobody is to fetch it.
        header: &[("ver", "1.0"), ("jku", &accent.issuer), ("clv", "J2.3.4")],
        claims: &claims,
    };
    Ok(granted.access_token_as(&spelled)?)
}

/// The ID token that goes with it, of whoever is logged in; an empty text of a guest, for clients tell them apart by that.
fn id_token(tenant: &Tenant, granted: &Granted, person: Option<&Customer>) -> Result<String, SlasFault> {
    let Some(person) = person else { return Ok(String::new()) };
    let accent = names(tenant)?;
    let standing = granted.standing();
    let claims = json!({
        "sub": subject(tenant, standing)?,
        "aud": standing.client.as_str(),
        "iss": accent.issuer,
        "name": name(person),
        "email": person.email,
        "iat": granted.token.issued_at.seconds(),
        "exp": granted.token.expires_at.seconds(),
    });
    Ok(tenant.sign_claims("JWT", &claims)?)
}

/// The body of a token answer. Every field is there, in the type clients insist on.
pub(crate) async fn token_response(
    engine: &Engine,
    tenant: &Tenant,
    granted: &Granted,
    scopes: &str,
) -> Result<Value, SlasFault> {
    let standing = granted.standing();
    let person = person(engine, tenant, standing).await?;
    let refresh = granted.refresh.as_ref();
    let mut body = json!({
        "access_token": sign(tenant, granted, scopes, person.as_ref())?,
        "id_token": id_token(tenant, granted, person.as_ref())?,
        "refresh_token": refresh.map_or("", |refresh| refresh.token.expose()),
        "expires_in": granted.access_seconds,
        "refresh_token_expires_in": refresh.map_or(0, |refresh| refresh.seconds),
        "token_type": "Bearer",
        "usid": standing.visitor().unwrap_or_default(),
        "customer_id": shopper_id(tenant, standing),
        "enc_user_id": person.as_ref().map(hidden_user).unwrap_or_default(),
        "idp_access_token": "",
        "dnt": if granted.does_not_track { "true" } else { "false" },
    });
    if let (Some(entity), Some(members)) = (standing.legal_entity(), body.as_object_mut()) {
        members.insert("legal_entity_id".to_owned(), json!(entity.as_str()));
    }
    Ok(body)
}

/// A person's login as statistics see it.
fn hidden_user(person: &Customer) -> String {
    hexadecimal(&Md5::digest(person.email.as_deref().unwrap_or_default().as_bytes())).to_ascii_uppercase()
}

/// The body of the answer to a logout: everything blank. `refresh_token` is repeated where that was asked about.
pub(crate) fn blank_response(refresh_token: &str) -> Value {
    json!({
        "access_token": "",
        "id_token": "null",
        "refresh_token": refresh_token,
        "expires_in": 0,
        "refresh_token_expires_in": 0,
        "token_type": "Bearer",
        "usid": "null",
        "customer_id": "null",
        "enc_user_id": "null",
        "idp_access_token": "",
        "idp_refresh_token": "null",
        "dnt": "null",
    })
}
