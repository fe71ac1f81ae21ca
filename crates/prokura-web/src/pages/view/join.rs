//! Becoming a customer, and getting back in without the password.

use super::form::{Field, Input, Kind, with_focus};
use super::{Chrome, query_value, shown_by};
use crate::pages::texts::Texts;

/// Open sign-up. Posts `username`, `given_name`, `family_name`, `company_name` and `password` to `{base}/sign-up`.
#[derive(Clone, Debug, Default)]
pub struct SignUp {
    /// The e-mail address.
    pub username: Field,
    /// The given name.
    pub given_name: Field,
    /// The family name.
    pub family_name: Field,
    /// The company to buy for; may stay empty.
    pub company_name: Field,
    /// The password.
    pub password: Field,
}

impl SignUp {
    fn inputs(&self) -> [Input<'_>; 5] {
        with_focus([
            Input::new("given_name", Kind::Text, "given-name", "given-name", &self.given_name),
            Input::new("family_name", Kind::Text, "family-name", "family-name", &self.family_name),
            Input::new("company_name", Kind::Text, "company-name", "organization", &self.company_name)
                .optional()
                .hint("company-name-hint"),
            Input::new("username", Kind::Email, "email", "username", &self.username).hint("email-hint"),
            Input::new("password", Kind::Password, "password", "new-password", &self.password).hint("password-hint"),
        ])
    }
}

/// Asking for a mail to set a new password. Posts `username` to `{base}/password/forgotten`.
#[derive(Clone, Debug, Default)]
pub struct ForgottenPassword {
    /// The e-mail address.
    pub username: Field,
}

impl ForgottenPassword {
    fn inputs(&self) -> [Input<'_>; 1] {
        with_focus([Input::new("username", Kind::Email, "email", "username", &self.username)])
            .map(|input| Input { has_focus: true, ..input })
    }
}

/// A new password, from the link in the mail. Posts `token` and `new_password` to `{base}/password/reset`.
#[derive(Clone, Debug, Default)]
pub struct ResetPassword {
    /// The secret of the link.
    pub token: String,
    /// Whose password; password managers need it.
    pub username: Option<String>,
    /// The new password.
    pub new_password: Field,
}

impl ResetPassword {
    fn inputs(&self) -> [Input<'_>; 1] {
        with_focus([new_password(&self.new_password)])
    }
}

/// What somebody who was invited does next.
#[derive(Clone, Debug)]
pub enum InvitationStep {
    /// They make an account. Posts `token`, `given_name`, `family_name`, `new_password` and `action=join`.
    Join {
        /// The given name.
        given_name: Field,
        /// The family name.
        family_name: Field,
        /// The first password.
        new_password: Field,
    },
    /// They have an account and log in.
    LogIn,
    /// They are logged in. Posts `token`, `customer` and `action=accept`.
    Accept {
        /// As whom.
        person: String,
        /// Their id: a page shown to one login is not answered by another.
        customer: String,
    },
    /// Somebody else is logged in.
    OtherPerson {
        /// Who.
        person: String,
    },
}

/// What the link of an invitation leads to. Posts to `{base}/invitation`.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The secret of the link.
    pub token: String,
    /// The e-mail address the invitation went to.
    pub username: String,
    /// To which company.
    pub company: String,
    /// Who invited; `None` for the shop.
    pub invited_by: Option<String>,
    /// What comes next.
    pub step: InvitationStep,
}

impl Invitation {
    fn inputs(&self) -> Vec<Input<'_>> {
        let InvitationStep::Join { given_name, family_name, new_password: password } = &self.step else {
            return Vec::new();
        };
        let [given_name, family_name, password] = with_focus([
            Input::new("given_name", Kind::Text, "given-name", "given-name", given_name),
            Input::new("family_name", Kind::Text, "family-name", "family-name", family_name),
            new_password(password),
        ]);
        vec![given_name, family_name, password]
    }

    /// Who is logged in and may accept: the name and the id.
    fn accepting(&self) -> Option<(&str, &str)> {
        match &self.step {
            InvitationStep::Accept { person, customer } => Some((person, customer)),
            InvitationStep::Join { .. } | InvitationStep::LogIn | InvitationStep::OtherPerson { .. } => None,
        }
    }

    const fn is_join(&self) -> bool {
        matches!(self.step, InvitationStep::Join { .. })
    }

    /// What to tell somebody else.
    fn other(&self, t: &Texts) -> Option<String> {
        match &self.step {
            InvitationStep::OtherPerson { person } => {
                Some(t.with_two("invitation-other", ("username", &self.username), ("person", person)))
            }
            InvitationStep::Join { .. } | InvitationStep::LogIn | InvitationStep::Accept { .. } => None,
        }
    }

    /// The login that leads back here.
    fn login(&self, chrome: &Chrome) -> String {
        let here = format!("/invitation?token={}", query_value(&self.token));
        format!("{}/login?to={}", chrome.base, query_value(&here))
    }
}

/// What the link of a mail confirms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// A new account.
    Account,
    /// Another address to log in with.
    Email,
}

/// A link of a mail that is used up by a button, since programs follow links too. Posts `token` and `action=confirm` to
/// `{base}/sign-up/confirm` or `{base}/email/confirm`.
#[derive(Clone, Debug)]
pub struct Confirm {
    /// What is confirmed.
    pub what: Confirmation,
    /// The secret of the link.
    pub token: String,
}

impl Confirm {
    const fn action(&self) -> &'static str {
        match self.what {
            Confirmation::Account => "/sign-up/confirm",
            Confirmation::Email => "/email/confirm",
        }
    }

    fn title(&self, t: &Texts) -> String {
        t.text(match self.what {
            Confirmation::Account => "confirm-account-title",
            Confirmation::Email => "confirm-email-title",
        })
    }

    fn text(&self, t: &Texts) -> String {
        t.text(match self.what {
            Confirmation::Account => "confirm-account-text",
            Confirmation::Email => "confirm-email-text",
        })
    }

    fn button(&self, t: &Texts) -> String {
        t.text(match self.what {
            Confirmation::Account => "confirm-account",
            Confirmation::Email => "confirm-email",
        })
    }
}

pub(super) fn new_password(field: &Field) -> Input<'_> {
    Input::new("new_password", Kind::Password, "new-password", "new-password", field).hint("password-hint")
}

shown_by! {
    SignUp "sign_up.html"
    ForgottenPassword "forgotten_password.html"
    ResetPassword "reset_password.html"
    Invitation "invitation.html"
    Confirm "confirm.html"
}
