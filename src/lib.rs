//! Remembers what people did with search results, and answers questions about it, over gRPC.
pub mod domain;
pub mod grpc;
pub mod repository;
