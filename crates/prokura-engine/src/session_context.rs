//! What a session prefers: storefront, currency, language, place, a cart, and free attributes. Owner and company are
//! noted here by logging in and choosing; they are information, never authority. A guest's context is forgotten an hour
//! after its last use; a customer's stays as long as the session.

use crate::{
    Actor, Engine, Error, Origin, Refusal, Site, StoreError, Tenant,
    audit::Entry,
    retrying,
    store::{ContextRow, SessionRow, Tx, from_json, to_json},
};
use prokura_domain::{CustomerId, LegalEntityId, SessionId, SiteId, Standing, Subject, Timestamp};
use serde_json::{Map, Value};

/// For how long a guest's context is kept without use.
const GUEST_IDLE_MILLIS: i64 = 3_600_000;
/// A look at a context is noted as a use at most this often.
const USE_NOTED_MILLIS: i64 = 60_000;
/// The most attributes, and the most bytes of them together.
const MAX_ATTRIBUTES: usize = 200;
const MAX_ATTRIBUTE_BYTES: usize = 64 * 1024;
/// The most characters of a name or of a short text.
const MAX_TEXT: usize = 128;

/// What a visitor would like to begin with. What is not known is left out.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// At which storefront.
    pub site: Option<SiteId>,
    /// The currency (ISO 4217).
    pub currency: Option<String>,
    /// The language, as `en` or `en_US`.
    pub language: Option<String>,
    /// The country to deliver to (ISO 3166 alpha-2).
    pub target_location: Option<String>,
}

/// A session's preferences, as the viewer may see them.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionContext {
    /// The session.
    pub session: SessionId,
    /// Who owns it.
    pub customer: Option<CustomerId>,
    /// The company its newest family acts for.
    pub legal_entity: Option<LegalEntityId>,
    /// The storefront; empty when the tenant has none.
    pub site: String,
    /// The currency.
    pub currency: String,
    /// The language.
    pub language: String,
    /// The country to deliver to.
    pub target_location: String,
    /// The cart, when a shop noted one.
    pub cart: Option<String>,
    /// Free attributes.
    pub attributes: Map<String, Value>,
    /// Counts changes.
    pub version: i64,
}

/// What is to be changed; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct ContextChange {
    /// The storefront; must be an open one of the tenant.
    pub site: Option<SiteId>,
    /// The currency.
    pub currency: Option<String>,
    /// The language.
    pub language: Option<String>,
    /// The country to deliver to.
    pub target_location: Option<String>,
    /// The cart; only machines may note one.
    pub cart: Option<Option<String>>,
    /// All free attributes.
    pub attributes: Option<Map<String, Value>>,
    /// The version the caller has read; `None` changes whatever is there.
    pub version: Option<i64>,
    /// Whether one is to be made where there is none.
    pub is_upsert: bool,
}

/// Who looks at a context.
#[derive(Clone, Copy, Debug)]
pub enum ContextViewer<'a> {
    /// Somebody with a token of the session itself.
    Visitor(&'a Standing),
    /// A machine with the right to manage contexts, and the customer it has proof of acting for.
    Machine {
        /// The machine.
        client: &'a prokura_domain::ClientId,
        /// Whose consent it presented.
        customer: Option<&'a CustomerId>,
    },
}

/// What a viewer may do with a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// Everything.
    Whole,
    /// Look around and say which language to speak: a guest's token in a session that a customer owns by now, or one
    /// whose customer the owner is not (S: a planted guest token must not watch its victim).
    Outside,
}

impl ContextViewer<'_> {
    fn view(self, row: &ContextRow) -> View {
        match self {
            Self::Machine { .. } => View::Whole,
            Self::Visitor(standing) => match (&standing.subject, &row.customer) {
                (Subject::Guest, None) => View::Whole,
                (Subject::Customer(viewer), Some(owner)) if viewer == owner => View::Whole,
                (Subject::Guest | Subject::Customer(_) | Subject::Service, _) => View::Outside,
            },
        }
    }

    fn actor(self) -> Option<Actor> {
        match self {
            Self::Machine { client, .. } => Some(Actor::Client(client.clone())),
            Self::Visitor(_) => None,
        }
    }
}

impl Engine {
    /// A session's context, as `viewer` may see it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is none, or none any more.
    pub async fn session_context(
        &self,
        tenant: &Tenant,
        session: &SessionId,
        viewer: ContextViewer<'_>,
    ) -> Result<SessionContext, Error> {
        let now = self.clock.now();
        let row = self.store.read().await?.context(&tenant.id, session).await?;
        let row = row.filter(|row| !is_forgotten(row, now)).ok_or(Refusal::NotFound("session context"))?;
        if now.millis_since(row.used_at) >= USE_NOTED_MILLIS {
            let mut tx = self.store.write().await?;
            tx.note_context_use(&tenant.id, session, now).await?;
            tx.commit().await?;
        }
        let view = viewer.view(&row);
        seen(row, view)
    }

    /// Changes a session's context.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is none and none is to be made; [`Refusal::StaleVersion`]; [`Refusal::Invalid`];
    /// [`Refusal::Forbidden`] for a machine without proof in a customer's session.
    pub async fn change_session_context(
        &self,
        tenant: &Tenant,
        session: &SessionId,
        viewer: ContextViewer<'_>,
        change: &ContextChange,
        origin: &Origin,
    ) -> Result<(), Error> {
        check(change)?;
        retrying!(self.change_session_context_once(tenant, session, viewer, change, origin))
    }

    async fn change_session_context_once(
        &self,
        tenant: &Tenant,
        session: &SessionId,
        viewer: ContextViewer<'_>,
        change: &ContextChange,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let sites = tx.sites(&tenant.id).await?;
        if let Some(wanted) = &change.site
            && !sites.iter().any(|site| site.is_active && site.id == *wanted)
        {
            return Err(Refusal::invalid("site", "an open site of the tenant").into());
        }
        let found = tx.context(&tenant.id, session).await?;
        let is_there = found.as_ref().is_some_and(|row| !is_forgotten(row, now));
        if !is_there {
            if !change.is_upsert {
                return Err(Refusal::NotFound("session context").into());
            }
            // A context belongs to a session, and what was forgotten is not to come back.
            let is_over = |row: &SessionRow| !row.is_active || row.expires_at <= now;
            if tx.session(&tenant.id, session).await?.is_none_or(|row| is_over(&row)) {
                return Err(Refusal::NotFound("session").into());
            }
            let families = tx.families_of_session(&tenant.id, session).await?;
            let newest = families.into_iter().rev().find(|family| family.customer.is_some());
            let mut row = fresh(session, None, &sites, &Wishes::default(), now);
            if let Some(family) = newest {
                row.customer = family.customer;
                row.legal_entity = family.acting_for.map(|acting_for| acting_for.legal_entity);
            }
            tx.drop_context(&tenant.id, session).await?;
            tx.insert_context(&tenant.id, &row).await?;
        }
        let mut row = tx.context(&tenant.id, session).await?.ok_or(StoreError::Conflict)?;
        if is_there && change.version.is_some_and(|version| version != row.version) {
            return Err(Refusal::StaleVersion.into());
        }
        let view = viewer.view(&row);
        check_consent(viewer, &row)?;
        apply(change, view, viewer, &mut row)?;
        let version = row.version;
        if !tx.update_context(&tenant.id, &row, version, now).await? {
            return Err(StoreError::Conflict.into());
        }
        self.audit_context(&mut tx, tenant, session, viewer, "session_context.put", origin, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Sets one attribute, or takes it away.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for the context or, when taken away, the attribute; [`Refusal::Forbidden`] for a guest's
    /// token in a customer's session; [`Refusal::Invalid`].
    pub async fn set_context_attribute(
        &self,
        tenant: &Tenant,
        session: &SessionId,
        viewer: ContextViewer<'_>,
        (name, value): (&str, Option<&Value>),
        origin: &Origin,
    ) -> Result<(), Error> {
        if name.is_empty() || name.chars().count() > MAX_TEXT || name.chars().any(char::is_control) {
            return Err(Refusal::invalid("key", "1 to 128 characters").into());
        }
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let row = tx.context(&tenant.id, session).await?.filter(|row| !is_forgotten(row, now));
            let mut row = row.ok_or(Refusal::NotFound("session context"))?;
            if viewer.view(&row) == View::Outside {
                return Err(Refusal::Forbidden("the session belongs to a customer").into());
            }
            check_consent(viewer, &row)?;
            let mut attributes = attributes(&row)?;
            match value {
                Some(value) => {
                    attributes.insert(name.to_owned(), value.clone());
                }
                None => {
                    attributes.shift_remove(name).ok_or(Refusal::NotFound("attribute"))?;
                }
            }
            row.attributes_json = attributes_json(&attributes)?;
            let version = row.version;
            if !tx.update_context(&tenant.id, &row, version, now).await? {
                return Err(StoreError::Conflict.into());
            }
            self.audit_context(&mut tx, tenant, session, viewer, "session_context.put_attribute", origin, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Preferences of visitors leave no trail, changes by machines do.
    async fn audit_context(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        session: &SessionId,
        viewer: ContextViewer<'_>,
        verb: &'static str,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(actor) = viewer.actor() else { return Ok(()) };
        let entry = Entry::new(&actor, verb, "session", session.as_str()).session(Some(session));
        self.audit(tx, &tenant.id, origin, entry, now).await
    }
}

/// The site a visitor begins at, when they named an open one.
pub(crate) fn wanted_site<'a>(sites: &'a [Site], wishes: &Wishes) -> Option<&'a Site> {
    sites.iter().find(|site| site.is_active && Some(&site.id) == wishes.site.as_ref())
}

/// In a customer's session a machine needs the customer's own proof besides its right.
fn check_consent(viewer: ContextViewer<'_>, row: &ContextRow) -> Result<(), Refusal> {
    match (viewer, &row.customer) {
        (ContextViewer::Machine { customer, .. }, Some(owner)) if customer != Some(owner) => {
            Err(Refusal::Forbidden("the session belongs to a customer who did not consent"))
        }
        _ => Ok(()),
    }
}

/// Whether a guest's context has been without use for too long.
fn is_forgotten(row: &ContextRow, now: Timestamp) -> bool {
    row.customer.is_none() && now.millis_since(row.used_at) >= GUEST_IDLE_MILLIS
}

/// A context with what the visitor wished for where it makes sense, and the site's defaults everywhere else.
pub(crate) fn fresh(
    session: &SessionId,
    customer: Option<CustomerId>,
    sites: &[Site],
    wishes: &Wishes,
    now: Timestamp,
) -> ContextRow {
    let default = sites.iter().find(|site| site.is_default && site.is_active);
    let site = wanted_site(sites, wishes).or(default).or_else(|| sites.iter().find(|site| site.is_active));
    let text = |field: fn(&Site) -> &String| site.map(field).cloned().unwrap_or_default();
    let spoken = |language: &&String| {
        site.is_some_and(|site| {
            language.as_str() == site.language || site.languages.iter().any(|known| known == *language)
        })
    };
    ContextRow {
        session: session.clone(),
        customer,
        legal_entity: None,
        site: site.map(|site| site.id.to_string()).unwrap_or_default(),
        currency: wishes
            .currency
            .as_ref()
            .filter(|text| is_currency(text))
            .cloned()
            .unwrap_or_else(|| text(|site| &site.currency)),
        language: wishes.language.as_ref().filter(spoken).cloned().unwrap_or_else(|| text(|site| &site.language)),
        target_location: wishes
            .target_location
            .as_ref()
            .filter(|text| is_country(text))
            .cloned()
            .unwrap_or_else(|| text(|site| &site.country)),
        cart: None,
        attributes_json: "{}".to_owned(),
        version: 1,
        used_at: now,
    }
}

fn apply(change: &ContextChange, view: View, viewer: ContextViewer<'_>, row: &mut ContextRow) -> Result<(), Error> {
    if let Some(site) = &change.site {
        row.site = site.to_string();
    }
    for (new, old) in [
        (&change.currency, &mut row.currency),
        (&change.language, &mut row.language),
        (&change.target_location, &mut row.target_location),
    ] {
        if let Some(new) = new {
            old.clone_from(new);
        }
    }
    if view == View::Outside {
        return Ok(());
    }
    if let Some(attributes) = &change.attributes {
        row.attributes_json = attributes_json(attributes)?;
    }
    if let (Some(cart), ContextViewer::Machine { .. }) = (&change.cart, viewer) {
        row.cart.clone_from(cart);
    }
    Ok(())
}

/// Whether the change makes sense at all; the site is looked up later.
fn check(change: &ContextChange) -> Result<(), Refusal> {
    if change.currency.as_ref().is_some_and(|text| !is_currency(text)) {
        return Err(Refusal::invalid("currency", "three capital letters, as EUR"));
    }
    if change.language.as_ref().is_some_and(|text| !is_language(text)) {
        return Err(Refusal::invalid("language", "a language, as en or en_US"));
    }
    if change.target_location.as_ref().is_some_and(|text| !is_country(text)) {
        return Err(Refusal::invalid("target_location", "a country, as DE"));
    }
    if change.cart.as_ref().is_some_and(|cart| cart.as_ref().is_some_and(|cart| cart.chars().count() > MAX_TEXT)) {
        return Err(Refusal::invalid("cart", "at most 128 characters"));
    }
    Ok(())
}

fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase())
}

fn is_language(text: &str) -> bool {
    let mut parts = text.split(['-', '_']);
    parts.next().is_some_and(|first| (2..=3).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic()))
        && parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
        && text.len() <= 35
}

fn attributes(row: &ContextRow) -> Result<Map<String, Value>, StoreError> {
    from_json(&row.attributes_json, "session_contexts.attributes_json")
}

fn attributes_json(attributes: &Map<String, Value>) -> Result<String, Error> {
    if attributes.len() > MAX_ATTRIBUTES || attributes.keys().any(|name| name.chars().count() > MAX_TEXT) {
        return Err(Refusal::invalid("context", "at most 200 attributes with names of at most 128 characters").into());
    }
    let text = to_json(attributes)?;
    if text.len() > MAX_ATTRIBUTE_BYTES {
        return Err(Refusal::invalid("context", "at most 64 KB").into());
    }
    Ok(text)
}

fn seen(row: ContextRow, view: View) -> Result<SessionContext, Error> {
    let attributes = if view == View::Whole { attributes(&row)? } else { Map::new() };
    let is_whole = view == View::Whole;
    Ok(SessionContext {
        session: row.session,
        customer: row.customer.filter(|_| is_whole),
        legal_entity: row.legal_entity.filter(|_| is_whole),
        site: row.site,
        currency: row.currency,
        language: row.language,
        target_location: row.target_location,
        cart: row.cart.filter(|_| is_whole),
        attributes,
        version: row.version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_that_make_no_sense_are_left_out() {
        let now = Timestamp::from_seconds(1);
        let site = Site {
            id: "main".parse().unwrap(),
            name: "Main".to_owned(),
            language: "en".to_owned(),
            languages: vec!["en".to_owned(), "de".to_owned()],
            currency: "EUR".to_owned(),
            country: "DE".to_owned(),
            is_default: true,
            is_active: true,
            version: 1,
            created_at: now,
            modified_at: now,
        };
        let session: SessionId = "s".parse().unwrap();
        let check = |wishes: Wishes, expected: [&str; 4]| {
            let row = fresh(&session, None, std::slice::from_ref(&site), &wishes, now);
            assert_eq!([&*row.site, &*row.currency, &*row.language, &*row.target_location], expected, "{wishes:?}");
        };
        check(Wishes::default(), ["main", "EUR", "en", "DE"]);
        let text = |text: &str| Some(text.to_owned());
        check(
            Wishes { currency: text("USD"), language: text("de"), target_location: text("AT"), ..Wishes::default() },
            ["main", "USD", "de", "AT"],
        );
        check(
            Wishes {
                site: Some("nowhere".parse().unwrap()),
                currency: text("dollars"),
                language: text("tlh"),
                target_location: text("Mars"),
            },
            ["main", "EUR", "en", "DE"],
        );
        let nothing = fresh(&session, None, &[], &Wishes::default(), now);
        assert_eq!((&*nothing.site, &*nothing.currency), ("", ""));
    }

    #[test]
    fn languages_are_tags() {
        for (text, expected) in [
            ("en", true),
            ("en_US", true),
            ("de-CH", true),
            ("zh-Hant-TW", true),
            ("e", false),
            ("en_", false),
            ("*", false),
        ] {
            assert_eq!(is_language(text), expected, "{text}");
        }
    }
}
