//! The gRPC surface: decodes requests into the domain, asks the repository, encodes answers.
//! Generated types stop here.

mod access;
pub mod admission;
mod answer;
pub mod api_key_service;
mod attached;
pub mod auth;
pub mod codec;
mod deadline;
mod decode;
pub mod error;
pub mod explain;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
pub mod hang_up;
pub mod intact;
pub mod interaction_service;
pub mod layers;
pub mod limits;
mod metering;
pub mod namespace_service;
pub mod observe;
pub mod pace;
pub mod page;
mod page_token;
mod pages;
mod projection;
pub mod proto;
mod purge;
pub mod status;
pub mod transport_status;
mod write_stream;
