//! The gRPC surface: decodes requests into the domain, asks the repository, encodes answers.
//! Generated types stop here.

pub mod page;
pub mod proto;
