//! Tests that knock at the front door: a real socket, a real database, time that only moves when told.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that meets the unexpected must fail")]

mod account;
mod admin;
mod admin_fuzz;
mod arrange;
mod authenticator;
mod backchannel;
mod backup;
mod browser;
mod cli;
mod clients;
mod clocks;
mod company;
mod doors;
mod edge_of_network;
mod emporix;
mod forgetting;
mod forwarded;
mod hybrid;
mod importing;
mod keys;
mod limits;
mod logs;
mod mail;
mod nodes;
mod oauth;
mod outbox;
mod panics;
mod reach;
mod rotation;
mod salesforce;
mod storm;
mod thin_path;
mod throttle;
mod trail;
mod webdriver;
