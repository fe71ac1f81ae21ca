//! Both storefronts' calls from a real browser on another origin, preflights included: what `curl` cannot see is whether
//! a page may read the answer.

use axum::{Router, response::Html, routing::get};
use prokura_engine::TenantSettings;
use prokura_http::{router_service, server};
use prokura_testkit::{Acme, Options};
use std::{
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const BROWSER: &str = "/usr/bin/chromium";
/// How long the browser may take, from its start to the printed page.
const PATIENCE: Duration = Duration::from_mins(1);

/// The page: one line per step, `name status`; `dead` when the browser withholds the answer.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>running</title><pre id="steps"></pre><script>
const api = "API", lines = [];
async function step(name, path, bearer, options = {}) {
  const headers = { ...options.headers };
  if (bearer) headers.Authorization = "Bearer " + bearer;
  let status = "dead", body = {};
  try {
    const answer = await fetch(api + path, { ...options, headers });
    status = answer.status;
    body = await answer.json().catch(() => ({}));
  } catch (error) { status = "dead " + error; }
  lines.push(name + " " + status);
  return body;
}
const json = { "Content-Type": "application/json" };
const login = (headers = {}) =>
  ({ method: "POST", headers: { ...json, ...headers }, body: JSON.stringify({ email: "EMAIL", password: "PASSWORD" }) });
async function showcase() {
  const guest = (await step("showcase-guest", "/customerlogin/auth/anonymous/login?client_id=sf&hybris-tenant=acme")).access_token;
  await step("showcase-configuration", "/caas-indexing/acme/project/configuration", guest);
  await step("showcase-context", "/session-context/acme/me/context", guest);
  const sites = await step("showcase-sites", "/site/acme/sites?expand=mixin:*", guest, { headers: { "X-Version": "v2" } });
  lines.push("showcase-has-site " + sites.some(site => site.code === "main" && site.default));
  const customer = await step("showcase-login", "/customer/acme/login", guest, login());
  lines.push("showcase-fields " + Boolean(customer.accessToken && customer.saasToken && customer.expiresIn));
  await step("showcase-me", "/customer/acme/me?expand=addresses,mixin:*", customer.accessToken);
  await step("showcase-scopes", "/iam/acme/users/me/scopes", customer.accessToken);
  await step("showcase-context-again", "/session-context/acme/me/context", customer.accessToken);
}
async function sdk() {
  const own = { "Emporix-Tenant": "acme", "Accept-Language": "en" };
  const get = (name, path, bearer) => step(name, path, bearer, { headers: own });
  const guest = await step("sdk-guest", "/customerlogin/auth/anonymous/login?tenant=acme&client_id=sf");
  await get("sdk-site", "/site/acme/sites/main", guest.access_token);
  const customer = await step("sdk-login", "/customer/acme/login", guest.access_token, login(own));
  await get("sdk-companies", "/customer-management/acme/legal-entities", customer.access_token);
  const switching = "/customer/acme/refreshauthtoken?refreshToken=" + customer.refresh_token;
  const chosen = await get("sdk-switch", switching + "&legalEntityId=le-2", guest.access_token);
  await get("sdk-context", "/session-context/acme/me/context", chosen.access_token);
  await get("sdk-me", "/customer/acme/me", chosen.access_token);
  await get("sdk-foreign", switching + "&legalEntityId=le-3", guest.access_token);
  const back = await get("sdk-private", switching, guest.access_token);
  await get("sdk-validate", "/customer/acme/validateauthtoken", back.access_token);
  await get("sdk-logout", "/customer/acme/logout?accessToken=" + back.access_token, back.access_token);
  await get("sdk-after", "/session-context/acme/me/context", back.access_token);
}
showcase().then(sdk).catch(error => lines.push("broken " + error)).finally(() => {
  document.getElementById("steps").textContent = lines.join("\n");
  document.title = "done";
});
</script>"#;

/// Opens the page and gives back what it wrote.
fn browse(url: &str, profile: &Path) -> String {
    assert!(
        Path::new(BROWSER).exists(),
        "a browser is needed for this test, and there is no {BROWSER}: install the Debian package \"chromium\""
    );
    let mut child = Command::new(BROWSER)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
            "--virtual-time-budget=30000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a browser that starts");
    let mut out = child.stdout.take().expect("its output");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).map(|_| text)
    });
    let begun = Instant::now();
    while child.try_wait().expect("our child").is_none() {
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the browser did not finish within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    reader.join().expect("the reader").expect("text")
}

/// What the page saw.
async fn steps_on(is_origin_allowed: bool) -> Vec<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let page_url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let allowed = if is_origin_allowed { page_url.clone() } else { "http://shop.example".to_owned() };
    let settings = TenantSettings { cors_origins: vec![allowed], ..prokura::app::tenant_template() };
    let acme = Acme::start_with(Options { settings: Some(settings), ..Options::default() }).await;
    let page =
        PAGE.replace("API", &acme.server.url).replace("EMAIL", &Acme::email("ann")).replace("PASSWORD", Acme::PASSWORD);
    let router = Router::new().route("/", get(async move || Html(page)));
    let task = tokio::spawn(server::serve(
        listener,
        router_service(router),
        server::Limits::default(),
        std::future::pending::<()>(),
    ));
    let profile = tempfile::tempdir().unwrap();
    let folder = profile.path().to_owned();
    let dom = tokio::task::spawn_blocking(move || browse(&page_url, &folder)).await.unwrap();
    task.abort();
    assert!(dom.contains("<title>done</title>"), "the page did not come to its end: {dom}");
    let steps = dom.split_once("<pre id=\"steps\">").unwrap().1.split_once("</pre>").unwrap().0;
    steps.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_storefronts_work_from_a_browser_on_another_origin() {
    let steps = steps_on(true).await;
    let expected = [
        "showcase-guest 200",
        "showcase-configuration 404",
        "showcase-context 200",
        "showcase-sites 200",
        "showcase-has-site true",
        "showcase-login 200",
        "showcase-fields true",
        "showcase-me 200",
        "showcase-scopes 200",
        "showcase-context-again 200",
        "sdk-guest 200",
        "sdk-site 200",
        "sdk-login 200",
        "sdk-companies 200",
        "sdk-switch 200",
        "sdk-context 200",
        "sdk-me 200",
        "sdk-foreign 400",
        "sdk-private 200",
        "sdk-validate 200",
        "sdk-logout 204",
        "sdk-after 401",
    ];
    assert_eq!(steps, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_an_origin_nobody_named_reads_nothing() {
    let steps = steps_on(false).await;
    assert!(steps[0].starts_with("showcase-guest dead"), "{steps:?}");
}
