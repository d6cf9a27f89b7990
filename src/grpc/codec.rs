//! Prost's codec, behind a look at what a message would take in memory.
//!
//! On the wire an empty element of a list takes two bytes, and decoded it takes as many hundreds as
//! its fields do: four megabytes that are sent would be a gigabyte here before any rule of ours is
//! asked. So what a request holds is counted before it is decoded.

use std::marker::PhantomData;
use std::sync::Arc;

use prost::bytes::Buf as _;
use prost::{Message, Name};
use tonic::Status;
use tonic::codec::{DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic_prost::ProstDecoder;

use self::shapes::{Counted, Shapes};
use super::decode::batch;
use super::error::{ApiError, InvalidReason};

mod shapes;

/// Most parts of a request that records interactions: room for 250 values in each of a thousand.
const MAX_PARTS_TO_RECORD: usize = 262_144;
/// Most parts of any other request: the 10,000 values that a filter may list, and all that can stand
/// around them.
const MAX_PARTS: usize = 16_384;

/// The codec of every method.
#[derive(Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Name + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ExactEncoder<T>;
    type Decoder = CountingDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ExactEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        CountingDecoder(ProstDecoder::default())
    }
}

/// Encodes a message into memory taken once: a page would otherwise be copied each time that the
/// buffer doubles on its way from 8 KiB to a megabyte.
#[derive(Debug)]
pub struct ExactEncoder<T>(PhantomData<T>);

impl<T: Message> Encoder for ExactEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.encoded_len());
        message.encode_raw(buffer);
        Ok(())
    }
}

/// Decodes messages that hold no more parts than they may.
#[derive(Debug)]
pub struct CountingDecoder<U>(ProstDecoder<U>);

impl<U: Message + Default + Name> Decoder for CountingDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // tonic holds a message in one piece.
        if let Err(error) = check(U::NAME, buffer.chunk()) {
            let mut status = Status::from(error.clone());
            // Streams of requests need the error itself: see `refusal`.
            status.set_source(Arc::new(Refused(error)));
            return Err(status);
        }
        self.0.decode(buffer)
    }
}

/// Why a message was not decoded.
#[derive(Debug, thiserror::Error)]
#[error("the message holds too much")]
struct Refused(ApiError);

/// Why this codec refused a message, if `status` is of its making.
pub(super) fn refusal(status: &Status) -> Option<ApiError> {
    let source = std::error::Error::source(status)?;
    source.downcast_ref::<Refused>().map(|Refused(error)| error.clone())
}

/// Checks an encoded message of our package called `name`. Answers are our own: they are not counted.
fn check(name: &str, bytes: &[u8]) -> Result<(), ApiError> {
    let (most_parts, least_interactions) = match name {
        "CreateInteractionRequest" | "WriteInteractionsRequest" => (MAX_PARTS_TO_RECORD, 0),
        "BatchCreateInteractionsRequest" => (MAX_PARTS_TO_RECORD, 1),
        _ if name.ends_with("Request") => (MAX_PARTS, 0),
        _ => return Ok(()),
    };
    let Counted { parts, interactions } = Shapes::count(name, bytes);
    if interactions > 0 {
        batch::check_size(interactions, least_interactions)?;
    }
    if parts > most_parts {
        let limit = format!("holds {parts} values and messages; at most {most_parts} are accepted");
        return Err(ApiError::invalid(InvalidReason::Request, "", limit));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
