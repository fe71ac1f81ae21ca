//! Why a request does not pass, and what its sender is told: little (S-142). The support id leads to the log.

use crate::decide::Proof;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use prokura_domain::ACR_MULTI;
use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Why a request does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request can be read in two ways, or asks for what is not spoken here.
    Ambiguous,
    /// No route has this host.
    UnknownHost,
    /// No route has this path.
    NoRoute,
    /// There is no credential.
    MissingCredential,
    /// There is one, and it is not good.
    InvalidCredential,
    /// It is bound to a key, and nobody showed that they have it (RFC 9449).
    InvalidProof,
    /// It is good, but not for this.
    WrongLevel,
    /// It lacks a scope.
    MissingScope,
    /// Who it is of must prove who they are anew, or better (RFC 9470).
    ProofNeeded(Proof),
    /// A forward-auth request came from a peer that is not in the list.
    UntrustedPeer,
    /// What the server last said is too old, or it could not be asked (S-71).
    ServerAway,
    /// The upstream could not be reached or broke off.
    UpstreamBroken,
    /// The upstream took too long.
    UpstreamSlow,
}

impl Refusal {
    /// What the sender is told.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Ambiguous => StatusCode::BAD_REQUEST,
            Self::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::MissingCredential | Self::InvalidCredential | Self::InvalidProof | Self::ProofNeeded(_) => {
                StatusCode::UNAUTHORIZED
            }
            Self::WrongLevel | Self::MissingScope | Self::UntrustedPeer => StatusCode::FORBIDDEN,
            Self::ServerAway => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamBroken => StatusCode::BAD_GATEWAY,
            Self::UpstreamSlow => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn challenge(self) -> Option<HeaderValue> {
        let challenge = match self {
            Self::MissingCredential => Some("Bearer"),
            Self::InvalidCredential => Some(r#"Bearer error="invalid_token""#),
            Self::InvalidProof => Some(r#"DPoP error="invalid_dpop_proof", algs="ES256 EdDSA RS256""#),
            Self::MissingScope => Some(r#"Bearer error="insufficient_scope""#),
            Self::ProofNeeded(proof) => return HeaderValue::try_from(step_up(proof)).ok(),
            Self::Ambiguous
            | Self::UnknownHost
            | Self::NoRoute
            | Self::WrongLevel
            | Self::UntrustedPeer
            | Self::ServerAway
            | Self::UpstreamBroken
            | Self::UpstreamSlow => None,
        };
        challenge.map(HeaderValue::from_static)
    }

    /// The whole answer, with a support id that is also logged.
    pub(crate) fn answer<B: From<Bytes>>(self) -> Response<B> {
        let status = self.status();
        let support_id = support_id();
        if status.is_server_error() {
            tracing::warn!(%support_id, refusal = ?self, "a request was not answered");
        } else {
            tracing::debug!(%support_id, refusal = ?self, "a request was refused");
        }
        let title = status.canonical_reason().unwrap_or("Error");
        let code = status.as_u16();
        let body = format!(r#"{{"type":"about:blank","title":"{title}","status":{code},"support_id":"{support_id}"}}"#);
        let mut response = Response::new(B::from(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(challenge) = self.challenge() {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self == Self::ServerAway {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// The challenge a client answers by another authorization with these parameters (RFC 9470 section 3).
fn step_up(proof: Proof) -> String {
    let mut challenge = "Bearer error=\"insufficient_user_authentication\"".to_owned();
    if proof.is_multi_factor {
        challenge = format!("{challenge}, acr_values=\"{ACR_MULTI}\"");
    }
    if let Some(seconds) = proof.max_age_seconds {
        challenge = format!("{challenge}, max_age=\"{seconds}\"");
    }
    challenge
}

/// Unique, and nothing else: it need not be hard to guess.
fn support_id() -> String {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}-{:x}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed))
}
