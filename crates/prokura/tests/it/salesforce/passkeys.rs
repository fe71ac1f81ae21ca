//! Passkeys at a shop's own pages, with an authenticator in software.

use super::{
    EMAIL, Kind, Shop,
    codes::{refused, with_second_factor},
    text, tokens,
};
use crate::{arrange::on_both_databases, authenticator::Authenticator};
use prokura_testkit::{Answer, Database};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases!(
    a_passkey_is_made_with_a_code_and_logs_its_owner_in,
    s102_whatever_is_wrong_with_a_passkey_is_answered_alike,
    s101_a_code_alone_makes_no_passkey_for_whoever_has_a_second_factor,
    passkeys_belong_to_the_host_a_client_registered_and_to_their_owner,
);

const HOST: &str = "localhost";
const PAGE: &str = "http://localhost:3000";

impl Shop {
    async fn with_passkeys(database: Database) -> Self {
        let shop = Self::on(database).await;
        shop.registers("pub", json!({ "passkey_host": HOST })).await;
        shop
    }

    async fn webauthn(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let form = [&[("channel_id", "main")], form].concat();
        self.post(Kind::Public, &format!("webauthn/{path}"), &form).await
    }

    async fn finish(&self, path: &str, bearer: Option<&str>, body: Value) -> Answer {
        let mut body = body;
        for (name, value) in [("client_id", "pub"), ("channel_id", "main")] {
            body.as_object_mut().unwrap().entry(name).or_insert(json!(value));
        }
        let mut request = self.request(Method::POST, &self.slas(&format!("webauthn/{path}/finish"))).json(&body);
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        self.send(request).await
    }

    /// A code to make a passkey with.
    async fn passkey_code(&self) -> String {
        let form = [("user_id", EMAIL), ("mode", "email"), ("hint", "cross_device")];
        let answer = self.webauthn("register/authorize", &form).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
        self.newest_code().await
    }

    async fn begin_passkey(&self) -> (String, Value) {
        let code = self.passkey_code().await;
        let answer = self.webauthn("register/start", &[("user_id", EMAIL), ("pwd_action_token", &code)]).await;
        (code, tokens(&answer))
    }

    /// A passkey of ann's, and her user handle.
    async fn passkey(&self) -> (Authenticator, String) {
        let (code, options) = self.begin_passkey().await;
        let authenticator = Authenticator::new(HOST, PAGE);
        let made = json!({ "pwd_action_token": code, "credential": authenticator.make(&options), "username": EMAIL });
        let answer = self.finish("register", None, made).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{}", answer.text);
        // The mail about it is sent before any other.
        self.world.server.mails().await;
        self.world.server.advance(1);
        (authenticator, text(&options["user"], "id").to_owned())
    }

    async fn challenge(&self) -> Value {
        tokens(&self.webauthn("authenticate/start", &[("user_id", EMAIL)]).await)
    }

    async fn passkeys_of(&self, method: Method, rest: &str, access: &str) -> Answer {
        let url = self.slas(&format!("webauthn/passkey/user/{rest}"));
        self.send(self.request(method, &url).query(&[("channel_id", "main")]).bearer_auth(access)).await
    }
}

async fn a_passkey_is_made_with_a_code_and_logs_its_owner_in(database: Database) {
    let shop = Shop::with_passkeys(database).await;
    let elsewhere = shop.buyer(Kind::Private, None).await;
    let here = shop.buyer(Kind::Public, None).await;
    let (code, options) = shop.begin_passkey().await;
    assert_eq!((&options["rp"]["id"], &options["timeout"]), (&json!(HOST), &json!(90_000)));
    assert_eq!(options["user"]["name"], EMAIL);
    assert!(options["pubKeyCredParams"].as_array().unwrap().iter().any(|kind| kind["alg"] == -7));
    let handle = text(&options["user"], "id").to_owned();
    let authenticator = Authenticator::new(HOST, PAGE);
    let made = json!({
        "pwd_action_token": code, "username": EMAIL, "nick_name": "Laptop", "credential": authenticator.make(&options),
    });
    let answer = shop.finish("register", Some(text(&here, "access_token")), made).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{}", answer.text);
    assert!(shop.world.is_good(text(&here, "access_token")), "where it was made they stay logged in");
    assert!(!shop.world.is_good(text(&elsewhere, "access_token")), "and nowhere else");
    assert!(shop.world.server.mails().await.last().unwrap().contains("A passkey was added"));

    let guest = shop.guest(Kind::Public, None).await;
    let options = shop.challenge().await;
    assert_eq!((&options["rpId"], &options["timeout"]), (&json!(HOST), &json!(60_000)));
    assert_eq!(options["allowCredentials"], json!([]));
    let shown = authenticator.show(&options, &handle);
    let body = json!({ "credential": shown, "usid": guest["usid"], "user_id": EMAIL });
    let told = tokens(&shop.finish("authenticate", None, body.clone()).await);
    assert_eq!(told["credentialId"], authenticator.id());
    assert_eq!((&told["username"], &told["success"]), (&json!(EMAIL), &json!(true)));
    let buyer = &told["tokenResponse"];
    assert_eq!((&buyer["usid"], &buyer["customer_id"]), (&guest["usid"], &here["customer_id"]));
    refused(&shop.refresh(Kind::Public, text(&guest, "refresh_token"), &[]).await, 400, "invalid refresh_token");
    refused(&shop.finish("authenticate", None, body).await, 401, "Invalid token");

    // Its owner sees it, and whoever has just shown it may take it away.
    let access = text(buyer, "access_token");
    let list = tokens(&shop.passkeys_of(Method::GET, EMAIL, access).await);
    assert_eq!(list["credentials"][0]["nick_name"], "Laptop");
    let one = format!("{EMAIL}/credentials/{}", text(&list["credentials"][0], "id"));
    refused(&shop.passkeys_of(Method::DELETE, &one, text(&here, "access_token")).await, 403, "less than ten minutes");
    assert_eq!(shop.passkeys_of(Method::DELETE, &one, access).await.status, 204);
    refused(&shop.passkeys_of(Method::DELETE, EMAIL, access).await, 404, "User Not Found");
    let shown = authenticator.show(&shop.challenge().await, &handle);
    refused(&shop.finish("authenticate", None, json!({ "credential": shown })).await, 401, "Invalid token");
}

async fn s102_whatever_is_wrong_with_a_passkey_is_answered_alike(database: Database) {
    let shop = Shop::with_passkeys(database).await;
    let (code, options) = shop.begin_passkey().await;
    let again = shop.webauthn("register/start", &[("user_id", EMAIL), ("pwd_action_token", &code)]).await;
    refused(&again, 401, "Invalid token");
    // Of another page, with another code, and after a first answer that was wrong.
    let elsewhere = Authenticator::new(HOST, "http://evil.localhost:3000").make(&options);
    let body = json!({ "pwd_action_token": "12345678", "credential": Authenticator::new(HOST, PAGE).make(&options) });
    refused(&shop.finish("register", None, body).await, 401, "Invalid token");
    let body = json!({ "pwd_action_token": code, "credential": elsewhere });
    refused(&shop.finish("register", None, body).await, 401, "Invalid token");
    let body = json!({ "pwd_action_token": code, "credential": Authenticator::new(HOST, PAGE).make(&options) });
    refused(&shop.finish("register", None, body).await, 401, "Invalid token");
    refused(&shop.finish("register", None, json!({ "pwd_action_token": code })).await, 400, "credential is needed");

    let (authenticator, handle) = shop.passkey().await;
    let stranger = Authenticator::new(HOST, PAGE);
    for (credential, what) in [
        (stranger.show(&shop.challenge().await, &handle), "nobody's"),
        (authenticator.show(&shop.challenge().await, "AAAAAAAAAAAAAAAAAAAAAA"), "another user's"),
        (authenticator.show(&json!({ "challenge": "AAAA" }), &handle), "of a challenge nobody made"),
        (json!({ "id": "x" }), "none"),
    ] {
        let answer = shop.finish("authenticate", None, json!({ "credential": credential })).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
        refused(&answer, 401, "Invalid token");
    }
    // A challenge is for the client that asked, and for five minutes.
    let options = shop.challenge().await;
    shop.world.server.advance(301);
    let late = json!({ "credential": authenticator.show(&options, &handle) });
    refused(&shop.finish("authenticate", None, late).await, 401, "Invalid token");
    let shown = authenticator.show(&shop.challenge().await, &handle);
    tokens(&shop.finish("authenticate", None, json!({ "credential": shown })).await);
}

async fn s101_a_code_alone_makes_no_passkey_for_whoever_has_a_second_factor(database: Database) {
    let shop = Shop::with_passkeys(database).await;
    with_second_factor(&shop).await;
    let code = shop.passkey_code().await;
    let answer = shop.webauthn("register/start", &[("user_id", EMAIL), ("pwd_action_token", &code)]).await;
    refused(&answer, 401, "Authorization failed.");

    // A passkey is one, too: the next one takes a login with the one before.
    let shop = Shop::with_passkeys(database).await;
    let (authenticator, handle) = shop.passkey().await;
    let code = shop.passkey_code().await;
    let start = |bearer: Option<String>| {
        let form = [("client_id", "pub"), ("channel_id", "main"), ("user_id", EMAIL), ("pwd_action_token", &code)];
        let request = shop.request(Method::POST, &shop.slas("webauthn/register/start")).form(&form);
        shop.send(match bearer {
            Some(bearer) => request.bearer_auth(bearer),
            None => request,
        })
    };
    let by_password = shop.buyer(Kind::Public, None).await;
    for weak in [None, Some(text(&by_password, "access_token").to_owned())] {
        refused(&start(weak).await, 401, "Authorization failed.");
    }
    let shown = authenticator.show(&shop.challenge().await, &handle);
    let told = tokens(&shop.finish("authenticate", None, json!({ "credential": shown })).await);
    let access = text(&told["tokenResponse"], "access_token").to_owned();
    let options = tokens(&start(Some(access)).await);
    assert_eq!(options["excludeCredentials"][0]["id"], authenticator.id());
    assert_eq!(options["user"]["id"], handle);
}

async fn passkeys_belong_to_the_host_a_client_registered_and_to_their_owner(database: Database) {
    let shop = Shop::on(database).await;
    for host in ["", "shop.example"] {
        shop.registers("pub", json!({ "passkey_host": host })).await;
        refused(&shop.webauthn("authenticate/start", &[]).await, 400, "passkeys cannot be used");
    }
    shop.registers("pub", json!({ "passkey_host": HOST })).await;
    assert_eq!(shop.webauthn("authenticate/start", &[]).await.status, 200);
    let guest = shop.guest(Kind::Public, None).await;
    refused(&shop.passkeys_of(Method::GET, EMAIL, text(&guest, "access_token")).await, 403, "another shopper's");
    let buyer = shop.buyer(Kind::Public, None).await;
    let access = text(&buyer, "access_token");
    refused(&shop.passkeys_of(Method::GET, "bob@a.example", access).await, 403, "another shopper's");
    assert_eq!(tokens(&shop.passkeys_of(Method::GET, EMAIL, access).await)["credentials"], json!([]));
    refused(&shop.passkeys_of(Method::GET, EMAIL, "nothing").await, 401, "Bad or missing access token.");
}
