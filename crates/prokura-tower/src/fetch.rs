//! Fetching the issuer's metadata and keys: one small document at a time, within seconds, and nothing that redirects.

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::de::DeserializeOwned;
use std::{error::Error, time::Duration};
use thiserror::Error;
use tokio::time::timeout;

/// How long connecting and the whole answer may take.
const CONNECT: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest document, in bytes.
const MAX_DOCUMENT: usize = 64 * 1024;

/// Why a document could not be had.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The address is none, or plain http to another machine.
    #[error("{0} is no https address, nor one of this machine")]
    Address(String),
    /// The certificates the system trusts cannot be read.
    #[error("the certificates of the system cannot be read")]
    Certificates(#[source] std::io::Error),
    /// The issuer could not be reached or broke off.
    #[error("the issuer cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// It took too long.
    #[error("the issuer does not answer in time")]
    Slow,
    /// It answered with another status.
    #[error("the issuer answers with status {0}")]
    Status(StatusCode),
    /// The document is too long, or not what it should be.
    #[error("the document cannot be read")]
    Unreadable(#[source] Box<dyn Error + Send + Sync>),
}

/// What fetches.
#[derive(Debug)]
pub(crate) struct Fetcher(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

impl Fetcher {
    pub(crate) fn new() -> Result<Self, FetchError> {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(CONNECT));
        http.enforce_http(false);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(FetchError::Certificates)?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Fetches a JSON document.
    pub(crate) async fn json<T: DeserializeOwned>(&self, address: &str) -> Result<T, FetchError> {
        let uri = checked(address)?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri;
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let fetching = async {
            let response = self.0.request(request).await.map_err(|error| FetchError::Unreachable(error.into()))?;
            if response.status() != StatusCode::OK {
                return Err(FetchError::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), MAX_DOCUMENT).collect().await;
            let bytes = body.map_err(FetchError::Unreadable)?.to_bytes();
            serde_json::from_slice(&bytes).map_err(|error| FetchError::Unreadable(error.into()))
        };
        timeout(PATIENCE, fetching).await.map_err(|_| FetchError::Slow)?
    }
}

/// Keys decide who is let in, so they come over TLS, or from this very machine.
fn checked(address: &str) -> Result<Uri, FetchError> {
    let wrong = || FetchError::Address(address.to_owned());
    let uri: Uri = address.parse().map_err(|_| wrong())?;
    let is_here = matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
    match uri.scheme_str() {
        Some("https") if uri.host().is_some() => Ok(uri),
        Some("http") if is_here => Ok(uri),
        Some(_) | None => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for (address, is_good) in [
            ("https://id.example/t/acme", true),
            ("http://127.0.0.1:8400/t/acme", true),
            ("http://localhost/t/acme", true),
            ("http://id.example/t/acme", false),
            ("http://127.0.0.1.evil.example/", false),
            ("ftp://id.example/", false),
            ("/t/acme", false),
            ("", false),
        ] {
            assert_eq!(checked(address).is_ok(), is_good, "{address}");
        }
    }
}
