//! A browser without scripts and without a screen: it keeps cookies, reads forms and sends them on.

use prokura_testkit::{Answer, TestServer};
use std::collections::BTreeMap;

/// A form as a page shows it: where it goes, and what stands in it.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: Vec<(String, String)>,
}

/// The browser.
pub(crate) struct Robot<'s> {
    server: &'s TestServer,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) set_cookies: Vec<String>,
}

impl<'s> Robot<'s> {
    pub(crate) fn new(server: &'s TestServer) -> Self {
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

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let request = self.server.http.get(format!("{}{path}", self.server.url));
        self.send(request).await
    }

    pub(crate) async fn post(&mut self, path: &str, fields: &[(String, String)]) -> Answer {
        let request = self.server.http.post(format!("{}{path}", self.server.url)).form(fields);
        self.send(request).await
    }

    /// Asks for a page with a header, as a browser of some kind would.
    pub(crate) async fn get_with(&mut self, path: &str, header: (&str, &str)) -> Answer {
        let request = self.server.http.get(format!("{}{path}", self.server.url)).header(header.0, header.1);
        self.send(request).await
    }

    /// Sends fields with a header.
    pub(crate) async fn post_with(&mut self, path: &str, fields: &[(String, String)], header: (&str, &str)) -> Answer {
        let request = self.server.http.post(format!("{}{path}", self.server.url)).header(header.0, header.1);
        self.send(request.form(fields)).await
    }

    /// Sends a form with some of its fields filled in.
    pub(crate) async fn submit(&mut self, form: &Form, filled: &[(&str, &str)]) -> Answer {
        let mut fields: Vec<_> =
            form.fields.iter().filter(|(name, _)| filled.iter().all(|(set, _)| set != name)).cloned().collect();
        fields.extend(filled.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.post(&form.action, &fields).await
    }

    /// Follows redirects on this server; ends at a page, or at the first address elsewhere.
    pub(crate) async fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..10 {
            match location(&answer) {
                Some(location) if location.starts_with('/') => answer = self.get(&location).await,
                _ => return answer,
            }
        }
        panic!("redirects in a circle");
    }
}

pub(crate) fn location(answer: &Answer) -> Option<String> {
    answer.headers.get("location").map(|value| value.to_str().unwrap().to_owned())
}

/// The parameters of an address.
pub(crate) fn query(url: &str) -> BTreeMap<String, String> {
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
pub(crate) fn form(answer: &Answer) -> Form {
    forms(answer).into_iter().next().unwrap_or_else(|| panic!("no form in {}", answer.text))
}

/// The first form of a page that posts to an address that ends so.
pub(crate) fn form_to(answer: &Answer, action: &str) -> Form {
    let found = forms(answer).into_iter().find(|form| form.action.ends_with(action));
    found.unwrap_or_else(|| panic!("no form to {action} in {}", answer.text))
}

/// The forms of a page that post.
pub(crate) fn forms(answer: &Answer) -> Vec<Form> {
    let of = |text: &str| {
        let text = &text[..text.find("</form>").unwrap()];
        let action = attribute(text, "action").unwrap();
        let fields = text
            .split('<')
            .filter(|tag| tag.starts_with("input "))
            .filter(|tag| attribute(tag, "type").is_none_or(|kind| kind != "radio"))
            .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default())))
            .collect();
        Form { action, fields }
    };
    answer.text.split("<form").skip(1).filter(|text| text.contains(" method=\"post\"")).map(of).collect()
}
