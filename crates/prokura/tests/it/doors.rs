//! The matrix of S-23: every door, against everything that can be switched off. Cells come from the list of doors, so a
//! door that nobody wrote a knock for does not compile.

use crate::arrange::{PASSWORD, World, client_id, log_in, on_both_databases, origin, secret};
use prokura_domain::{ClientKind, CustomerState, RefreshPolicy, Scopes, Standing};
use prokura_engine::{Actor, BeginGuest, ClientChange, ClientCredentials, Door, Error, Granted};
use prokura_jose::Secret;
use prokura_testkit::Database;

/// What can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Off {
    Tenant,
    Client,
    Grant,
    Customer,
    Assignment,
    Session,
}

const OFFS: [Off; 6] = [Off::Tenant, Off::Client, Off::Grant, Off::Customer, Off::Assignment, Off::Session];

/// Whether a door asks for the thing at all.
fn concerns(door: Door, off: Off) -> bool {
    match (door, off) {
        (_, Off::Tenant | Off::Client | Off::Grant) => true,
        (Door::Guest | Door::GuestRefresh | Door::ClientCredentials, Off::Customer | Off::Assignment) => false,
        (Door::Guest | Door::ClientCredentials, Off::Session) => false,
        (Door::GuestRefresh, Off::Session) => true,
        (Door::Refresh, Off::Customer | Off::Assignment | Off::Session) => true,
        (Door::Password | Door::SignUpConfirmation | Door::PartnerToken, Off::Customer | Off::Session) => true,
        // A login chooses no company yet.
        (Door::Password | Door::SignUpConfirmation | Door::PartnerToken, Off::Assignment) => false,
    }
}

struct Keys {
    guest: Standing,
    guest_refresh: Secret,
    refresh: Secret,
    client_secret: Secret,
}

async fn prepare(world: &World) -> Keys {
    let guest = world.guest().await;
    let acting = world.acting("le-1").await;
    let client_secret = world
        .server
        .client(&world.tenant, "bk", ClientKind::Confidential, "client_credentials", "a b", RefreshPolicy::Reuse)
        .await
        .unwrap();
    Keys {
        guest_refresh: guest.refresh.unwrap().token,
        guest: guest.standing,
        refresh: acting.refresh.unwrap().token,
        client_secret,
    }
}

/// Knocks at a door. `None`: the door has a test of its own with the verb it belongs to.
async fn knock(world: &World, door: Door, keys: &Keys) -> Option<Result<Granted, Error>> {
    let (engine, tenant, from) = (world.engine(), &world.tenant, origin());
    Some(match door {
        Door::Guest => {
            engine
                .begin_guest(
                    tenant,
                    &BeginGuest { client: client_id("sf"), wishes: prokura_engine::Wishes::default() },
                    &from,
                )
                .await
        }
        Door::GuestRefresh => engine.refresh_guest(tenant, &client_id("sf"), &keys.guest_refresh, &from).await,
        Door::Password => {
            log_in(engine, tenant, &keys.guest, "ann@a.example", PASSWORD).await.map(|logged_in| logged_in.granted)
        }
        Door::Refresh => world.refresh(&keys.refresh, Some("le-1")).await,
        Door::ClientCredentials => {
            let request = ClientCredentials {
                client: client_id("bk"),
                secret: secret(keys.client_secret.expose()),
                scopes: Some(Scopes::parse("a").unwrap()),
            };
            engine.client_credentials(tenant, &request, &from).await
        }
        Door::SignUpConfirmation | Door::PartnerToken => return None,
    })
}

async fn switch_off(world: &World, door: Door, off: Off, keys: &Keys) {
    let (engine, tenant, system, from) = (world.engine(), &world.tenant, Actor::System, origin());
    let client = client_id(if door == Door::ClientCredentials { "bk" } else { "sf" });
    match off {
        Off::Tenant => {
            engine.update_tenant(tenant, &tenant.name, false, &tenant.settings, None, &system, &from).await.unwrap();
        }
        Off::Client => {
            let change = ClientChange { is_active: Some(false), ..ClientChange::default() };
            engine.update_client(tenant, &client, &change, None, &system, &from).await.unwrap();
        }
        Off::Grant => {
            let change = ClientChange { grants: Some(String::new()), ..ClientChange::default() };
            engine.update_client(tenant, &client, &change, None, &system, &from).await.unwrap();
        }
        Off::Customer => {
            engine.set_customer_state(tenant, &world.ann, CustomerState::Inactive, &system, &from).await.unwrap();
        }
        Off::Assignment => engine.unassign(tenant, world.assignments.first().unwrap(), &system, &from).await.unwrap(),
        Off::Session => {
            for session in engine.sessions(tenant, Some(&world.ann), "", 50).await.unwrap() {
                engine.end_session(tenant, &session.id, &system, &from).await.unwrap();
            }
            engine.end_session(tenant, keys.guest.session.as_ref().unwrap(), &system, &from).await.unwrap();
        }
    }
}

on_both_databases!(s23_no_door_issues_for_what_is_switched_off);

async fn s23_no_door_issues_for_what_is_switched_off(database: Database) {
    for &door in Door::ALL {
        for off in OFFS {
            let world = World::new(database, RefreshPolicy::Family).await;
            let keys = prepare(&world).await;
            let Some(open) = knock(&world, door, &keys).await else { continue };
            assert!(open.is_ok(), "{door:?} is open before anything is switched off: {open:?}");
            switch_off(&world, door, off, &keys).await;
            let result = knock(&world, door, &keys).await.unwrap();
            if concerns(door, off) {
                assert!(matches!(result, Err(Error::Refused(_))), "{door:?} × {off:?}: {result:?}");
            } else {
                assert!(result.is_ok(), "{door:?} × {off:?}: {result:?}");
            }
        }
    }
}
