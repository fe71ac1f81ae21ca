//! What mails say, in every language the pages speak. A mail says why it came, has one link or one code, and says what to do when it
//! was not asked for.

use super::change::{self, Change};
use crate::one_time_codes::CodePurpose;

/// A language mails are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    German,
    French,
}

impl Language {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 3] = [Self::English, Self::German, Self::French];

    /// The language of a tag such as `de_AT`; `None` for one mails are not written in.
    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        match tag.split(['-', '_']).next()?.to_ascii_lowercase().as_str() {
            "en" => Some(Self::English),
            "de" => Some(Self::German),
            "fr" => Some(Self::French),
            _ => None,
        }
    }

    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
        }
    }
}

/// What a mail is about.
#[derive(Clone, Debug)]
pub(crate) enum Topic {
    /// A new password is wanted.
    PasswordReset,
    /// Another address to log in with.
    EmailChange,
    /// A new account.
    SignUp,
    /// Somebody may act for a company.
    Invitation {
        company: String,
        /// `None` for the shop.
        invited_by: Option<String>,
    },
    /// The way somebody logs in was changed.
    Changed(Change),
    /// A code to type in.
    OneTimeCode(CodePurpose),
}

/// A mail's words.
pub(crate) struct Words {
    pub(crate) subject: String,
    /// Why it came.
    pub(crate) lead: String,
    /// What the link is called.
    pub(crate) button: &'static str,
    /// What to do when the button does nothing.
    pub(crate) otherwise: &'static str,
    /// What to do when nobody asked for it.
    pub(crate) ending: &'static str,
}

/// The words about `topic` for customers of `shop`.
pub(crate) fn words(topic: &Topic, language: Language, shop: &str) -> Words {
    let (subject, lead, button) = match language {
        Language::English => english(topic, shop),
        Language::German => german(topic, shop),
        Language::French => french(topic, shop),
    };
    let is_invitation = matches!(topic, Topic::Invitation { .. });
    let (otherwise, mut ending) = match (language, is_invitation) {
        (Language::English, false) => (
            "If the button does nothing, open this address:",
            "The link works once and for a limited time. If you did not ask for it, there is nothing to do.",
        ),
        (Language::English, true) => (
            "If the button does nothing, open this address:",
            "The link works once, within seven days. If you do not know what this is about, there is nothing to do.",
        ),
        (Language::German, false) => (
            "Wenn die Schaltfläche nichts bewirkt, öffnen Sie diese Adresse:",
            "Der Link gilt einmal und nur für begrenzte Zeit. Wenn Sie nichts angefordert haben, ist nichts zu tun.",
        ),
        (Language::German, true) => (
            "Wenn die Schaltfläche nichts bewirkt, öffnen Sie diese Adresse:",
            "Der Link gilt einmal, innerhalb von sieben Tagen. Wenn Sie nicht wissen, worum es geht, ist nichts zu tun.",
        ),
        (Language::French, false) => (
            "Si le bouton ne fonctionne pas, ouvrez cette adresse :",
            "Le lien ne fonctionne qu’une fois et pour une durée limitée. Si vous n’avez rien demandé, il n’y a rien à faire.",
        ),
        (Language::French, true) => (
            "Si le bouton ne fonctionne pas, ouvrez cette adresse :",
            "Le lien ne fonctionne qu’une fois, pendant sept jours. Si vous ne savez pas de quoi il s’agit, il n’y a rien à faire.",
        ),
    };
    match topic {
        Topic::Changed(_) => (_, ending) = change::advice(language),
        Topic::OneTimeCode(_) => ending = code_ending(language),
        Topic::PasswordReset | Topic::EmailChange | Topic::SignUp | Topic::Invitation { .. } => {}
    }
    Words { subject, lead, button, otherwise, ending }
}

const fn code_ending(language: Language) -> &'static str {
    match language {
        Language::English => {
            "The code works once, within ten minutes. Do not pass it on. If you did not ask for it, there is nothing to do."
        }
        Language::German => {
            "Der Code gilt einmal, innerhalb von zehn Minuten. Geben Sie ihn nicht weiter. Wenn Sie nichts angefordert haben, ist nichts zu tun."
        }
        Language::French => {
            "Le code ne fonctionne qu’une fois, pendant dix minutes. Ne le transmettez à personne. Si vous n’avez rien demandé, il n’y a rien à faire."
        }
    }
}

/// The words of a mail with a code; it has no button.
fn code(purpose: CodePurpose, language: Language, shop: &str) -> (String, String, &'static str) {
    let (subject, lead) = match (language, purpose) {
        (Language::English, CodePurpose::LogIn) => {
            ("Your code to log in", format!("With this code you log in at {shop}:"))
        }
        (Language::English, CodePurpose::Password) => {
            ("Your code for a new password", format!("With this code you choose a new password at {shop}:"))
        }
        (Language::English, CodePurpose::Proof) => {
            ("Your confirmation code", format!("With this code you confirm at {shop} that it is you:"))
        }
        (Language::English, CodePurpose::Passkey) => {
            ("Your code for a passkey", format!("With this code you make a passkey at {shop}:"))
        }
        (Language::German, CodePurpose::LogIn) => {
            ("Ihr Code zur Anmeldung", format!("Mit diesem Code melden Sie sich bei {shop} an:"))
        }
        (Language::German, CodePurpose::Password) => {
            ("Ihr Code für ein neues Passwort", format!("Mit diesem Code wählen Sie bei {shop} ein neues Passwort:"))
        }
        (Language::German, CodePurpose::Proof) => {
            ("Ihr Bestätigungscode", format!("Mit diesem Code bestätigen Sie bei {shop}, dass Sie es sind:"))
        }
        (Language::German, CodePurpose::Passkey) => {
            ("Ihr Code für einen Passkey", format!("Mit diesem Code legen Sie bei {shop} einen Passkey an:"))
        }
        (Language::French, CodePurpose::Passkey) => {
            ("Votre code pour une clé d’accès", format!("Avec ce code, vous créez une clé d’accès chez {shop} :"))
        }
        (Language::French, CodePurpose::LogIn) => {
            ("Votre code de connexion", format!("Avec ce code, vous vous connectez chez {shop} :"))
        }
        (Language::French, CodePurpose::Password) => (
            "Votre code pour un nouveau mot de passe",
            format!("Avec ce code, vous choisissez un nouveau mot de passe chez {shop} :"),
        ),
        (Language::French, CodePurpose::Proof) => {
            ("Votre code de confirmation", format!("Avec ce code, vous confirmez chez {shop} que c’est bien vous :"))
        }
    };
    (subject.to_owned(), lead, "")
}

fn changed(change: Change, language: Language, shop: &str) -> (String, String, &'static str) {
    let (subject, lead) = change::told(change, language, shop);
    let (button, _) = change::advice(language);
    (subject, lead, button)
}

fn english(topic: &Topic, shop: &str) -> (String, String, &'static str) {
    match topic {
        Topic::PasswordReset => (
            "Choose a new password".to_owned(),
            format!("Somebody, most likely you, wants a new password for your account at {shop}."),
            "Choose a new password",
        ),
        Topic::EmailChange => (
            "Confirm your e-mail address".to_owned(),
            format!("Confirm that you want to log in at {shop} with this address."),
            "Confirm the address",
        ),
        Topic::SignUp => (
            "Confirm your account".to_owned(),
            format!("Welcome to {shop}. One click, and your account is ready."),
            "Confirm the account",
        ),
        Topic::Invitation { company, invited_by } => (
            format!("Invitation: buy for {company}"),
            match invited_by {
                Some(person) => format!("{person} invites you to buy for {company} at {shop}."),
                None => format!("{shop} invites you to buy for {company}."),
            },
            "Open the invitation",
        ),
        Topic::Changed(change) => changed(*change, Language::English, shop),
        Topic::OneTimeCode(purpose) => code(*purpose, Language::English, shop),
    }
}

fn german(topic: &Topic, shop: &str) -> (String, String, &'static str) {
    match topic {
        Topic::PasswordReset => (
            "Neues Passwort wählen".to_owned(),
            format!("Jemand, vermutlich Sie, möchte ein neues Passwort für Ihr Konto bei {shop}."),
            "Neues Passwort wählen",
        ),
        Topic::EmailChange => (
            "E-Mail-Adresse bestätigen".to_owned(),
            format!("Bestätigen Sie, dass Sie sich bei {shop} mit dieser Adresse anmelden möchten."),
            "Adresse bestätigen",
        ),
        Topic::SignUp => (
            "Konto bestätigen".to_owned(),
            format!("Willkommen bei {shop}. Ein Klick, und Ihr Konto ist bereit."),
            "Konto bestätigen",
        ),
        Topic::Invitation { company, invited_by } => (
            format!("Einladung: für {company} einkaufen"),
            match invited_by {
                Some(person) => format!("{person} lädt Sie ein, bei {shop} für {company} einzukaufen."),
                None => format!("{shop} lädt Sie ein, für {company} einzukaufen."),
            },
            "Einladung öffnen",
        ),
        Topic::Changed(change) => changed(*change, Language::German, shop),
        Topic::OneTimeCode(purpose) => code(*purpose, Language::German, shop),
    }
}

fn french(topic: &Topic, shop: &str) -> (String, String, &'static str) {
    match topic {
        Topic::PasswordReset => (
            "Choisir un nouveau mot de passe".to_owned(),
            format!("Quelqu’un, sans doute vous, demande un nouveau mot de passe pour votre compte chez {shop}."),
            "Choisir un nouveau mot de passe",
        ),
        Topic::EmailChange => (
            "Confirmer votre adresse e-mail".to_owned(),
            format!("Confirmez que vous voulez vous connecter chez {shop} avec cette adresse."),
            "Confirmer l’adresse",
        ),
        Topic::SignUp => (
            "Confirmer votre compte".to_owned(),
            format!("Bienvenue chez {shop}. Un clic, et votre compte est prêt."),
            "Confirmer le compte",
        ),
        Topic::Invitation { company, invited_by } => (
            format!("Invitation : acheter pour {company}"),
            match invited_by {
                Some(person) => format!("{person} vous invite à acheter pour {company} chez {shop}."),
                None => format!("{shop} vous invite à acheter pour {company}."),
            },
            "Ouvrir l’invitation",
        ),
        Topic::Changed(change) => changed(*change, Language::French, shop),
        Topic::OneTimeCode(purpose) => code(*purpose, Language::French, shop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mail_speaks_every_language_in_its_own_words() {
        let company = "Müller & Söhne".to_owned();
        let topics = [
            Topic::PasswordReset,
            Topic::EmailChange,
            Topic::SignUp,
            Topic::OneTimeCode(CodePurpose::LogIn),
            Topic::OneTimeCode(CodePurpose::Password),
            Topic::OneTimeCode(CodePurpose::Proof),
            Topic::OneTimeCode(CodePurpose::Passkey),
            Topic::Invitation { company: company.clone(), invited_by: Some("Ann".to_owned()) },
            Topic::Invitation { company, invited_by: None },
        ];
        let changes = [
            Change::Password,
            Change::Email,
            Change::TotpAdded,
            Change::TotpRemoved,
            Change::RecoveryCodesRenewed,
            Change::PasskeyAdded,
            Change::PasskeyRemoved,
            Change::FactorsRemoved,
        ];
        for topic in topics.into_iter().chain(changes.map(Topic::Changed)) {
            let spoken = Language::ALL.map(|language| words(&topic, language, "The Shop"));
            for said in &spoken {
                assert!(said.lead.contains("The Shop") && !said.subject.is_empty(), "{}", said.lead);
                assert_eq!(said.lead.contains("Müller & Söhne"), matches!(topic, Topic::Invitation { .. }));
            }
            let [english, german, french] = spoken;
            assert!(english.lead != german.lead && german.lead != french.lead && french.lead != english.lead);
            assert!(english.subject != german.subject && german.subject != french.subject);
            assert!(english.ending != german.ending && german.ending != french.ending);
        }
    }

    #[test]
    fn a_language_is_found_by_its_tag() {
        for (tag, expected) in [
            ("de_AT", Some(Language::German)),
            ("FR-fr", Some(Language::French)),
            ("en", Some(Language::English)),
            ("nl", None),
        ] {
            assert_eq!(Language::of_tag(tag), expected, "{tag}");
        }
    }
}
