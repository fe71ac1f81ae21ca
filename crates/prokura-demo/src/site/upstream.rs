//! Calling other servers: one client, one way of reading answers, one set of reasons why a call failed.

use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::trace;

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// 401, with the code that says which of the credentials is meant.
    #[error("the credentials were refused ({code})")]
    Unauthorized { code: String },
    #[error("there is no such thing, or it may not be seen")]
    NotFound,
    #[error("too many attempts, to be repeated after {retry_after_seconds} s")]
    TooMany { retry_after_seconds: u64 },
    /// Another 4xx, with the server's words for it.
    #[error("the request was refused with {status}: {detail}")]
    Refused { status: StatusCode, detail: String },
    #[error("the server answered {0}")]
    Server(StatusCode),
    #[error("the call failed")]
    Transport(#[source] reqwest::Error),
    #[error("the answer cannot be read")]
    Unreadable(#[source] serde_json::Error),
    #[error("the configured address cannot be used")]
    Address,
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(error.without_url()) // tokens travel in queries here
    }
}

/// The error bodies of both servers, as far as they are read: problem details, or the `fault` of the Emporix API.
#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorBody {
    detail: String,
    fault: FaultBody,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct FaultBody {
    detail: FaultDetail,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct FaultDetail {
    errorcode: String,
}

/// A request that lacks only its bearer, and how its answer is read. It may be sent again with another bearer.
pub(crate) struct Call<T> {
    /// `None` when there is no address to send it to.
    request: Option<RequestBuilder>,
    read: fn(&HeaderMap, &[u8]) -> Result<T, serde_json::Error>,
}

impl<T: DeserializeOwned> Call<T> {
    /// A call that is answered with JSON.
    pub(crate) fn json(request: Option<RequestBuilder>) -> Self {
        Self { request, read: |_, body| serde_json::from_slice(body) }
    }
}

impl Call<()> {
    /// A call whose success is all there is to know.
    pub(crate) fn unit(request: Option<RequestBuilder>) -> Self {
        Self { request, read: |_, _| Ok(()) }
    }
}

impl<T> Call<T> {
    /// A call whose answer is read with the help of its headers.
    pub(crate) fn reading(
        request: Option<RequestBuilder>,
        read: fn(&HeaderMap, &[u8]) -> Result<T, serde_json::Error>,
    ) -> Self {
        Self { request, read }
    }

    /// Sends the request with an access token.
    pub(crate) async fn send(&self, token: &str) -> Result<T, Fault> {
        self.finish(self.request()?.bearer_auth(token)).await
    }

    /// Sends the request of somebody who has no token yet.
    pub(crate) async fn send_without_token(&self) -> Result<T, Fault> {
        self.finish(self.request()?).await
    }

    fn request(&self) -> Result<RequestBuilder, Fault> {
        self.request.as_ref().and_then(RequestBuilder::try_clone).ok_or(Fault::Address)
    }

    async fn finish(&self, request: RequestBuilder) -> Result<T, Fault> {
        let answer = send_noted(request).await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await?;
        if status.is_success() {
            return (self.read)(&headers, &body).map_err(Fault::Unreadable);
        }
        // An error without a readable body is still that error.
        let error: ErrorBody = serde_json::from_slice(&body).unwrap_or_default();
        Err(match status {
            StatusCode::UNAUTHORIZED => Fault::Unauthorized { code: error.fault.detail.errorcode },
            StatusCode::NOT_FOUND => Fault::NotFound,
            StatusCode::TOO_MANY_REQUESTS => {
                let retry_after = headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
                Fault::TooMany { retry_after_seconds: retry_after.unwrap_or(30) }
            }
            status if status.is_client_error() => Fault::Refused { status, detail: error.detail },
            status => Fault::Server(status),
        })
    }
}

/// Sends a request, and notes for the page for developers that it was sent.
pub(crate) async fn send_noted(request: RequestBuilder) -> Result<reqwest::Response, Fault> {
    let begun = Instant::now();
    let (client, request) = request.build_split();
    let request = request?;
    let call = format!("{} {}", request.method(), request.url().path());
    let answer = client.execute(request).await;
    trace::note_call(call, answer.as_ref().ok().map(|answer| answer.status().as_u16()), begun);
    Ok(answer?)
}

/// An address below a base, with every segment of the path encoded; `None` when the base is not an address.
pub(crate) fn address(base: &str, path: &[&str]) -> Option<Url> {
    let mut url = Url::parse(base).ok()?;
    url.path_segments_mut().ok()?.pop_if_empty().extend(path);
    Some(url)
}

/// A client that follows no redirects and gives up before the person does.
pub(crate) fn http_client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(2))
        .timeout(Duration::from_secs(10))
        .build()
        .expect("the settings above are always valid")
}
