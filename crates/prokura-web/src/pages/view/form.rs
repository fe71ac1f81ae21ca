//! Fields of forms and what can be wrong with them. A page that is shown again (422) puts the cursor into the first
//! wrong field and names what is wrong in text.

use crate::pages::texts::Texts;

/// A field as it was filled in.
#[derive(Clone, Debug, Default)]
pub struct Field {
    /// What stands in it; passwords and codes are never shown again, whatever is here.
    pub value: String,
    /// What is wrong with it.
    pub problem: Option<Problem>,
}

impl Field {
    /// A field with something in it.
    pub fn of(value: impl Into<String>) -> Self {
        Self { value: value.into(), problem: None }
    }

    /// The field with what is wrong with it.
    #[must_use]
    pub fn with(mut self, problem: Problem) -> Self {
        self.problem = Some(problem);
        self
    }

    /// An empty field with what is wrong with it.
    pub fn wrong(problem: Problem) -> Self {
        Self::default().with(problem)
    }
}

/// What is wrong with a field, or with the choice of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Nothing was entered.
    Missing,
    /// Longer than we keep.
    TooLong,
    /// Not an e-mail address.
    NotAnEmail,
    /// E-mail address and password do not match; never says which.
    WrongLogin,
    /// The present password is another one.
    WrongPassword,
    /// The password has fewer characters than asked for.
    PasswordTooShort {
        /// How many are asked for.
        least: u32,
    },
    /// Too easy to guess, or known from a leak.
    PasswordTooCommon,
    /// Contains the name, the e-mail address or the shop.
    PasswordTooPersonal,
    /// The new password is the present one.
    PasswordUnchanged,
    /// A code of a second factor, or a recovery code, that is not right.
    WrongCode,
    /// A passkey that did not do, or could not be made.
    PasskeyRefused,
    /// A device's code that is unknown or over.
    UnknownDeviceCode,
    /// Too many attempts.
    TooManyAttempts {
        /// Minutes until another one makes sense.
        minutes: u32,
    },
    /// The person may not act for that company, or not any more.
    CompanyNotAllowed,
    /// Nothing was chosen.
    NothingChosen,
    /// The role is more than the person may give.
    RoleNotAllowed,
    /// There is such an entry already; only where this tells nothing about strangers.
    AlreadyThere,
    /// Too many invitations wait for an answer.
    TooManyInvitations,
    /// This cannot be entered here.
    NotAccepted,
}

impl Problem {
    /// The sentence about it.
    pub(in crate::pages) fn text(self, t: &Texts) -> String {
        match self {
            Self::Missing => t.text("problem-missing"),
            Self::TooLong => t.text("problem-too-long"),
            Self::NotAnEmail => t.text("problem-not-an-email"),
            Self::WrongLogin => t.text("problem-wrong-login"),
            Self::WrongPassword => t.text("problem-wrong-password"),
            Self::PasswordTooShort { least } => t.count("problem-password-too-short", &least),
            Self::PasswordTooCommon => t.text("problem-password-too-common"),
            Self::PasswordTooPersonal => t.text("problem-password-too-personal"),
            Self::PasswordUnchanged => t.text("problem-password-unchanged"),
            Self::WrongCode => t.text("problem-wrong-code"),
            Self::PasskeyRefused => t.text("problem-passkey-refused"),
            Self::UnknownDeviceCode => t.text("problem-unknown-device-code"),
            Self::TooManyAttempts { minutes } => t.count("problem-too-many-attempts", &minutes),
            Self::CompanyNotAllowed => t.text("problem-company-not-allowed"),
            Self::NothingChosen => t.text("problem-nothing-chosen"),
            Self::RoleNotAllowed => t.text("problem-role-not-allowed"),
            Self::AlreadyThere => t.text("problem-already-there"),
            Self::TooManyInvitations => t.text("problem-too-many-invitations"),
            Self::NotAccepted => t.text("problem-not-accepted"),
        }
    }
}

/// How a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Email,
    Password,
    /// Digits or letters of a code, typed off another screen.
    Code,
}

/// A field as `parts/input.html` shows it.
pub(super) struct Input<'a> {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The key of the label.
    pub(super) label: &'static str,
    /// The key of what helps to fill it in.
    pub(super) hint: Option<&'static str>,
    pub(super) autocomplete: &'static str,
    pub(super) value: &'a str,
    pub(super) problem: Option<Problem>,
    pub(super) is_required: bool,
    pub(super) has_focus: bool,
    pub(super) longest: u32,
}

impl<'a> Input<'a> {
    pub(super) fn new(
        name: &'static str,
        kind: Kind,
        label: &'static str,
        autocomplete: &'static str,
        field: &'a Field,
    ) -> Self {
        let value = match kind {
            Kind::Text | Kind::Email => field.value.as_str(),
            Kind::Password | Kind::Code => "",
        };
        let longest = match kind {
            Kind::Text => 200,
            Kind::Email => 254,
            Kind::Password => 1024,
            Kind::Code => 64,
        };
        let problem = field.problem;
        Self {
            name,
            kind,
            label,
            hint: None,
            autocomplete,
            value,
            problem,
            is_required: true,
            has_focus: false,
            longest,
        }
    }

    pub(super) fn hint(mut self, key: &'static str) -> Self {
        self.hint = Some(key);
        self
    }

    pub(super) fn optional(mut self) -> Self {
        self.is_required = false;
        self
    }

    /// The value stays visible, for a code that is no secret to whoever types it.
    pub(super) fn shown(mut self, field: &'a Field) -> Self {
        self.value = &field.value;
        self
    }

    pub(super) fn type_(&self) -> &'static str {
        match self.kind {
            Kind::Text | Kind::Code => "text",
            Kind::Email => "email",
            Kind::Password => "password",
        }
    }

    pub(super) fn is_plain_text(&self) -> bool {
        self.kind == Kind::Text
    }

    /// The ids of what describes the field.
    pub(super) fn described_by(&self) -> String {
        let hint = self.hint.map(|_| format!("{}-hint", self.name));
        let problem = self.problem.map(|_| format!("{}-problem", self.name));
        [problem, hint].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// Fields in their order, with the cursor in the first wrong one; without one, in the first that is still empty.
pub(super) fn with_focus<const N: usize>(mut inputs: [Input<'_>; N]) -> [Input<'_>; N] {
    let first_wrong = inputs.iter().position(|input| input.problem.is_some());
    let first_empty = inputs.iter().position(|input| input.value.is_empty());
    if let Some(input) = first_wrong.or(first_empty).and_then(|at| inputs.get_mut(at)) {
        input.has_focus = true;
    }
    inputs
}
