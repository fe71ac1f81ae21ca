//! `prokura client`: what can be done with applications, and what they register. Secrets are made by the server; keys are
//! read from a file.

use super::nouns::TenantFlag;
use clap::{Args, Subcommand, ValueEnum, value_parser};
use prokura_domain::MAX_LEEWAY_SECONDS;
use std::path::PathBuf;

/// Whether a client can keep a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A storefront in a browser.
    Public,
    /// A backend; it gets a secret.
    Confidential,
}

/// What using a refresh token does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// Single use.
    Rotate,
    /// Single use; a later use is refused and ends nothing.
    Once,
    /// The same string until it ends.
    Reuse,
    /// A new string each time, older ones stay usable until the family ends.
    Family,
}

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Method {
    /// By its secret, in the header or in the form.
    Secret,
    /// By its secret in the header.
    ClientSecretBasic,
    /// By its secret in the form.
    ClientSecretPost,
    /// By a token it signs.
    PrivateKeyJwt,
}

/// A set of rules a client is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// What holds for everybody.
    Standard,
    /// The FAPI 2.0 Security Profile.
    Fapi2,
}

/// What a client registers for the native protocol. A list that is named replaces the one before; an empty word in it
/// leaves it empty.
#[derive(Args, Clone, Debug, Default)]
pub struct Registers {
    /// Where answers to it may go; again for more.
    #[arg(long = "redirect-uri", value_name = "URI")]
    pub redirect_uris: Vec<String>,
    /// Where a browser may go after logging out; again for more.
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    pub post_logout_redirect_uris: Vec<String>,
    /// The origin of a browser that may call the token endpoint; again for more.
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub origins: Vec<String>,
    /// How it proves who it is.
    #[arg(long, value_enum, value_name = "METHOD")]
    pub auth_method: Option<Method>,
    /// Its public keys, a JWK set in this file, `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub jwks_file: Option<PathBuf>,
    /// Where it publishes them instead.
    #[arg(long, value_name = "URI", conflicts_with = "jwks_file")]
    pub jwks_uri: Option<String>,
    /// Nobody is asked for consent: it is the shop's own.
    #[arg(long, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub first_party: Option<bool>,
    /// Only requests that were pushed first are answered (RFC 9126).
    #[arg(long, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub must_push: Option<bool>,
    /// Give it access tokens only bound to a key it shows (DPoP, RFC 9449).
    #[arg(long, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub dpop_bound_access_tokens: Option<bool>,
    /// Its proofs must hold a nonce of the server.
    #[arg(long, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub needs_dpop_nonce: Option<bool>,
    /// A resource it may have tokens for that count there alone (RFC 8707); again for more.
    #[arg(long = "resource", value_name = "URI")]
    pub resources: Vec<String>,
    /// It may exchange tokens so that somebody acts for their subject (RFC 8693).
    #[arg(long, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub may_act: Option<bool>,
    /// The rules it is held to besides.
    #[arg(long, value_enum, value_name = "PROFILE")]
    pub profile: Option<Profile>,
}

/// What can be done with clients.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// List them.
    List {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
    },
    /// Make one. A confidential client's secret is printed this once.
    Create {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Its id, unique in the whole installation; a random one when absent.
        #[arg(long)]
        id: Option<String>,
        /// Its name.
        #[arg(long)]
        name: String,
        /// Whether it can keep a secret.
        #[arg(long, value_enum, default_value = "confidential")]
        kind: Kind,
        /// A grant it may use; again for more.
        #[arg(long = "grant", value_name = "GRANT")]
        grants: Vec<String>,
        /// A scope it may have; again for more.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// What using a refresh token does to it.
        #[arg(long, value_enum, default_value = "rotate")]
        refresh_policy: Policy,
        /// Seconds after its rotation a refresh token is answered with the same successor: 10 of `rotate` and none of `once` when
        /// absent.
        #[arg(long, value_parser = value_parser!(u32).range(..=i64::from(MAX_LEEWAY_SECONDS)))]
        leeway_seconds: Option<u32>,
        /// What it registers.
        #[command(flatten)]
        registers: Box<Registers>,
    },
    /// Change what one registered. What is not named stays.
    Register {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Its id.
        id: String,
        /// What it registers.
        #[command(flatten)]
        registers: Box<Registers>,
    },
    /// Say where one hears that a session it takes part in is over (back-channel logout).
    Logout {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Its id.
        id: String,
        /// The address; without it, it hears nothing.
        #[arg(long, value_name = "URI")]
        backchannel_logout_uri: Option<String>,
        /// Whether it needs the session's id to know which one. It is told in any case.
        #[arg(long, requires = "backchannel_logout_uri")]
        backchannel_logout_session_required: bool,
    },
    /// Switch one off, with every token it got.
    Disable {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Its id.
        id: String,
    },
    /// Switch one on again.
    Enable {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Its id.
        id: String,
    },
    /// Make a new secret and print it this once.
    RotateSecret {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Its id.
        id: String,
        /// Seconds the secret before stays good.
        #[arg(long, default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(..=2_592_000))]
        overlap_seconds: u32,
    },
}
