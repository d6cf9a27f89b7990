//! A page of interactions, put together from encoded ones.

use bytes::Bytes;

/// The twin of `ListInteractionsResponse` whose interactions are bytes already encoded.
///
/// On the wire a message field and a `bytes` field are the same: a tag, a length and so many bytes
/// (<https://protobuf.dev/programming-guides/encoding/#submessages>). So what was encoded once,
/// when an interaction was recorded, is sent as it is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Page {
    /// Encoded `Interaction` messages, in order.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub interactions: Vec<Bytes>,
    /// Token of the next page; empty at the end.
    #[prost(string, tag = "2")]
    pub next_page_token: String,
    /// Matches in all, on the first page of a request that asks for it.
    #[prost(int64, optional, tag = "3")]
    pub total_size: Option<i64>,
}

impl prost::Name for Page {
    const NAME: &'static str = "ListInteractionsResponse";
    const PACKAGE: &'static str = "interactions.v1";
}
