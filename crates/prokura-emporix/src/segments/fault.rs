//! Error answers of this service: those of its family, but that a wrong field is told as an object.

use crate::{
    fault::{E1, E3},
    params::BadBody,
    query::QueryFault,
};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use prokura_engine::{Error, Refusal};
use prokura_http::Repeated;
use serde_json::Value;

/// An error answer.
#[derive(Clone, Debug)]
pub(super) struct SegmentFault(E3);

impl SegmentFault {
    /// The body, for an entry of a bulk answer.
    pub(super) fn into_body(self) -> Value {
        self.0.into_body()
    }
}

impl From<Refusal> for SegmentFault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(faults) => Self(E3::of_fields(&faults)),
            Refusal::InUse(what) => Self(E3::new(StatusCode::BAD_REQUEST, &format!("In use: {what}."))),
            Refusal::UnknownTenant
            | Refusal::InvalidClient
            | Refusal::UnauthorizedClient
            | Refusal::InvalidCredentials
            | Refusal::CustomerPending
            | Refusal::CustomerOnHold
            | Refusal::CustomerInactive
            | Refusal::ProofNeeded
            | Refusal::Throttled { .. }
            | Refusal::InvalidGrant
            | Refusal::ExpiredGrant
            | Refusal::InvalidToken
            | Refusal::InvalidProof
            | Refusal::WrongTarget
            | Refusal::NotAssigned
            | Refusal::EntityLocked
            | Refusal::InvalidScope
            | Refusal::MissingScope(_)
            | Refusal::Forbidden(_)
            | Refusal::NotFound(_)
            | Refusal::AlreadyExists(_)
            | Refusal::StaleVersion => Self(refusal.into()),
        }
    }
}

impl From<Error> for SegmentFault {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal.into(),
            Error::Fault(_) => Self(error.into()),
        }
    }
}

impl From<E1> for SegmentFault {
    fn from(fault: E1) -> Self {
        Self(fault.into())
    }
}

impl From<E3> for SegmentFault {
    fn from(fault: E3) -> Self {
        Self(fault)
    }
}

impl From<QueryFault> for SegmentFault {
    fn from(fault: QueryFault) -> Self {
        Self(fault.into())
    }
}

impl From<Repeated> for SegmentFault {
    fn from(fault: Repeated) -> Self {
        Self(fault.into())
    }
}

impl From<BadBody> for SegmentFault {
    fn from(fault: BadBody) -> Self {
        Self(fault.into())
    }
}

impl IntoResponse for SegmentFault {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}
