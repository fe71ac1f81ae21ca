//! `{issuer}/account/company/…`: a company's administrators look after their people, invite others, and read what was
//! done for the company their browser acts for. Who may is the engine's to say, at each look and at each change.

use super::{broken, cookie, done, frame, profile::line};
use crate::{
    Web,
    pages::view::{
        Activity, ActivityEntry, ErrorKind, Field, InvitationView, Invite, Member, MemberStatus, Members, Notice,
        Pager, Problem, Role, Section,
    },
    visit::{Asked, Sent, Visit, filled},
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use prokura_domain::{AssignmentId, CustomerState, Email, GroupId, InvitationId};
use prokura_engine::{Account, Colleague, Error, InviteColleague, Refusal, RoleToGive, Tenant};
use prokura_http::Params;

const MEMBERS: &str = "/account/company/members";
const INVITATIONS: &str = "/account/company/invitations";
const ACTIVITY: &str = "/account/company/activity";
/// People and entries on one page.
const PAGE: u32 = 20;
const ENTRIES: u32 = 50;
/// The last page of people that is shown; who is further back is found by searching.
const LAST_PAGE: u32 = 500;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/t/{tenant}/account/company/members", get(members).post(change))
        .route("/t/{tenant}/account/company/invitations", get(form).post(invite))
        .route("/t/{tenant}/account/company/activity", get(activity))
}

/// The answer to a refusal that is no mistake in a form: it is not theirs to see or do.
fn refused(visit: &Visit, path: &str, error: Error) -> Response {
    match error {
        Error::Refused(Refusal::Forbidden(_)) => visit.error(StatusCode::FORBIDDEN, ErrorKind::Forbidden),
        Error::Refused(Refusal::NotFound(_)) => visit.error(StatusCode::NOT_FOUND, ErrorKind::NotFound),
        error @ (Error::Refused(_) | Error::Fault(_)) => broken(visit, path, error),
    }
}

/// Only administrators see these pages.
fn must_manage(visit: &Visit, account: &Account) -> Result<(), Response> {
    if account.is_company_admin {
        return Ok(());
    }
    Err(visit.error(StatusCode::FORBIDDEN, ErrorKind::Forbidden))
}

async fn members(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let account = visit.account(&web, MEMBERS).await?;
    list(&web, &visit, &account, &params, None).await
}

async fn list(
    web: &Web,
    visit: &Visit,
    account: &Account,
    params: &Params,
    problem: Option<Problem>,
) -> Result<Response, Response> {
    must_manage(visit, account)?;
    let query: String = filled(params, "q").trim().chars().filter(|c| !c.is_control()).take(100).collect();
    let sought = Some(query.as_str()).filter(|query| !query.is_empty());
    let wanted = filled(params, "page").parse::<u32>().unwrap_or(1).clamp(1, LAST_PAGE);
    let engine = &web.edge.engine;
    let of_page = async |number: u32| {
        let found = engine.colleagues(&visit.tenant, &account.page, sought, (number - 1) * PAGE, PAGE).await;
        found.map_err(|error| refused(visit, MEMBERS, error))
    };
    let mut found = of_page(wanted).await?;
    let last = found.total.div_ceil(PAGE).clamp(1, LAST_PAGE);
    let page = wanted.min(last);
    if page != wanted {
        found = of_page(page).await?;
    }
    let roles = found.roles;
    let view = Members {
        frame: frame(account, Section::Members, params),
        members: found.people.into_iter().map(|person| member(&visit.tenant, &roles, person)).collect(),
        invitations: found
            .invitations
            .into_iter()
            .map(|invitation| InvitationView {
                id: invitation.id.to_string(),
                email: invitation.email,
                role: visit.tenant.role_name(invitation.group),
                ends_at: invitation.expires_at,
            })
            .collect(),
        roles: roles.iter().map(|role| shown(&visit.tenant, role)).collect(),
        query,
        pager: Pager { page, last },
        problem,
    };
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(visit.show(status, &visit.chrome(), &view))
}

fn shown(tenant: &Tenant, role: &RoleToGive) -> Role {
    Role { id: role.group.to_string(), name: tenant.role_name(role.code) }
}

fn member(tenant: &Tenant, roles: &[RoleToGive], person: Colleague) -> Member {
    let id = roles.iter().find(|role| Some(role.code) == person.role).map(|role| role.group.to_string());
    Member {
        id: person.assignment.to_string(),
        name: format!("{} {}", person.given_name, person.family_name).trim().to_owned(),
        email: person.email.unwrap_or_default(),
        role: Role {
            id: id.unwrap_or_default(),
            name: person.role.map_or_else(String::new, |role| tenant.role_name(role)),
        },
        status: match person.state {
            CustomerState::Active => MemberStatus::Active,
            CustomerState::Pending => MemberStatus::Invited,
            CustomerState::OnHold | CustomerState::Inactive | CustomerState::Deleted => MemberStatus::OnHold,
        },
        is_self: person.is_self,
        is_changeable: person.is_changeable,
    }
}

/// `POST {issuer}/account/company/members`: another role, the end of somebody's access, or of an invitation.
async fn change(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let account = visit.account(&web, MEMBERS).await?;
    must_manage(&visit, &account)?;
    let (engine, cookie) = (&web.edge.engine, cookie(&visit, MEMBERS)?);
    let unknown = || visit.error(StatusCode::NOT_FOUND, ErrorKind::NotFound);
    let member = || filled(&form, "member").parse::<AssignmentId>().map_err(|_| unknown());
    let (changed, notice) = match filled(&form, "action") {
        "change" => {
            let Ok(role) = filled(&form, "role").parse::<GroupId>() else {
                return list(&web, &visit, &account, &Params::parse(""), Some(Problem::RoleNotAllowed)).await;
            };
            let changed = engine.change_colleague(&visit.tenant, cookie, &member()?, &role, &visit.origin).await;
            (changed, Notice::RoleChanged)
        }
        "remove" => {
            let ended = engine.end_colleague_access(&visit.tenant, cookie, &member()?, &visit.origin).await;
            (ended, Notice::MemberRemoved)
        }
        "withdraw" => {
            let id: InvitationId = filled(&form, "invitation").parse().map_err(|_| unknown())?;
            let ended = engine.withdraw_colleague_invitation(&visit.tenant, cookie, &id, &visit.origin).await;
            (ended, Notice::InvitationWithdrawn)
        }
        _ => return Err(unknown()),
    };
    match changed {
        Ok(()) => Ok(done(&visit, MEMBERS, notice)),
        Err(Error::Refused(Refusal::StaleVersion)) => {
            list(&web, &visit, &account, &Params::parse(""), Some(Problem::NotAccepted)).await
        }
        Err(error) => Err(refused(&visit, MEMBERS, error)),
    }
}

async fn form(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let account = visit.account(&web, INVITATIONS).await?;
    let mut page = empty_invitation(&web, &visit, &account, &params).await?;
    // The weakest role is the one somebody means who does not choose.
    page.role = page.roles.last().map(|role| Field::of(&role.id)).unwrap_or_default();
    Ok(visit.show(StatusCode::OK, &visit.chrome(), &page))
}

async fn empty_invitation(web: &Web, visit: &Visit, account: &Account, params: &Params) -> Result<Invite, Response> {
    must_manage(visit, account)?;
    let found = web.edge.engine.colleagues(&visit.tenant, &account.page, None, 0, 1).await;
    let found = found.map_err(|error| refused(visit, INVITATIONS, error))?;
    Ok(Invite {
        frame: frame(account, Section::Members, params),
        roles: found.roles.iter().map(|role| shown(&visit.tenant, role)).collect(),
        ..Invite::default()
    })
}

/// `POST {issuer}/account/company/invitations`
async fn invite(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let account = visit.account(&web, INVITATIONS).await?;
    let mut page = empty_invitation(&web, &visit, &account, &Params::parse("")).await?;
    let username = filled(&form, "username").trim();
    let email = Email::parse(username).ok();
    page.username = match (&email, username) {
        (Some(_), text) => Field::of(text),
        (None, "") => Field::wrong(Problem::Missing),
        (None, text) => Field::of(text).with(Problem::NotAnEmail),
    };
    page.given_name = line(&form, "given_name", false);
    page.family_name = line(&form, "family_name", false);
    let role = filled(&form, "role");
    let group = page.roles.iter().find(|known| known.id == role).and_then(|role| role.id.parse::<GroupId>().ok());
    page.role = Field { value: role.to_owned(), problem: group.is_none().then_some(Problem::RoleNotAllowed) };
    let again = |page: &Invite| visit.show(StatusCode::UNPROCESSABLE_ENTITY, &visit.chrome(), page);
    let is_wrong = [&page.given_name, &page.family_name].iter().any(|field| field.problem.is_some());
    let (Some(email), Some(group), false) = (email, group, is_wrong) else { return Ok(again(&page)) };
    let request = InviteColleague {
        group,
        email,
        given_name: page.given_name.value.clone(),
        family_name: page.family_name.value.clone(),
    };
    let cookie = cookie(&visit, INVITATIONS)?;
    match web.edge.engine.invite_colleague(&visit.tenant, cookie, &request, &visit.origin).await {
        Ok(()) => Ok(done(&visit, MEMBERS, Notice::InvitationSent)),
        Err(Error::Refused(Refusal::AlreadyExists(_))) => {
            page.username.problem = Some(Problem::AlreadyThere);
            Ok(again(&page))
        }
        Err(Error::Refused(Refusal::InUse(_))) => {
            page.username.problem = Some(Problem::TooManyInvitations);
            Ok(again(&page))
        }
        Err(error) => Err(refused(&visit, INVITATIONS, error)),
    }
}

async fn activity(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let account = visit.account(&web, ACTIVITY).await?;
    must_manage(&visit, &account)?;
    let before: String = filled(&params, "before").chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    let found = web.edge.engine.company_activity(&visit.tenant, &account.page, &before, ENTRIES + 1).await;
    let mut found = found.map_err(|error| refused(&visit, ACTIVITY, error))?;
    let has_more = found.len() > ENTRIES as usize;
    found.truncate(ENTRIES as usize);
    let before = found.last().filter(|_| has_more).map(|entry| entry.event.id.clone());
    let entry = |found: prokura_engine::CompanyEvent| ActivityEntry {
        at: found.event.at,
        who: found.who.unwrap_or_else(|| visit.tenant.name.clone()),
        is_refused: found.event.outcome != prokura_engine::Outcome::Done,
        verb: found.event.verb,
        subject: found.subject,
    };
    let view = Activity {
        frame: frame(&account, Section::Activity, &params),
        entries: found.into_iter().map(entry).collect(),
        before,
    };
    Ok(visit.show(StatusCode::OK, &visit.chrome(), &view))
}
