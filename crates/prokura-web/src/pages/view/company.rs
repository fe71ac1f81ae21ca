//! A company's administrators help themselves: who may act for it, as what, and who did what.

use super::account::AccountFrame;
use super::form::{Field, Input, Kind, Problem, with_focus};
use super::log_in::Pager;
use super::{Chrome, query_value, shown_by};
use crate::pages::texts::Texts;
use prokura_domain::Timestamp;

/// A role somebody can have in a company.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// What forms post.
    pub id: String,
    /// What the tenant calls it.
    pub name: String,
}

/// The people of the company. Posts `member`, `role` and `action=change`, or `member` and `action=remove`, to
/// `{base}/account/company/members`; the search asks the same address with `q`, further pages with `page`.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// What surrounds it.
    pub frame: AccountFrame,
    /// The people of this page of the list.
    pub members: Vec<Member>,
    /// The roles the administrator may give.
    pub roles: Vec<Role>,
    /// What was searched for.
    pub query: String,
    /// Invitations nobody has accepted yet. Posts `invitation` and `action=withdraw` to the same address.
    pub invitations: Vec<InvitationView>,
    /// Where in the list.
    pub pager: Pager,
    /// Why the last change was refused.
    pub problem: Option<Problem>,
}

impl Members {
    /// The address of another page of the list, without its number.
    fn list(&self, chrome: &Chrome) -> String {
        format!("{}/account/company/members?q={}&page=", chrome.base, query_value(&self.query))
    }
}

/// An invitation nobody has accepted yet.
#[derive(Clone, Debug)]
pub struct InvitationView {
    /// What the form posts.
    pub id: String,
    /// Where it went.
    pub email: String,
    /// As what.
    pub role: String,
    /// When it ends.
    pub ends_at: Timestamp,
}

/// Whether somebody can act for the company already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemberStatus {
    /// They can.
    #[default]
    Active,
    /// They have not answered the invitation.
    Invited,
    /// They are on hold.
    OnHold,
}

/// Somebody of the company.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// What forms post.
    pub id: String,
    /// The whole name; may be empty.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// The role.
    pub role: Role,
    /// Whether they can act already.
    pub status: MemberStatus,
    /// Whether it is the administrator, who cannot change themselves.
    pub is_self: bool,
    /// Whether the administrator may change or remove them.
    pub is_changeable: bool,
}

impl Member {
    fn title(&self) -> &str {
        if self.name.is_empty() { &self.email } else { &self.name }
    }

    fn status_text(&self, t: &Texts) -> Option<String> {
        match self.status {
            MemberStatus::Active => None,
            MemberStatus::Invited => Some(t.text("status-invited")),
            MemberStatus::OnHold => Some(t.text("status-on-hold")),
        }
    }
}

/// An invitation. Posts `username`, `given_name`, `family_name` and `role` to `{base}/account/company/invitations`.
#[derive(Clone, Debug, Default)]
pub struct Invite {
    /// What surrounds it.
    pub frame: AccountFrame,
    /// The colleague's e-mail address.
    pub username: Field,
    /// The given name.
    pub given_name: Field,
    /// The family name.
    pub family_name: Field,
    /// The id of the role.
    pub role: Field,
    /// The roles the administrator may give.
    pub roles: Vec<Role>,
}

impl Invite {
    fn inputs(&self) -> [Input<'_>; 3] {
        with_focus([
            Input::new("username", Kind::Email, "email", "off", &self.username),
            Input::new("given_name", Kind::Text, "given-name", "off", &self.given_name).optional(),
            Input::new("family_name", Kind::Text, "family-name", "off", &self.family_name).optional(),
        ])
    }
}

/// Who did what for the company. `GET {base}/account/company/activity`, older entries with `before`.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    /// What surrounds it.
    pub frame: AccountFrame,
    /// The newest first.
    pub entries: Vec<ActivityEntry>,
    /// From where older entries go on.
    pub before: Option<String>,
}

impl Activity {
    fn older(&self, chrome: &Chrome) -> Option<String> {
        let before = self.before.as_deref()?;
        Some(format!("{}/account/company/activity?before={}", chrome.base, query_value(before)))
    }
}

/// An entry of the audit trail, as a company's administrator may see it.
#[derive(Clone, Debug)]
pub struct ActivityEntry {
    /// When.
    pub at: Timestamp,
    /// Who, by name.
    pub who: String,
    /// What, as the trail calls it: `assignment.create`.
    pub verb: String,
    /// To whom or what, by name.
    pub subject: Option<String>,
    /// Whether it was refused or failed.
    pub is_refused: bool,
}

impl ActivityEntry {
    /// The verb in words; one without words stands as the trail has it.
    fn what(&self, t: &Texts) -> String {
        let key = format!("verb-{}", self.verb.replace(['.', '_'], "-"));
        t.find(&key).unwrap_or_else(|| self.verb.clone())
    }
}

shown_by! {
    Members "company/members.html"
    Invite "company/invite.html"
    Activity "company/activity.html"
}
