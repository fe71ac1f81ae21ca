//! A browser without scripts and without a screen: it keeps cookies, reads forms and sends them on.

use prokura_testkit::{Answer, TestServer};
use std::collections::BTreeMap;

/// A form as a page shows it: where it goes, and what stands in it.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) action: String,
    pub(super) fields: Vec<(String, String)>,
}

/// The browser.
pub(super) struct Robot<'s> {
    server: &'s TestServer,
    pub(super) cookies: BTreeMap<String, String>,
    pub(super) set_cookies: Vec<String>,
}

impl<'s> Robot<'s> {
    pub(super) fn new(server: &'s TestServer) -> Self {
        Self { server, cookies: BTreeMap::new(), set_cookies: Vec::new() }
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) };
        let answer = self.server.send(request).await;
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            self.set_cookies.push(line.to_owned());
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        let request = self.server.http.get(format!("{}{path}", self.server.url));
        self.send(request).await
    }

    pub(super) async fn post(&mut self, path: &str, fields: &[(String, String)]) -> Answer {
        let request = self.server.http.post(format!("{}{path}", self.server.url)).form(fields);
        self.send(request).await
    }

    /// Sends a form with some of its fields filled in.
    pub(super) async fn submit(&mut self, form: &Form, filled: &[(&str, &str)]) -> Answer {
        let mut fields: Vec<_> =
            form.fields.iter().filter(|(name, _)| filled.iter().all(|(set, _)| set != name)).cloned().collect();
        fields.extend(filled.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.post(&form.action, &fields).await
    }

    /// Follows redirects on this server; ends at a page, or at the first address elsewhere.
    pub(super) async fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..10 {
            match location(&answer) {
                Some(location) if location.starts_with('/') => answer = self.get(&location).await,
                _ => return answer,
            }
        }
        panic!("redirects in a circle");
    }
}

pub(super) fn location(answer: &Answer) -> Option<String> {
    answer.headers.get("location").map(|value| value.to_str().unwrap().to_owned())
}

/// The parameters of an address.
pub(super) fn query(url: &str) -> BTreeMap<String, String> {
    let text = url.split_once('?').map_or("", |(_, query)| query);
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), prokura_http::Params::decode(value)))
        .collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = &tag[start..];
    let value = &value[..value.find('"')?];
    Some(value.replace("&quot;", "\"").replace("&#39;", "'").replace("&#38;", "&").replace("&amp;", "&"))
}

/// The first form of a page that posts.
pub(super) fn form(answer: &Answer) -> Form {
    let start = answer.text.find("<form method=\"post\"").unwrap_or_else(|| panic!("no form in {}", answer.text));
    let text = &answer.text[start..];
    let text = &text[..text.find("</form>").unwrap()];
    let action = attribute(text, "action").unwrap();
    let fields = text
        .split('<')
        .filter(|tag| tag.starts_with("input "))
        .filter(|tag| attribute(tag, "type").is_none_or(|kind| kind != "radio"))
        .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default())))
        .collect();
    Form { action, fields }
}
