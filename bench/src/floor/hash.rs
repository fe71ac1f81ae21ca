//! The floor of a login: the password hash, two at once.

use super::serve;
use anyhow::Result;
use argon2::{Algorithm, Argon2, Params, Version};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use std::sync::Arc;
use tokio::sync::Semaphore;

pub(super) async fn run() -> Result<()> {
    let permits = Arc::new(Semaphore::new(2));
    serve(move |_| {
        let permits = Arc::clone(&permits);
        async move {
            let permit = permits.acquire_owned().await;
            let hashed = tokio::task::spawn_blocking(move || {
                let params = Params::new(19 * 1024, 2, 1, Some(32))?;
                let mut out = [0; 32];
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(b"correct horse", b"sixteen bytes of", &mut out)
                    .map(|()| out)
            })
            .await;
            drop(permit);
            Response::new(Full::new(Bytes::from(format!("{}", hashed.is_ok_and(|hashed| hashed.is_ok())))))
        }
    })
    .await
}
