//! Mails that say that the way somebody logs in was changed. They hold nothing that opens anything: who gets one did it
//! themselves, or has to know.

use super::words::Language;
use serde::{Deserialize, Serialize};

/// What was changed about an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    /// Another password.
    Password,
    /// Another address to log in with; told at the one before.
    Email,
    /// Codes of an app are asked for from now on.
    TotpAdded,
    /// They are asked for no more.
    TotpRemoved,
    /// Other recovery codes.
    RecoveryCodesRenewed,
    /// A passkey more.
    PasskeyAdded,
    /// A passkey less.
    PasskeyRemoved,
    /// The shop took every second factor away.
    FactorsRemoved,
}

/// The subject, and what happened at `shop`.
pub(super) fn told(change: Change, language: Language, shop: &str) -> (String, String) {
    let (subject, lead) = match language {
        Language::English => english(change),
        Language::German => german(change),
        Language::French => french(change),
    };
    (subject.to_owned(), lead.replace("{shop}", shop))
}

/// What the link is called, and what follows.
pub(super) const fn advice(language: Language) -> (&'static str, &'static str) {
    match language {
        Language::English => (
            "Look at your account",
            "If that was you, there is nothing to do. If not, choose a new password at once, end the other sessions, and tell the shop.",
        ),
        Language::German => (
            "Konto ansehen",
            "Wenn Sie das waren, ist nichts zu tun. Wenn nicht, wählen Sie sofort ein neues Passwort, beenden Sie die anderen Sitzungen und melden Sie sich beim Shop.",
        ),
        Language::French => (
            "Voir votre compte",
            "Si c’était vous, il n’y a rien à faire. Sinon, choisissez aussitôt un nouveau mot de passe, fermez les autres sessions et prévenez la boutique.",
        ),
    }
}

const fn english(change: Change) -> (&'static str, &'static str) {
    match change {
        Change::Password => ("Your password was changed", "The password of your account at {shop} was changed."),
        Change::Email => (
            "Your e-mail address was changed",
            "From now on, your account at {shop} is used with another e-mail address.",
        ),
        Change::TotpAdded => (
            "An authenticator app was added",
            "From now on, logging in to your account at {shop} asks for a code of an authenticator app.",
        ),
        Change::TotpRemoved => (
            "The authenticator app was removed",
            "Your account at {shop} asks for codes of an authenticator app no more.",
        ),
        Change::RecoveryCodesRenewed => (
            "New recovery codes were made",
            "New recovery codes were made for your account at {shop}. Those from before are good for nothing.",
        ),
        Change::PasskeyAdded => ("A passkey was added", "A passkey was added to your account at {shop}."),
        Change::PasskeyRemoved => ("A passkey was removed", "A passkey was removed from your account at {shop}."),
        Change::FactorsRemoved => (
            "Your second factors were removed",
            "{shop} removed the authenticator app and the passkeys of your account.",
        ),
    }
}

const fn german(change: Change) -> (&'static str, &'static str) {
    match change {
        Change::Password => ("Ihr Passwort wurde geändert", "Das Passwort Ihres Kontos bei {shop} wurde geändert."),
        Change::Email => (
            "Ihre E-Mail-Adresse wurde geändert",
            "Ihr Konto bei {shop} wird ab jetzt mit einer anderen E-Mail-Adresse benutzt.",
        ),
        Change::TotpAdded => (
            "Eine Authenticator-App wurde hinzugefügt",
            "Wer sich an Ihrem Konto bei {shop} anmeldet, wird ab jetzt nach einem Code der Authenticator-App gefragt.",
        ),
        Change::TotpRemoved => (
            "Die Authenticator-App wurde entfernt",
            "Ihr Konto bei {shop} fragt nicht mehr nach Codes einer Authenticator-App.",
        ),
        Change::RecoveryCodesRenewed => (
            "Neue Wiederherstellungscodes",
            "Für Ihr Konto bei {shop} wurden neue Wiederherstellungscodes erzeugt. Die früheren gelten nicht mehr.",
        ),
        Change::PasskeyAdded => {
            ("Ein Passkey wurde hinzugefügt", "Ihrem Konto bei {shop} wurde ein Passkey hinzugefügt.")
        }
        Change::PasskeyRemoved => {
            ("Ein Passkey wurde entfernt", "Aus Ihrem Konto bei {shop} wurde ein Passkey entfernt.")
        }
        Change::FactorsRemoved => (
            "Ihre zweiten Faktoren wurden entfernt",
            "{shop} hat die Authenticator-App und die Passkeys Ihres Kontos entfernt.",
        ),
    }
}

const fn french(change: Change) -> (&'static str, &'static str) {
    match change {
        Change::Password => {
            ("Votre mot de passe a été changé", "Le mot de passe de votre compte chez {shop} a été changé.")
        }
        Change::Email => (
            "Votre adresse e-mail a été changée",
            "Votre compte chez {shop} s’utilise désormais avec une autre adresse e-mail.",
        ),
        Change::TotpAdded => (
            "Une application d’authentification a été ajoutée",
            "La connexion à votre compte chez {shop} demande désormais un code de l’application d’authentification.",
        ),
        Change::TotpRemoved => (
            "L’application d’authentification a été retirée",
            "Votre compte chez {shop} ne demande plus de code d’une application d’authentification.",
        ),
        Change::RecoveryCodesRenewed => (
            "De nouveaux codes de secours",
            "De nouveaux codes de secours ont été créés pour votre compte chez {shop}. Les précédents ne valent plus rien.",
        ),
        Change::PasskeyAdded => {
            ("Une clé d’accès a été ajoutée", "Une clé d’accès a été ajoutée à votre compte chez {shop}.")
        }
        Change::PasskeyRemoved => {
            ("Une clé d’accès a été retirée", "Une clé d’accès a été retirée de votre compte chez {shop}.")
        }
        Change::FactorsRemoved => (
            "Vos seconds facteurs ont été retirés",
            "{shop} a retiré l’application d’authentification et les clés d’accès de votre compte.",
        ),
    }
}
