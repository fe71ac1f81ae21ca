//! The floor of the gateway: hyper in front, hyper's pooled client behind; in between the token is looked up, or its
//! signature is checked, and a header is added.

use super::{
    announce,
    lookup::{Known, entity_of},
};
use anyhow::Result;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
    },
};
use bytes::Bytes;
use http::{HeaderName, Request, Response, Uri, header, uri::PathAndQuery};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use std::{convert::Infallible, sync::Arc};

pub(super) async fn run(upstream: String, is_seen: bool) -> Result<()> {
    let listener = announce().await?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    // Any signature costs the same to check; the length of what was signed is that of our tokens.
    let signed = [b'x'; 700];
    let signature = pair.sign(&SystemRandom::new(), &signed)?;
    let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref())?;
    let shared = Arc::new((upstream, Known::default(), key, signature));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, shared) = (client.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let service = service_fn(move |mut request: Request<Incoming>| {
                let (upstream, known, key, signature) = &*shared;
                if !is_seen {
                    let _ = key.verify_sig(&signed, signature.as_ref());
                }
                let entity = entity_of(known, request.headers());
                let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
                *request.uri_mut() = format!("http://{upstream}{path}").parse().unwrap_or_else(|_| Uri::default());
                request.headers_mut().remove(header::AUTHORIZATION);
                request.headers_mut().insert(HeaderName::from_static("legalentityid"), entity);
                let answer = client.request(request);
                async move {
                    Ok::<_, Infallible>(match answer.await {
                        Ok(answer) => answer.map(Either::Left),
                        Err(_) => Response::new(Either::Right(Full::<Bytes>::default())),
                    })
                }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
