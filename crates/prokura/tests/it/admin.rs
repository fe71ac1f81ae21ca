//! The administration API over real sockets: who may use it, what it gives away, and what a change by it reaches.

mod matrix;
mod partner_idps;

use crate::arrange::{World, client_id, on_both_databases, origin};
use prokura_domain::{ClientKind, RefreshPolicy};
use prokura_engine::{Actor, ClientCredentials, Error, Refusal};
use prokura_jose::Secret;
use prokura_testkit::{Answer, Database, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A world, and somebody who runs it.
pub(crate) struct Office {
    pub(crate) world: World,
    pub(crate) root: String,
}

impl Office {
    pub(crate) async fn open(database: Database) -> Self {
        let world = World::new(database, RefreshPolicy::Family).await;
        let root = operator(&world.server, &[("*", "admin")]).await;
        Self { world, root }
    }

    fn server(&self) -> &TestServer {
        &self.world.server
    }

    async fn get(&self, path: &str) -> Answer {
        self.server().get(&format!("/admin/v1{path}"), Some(&self.root)).await
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        send(self.server(), method, &format!("/admin/v1{path}"), Some(&self.root), headers, body).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[], Some(body)).await
    }
}

pub(crate) async fn send(
    server: &TestServer,
    method: Method,
    path: &str,
    bearer: Option<&str>,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answer {
    let mut request = server.http.request(method, format!("{}{path}", server.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(token) = bearer {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    server.send(request).await
}

pub(crate) async fn operator(server: &TestServer, roles: &[(&str, &str)]) -> String {
    let made = server.engine.create_operator("op", roles, &Actor::System, &origin()).await.unwrap();
    made.token.expose().to_owned()
}

fn etag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn s107_the_door_for_the_first_operator_closes_for_ever() {
    let server = TestServer::start().await;
    let knock =
        async |secret: &str| server.post("/admin/v1/set-up", None, &json!({ "secret": secret, "name": "first" })).await;
    assert_eq!(knock("pkr_su_guess").await.status, 404, "nobody asked for a secret yet");
    let late = server.engine.begin_set_up().await.unwrap().unwrap();
    server.advance(3_600);
    assert_eq!(knock(late.expose()).await.status, 404, "an hour is over");
    let replaced = server.engine.begin_set_up().await.unwrap().unwrap();
    let secret = server.engine.begin_set_up().await.unwrap().unwrap();
    let wrong = knock("pkr_su_guess").await;
    assert_eq!(wrong.status, 404);
    assert_eq!(knock(replaced.expose()).await.text, wrong.text, "a newer secret ends the one before");

    let first = knock(secret.expose()).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let token = first.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(server.get("/admin/v1/me", Some(&token)).await.json()["roles"][0]["role"], "admin");
    assert_eq!(knock(secret.expose()).await.text, wrong.text, "a second call finds the door closed");

    // Every operator goes, the last one by their own word.
    let id = first.json()["id"].as_str().unwrap().to_owned();
    let gone = send(&server, Method::DELETE, &format!("/admin/v1/operators/{id}"), Some(&token), &[], None).await;
    assert_eq!(gone.status, 204);
    assert_eq!(server.get("/admin/v1/me", Some(&token)).await.status, 401, "the token ends with the operator");
    assert_eq!(server.engine.begin_set_up().await.unwrap().map(|_| ()), None, "no new secret is made");
    assert_eq!(knock(secret.expose()).await.text, wrong.text, "the door stays closed");
}

async fn s149_no_storefront_token_and_no_foreign_admin_gets_in(database: Database) {
    let office = Office::open(database).await;
    let server = office.server();
    let other = server.tenant("other").await;
    let service = server
        .client(&other, "bk", ClientKind::Confidential, "client_credentials", "a", RefreshPolicy::Reuse)
        .await
        .unwrap();
    let request = ClientCredentials { client: client_id("bk"), secret: service, scopes: None };
    let service = server.engine.client_credentials(&other, &request, &origin()).await.unwrap().access_token().unwrap();
    let guest = office.world.guest().await.access_token().unwrap();
    let customer = office.world.acting("le-1").await;
    let refresh = customer.refresh.as_ref().unwrap().token.expose().to_owned();
    let unauthorized = server.get("/admin/v1/tenants/acme", None).await;
    assert_eq!(unauthorized.status, 401);
    assert!(unauthorized.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    for token in [&guest, &customer.access_token().unwrap(), &service, &refresh, "pkr_op_guess"] {
        for path in ["/admin/v1/tenants", "/admin/v1/tenants/acme", "/admin/v1/tenants/acme/customers", "/admin/v1/me"]
        {
            let answer = server.get(path, Some(token)).await;
            assert_eq!((answer.status, &answer.text), (401, &unauthorized.text), "{path}");
        }
    }

    let admin = operator(server, &[("acme", "admin")]).await;
    assert_eq!(server.get("/admin/v1/tenants/acme", Some(&admin)).await.status, 200);
    let foreign = server.get("/admin/v1/tenants/other", Some(&admin)).await;
    let unknown = server.get("/admin/v1/tenants/nobody", Some(&admin)).await;
    assert_eq!((foreign.status, &foreign.text), (404, &unknown.text));
    assert_eq!(unknown.status, 404);
    let listed = server.get("/admin/v1/tenants", Some(&admin)).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["id"], "acme");
    // No browser page of another origin reads anything: there are no cross-origin fields and no cookies.
    let answer =
        send(server, Method::GET, "/admin/v1/me", Some(&admin), &[("origin", "https://evil.example")], None).await;
    assert!(!answer.headers.contains_key("access-control-allow-origin") && !answer.headers.contains_key("set-cookie"));
    assert_eq!(answer.headers["cache-control"], "no-store");
}

async fn s70_an_assignment_removed_here_ends_its_tokens_at_once(database: Database) {
    let office = Office::open(database).await;
    let acting = office.world.acting("le-1").await;
    let elsewhere = office.world.acting("le-2").await;
    let list = office.get(&format!("/tenants/acme/assignments?customer={}&legal_entity=le-1", office.world.ann)).await;
    let id = list.json()["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(id, office.world.assignments[0].as_str());
    assert!(office.world.is_good(&acting.access_token().unwrap()));
    let gone = office.send(Method::DELETE, &format!("/tenants/acme/assignments/{id}"), &[], None).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    assert!(!office.world.is_good(&acting.access_token().unwrap()), "refused with the answer");
    let again = office.world.refresh(&acting.refresh.unwrap().token, Some("le-1")).await;
    assert!(matches!(again, Err(Error::Refused(Refusal::NotAssigned))), "{again:?}");
    assert!(office.world.is_good(&elsewhere.access_token().unwrap()), "nobody else loses anything");

    // So does a session that is ended, and a customer who is switched off.
    let sessions = office.get(&format!("/tenants/acme/sessions?customer={}", office.world.ann)).await.json();
    let acting_for_two = sessions["items"].as_array().unwrap().iter().find(|s| s["legal_entity_ids"][0] == "le-2");
    let session = acting_for_two.unwrap()["id"].as_str().unwrap();
    let ended = office.send(Method::DELETE, &format!("/tenants/acme/sessions/{session}"), &[], None).await;
    assert_eq!(ended.status, 204);
    assert!(!office.world.is_good(&elsewhere.access_token().unwrap()));
    let third = office.world.acting("le-2").await;
    let state = format!("/tenants/acme/customers/{}/state", office.world.ann);
    assert_eq!(office.post(&state, &json!({ "state": "inactive" })).await.status, 204);
    assert!(!office.world.is_good(&third.access_token().unwrap()));

    // Who did it stands in the trail (S-143).
    let path = format!("/tenants/acme/audit?verb=assignment.delete&subject_kind=contact_assignment&subject_id={id}");
    let trail = office.get(&path);
    let entry = trail.await.json()["items"][0].clone();
    assert_eq!(entry["actor_kind"], "operator");
    assert_eq!(entry["legal_entity_id"], "le-1");
    office.server().engine.seal_audit().await.unwrap();
    let verdict = office.post("/tenants/acme/audit/verify", &json!({})).await.json();
    assert_eq!(verdict["is_whole"], true, "{verdict}");
    let head = json!({ "head": { "seal": 1_000, "code": "x" } });
    assert_eq!(office.post("/tenants/acme/audit/verify", &head).await.json()["is_whole"], false, "cut shorter");
}

#[tokio::test(flavor = "multi_thread")]
async fn s70_what_is_removed_here_ends_on_the_other_node() {
    let office = Office::open(Database::Postgres).await;
    let other = office.server().start_second_node().await;
    other.engine.load_tenants().await.unwrap();
    let acting = office.world.acting("le-1").await;
    assert!(other.engine.verify(&acting.access_token().unwrap()).is_ok());
    let path = format!("/tenants/acme/assignments/{}", office.world.assignments[0]);
    assert_eq!(office.send(Method::DELETE, &path, &[], None).await.status, 204);
    other.engine.poll_feed().await.unwrap();
    assert!(other.engine.verify(&acting.access_token().unwrap()).is_err());
    // Operators are looked up at each request, so one who is removed here is gone there as well.
    let token = operator(office.server(), &[("acme", "viewer")]).await;
    let me = other.get("/admin/v1/me", Some(&token)).await;
    assert_eq!(me.status, 200);
    let path = format!("/operators/{}", me.json()["id"].as_str().unwrap());
    assert_eq!(office.send(Method::DELETE, &path, &[], None).await.status, 204);
    assert_eq!(other.get("/admin/v1/me", Some(&token)).await.status, 401);
}

#[tokio::test]
async fn s26_a_client_has_ten_seconds_of_grace_unless_told_otherwise() {
    let office = Office::open(Database::Sqlite).await;
    let clients = "/tenants/acme/clients";
    let leeway = async |id: &str| office.get(&format!("{clients}/{id}")).await.json()["leeway_seconds"].clone();
    for (id, more, expected) in [
        ("c-1", json!({}), 10),
        ("c-2", json!({ "refresh_policy": "rotate", "leeway_seconds": 60 }), 60),
        ("c-3", json!({ "refresh_policy": "rotate", "leeway_seconds": 0 }), 0),
        ("c-4", json!({ "refresh_policy": "family" }), 0),
    ] {
        let mut body = json!({ "id": id, "name": id, "kind": "public" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = office.post(clients, &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!(leeway(id).await, expected, "{id}");
    }
    let too_long = json!({ "id": "c-5", "name": "c-5", "kind": "public", "leeway_seconds": 61 });
    assert_eq!(office.post(clients, &too_long).await.status, 422);
    let path = format!("{clients}/c-4");
    let rotate = json!({ "refresh_policy": "rotate" });
    assert_eq!(office.send(Method::PATCH, &path, &[], Some(&rotate)).await.status, 200);
    assert_eq!(leeway("c-4").await, 10);
}

#[tokio::test]
async fn s02_secrets_are_made_here_shown_once_and_never_stored() {
    let office = Office::open(Database::Sqlite).await;
    let clients = "/tenants/acme/clients";
    let body = json!({ "id": "bk", "name": "Backend", "kind": "confidential", "grants": ["client_credentials"],
                       "scopes": ["a.b"] });
    let mut chosen = body.clone();
    chosen["secret"] = json!("hunter2hunter2");
    let refused = office.post(clients, &chosen).await;
    assert_eq!((refused.status, &refused.json()["errors"][0]["field"]), (422, &json!("secret")));

    let made = office.post(clients, &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let first = made.json()["secret"].as_str().unwrap().to_owned();
    assert_eq!(made.headers["location"], "/admin/v1/tenants/acme/clients/bk");
    assert!(!office.get("/tenants/acme/clients/bk").await.text.contains(&first), "shown once");
    let try_it = async |secret: &str| {
        let request =
            ClientCredentials { client: client_id("bk"), secret: Secret::from(secret.to_owned()), scopes: None };
        office.server().engine.client_credentials(&office.world.tenant, &request, &origin()).await.is_ok()
    };
    assert!(try_it(&first).await);
    let rotated = office.post("/tenants/acme/clients/bk/rotate-secret", &json!({ "overlap_seconds": 600 })).await;
    let second = rotated.json()["secret"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert!(try_it(&first).await && try_it(&second).await, "both are good during the overlap");
    office.server().advance(600);
    assert!(!try_it(&first).await, "the overlap is over");
    assert!(try_it(&second).await);
    let chosen = json!({ "secret": "hunter2hunter2" });
    assert_eq!(office.post("/tenants/acme/clients/bk/rotate-secret", &chosen).await.status, 422);
    assert_eq!(office.send(Method::PATCH, "/tenants/acme/clients/bk", &[], Some(&chosen)).await.status, 422);

    let prokura_engine::DatabaseConfig::Sqlite { path, .. } = &office.server().database else {
        panic!("this test reads a file")
    };
    let backup = path.with_extension("copy");
    let plain = path.with_extension("plain");
    let key = prokura_jose::MasterKey::from_bytes([7; 32]);
    prokura_engine::back_up(&office.server().database, &key, &backup).await.unwrap();
    prokura_engine::open_backup(&key, &backup, &plain).unwrap();
    let mut bytes = std::fs::read(&plain).unwrap();
    for suffix in ["", "-wal"] {
        let mut file = path.clone().into_os_string();
        file.push(suffix);
        bytes.extend(std::fs::read(file).unwrap_or_default());
    }
    assert!(contains(&bytes, b"Backend"), "the search finds what is there");
    for secret in [first, second, office.root.clone()] {
        assert!(!contains(&bytes, secret.as_bytes()), "a secret stands in the database");
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

async fn s74_a_cursor_opens_only_the_list_it_was_made_for(database: Database) {
    let office = Office::open(database).await;
    let server = office.server();
    let other = server.tenant("other").await;
    for number in 0..5 {
        for tenant in [&office.world.tenant, &other] {
            let id = format!("{}-{number}", tenant.id);
            server.client(tenant, &id, ClientKind::Public, "guest", "", RefreshPolicy::Reuse).await;
        }
    }
    // Every client once, whatever the length of the page.
    for limit in 1..=7 {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = office.get(&format!("/tenants/acme/clients?limit={limit}{cursor}")).await.json();
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit && !items.is_empty());
            seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let unique: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!((seen.len(), unique.len()), (6, 6), "{limit}: {seen:?}");
    }

    let page = office.get("/tenants/acme/clients?limit=2").await.json();
    let cursor = page["next"].as_str().unwrap();
    let mut altered = cursor.to_owned();
    let last = altered.pop().unwrap();
    altered.push(if last == 'A' { 'Q' } else { 'A' });
    for (path, query) in [
        ("clients", format!("cursor={altered}")),
        ("clients", format!("cursor={cursor}x")),
        ("clients", "cursor=".to_owned()),
        ("clients", "cursor=acme-1".to_owned()),
        ("customers", format!("cursor={cursor}")),
        ("clients", "sort=id;--".to_owned()),
        ("clients", "filter=name%20like%20x".to_owned()),
        ("clients", "limit=0".to_owned()),
        ("clients", "limit=201".to_owned()),
        ("clients", "limit=x".to_owned()),
        ("clients", "limit=1&limit=2".to_owned()),
        ("audit", "since=yesterday".to_owned()),
        ("audit", "subject_kind=customer".to_owned()),
    ] {
        let answer = office.get(&format!("/tenants/acme/{path}?{query}")).await;
        assert_eq!(answer.status, 400, "{path}?{query}: {}", answer.text);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    let foreign = office.get(&format!("/tenants/other/clients?cursor={cursor}")).await;
    assert_eq!(foreign.status, 400, "another tenant's cursor");
    assert_eq!(office.get(&format!("/tenants/acme/clients?cursor={cursor}")).await.status, 200);
}

async fn versions_keep_changes_of_others(database: Database) {
    let office = Office::open(database).await;
    let site = json!({ "name": "Shop", "language": "en", "currency": "EUR", "country": "DE" });
    let put = async |headers: &[(&str, &str)], body: &Value| {
        office.send(Method::PUT, "/tenants/acme/sites/shop", headers, Some(body)).await
    };
    assert_eq!(put(&[], &site).await.status, 428, "nobody replaces blindly");
    let made = put(&[("if-none-match", "*")], &site).await;
    assert_eq!((made.status, etag(&made)), (201, "\"1\"".to_owned()), "{}", made.text);
    assert_eq!(put(&[("if-none-match", "*")], &site).await.status, 412);
    let replaced = put(&[("if-match", "\"1\"")], &site).await;
    assert_eq!((replaced.status, etag(&replaced)), (200, "\"2\"".to_owned()));
    assert_eq!(put(&[("if-match", "\"1\"")], &site).await.status, 412);
    assert_eq!(put(&[("if-match", "W/\"2\"")], &site).await.status, 412);
    assert_eq!(put(&[("if-match", "2")], &site).await.status, 400);
    assert_eq!(put(&[("if-match", "\"2\""), ("if-none-match", "*")], &site).await.status, 400);
    let nowhere = office.send(Method::PUT, "/tenants/acme/sites/none", &[("if-match", "\"1\"")], Some(&site)).await;
    assert_eq!(nowhere.status, 404);

    for (path, patch) in [
        ("/tenants/acme", json!({ "name": "Acme 2" })),
        ("/tenants/acme/clients/sf", json!({ "name": "Storefront" })),
        (&*format!("/tenants/acme/customers/{}", office.world.ann), json!({ "given_name": "Ann" })),
        (&*format!("/tenants/acme/assignments/{}", office.world.assignments[0]), json!({ "kind": "BILLING" })),
    ] {
        let seen = etag(&office.get(path).await);
        let changed = office.send(Method::PATCH, path, &[("if-match", &seen)], Some(&patch)).await;
        assert_eq!(changed.status, 200, "{path}: {}", changed.text);
        assert_ne!(etag(&changed), seen, "{path}");
        let stale = office.send(Method::PATCH, path, &[("if-match", &seen)], Some(&patch)).await;
        assert_eq!((stale.status, &stale.json()["code"]), (412, &json!("stale_version")), "{path}");
        let free = office.send(Method::PATCH, path, &[], Some(&patch)).await;
        assert_eq!(free.status, 200, "{path}: saying nothing about versions is fine for single fields");
        let wrong = json!({ "roles": ["admin"] });
        let wrong = office.send(Method::PATCH, path, &[], Some(&wrong)).await;
        assert_eq!((wrong.status, &wrong.json()["errors"][0]["field"]), (422, &json!("roles")), "{path}");
    }

    let entity = json!({ "name": "New" });
    let path = "/tenants/acme/legal-entities/le-9";
    assert_eq!(office.send(Method::PUT, path, &[], Some(&entity)).await.status, 428);
    let made = office.send(Method::PUT, path, &[("if-none-match", "*")], Some(&entity)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let again = office.send(Method::PUT, path, &[("if-none-match", "*")], Some(&entity)).await;
    assert_eq!(again.status, 412);
    let seen = etag(&made);
    assert_eq!(office.send(Method::PUT, path, &[("if-match", &seen)], Some(&entity)).await.status, 200);
    assert_eq!(office.send(Method::PUT, path, &[("if-match", &seen)], Some(&entity)).await.status, 412);
}

#[tokio::test]
async fn bodies_are_small_json_with_known_fields() {
    let office = Office::open(Database::Sqlite).await;
    let server = office.server();
    let url = format!("{}/admin/v1/tenants/acme/legal-entities", server.url);
    let post = async |content_type: &str, body: Vec<u8>| {
        let request = server.http.post(&url).bearer_auth(&office.root).header("content-type", content_type);
        server.send(request.body(body)).await
    };
    let good = br#"{"name":"A"}"#.to_vec();
    for (content_type, body, expected) in [
        ("application/json", good.clone(), 201),
        ("application/json; charset=utf-8", good.clone(), 201),
        ("text/plain", good.clone(), 415),
        ("application/x-www-form-urlencoded", good.clone(), 415),
        ("application/json; charset=latin1", good.clone(), 415),
        ("application/json", b"{\"name\":".to_vec(), 400),
        ("application/json", b"{\"name\":\"A\"} {}".to_vec(), 400),
        ("application/json", b"{}".to_vec(), 422),
        ("application/json", b"{\"name\":\"A\",\"name\":\"B\"}".to_vec(), 422),
        ("application/json", b"{\"name\":\"A\",\"parent_id\":\"nobody\"}".to_vec(), 422),
        ("application/json", b"{\"name\":\"A\\u0000\"}".to_vec(), 422),
        ("application/json", format!("{{\"name\":\"{}\"}}", "a".repeat(1024 * 1024)).into_bytes(), 413),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let answer = post(content_type, body).await;
        assert_eq!(answer.status, expected, "{content_type} {shown}: {}", answer.text);
        if expected > 299 {
            assert_eq!(answer.headers["content-type"], "application/problem+json", "{shown}");
        }
    }
    let wrong = office.send(Method::PUT, "/me", &[], Some(&json!({}))).await;
    assert_eq!((wrong.status, &wrong.json()["code"]), (405, &json!("method_not_allowed")));
    assert_eq!(office.get("/nothing/here").await.json()["code"], "not_found");
}

#[tokio::test]
async fn a_tenant_is_made_changed_and_closed() {
    let office = Office::open(Database::Sqlite).await;
    let body = json!({ "id": "fresh", "name": "Fresh", "settings": { "lifetimes": { "access": 120 } } });
    let made = office.post("/tenants", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json()["settings"]["lifetimes"]["access"], 120);
    assert_eq!(made.json()["settings"]["password_min"], 6, "the rest is the template's");
    assert_eq!(office.post("/tenants", &body).await.status, 409);
    for (settings, field) in [
        (json!({ "lifetimes": { "acces": 120 } }), "settings.lifetimes.acces"),
        (json!({ "algorithm": "none" }), "settings.algorithm"),
        (json!({ "lifetimes": { "access": 1 } }), "settings.lifetimes.access"),
        (json!({ "lifetimes": 7 }), "settings.lifetimes"),
    ] {
        let answer = office.send(Method::PATCH, "/tenants/fresh", &[], Some(&json!({ "settings": settings }))).await;
        assert_eq!(answer.status, 422, "{settings}: {}", answer.text);
        assert_eq!(answer.json()["errors"][0]["field"], field, "{settings}");
    }
    let viewer = operator(office.server(), &[("fresh", "viewer")]).await;
    let closed = office.send(Method::PATCH, "/tenants/fresh", &[], Some(&json!({ "state": "suspended" }))).await;
    assert_eq!(closed.json()["state"], "suspended");
    assert_eq!(office.server().get("/admin/v1/tenants/fresh", Some(&viewer)).await.status, 200, "still looked after");
    let public = office.server().get("/t/fresh/.well-known/jwks.json", None).await;
    assert_eq!(public.status, 404, "closed to everybody else");
    let open = office.send(Method::PATCH, "/tenants/fresh", &[], Some(&json!({ "state": "active" }))).await;
    assert_eq!(open.json()["state"], "active");
    assert_eq!(office.server().get("/t/fresh/.well-known/jwks.json", None).await.status, 200);

    let keys = office.get("/tenants/fresh/keys").await.json();
    let active = keys["items"].as_array().unwrap().iter().find(|key| key["algorithm"] == "ES256").unwrap().clone();
    assert_eq!(office.post("/tenants/fresh/keys/rotate", &json!({})).await.status, 201);
    assert_eq!(office.post("/tenants/fresh/keys/rotate", &json!({})).await.status, 409, "one waits already");
    let retire = format!("/tenants/fresh/keys/{}/retire", active["id"].as_str().unwrap());
    assert_eq!(office.post(&retire, &json!({})).await.status, 409, "its tokens may still live");
    assert_eq!(office.post(&retire, &json!({ "is_compromised": true })).await.status, 204);
    let jwks = office.server().get("/t/fresh/.well-known/jwks.json", None).await.text;
    assert!(!jwks.contains(active["id"].as_str().unwrap()), "a compromised key is not published");
}

async fn a_segment_takes_in_members_and_items(database: Database) {
    let office = Office::open(database).await;
    let path = "/tenants/acme/segments/seg-1";
    let body = json!({ "name": { "en": "Tools" }, "valid_from": "2026-01-01T00:00:00Z" });
    assert_eq!(office.send(Method::PUT, path, &[], Some(&body)).await.status, 428);
    let made = office.send(Method::PUT, path, &[("if-none-match", "*")], Some(&body)).await;
    assert_eq!((made.status, etag(&made)), (201, "\"1\"".to_owned()), "{}", made.text);
    assert_eq!(office.send(Method::PUT, path, &[("if-none-match", "*")], Some(&body)).await.status, 412);
    assert_eq!(office.send(Method::PUT, path, &[("if-match", "\"9\"")], Some(&body)).await.status, 412);
    let ann = office.world.ann.as_str();
    let members = json!({ "members": [
        { "customer_id": ann }, { "legal_entity_id": "le-1" }, { "customer_id": ann, "legal_entity_id": "le-2" },
        { "customer_id": "nobody" }, {},
    ] });
    let results = office.post(&format!("{path}/members"), &members).await.json()["results"].clone();
    let words: Vec<_> = results.as_array().unwrap().iter().map(|result| result["outcome"].clone()).collect();
    assert_eq!(words, ["added", "added", "added", "refused", "refused"], "{results}");
    let acting = office.world.acting("le-1").await;
    assert_eq!(acting.standing().segments.len(), 1, "the token knows it");
    let items =
        json!({ "items": (0..5).map(|n| json!({ "kind": "PRODUCT", "id": format!("p/{n}") })).collect::<Vec<_>>() });
    assert_eq!(office.post(&format!("{path}/items"), &items).await.json()["results"][4]["outcome"], "added");
    assert_eq!(office.post(&format!("{path}/items"), &items).await.json()["results"][4]["outcome"], "replaced");
    for (part, expected) in [("members", 3), ("items", 5)] {
        let (mut seen, mut cursor) = (0, String::new());
        loop {
            let page = office.get(&format!("{path}/{part}?limit=2{cursor}")).await.json();
            seen += page["items"].as_array().unwrap().len();
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, expected, "{part}");
        let other = if part == "items" { "members" } else { "items" };
        assert!(cursor.is_empty() || office.get(&format!("{path}/{other}?limit=2{cursor}")).await.status == 400);
    }
    assert_eq!(office.send(Method::DELETE, path, &[], None).await.status, 409, "it has members");
    let out = json!({ "members": [{ "legal_entity_id": "le-1" }, { "legal_entity_id": "le-3" }] });
    let results = office.post(&format!("{path}/members/remove"), &out).await.json()["results"].clone();
    assert_eq!((&results[0]["outcome"], &results[1]["outcome"]), (&json!("removed"), &json!("refused")));
    let out = json!({ "items": [{ "kind": "PRODUCT", "id": "p/0" }] });
    assert_eq!(office.post(&format!("{path}/items/remove"), &out).await.json()["results"][0]["outcome"], "removed");
    let gone = office.send(Method::DELETE, &format!("{path}?with_contents=true"), &[], None).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    assert_eq!(office.get(path).await.status, 404);
}

#[tokio::test]
async fn two_changes_at_once_are_both_kept() {
    let office = Office::open(Database::Sqlite).await;
    let changes = (0..8).map(|number| {
        let body = json!({ "settings": { "dialect": { format!("key{number}"): number } } });
        let office = &office;
        async move { office.send(Method::PATCH, "/tenants/acme", &[], Some(&body)).await.status }
    });
    let statuses = futures_util::future::join_all(changes).await;
    let settings = office.get("/tenants/acme").await.json()["settings"]["dialect"].clone();
    for (number, status) in statuses.iter().enumerate() {
        let is_there = settings[format!("key{number}")] == number;
        assert_eq!(*status == 200, is_there, "{number}: an answer of {status}, and {settings}");
    }
    assert!(statuses.contains(&200));
}

#[tokio::test]
async fn the_description_is_served_with_a_tag() {
    let server = TestServer::start().await;
    let first = server.get("/openapi.json", None).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.text, prokura_web::openapi());
    let tag = etag(&first);
    let again = send(&server, Method::GET, "/openapi.json", None, &[("if-none-match", &tag)], None).await;
    assert_eq!((again.status, again.text.len()), (304, 0));
}

#[tokio::test]
async fn nobody_can_take_the_installations_name() {
    let office = Office::open(Database::Sqlite).await;
    let answer = office.post("/tenants", &json!({ "id": "installation", "name": "x" })).await;
    assert_eq!((answer.status, &answer.json()["errors"][0]["field"]), (422, &json!("id")));
    let viewer = operator(office.server(), &[("*", "viewer")]).await;
    assert_eq!(office.server().get("/admin/v1/audit", Some(&viewer)).await.status, 404);
    let trail = office.get("/audit?verb=operator.create").await.json();
    assert_eq!(trail["items"].as_array().unwrap().len(), 2);
}

on_both_databases!(
    s149_no_storefront_token_and_no_foreign_admin_gets_in,
    s70_an_assignment_removed_here_ends_its_tokens_at_once,
    s74_a_cursor_opens_only_the_list_it_was_made_for,
    versions_keep_changes_of_others,
    a_segment_takes_in_members_and_items,
);
