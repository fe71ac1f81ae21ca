//! A real browser that tests steer by the `WebDriver` protocol (W3C), with a virtual authenticator for passkeys.

use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

const BROWSER: &str = "/usr/bin/chromium";
const DRIVER: &str = "/usr/bin/chromedriver";
/// What `WebDriver` calls the name of an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with a profile of its own; it ends with this value.
pub(crate) struct Chromium {
    driver: Child,
    http: reqwest::Client,
    session: String,
    _profile: tempfile::TempDir,
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The driver ends its browser when it is told to stop.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Chromium {
    pub(crate) async fn start() -> Self {
        for program in [BROWSER, DRIVER] {
            assert!(
                Path::new(program).exists(),
                "a browser is needed for this test, and there is no {program}: install the Debian packages \"chromium\" \
                 and \"chromium-driver\""
            );
        }
        let mut driver = Command::new(DRIVER)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a driver that starts");
        let lines = BufReader::new(driver.stdout.take().expect("its output")).lines();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let port =
                    line.split("on port ").nth(1).and_then(|rest| rest.trim_end_matches('.').parse::<u16>().ok());
                // The first line repeats the wish, which is any port.
                if let Some(port) = port.filter(|port| *port > 0) {
                    let _ = tell.send(port);
                }
            }
        });
        let port = told.recv_timeout(Duration::from_secs(30)).expect("the driver's port");
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("--user-data-dir={}", profile.path().display())])
        .collect::<Vec<_>>();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(90)).build().unwrap();
        let mut chromium =
            Self { driver, http, session: format!("http://127.0.0.1:{port}/session"), _profile: profile };
        let made = chromium
            .call(
                "",
                &json!({ "capabilities": { "alwaysMatch": {
                "browserName": "chrome",
                "webauthn:virtualAuthenticators": true,
                "timeouts": { "implicit": 20_000 },
                "goog:chromeOptions": { "binary": BROWSER, "args": arguments },
            } } }),
            )
            .await
            .expect("a session");
        chromium.session = format!("{}/{}", chromium.session, made["sessionId"].as_str().unwrap());
        chromium
    }

    async fn call(&self, path: &str, body: &Value) -> Result<Value, Value> {
        let answer = self.http.post(format!("{}{path}", self.session)).json(body).send().await.expect("an answer");
        let is_good = answer.status().is_success();
        let value = answer.json::<Value>().await.expect("JSON")["value"].clone();
        if is_good { Ok(value) } else { Err(value) }
    }

    async fn ask(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.session)).send().await.expect("an answer");
        answer.json::<Value>().await.expect("JSON")["value"].clone()
    }

    pub(crate) async fn open(&self, url: &str) {
        self.call("/url", &json!({ "url": url })).await.expect("a page");
    }

    pub(crate) async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    pub(crate) async fn run(&self, script: &str) -> Value {
        self.call("/execute/sync", &json!({ "script": script, "args": [] })).await.expect("a script that runs")
    }

    /// The element of a CSS selector, once it is there.
    async fn element(&self, selector: &str) -> String {
        let found = self.call("/element", &json!({ "using": "css selector", "value": selector })).await;
        match found {
            Ok(found) => found[ELEMENT].as_str().unwrap().to_owned(),
            Err(error) => panic!("no {selector}: {error} in {}", self.text().await),
        }
    }

    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.call(&format!("/element/{element}/value"), &json!({ "text": text })).await.expect("a field");
    }

    pub(crate) async fn click(&self, selector: &str) {
        for _ in 0..20 {
            let element = self.element(selector).await;
            match self.call(&format!("/element/{element}/click"), &json!({})).await {
                Ok(_) => return,
                // The page went on between the two questions.
                Err(error) if error["error"] == "stale element reference" => {}
                Err(error) => panic!("{selector}: {error}"),
            }
        }
        panic!("{selector} never stays");
    }

    /// Runs a script before those of every page from now on.
    pub(crate) async fn before_pages(&self, source: &str) {
        let command = json!({
            "cmd": "Page.addScriptToEvaluateOnNewDocument",
            "params": { "source": source },
        });
        self.call("/goog/cdp/execute", &command).await.expect("a command");
    }

    /// Waits until the page shows a text.
    pub(crate) async fn wait_for(&self, text: &str) {
        let quoted = text.replace('\'', "\\'");
        let path = format!("//*[contains(normalize-space(.), '{quoted}')]");
        let found = self.call("/element", &json!({ "using": "xpath", "value": path })).await;
        assert!(found.is_ok(), "no \"{text}\" in {}", self.text().await);
    }

    /// A virtual authenticator that verifies its user; returns its id.
    pub(crate) async fn authenticator(&self) -> String {
        let wanted = json!({
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserConsenting": true,
            "isUserVerified": true,
        });
        self.call("/webauthn/authenticator", &wanted).await.expect("an authenticator").as_str().unwrap().to_owned()
    }

    pub(crate) async fn passkeys(&self, authenticator: &str) -> Vec<Value> {
        let found = self.ask(&format!("/webauthn/authenticator/{authenticator}/credentials")).await;
        found.as_array().cloned().unwrap_or_default()
    }

    /// Puts a passkey into an authenticator, as somebody would who copied it.
    pub(crate) async fn put_passkey(&self, authenticator: &str, passkey: &Value) {
        self.call(&format!("/webauthn/authenticator/{authenticator}/credential"), passkey).await.expect("a passkey");
    }

    pub(crate) async fn forget_passkeys(&self, authenticator: &str) {
        let url = format!("{}/webauthn/authenticator/{authenticator}/credentials", self.session);
        self.http.delete(url).send().await.expect("an answer");
    }

    pub(crate) async fn stop(self) {
        let _ = self.http.delete(&self.session).send().await;
    }
}
