//! What happens to a request between the connection and the service: limits of the head, a deadline, and a panic that
//! ends one request only (S-130 to S-133).

use super::{
    Limits, RequestBody,
    link::{InFlight, Link},
};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use std::{
    convert::Infallible,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// Checks `request`, asks `service`, and answers in its place where it cannot.
pub(super) async fn answer<S, B>(
    mut service: S,
    request: Request<Incoming>,
    peer: SocketAddr,
    limits: Arc<Limits>,
    link: Arc<Link>,
) -> Response<AnswerBody<B>>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
{
    let in_flight = link.begin();
    let asks_upgrade = request.version() <= Version::HTTP_11 && request.headers().contains_key(header::UPGRADE);
    let response = match check(&request, &limits) {
        Ok(()) => ask(&mut service, request, peer, &limits).await,
        Err(status) => refusal(status),
    };
    if asks_upgrade {
        link.decide_upgrade(response.status() == StatusCode::SWITCHING_PROTOCOLS);
    }
    response.map(|inner| AnswerBody { inner, _in_flight: in_flight })
}

/// Asks the service, within the deadline, and survives its panic.
async fn ask<S, B>(
    service: &mut S,
    request: Request<Incoming>,
    peer: SocketAddr,
    limits: &Arc<Limits>,
) -> Response<Inner<B>>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
{
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(peer);
    let (body, fate) = RequestBody::new(body, limits);
    let calling = AssertUnwindSafe(async {
        let Ok(response) = service.call(Request::from_parts(parts, body)).await;
        response.map(Inner::Service)
    })
    .catch_unwind();
    let outcome = match limits.request {
        Some(patience) => tokio::time::timeout(patience, calling).await,
        None => Ok(calling.await),
    };
    let response = match outcome {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            let support_id = uuid::Uuid::new_v4();
            tracing::error!(%support_id, panic = panic_text(&*panic), "a request handler panicked");
            problem(StatusCode::INTERNAL_SERVER_ERROR, Some(&support_id.to_string()))
        }
        Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, None),
    };
    match fate.and_then(|fate| fate.status()) {
        Some(status) if response.status().as_u16() >= 400 => refusal(status),
        Some(_) | None => response,
    }
}

/// The limits a head can break, and what only HTTP/2 can get wrong.
fn check(request: &Request<Incoming>, limits: &Limits) -> Result<(), StatusCode> {
    let headers = request.headers();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits.target_bytes {
        return Err(StatusCode::URI_TOO_LONG);
    }
    if headers.len() > limits.header_count {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let header_bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if header_bytes > limits.header_bytes {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    if request.method() == Method::CONNECT {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    if request.version() == Version::HTTP_2 {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().map(HeaderValue::as_bytes);
        let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
        match (authority, host) {
            (_, Some(_)) if hosts.next().is_some() => return Err(StatusCode::BAD_REQUEST),
            (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
                return Err(StatusCode::BAD_REQUEST);
            }
            (None, None) => return Err(StatusCode::BAD_REQUEST),
            (Some(authority), _) if authority.contains(&b'@') => return Err(StatusCode::BAD_REQUEST),
            (_, _) => {}
        }
    }
    if request.body().size_hint().lower() > limits.body_bytes {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    if limits.refuse_compressed_bodies
        && headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity")
    {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    Ok(())
}

/// An answer behind which the connection is not used again: the rest of the request is not read.
fn refusal<B>(status: StatusCode) -> Response<Inner<B>> {
    let mut response = problem(status, None);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn problem<B>(status: StatusCode, support_id: Option<&str>) -> Response<Inner<B>> {
    let title = status.canonical_reason().unwrap_or("Error");
    let code = status.as_u16();
    let support = support_id.map(|id| format!(r#","support_id":"{id}""#)).unwrap_or_default();
    let body = format!(r#"{{"type":"about:blank","title":"{title}","status":{code}{support}}}"#);
    let mut response = Response::new(Inner::Own(Full::new(Bytes::from(body))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "not a text",
    }
}

/// The service's answer, or ours.
#[derive(Debug)]
enum Inner<B> {
    Service(B),
    Own(Full<Bytes>),
}

/// An answer's body; the request counts as in flight until it is dropped.
#[derive(Debug)]
pub(super) struct AnswerBody<B> {
    inner: Inner<B>,
    _in_flight: InFlight,
}

impl<B: Body<Data = Bytes> + Unpin> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.inner {
            Inner::Service(body) => Pin::new(body).poll_frame(cx),
            Inner::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Service(body) => body.is_end_stream(),
            Inner::Own(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Service(body) => body.size_hint(),
            Inner::Own(body) => body.size_hint(),
        }
    }
}
