//! Tests that knock at the front door: a real socket, a real database, time that only moves when told.

mod arrange;
mod doors;
mod importing;
mod reach;
mod rotation;
mod storm;
mod thin_path;
mod throttle;
mod trail;
