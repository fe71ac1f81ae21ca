//! `X-RateLimit-…`: what is told is what the node keeps (S-135).

use super::{Kind, ORGANIZATION, Shop, text, tokens};
use prokura_http::{Rate, Rates};
use prokura_testkit::{Answer, Options};
use reqwest::Method;

/// Limit, remaining and reset of a window.
fn told(answer: &Answer, window: &str) -> [u64; 3] {
    ["limit", "remaining", "reset"].map(|name| {
        let value = answer.headers.get(format!("x-ratelimit-{window}-{name}"));
        value.unwrap_or_else(|| panic!("{name} is missing: {:?}", answer.headers)).to_str().unwrap().parse().unwrap()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn s135_slas_tells_what_the_bucket_of_its_caller_gives() {
    // Nothing comes back while the test runs, so the numbers stand still.
    let client = Rate { per_second: 1, burst: 600 };
    let tenant = Rate { per_second: 2, burst: 10_000 };
    let shop = Shop::with(Options { rates: Rates { tenant, client, ..Rates::NONE }, ..Options::default() }).await;
    let guest = shop.token(Kind::Private, &[("grant_type", "client_credentials")]).await;
    let [limit, remaining, reset] = told(&guest, "1m");
    assert_eq!(limit, 660, "the client's bucket is the tighter one");
    assert!(remaining < limit && remaining >= limit - 2, "{remaining}");
    assert!((1..=2).contains(&reset), "{reset}");
    assert_eq!(told(&guest, "5m")[0], 900);
    // Refused or not, each of them counts.
    for _ in 0..50 {
        let refused = shop.refresh(Kind::Private, "pkr_rt_never", &[]).await;
        assert_eq!(refused.status, 400);
    }
    let token = text(&tokens(&guest), "refresh_token").to_owned();
    let later = shop.refresh(Kind::Private, &token, &[]).await;
    let [limit, after, _] = told(&later, "1m");
    assert_eq!(limit, 660);
    assert!(after < remaining, "{after}, {remaining} before");
    // Where no client is named, the tenant's counts.
    let url = shop.url(&format!("/shopper/auth/v1/organizations/{ORGANIZATION}/oauth2/jwks"));
    let keys = shop.send(shop.request(Method::GET, &url)).await;
    assert_eq!(told(&keys, "1m")[0], 10_120);
    assert_eq!(told(&keys, "5m")[0], 10_600);
}

#[tokio::test(flavor = "multi_thread")]
async fn s135_whoever_has_to_wait_is_told_so_and_no_bound_has_no_number() {
    let client = Rate { per_second: 1, burst: 1 };
    let shop = Shop::with(Options { rates: Rates { client, ..Rates::NONE }, ..Options::default() }).await;
    let form = [("grant_type", "client_credentials")];
    let mut refused = None;
    for _ in 0..20 {
        let answer = shop.token(Kind::Private, &form).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("too many at once");
    assert_eq!(refused.headers["retry-after"], "1");
    let [limit, remaining, _] = told(&refused, "1m");
    assert_eq!((limit, remaining), (61, 60), "so many more in the next minute");

    let shop = Shop::with(Options::default()).await;
    let answer = shop.token(Kind::Private, &form).await;
    assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("x-ratelimit")), "{:?}", answer.headers);
}
