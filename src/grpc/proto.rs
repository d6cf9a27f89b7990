//! The messages and services generated from `proto/`.

#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    reason = "generated; the proto has the comments"
)]

include!(concat!(env!("OUT_DIR"), "/interactions.v1.rs"));

/// The descriptors of all messages and services, for reflection and for the JSON form.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
