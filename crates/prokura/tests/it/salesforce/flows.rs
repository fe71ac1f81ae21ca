//! The four landings, each with both kinds of client, for guests and customers, before and after everything has run out:
//! whoever the API sees is whom the pages see.

use super::{Kind, Shop, set_cookie, text, tokens};
use crate::arrange::on_both_databases;
use prokura_testkit::Database;
use serde_json::Value;

on_both_databases!(the_api_and_the_pages_see_the_same_shopper_wherever_they_land);

/// The invariant: one shopper, whichever side is asked.
async fn same(shop: &Shop, access: &str, cookie: &str, step: &str) {
    let standing = shop.world.engine().verify(access).unwrap_or_else(|error| panic!("{step}: {error}"));
    let standing = &standing.token.standing;
    let there = shop.visit(cookie, "").await;
    assert_eq!(there["new"], false, "{step}");
    assert_eq!(there["usid"].as_str(), standing.visitor(), "{step}");
    assert_eq!(there["kind"] == "guest", standing.customer().is_none(), "{step}");
}

/// Tokens and a cookie as a browser holds them.
struct Browser {
    tokens: Value,
    cookie: String,
}

async fn land_on_head(shop: &Shop, kind: Kind, is_buyer: bool) -> Browser {
    let tokens = if is_buyer { shop.buyer(kind, None).await } else { shop.guest(kind, None).await };
    let cookie = set_cookie(&shop.sessions(text(&tokens, "access_token"), None).await, "dwsid").unwrap();
    Browser { tokens, cookie }
}

async fn return_on_head(shop: &Shop, kind: Kind, browser: &mut Browser) {
    browser.tokens = tokens(&shop.refresh(kind, text(&browser.tokens, "refresh_token"), &[]).await);
    let answer = shop.sessions(text(&browser.tokens, "access_token"), Some(&browser.cookie)).await;
    if let Some(cookie) = set_cookie(&answer, "dwsid") {
        browser.cookie = cookie;
    }
}

async fn return_on_pages(shop: &Shop, browser: &mut Browser) {
    let there = shop.visit(&browser.cookie, text(&browser.tokens, "refresh_token")).await;
    text(&there, "session").clone_into(&mut browser.cookie);
    browser.tokens["access_token"] = there["access_token"].clone();
}

async fn the_api_and_the_pages_see_the_same_shopper_wherever_they_land(database: Database) {
    let shop = Shop::on(database).await;
    for kind in [Kind::Public, Kind::Private] {
        for is_buyer in [false, true] {
            let step = format!("{kind:?} {is_buyer}");
            let mut browser = land_on_head(&shop, kind, is_buyer).await;
            let who = browser.tokens["usid"].clone();
            same(&shop, text(&browser.tokens, "access_token"), &browser.cookie, &step).await;
            for seconds in [31 * 60, 6 * 3_600 + 60] {
                shop.world.server.advance(seconds);
                return_on_head(&shop, kind, &mut browser).await;
                same(&shop, text(&browser.tokens, "access_token"), &browser.cookie, &format!("{step} head {seconds}"))
                    .await;
                shop.world.server.advance(seconds);
                return_on_pages(&shop, &mut browser).await;
                same(&shop, text(&browser.tokens, "access_token"), &browser.cookie, &format!("{step} pages {seconds}"))
                    .await;
            }
            assert_eq!(browser.tokens["usid"], who, "{step}");
        }
    }
    // A new guest on the pages.
    let there = shop.visit("", "").await;
    same(&shop, text(&there, "access_token"), text(&there, "session"), "pages first").await;
    let form = [
        ("grant_type", "client_credentials"),
        ("login_id", "guest"),
        ("channel_id", "main"),
        ("dwsgst", text(&there, "dwsgst")),
    ];
    let got = tokens(&shop.post(Kind::Private, "session-bridge/token", &form).await);
    same(&shop, text(&got, "access_token"), text(&there, "session"), "bridged").await;
}
