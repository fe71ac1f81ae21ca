//! Sessions that act for one company and no other (S-34), at every door of today.

use super::{Native, form, location, query};
use crate::arrange::{PASSWORD, World, client_id, log_in, on_both_databases, origin, page_login};
use prokura_domain::{LegalEntityId, RefreshPolicy, SessionId};
use prokura_engine::{Actor, EntityWish, Error, ExchangeToken, Manner, Refresh, Refusal};
use prokura_testkit::Database;

on_both_databases!(
    s34_a_locked_session_changes_its_company_at_no_door,
    s34_pages_of_a_locked_session_offer_no_other_company
);

fn entity(id: &str) -> LegalEntityId {
    id.parse().unwrap()
}

async fn lock(world: &World, session: &SessionId, to: Option<&str>) -> Result<(), Error> {
    let to = to.map(entity);
    world.engine().lock_session(&world.tenant, session, to.as_ref(), &Actor::System, &origin()).await
}

async fn s34_a_locked_session_changes_its_company_at_no_door(database: Database) {
    let world = World::new(database, RefreshPolicy::Family).await;
    let (engine, tenant) = (world.engine(), &world.tenant);
    let acting = world.acting("le-1").await;
    let session = acting.standing().session.clone().unwrap();
    let refresh = acting.refresh.as_ref().unwrap().token.clone();
    lock(&world, &session, Some("le-1")).await.unwrap();
    assert!(matches!(lock(&world, &session, Some("le-2")).await, Err(Error::Refused(Refusal::NotFound(_)))), "once");

    let wish = async |legal_entity: EntityWish| {
        let request = Refresh {
            refresh_token: refresh.clone(),
            client: None,
            legal_entity,
            scopes: None,
            resources: Vec::new(),
            manner: Manner::default(),
        };
        engine.refresh(tenant, None, &request, &origin()).await
    };
    let is_locked =
        |result: Result<prokura_engine::Granted, Error>| matches!(result, Err(Error::Refused(Refusal::EntityLocked)));
    assert!(is_locked(wish(EntityWish::Of(entity("le-2"))).await), "another company");
    assert!(is_locked(wish(EntityWish::Nobody).await), "nobody");
    let kept = wish(EntityWish::Keep).await.unwrap();
    assert!(kept.standing().is_entity_locked && kept.standing().legal_entity() == Some(&entity("le-1")), "it survives");
    wish(EntityWish::Of(entity("le-1"))).await.unwrap();

    let client = engine.client(tenant, &client_id("sf")).await.unwrap();
    let token = engine.verify(&kept.access_token().unwrap()).unwrap();
    let exchange = async |legal_entity: EntityWish| {
        let subject = &token.token;
        let request = ExchangeToken { subject, legal_entity, scopes: None, resources: Vec::new(), actor: None };
        engine.exchange_token(tenant, &client, &request, &origin()).await
    };
    assert!(is_locked(exchange(EntityWish::Of(entity("le-2"))).await));
    assert!(is_locked(exchange(EntityWish::Nobody).await));
    assert!(exchange(EntityWish::Keep).await.unwrap().standing().is_entity_locked);

    // A login in a locked visit would act for nobody, so there is none.
    let guest = world.guest().await;
    lock(&world, guest.standing().session.as_ref().unwrap(), Some("le-1")).await.unwrap();
    let login = log_in(engine, tenant, guest.standing(), "ann@a.example", PASSWORD).await;
    assert!(matches!(login, Err(Error::Refused(Refusal::EntityLocked))), "{login:?}");

    // Locked to nobody is locked as well.
    let alone = world.log_in(PASSWORD).await.unwrap().granted;
    lock(&world, alone.standing().session.as_ref().unwrap(), None).await.unwrap();
    let refused = world.refresh(&alone.refresh.unwrap().token, Some("le-1")).await;
    assert!(is_locked(refused));
}

async fn s34_pages_of_a_locked_session_offer_no_other_company(database: Database) {
    let native = Native::new(database).await;
    let (engine, tenant) = (native.world.engine(), &native.world.tenant);
    let mut robot = native.robot();
    native.code(&mut robot, "web", "le-1").await;
    let sessions = engine.sessions(tenant, Some(&native.world.ann), "", 10).await.unwrap();
    lock(&native.world, &sessions[0].id, Some("le-1")).await.unwrap();

    // Nothing is chosen any more, and another company is refused.
    let answer = robot.get(&native.authorize("web", "")).await;
    let answer = robot.follow(answer).await;
    let code = query(&location(&answer).unwrap())["code"].clone();
    let tokens = native.redeem("web", &code).await.json();
    assert_eq!(tokens["legal_entity_id"], "le-1");
    let switched =
        native.refresh("web", tokens["refresh_token"].as_str().unwrap(), &[("legal_entity_id", "le-2")]).await;
    assert_eq!((switched.status, switched.json()["error"].as_str()), (400, Some("invalid_target")));
    let other = robot.get(&native.authorize("web", "&legal_entity_id=le-2")).await;
    assert_eq!(query(&location(&robot.follow(other).await).unwrap())["error"], "invalid_target");

    // A device the person lets in acts for the same company.
    let server = &native.world.server;
    let request = server.http.post(format!("{}{}", server.url, native.path("device_authorization")));
    let fields = [("client_id", "spa"), ("scope", "openid"), ("legal_entity_id", "le-2")];
    let device = server.send(request.form(&fields)).await.json();
    let page = robot.get(&native.path("device")).await;
    let page = robot.follow(page).await;
    let code = ("user_code", device["user_code"].as_str().unwrap());
    let asked = robot.submit(&form(&page), &[code, ("action", "continue")]).await;
    if asked.status == 200 {
        let done = robot.submit(&form(&asked), &[("action", "allow")]).await;
        assert_ne!(done.status, 200, "{}", done.text);
    }
    // Its pages name no other company: not the list, not the others it is logged in with.
    let elsewhere = page_login(engine, tenant, None, "ann@a.example", PASSWORD).await.unwrap();
    engine.choose_for_browser(tenant, &elsewhere.cookie, Some(&entity("le-2")), &origin()).await.unwrap();
    let other = engine.legal_entity(tenant, &entity("le-2")).await.unwrap().name;
    let own = engine.legal_entity(tenant, &entity("le-1")).await.unwrap().name;
    for path in ["account", "account/companies", "account/sessions", "account/security", "device"] {
        let page = robot.get(&native.path(path)).await;
        let page = robot.follow(page).await;
        assert!(page.status == 200 && !page.text.contains(&other) && !page.text.contains("le-2"), "{}", page.text);
    }
    let page = robot.get(&native.path("account/companies")).await;
    assert!(page.text.contains(&own) && !page.text.contains("value=\"switch\""), "{}", page.text);
    assert!(page.text.contains("This login acts for one company"), "{}", page.text);
    // Nor does a company chosen in the browser before it was locked stay chosen.
    let login = page_login(engine, tenant, None, "ann@a.example", PASSWORD).await.unwrap();
    engine.choose_for_browser(tenant, &login.cookie, Some(&entity("le-2")), &origin()).await.unwrap();
    lock(&native.world, &login.page.session, None).await.unwrap();
    let account = engine.account(tenant, &login.cookie).await.unwrap().unwrap();
    assert!(account.acting_for.is_none() && account.page.last_entity.is_none());
    assert!(engine.choices_of(tenant, &account.page).await.unwrap().is_empty());
    // And so does the browser itself.
    let login = page_login(engine, tenant, None, "ann@a.example", PASSWORD).await.unwrap();
    lock(&native.world, &login.page.session, Some("le-1")).await.unwrap();
    for (choice, expected) in [(Some("le-2"), false), (None, false), (Some("le-1"), true)] {
        let choice = choice.map(entity);
        let result = engine.choose_for_browser(tenant, &login.cookie, choice.as_ref(), &origin()).await;
        assert_eq!(result.is_ok(), expected, "{choice:?} {result:?}");
    }
}
