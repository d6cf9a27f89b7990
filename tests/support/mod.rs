//! What the tests share: the conformance cases, a reference evaluator, and generators.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses a part of this"
)]

pub mod admin;
pub mod cluster;
pub mod database;
pub mod dice;
pub mod documents;
pub mod evaluator;
pub mod frames;
pub mod generators;
pub mod heavy;
pub mod ingest;
pub mod messages;
mod pools;
pub mod process;
pub mod program;
pub mod proxy;
pub mod scrape;
pub mod server;
pub mod service;
pub mod slow_road;
pub mod typed;
pub mod victim;
