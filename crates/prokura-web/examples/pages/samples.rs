//! Every page with something in it, for the tests and for looking at them.

use super::view::{
    AccountFrame, Activity, ActivityEntry, AddPasskey, AddTotp, ChangeEmail, ChangePassword, Companies, CompanyBadge,
    CompanyChoice, Confirm, Confirmation, Consent, Device, DeviceCode, DeviceConsent, ErrorKind, ErrorPage, Field,
    ForgottenPassword, Identifier, Invitation, InvitationStep, InvitationView, Invite, Link, LogOut, MailFolder,
    MailView, Member, MemberStatus, Members, Message, MyCompanies, Notice, Page, Pager, Partner, Passkey, Password,
    Problem, Profile, RecoveryCodes, ResetPassword, Role, ScopeView, SecondFactor, Section, Security, SessionView,
    Sessions, SignUp,
};
use prokura_domain::Timestamp;

/// A page and the name of its file.
pub(crate) type Sample = (String, Box<dyn Page>);

const NOW: Timestamp = Timestamp::from_seconds(1_795_269_900);
const PERSON: &str = "erika.mustermann@bergmann-anlagenbau.example";

/// All of them.
pub(crate) fn all() -> Vec<Sample> {
    let mut samples = log_in();
    samples.extend(consent());
    samples.extend(join());
    samples.extend(messages());
    samples.extend(account());
    samples.extend(company());
    samples
}

fn sample(name: &str, page: impl Page + 'static) -> Sample {
    (name.to_owned(), Box::new(page))
}

fn log_in() -> Vec<Sample> {
    let partner = |name: &str| Partner { name: name.to_owned(), logo: None, href: "/t/acme/partners/x".to_owned() };
    let identifier = || Identifier {
        client_name: Some("Acme Shop".to_owned()),
        is_sign_up_open: true,
        is_passkey_offered: true,
        ..Identifier::default()
    };
    let password = || Password { username: PERSON.to_owned(), is_passkey_offered: true, ..Password::default() };
    vec![
        sample("identifier", identifier()),
        sample(
            "identifier-wrong",
            Identifier {
                username: Field::of("erika@").with(Problem::NotAnEmail),
                partners: vec![partner("Bergmann Anlagenbau"), partner("Nordlicht Energie")],
                ..identifier()
            },
        ),
        sample("password", password()),
        sample("password-wrong", Password { password: Field::wrong(Problem::WrongLogin), ..password() }),
        sample(
            "password-throttled",
            Password { password: Field::wrong(Problem::TooManyAttempts { minutes: 4 }), ..password() },
        ),
        sample("second-factor", SecondFactor { username: PERSON.to_owned(), code: Field::default() }),
        sample("companies", few_companies()),
        sample("companies-many", many_companies()),
        sample("companies-none", Companies { query: "Zzyzx".to_owned(), total: 214, ..Companies::default() }),
    ]
}

fn choice(id: &str, name: &str, role: &str) -> CompanyChoice {
    CompanyChoice { id: id.to_owned(), badge: CompanyBadge::new(id, name), role: Some(role.to_owned()) }
}

fn few_companies() -> Companies {
    let berlin =
        CompanyBadge::new("bergmann-berlin", "Bergmann Berlin GmbH").with_color("#0b57a0".parse().expect("a color"));
    Companies {
        companies: vec![
            choice("bergmann", "Bergmann Anlagenbau GmbH & Co. KG", "Buyer"),
            CompanyChoice { id: "bergmann-berlin".to_owned(), badge: berlin, role: Some("Administrator".to_owned()) },
            choice("nordlicht", "Nordlicht Energie AG", "Buyer with a limit"),
        ],
        selected: Some("bergmann-berlin".to_owned()),
        is_myself_allowed: true,
        total: 3,
        ..Companies::default()
    }
}

fn many_companies() -> Companies {
    let town = ["Aachen", "Bochum", "Celle", "Dresden", "Essen", "Freiburg", "Göttingen", "Hamm", "Jena", "Köln"];
    Companies {
        companies: town.iter().map(|town| choice(town, &format!("Bergmann Niederlassung {town}"), "Buyer")).collect(),
        selected: Some("Essen".to_owned()),
        total: 214,
        query: "Niederlassung".to_owned(),
        pager: Pager { page: 2, last: 22 },
        problem: Some(Problem::CompanyNotAllowed),
        ..Companies::default()
    }
}

fn the_consent() -> Consent {
    let scope = |name: &str| ScopeView { name: name.to_owned(), description: None };
    let mut scopes: Vec<ScopeView> =
        ["openid", "profile", "email", "address", "phone", "legal_entity", "offline_access", "quote.read"]
            .map(scope)
            .into();
    scopes.push(ScopeView { name: "order.create".to_owned(), description: Some("place orders".to_owned()) });
    Consent {
        client_name: "Procurement Assistant".to_owned(),
        client_host: Some("assistant.example".to_owned()),
        username: PERSON.to_owned(),
        company: Some(CompanyBadge::new("bergmann", "Bergmann Anlagenbau GmbH & Co. KG")),
        scopes,
    }
}

fn consent() -> Vec<Sample> {
    let code = || "WDJB-MJHT".to_owned();
    vec![
        sample("consent", the_consent()),
        sample("device-code", DeviceCode::default()),
        sample("device-code-wrong", DeviceCode { user_code: Field::of(code()).with(Problem::UnknownDeviceCode) }),
        sample("device-consent", DeviceConsent { user_code: code(), consent: the_consent() }),
    ]
}

fn join() -> Vec<Sample> {
    let username = || PERSON.to_owned();
    vec![
        sample("sign-up", SignUp::default()),
        sample(
            "sign-up-wrong",
            SignUp {
                username: Field::of("erika").with(Problem::NotAnEmail),
                given_name: Field::of("Erika"),
                family_name: Field::wrong(Problem::Missing),
                company_name: Field::of("x".repeat(200)).with(Problem::TooLong),
                password: Field::wrong(Problem::PasswordTooShort { least: 10 }),
            },
        ),
        sample("confirm-account", Confirm { what: Confirmation::Account, token: "pkr_lt_x".to_owned() }),
        sample("confirm-email", Confirm { what: Confirmation::Email, token: "pkr_lt_x".to_owned() }),
        sample("forgotten-password", ForgottenPassword::default()),
        sample(
            "reset-password",
            ResetPassword {
                token: "pkr_lt_x".to_owned(),
                username: Some(username()),
                new_password: Field::wrong(Problem::PasswordTooCommon),
            },
        ),
        sample(
            "invitation",
            invitation(InvitationStep::Join {
                given_name: Field::of("Erika"),
                family_name: Field::default(),
                new_password: Field::wrong(Problem::PasswordTooShort { least: 8 }),
            }),
        ),
        sample("invitation-log-in", invitation(InvitationStep::LogIn)),
        sample(
            "invitation-accept",
            invitation(InvitationStep::Accept { person: username(), customer: "c".to_owned() }),
        ),
        sample(
            "invitation-other",
            invitation(InvitationStep::OtherPerson { person: "somebody.else@bergmann.example".to_owned() }),
        ),
        sample("joined", Message::Joined { company: "Bergmann Anlagenbau GmbH & Co. KG".to_owned(), link: link(None) }),
    ]
}

fn invitation(step: InvitationStep) -> Invitation {
    Invitation {
        token: "pkr_in_x".to_owned(),
        username: "erika.mustermann@bergmann-anlagenbau.example".to_owned(),
        company: "Bergmann Anlagenbau GmbH & Co. KG".to_owned(),
        invited_by: Some("Max Bergmann".to_owned()),
        step,
    }
}

fn link(client: Option<&str>) -> Link {
    Link { href: "/t/acme/login".to_owned(), client_name: client.map(ToOwned::to_owned) }
}

fn messages() -> Vec<Sample> {
    let username = || PERSON.to_owned();
    let mut samples = vec![
        sample("sign-up-sent", Message::SignUpSent { username: username() }),
        sample("reset-sent", Message::ResetSent { username: username() }),
        sample("password-set", Message::PasswordSet { link: link(None) }),
        sample("email-verified", Message::EmailVerified { link: link(None) }),
        sample("device-allowed", Message::DeviceAllowed),
        sample("device-denied", Message::DeviceDenied),
        sample("logged-out", Message::LoggedOut { link: Some(link(Some("Acme Shop"))) }),
        sample(
            "log-out",
            LogOut { username: Some(username()), client_name: Some("Acme Shop".to_owned()), fields: Vec::new() },
        ),
        sample("log-out-own", LogOut::default()),
        sample("mail-folder", mail_folder()),
        sample("mail-folder-empty", MailFolder::default()),
    ];
    for kind in ErrorKind::ALL {
        let link = (kind != ErrorKind::NotFound).then(|| link((kind == ErrorKind::Forbidden).then_some("Acme Shop")));
        samples.push(sample(&format!("error-{kind:?}").to_lowercase(), ErrorPage { kind, link }));
    }
    samples
}

fn mail_folder() -> MailFolder {
    let mail = |subject: &str, text: &str| MailView {
        at: NOW,
        to: PERSON.to_owned(),
        subject: subject.to_owned(),
        text: text.to_owned(),
    };
    MailFolder {
        mails: vec![
            mail(
                "A new password for Acme",
                "Hello Erika,\n\nopen this link to choose a new password:\n\
                 http://127.0.0.1:8400/t/acme/password/reset?token=pkr_lt_q0d2Vn4lB1u8yJr3bq9S7wXhT5mZc6kE2aFgHiPoLnM\n\n\
                 It works once, for one hour.",
            ),
            mail("Please confirm your e-mail address", "<script>alert(1)</script> & more"),
        ],
    }
}

fn frame(section: Section) -> AccountFrame {
    AccountFrame {
        section,
        person: "Erika Mustermann".to_owned(),
        acting_for: Some(CompanyBadge::new("bergmann", "Bergmann Anlagenbau GmbH & Co. KG")),
        is_company_admin: true,
        notice: None,
    }
}

fn account() -> Vec<Sample> {
    let profile = |frame| Profile {
        frame,
        email: PERSON.to_owned(),
        is_email_verified: Some(true),
        given_name: Field::of("Erika"),
        family_name: Field::of("Mustermann"),
        phone: Field::default(),
    };
    let mut samples = vec![
        sample("account", profile(frame(Section::Profile))),
        sample(
            "account-wrong",
            Profile {
                given_name: Field::wrong(Problem::Missing),
                is_email_verified: Some(false),
                ..profile(AccountFrame { acting_for: None, ..frame(Section::Profile) })
            },
        ),
        sample("account-password", change_password()),
        sample("account-sessions", Sessions { frame: frame(Section::Sessions), sessions: sessions() }),
        sample(
            "account-companies",
            MyCompanies { is_locked: false, frame: frame(Section::Companies), choice: few_companies() },
        ),
        sample(
            "account-companies-many",
            MyCompanies { is_locked: false, frame: frame(Section::Companies), choice: many_companies() },
        ),
        sample("account-security-none", Security { frame: frame(Section::Security), ..Security::default() }),
        sample("account-security", security()),
        sample("account-passkey", AddPasskey { frame: frame(Section::Security), name: Field::of("Work laptop") }),
        sample(
            "account-email",
            ChangeEmail { frame: frame(Section::Profile), username: PERSON.to_owned(), ..ChangeEmail::default() },
        ),
        sample(
            "account-totp",
            AddTotp {
                frame: frame(Section::Security),
                uri: format!("otpauth://totp/Acme:{PERSON}?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Acme"),
                secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".to_owned(),
                code: Field::wrong(Problem::WrongCode),
            },
        ),
        sample(
            "account-recovery-codes",
            RecoveryCodes {
                frame: frame(Section::Security),
                codes: (0..10).map(|number| format!("{number}k7f-3m9q-x2d{number}")).collect(),
            },
        ),
    ];
    for notice in Notice::ALL {
        let frame = AccountFrame { notice: Some(notice), ..frame(Section::Profile) };
        samples.push(sample(&format!("account-notice-{}", notice.word()), profile(frame)));
    }
    samples
}

fn change_password() -> ChangePassword {
    ChangePassword {
        frame: frame(Section::Security),
        username: PERSON.to_owned(),
        password: Field::default(),
        new_password: Field::wrong(Problem::PasswordTooPersonal),
    }
}

fn sessions() -> Vec<SessionView> {
    let session = |user_agent: &str, days: i64| SessionView {
        id: format!("session-{days}"),
        device: Device::of_user_agent(user_agent),
        place: Some("198.51.100.7".to_owned()),
        client_name: Some("Acme Shop".to_owned()),
        company: (days != 3).then(|| CompanyBadge::new("bergmann", "Bergmann Anlagenbau GmbH & Co. KG")),
        started_at: NOW.plus_seconds(-86_400 * (days + 2)),
        seen_at: NOW.plus_seconds(-86_400 * days),
        is_current: days == 0,
    };
    vec![session("(Windows NT 10.0) Firefox/147.0", 0), session("(iPhone) Safari/604.1", 3), session("", 12)]
}

fn security() -> Security {
    let passkey = |name: &str, used_at| Passkey {
        id: name.to_lowercase(),
        name: name.to_owned(),
        created_at: NOW.plus_seconds(-9_000_000),
        used_at,
    };
    Security {
        is_passkey_offered: true,
        is_totp_offered: true,
        frame: frame(Section::Security),
        password_changed_at: Some(NOW.plus_seconds(-8_000_000)),
        passkeys: vec![passkey("Work laptop", Some(NOW)), passkey("Security key in the drawer", None)],
        totp_since: Some(NOW),
        recovery_codes_left: 7,
    }
}

fn company() -> Vec<Sample> {
    let role = |id: &str, name: &str| Role { id: id.to_owned(), name: name.to_owned() };
    let roles = || vec![role("buyer", "Buyer"), role("limited", "Buyer with a limit"), role("admin", "Administrator")];
    let member = |name: &str, status, is_self: bool| Member {
        id: name.to_lowercase(),
        name: name.to_owned(),
        email: "someone.with.a.long.address@bergmann-anlagenbau.example".to_owned(),
        role: role("limited", "Buyer with a limit"),
        status,
        is_self,
        is_changeable: !is_self,
    };
    let members = vec![
        member("Erika Mustermann", MemberStatus::Active, true),
        member("Max Bergmann", MemberStatus::Active, false),
        member("", MemberStatus::Invited, false),
        member("Jan Kowalski", MemberStatus::OnHold, false),
    ];
    let entry = |who: &str, verb: &str, is_refused| ActivityEntry {
        at: NOW,
        who: who.to_owned(),
        verb: verb.to_owned(),
        subject: Some("Max Bergmann".to_owned()),
        is_refused,
    };
    let entries = vec![
        entry("Erika Mustermann", "assignment.create", false),
        entry("Max Bergmann", "legal_entity.update", true),
        entry("System", "key.rotate", false),
    ];
    vec![
        sample(
            "company-members",
            Members {
                frame: frame(Section::Members),
                members,
                roles: roles(),
                query: String::new(),
                invitations: vec![InvitationView {
                    id: "i".to_owned(),
                    email: "new.colleague@bergmann-anlagenbau.example".to_owned(),
                    role: "Buyer".to_owned(),
                    ends_at: NOW,
                }],
                pager: Pager { page: 1, last: 3 },
                problem: Some(Problem::RoleNotAllowed),
            },
        ),
        sample(
            "company-members-none",
            Members { frame: frame(Section::Members), query: "Zzyzx".to_owned(), ..Members::default() },
        ),
        sample(
            "company-invite",
            Invite {
                frame: frame(Section::Members),
                username: Field::of("max@bergmann.example").with(Problem::AlreadyThere),
                role: Field::of("limited").with(Problem::NothingChosen),
                roles: roles(),
                ..Invite::default()
            },
        ),
        sample(
            "company-activity",
            Activity { frame: frame(Section::Activity), entries, before: Some("01J+/x".to_owned()) },
        ),
        sample("company-activity-none", Activity { frame: frame(Section::Activity), ..Activity::default() }),
    ]
}
