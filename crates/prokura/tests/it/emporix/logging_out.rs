//! Logging out: the whole family ends, and only that.

use super::{fault, is_refused_bearer, text};
use prokura_testkit::{Acme, Answer};
use reqwest::Method;
use serde_json::json;

async fn log_out(acme: &Acme, bearer: &str, access: &str) -> Answer {
    acme.server.get(&format!("/customer/acme/logout?accessToken={access}"), Some(bearer)).await
}

#[tokio::test]
async fn e32_everything_of_the_login_ends() {
    let acme = Acme::start().await;
    let guest = acme.guest().await;
    let ann = acme.log_in_as(&guest, "ann").await;
    let chosen = acme.refresh(&guest.access, &ann.refresh, Some("le-1")).await;
    let elsewhere = acme.log_in("ann").await;

    let service = acme.service().await;
    let put = |saas: String| {
        let (acme, service, path) =
            (&acme, service.clone(), format!("/session-context/acme/context/{}", guest.session));
        async move {
            let body = json!({ "currency": "USD" });
            acme.call(Method::PUT, &path, Some(&service), &[("saas-token", &saas)], Some(&body)).await
        }
    };
    assert_eq!(put(chosen.saas.clone()).await.status, 204, "a machine acts for the customer with their saas token");

    let answer = log_out(&acme, &chosen.access, &chosen.access).await;
    assert_eq!((answer.status, answer.text.len()), (204, 0));
    for access in [&ann.access, &chosen.access] {
        assert!(is_refused_bearer(&acme.validate(access).await));
    }
    for refresh in [&ann.refresh, &chosen.refresh] {
        assert_eq!(acme.try_refresh(&guest.access, refresh, None).await.status, 401);
    }
    assert!(is_refused_bearer(&put(chosen.saas.clone()).await));
    assert_eq!(acme.validate(&elsewhere.access).await.status, 200, "another login lives on");

    let context = acme.server.get("/session-context/acme/me/context", Some(&guest.access)).await;
    assert_eq!(context.status, 200);
    for gone in ["/customerId", "/cartId", "/context/legalEntityId"] {
        assert!(context.json().pointer(gone).is_none(), "{gone}");
    }
    let again = log_out(&acme, &elsewhere.access, &chosen.access).await;
    assert_eq!(again.status, 204, "what has ended may end again");
    acme.log_in_as(&guest, "ann").await;
}

#[tokio::test]
async fn e33_nobody_logs_somebody_else_out() {
    let acme = Acme::start().await;
    let guest = acme.guest().await;
    let (ann, bob) = (acme.log_in("ann").await, acme.log_in("bob").await);
    for target in [&ann.access, &guest.access, "nonsense"] {
        let answer = log_out(&acme, &bob.access, target).await;
        assert_eq!((answer.status, &*text(&answer, "/details/0/field")), (400, "accessToken"));
    }
    let missing = acme.server.get("/customer/acme/logout", Some(&bob.access)).await;
    assert_eq!((missing.status, &*text(&missing, "/details/0/field")), (400, "accessToken"));
    for access in [&ann.access, &bob.access] {
        assert_eq!(acme.validate(access).await.status, 200);
    }
    let visitor = log_out(&acme, &guest.access, &ann.access).await;
    assert_eq!(fault(&visitor).0, 401);
}
