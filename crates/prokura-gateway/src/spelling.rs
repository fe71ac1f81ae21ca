//! Injected headers reach an HTTP/1 upstream in the spelling of the configuration: `legalEntityId`, not `legalentityid`.
//!
//! Names are case-insensitive and hyper sends them in lower case, unless a request carries hyper's own record of how
//! its sender spelled them. That record has a private type, but it lives in the request's extensions, which can be
//! cloned. So we let hyper parse one request with our spellings, once per route, and keep the extensions.

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body_util::Empty;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use parking_lot::Mutex;
use std::{
    convert::Infallible,
    fmt::Write as _,
    future::Future,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// What makes hyper spell `names` as given. Empty when hyper no longer works this way; headers are then lower case.
pub(crate) fn spelled<'a>(names: impl IntoIterator<Item = &'a str>) -> Extensions {
    let mut head = "GET / HTTP/1.1\r\n".to_owned();
    for name in names {
        let _ = write!(head, "{name}: x\r\n");
    }
    head.push_str("Connection: close\r\n\r\n");
    let captured = Arc::new(Mutex::new(Extensions::new()));
    let service = service_fn(|request: Request<Incoming>| {
        *captured.lock() = request.extensions().clone();
        async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
    });
    let connection = http1::Builder::new()
        .preserve_header_case(true)
        .max_headers(1000)
        .serve_connection(Memory { unread: head.into_bytes() }, service);
    // Everything is there already, so one poll goes through to the end.
    let _ = pin!(connection).poll(&mut Context::from_waker(Waker::noop()));
    std::mem::take(&mut *captured.lock())
}

/// A connection on which one request has arrived, and which nobody reads.
struct Memory {
    unread: Vec<u8>,
}

impl hyper::rt::Read for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let length = buf.remaining().min(self.unread.len());
        let rest = self.unread.split_off(length);
        buf.put_slice(&self.unread);
        self.unread = rest;
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Memory {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hyper_still_records_spellings_in_the_extensions() {
        assert!(!spelled(["legalEntityId"]).is_empty());
    }
}
