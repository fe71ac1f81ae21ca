//! The floor of every token: read the form, write the claims, sign.

use super::serve;
use anyhow::{Result, ensure};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt as _, Full};
use std::sync::Arc;

/// Signs tokens of one algorithm.
pub(super) enum Minter {
    Es256(EcdsaKeyPair, SystemRandom),
    EdDsa(Ed25519KeyPair),
}

impl Minter {
    pub(super) fn new(algorithm: &str) -> Result<Self> {
        ensure!(matches!(algorithm, "ES256" | "EdDSA"), "no floor signs with {algorithm}");
        Ok(if algorithm == "ES256" {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
            Self::Es256(pair, SystemRandom::new())
        } else {
            Self::EdDsa(Ed25519KeyPair::generate()?)
        })
    }

    /// A token with claims of the usual length.
    pub(super) fn mint(&self, subject: &str) -> String {
        let mut id = [0; 16];
        let _ = aws_lc_rs::rand::fill(&mut id);
        let claims = format!(
            r#"{{"iss":"http://127.0.0.1:8400/t/bench","sub":"{subject}","aud":"http://127.0.0.1:8400/t/bench","exp":1900000000,"iat":1800000000,"jti":"{}","client_id":"machine","scope":"customersegment.segment_read","tenant":"bench","standing":{{"v":1,"k":"service"}}}}"#,
            URL_SAFE_NO_PAD.encode(id)
        );
        // {"alg":"ES256","typ":"at+jwt","kid":"1"}
        let mut token = String::from("eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IjEifQ.");
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = match self {
            Self::Es256(pair, random) => {
                pair.sign(random, token.as_bytes()).map(|signature| URL_SAFE_NO_PAD.encode(signature))
            }
            Self::EdDsa(pair) => Ok(URL_SAFE_NO_PAD.encode(pair.sign(token.as_bytes()))),
        };
        token.push('.');
        token.push_str(&signature.unwrap_or_default());
        token
    }
}

pub(super) async fn run(algorithm: &str) -> Result<()> {
    let minter = Arc::new(Minter::new(algorithm)?);
    serve(move |request| {
        let minter = Arc::clone(&minter);
        async move {
            let form = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let token = minter.mint(if form.is_empty() { "guest" } else { "machine" });
            answer(&token, "")
        }
    })
    .await
}

/// What the driver does not take for an answer.
pub(super) fn failed() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    response
}

pub(super) fn answer(token: &str, refresh: &str) -> Response<Full<Bytes>> {
    let body = format!(
        r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3599,"refresh_token":"{refresh}","scope":"customersegment.segment_read"}}"#
    );
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
