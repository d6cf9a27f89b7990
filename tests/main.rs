//! The tests of the service as a whole, as one program: they share a build, a link and helpers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on ends by panicking"
)]

mod admin;
mod api;
mod architecture;
mod attacks;
mod backup;
mod comforts;
mod configuration;
mod conformance;
mod deadlines;
mod domain;
mod equivalence;
mod export;
mod faults;
mod import;
mod injection;
mod isolation;
mod migrations;
mod operator;
mod overload;
mod plans;
mod program;
mod regexes;
mod secrets;
mod soak;
mod sql;
mod support;
mod telemetry;
mod transport;
mod verify;
mod ways;
