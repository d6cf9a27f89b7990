//! Remembers what people did with search results, and answers questions about it, over gRPC.
//!
//! Dependencies between the modules point one way:
//!
//! | module | may use |
//! |---|---|
//! | `main` | [`cli`], [`telemetry`] |
//! | [`cli`] | everything below; a client command only [`grpc::proto`], [`config`] and what these need |
//! | [`server`] | [`grpc`], [`repository`], [`config`], [`telemetry`] |
//! | [`grpc`] | [`repository`], [`domain`] |
//! | [`repository`] | [`domain`] |
//! | [`domain`], [`config`], [`telemetry`], `failpoint`, `peer`, `places` | nothing of ours |
//! | `fuzzing`, only where fuzz targets are built | everything |
//!
//! Generated types stop in [`grpc`]; the client commands, which speak the same language from the
//! other side, are the exception. Database types and errors stop in [`repository`].

pub mod cli;
pub mod config;
pub mod domain;
mod failpoint;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod grpc;
mod peer;
mod places;
pub mod repository;
pub mod server;
pub mod telemetry;
