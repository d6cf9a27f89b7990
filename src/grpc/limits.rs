//! How much may be asked of one server at a time, in all and by each API key.

use std::num::NonZeroU32;

use super::error::ApiError;
use crate::places::{Full, Place, Places};

/// Limits on calls. Every server counts on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLimits {
    /// Calls in work at a time, and half as many of one key. A stream counts until it begins.
    pub calls: usize,
    /// Calls a second of one key in the long run; twice as many at once.
    pub calls_per_second: NonZeroU32,
    /// Streams of ListInteractions and PurgeInteractions at a time.
    pub reading_streams: usize,
    /// The same of one key.
    pub reading_streams_per_key: usize,
    /// Streams of WriteInteractions at a time.
    pub writing_streams: usize,
    /// The same of one key.
    pub writing_streams_per_key: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            calls: 256,
            calls_per_second: const { NonZeroU32::new(2_000).unwrap() },
            reading_streams: 256,
            // A client with one connection, and its hundred calls, never has too many.
            reading_streams_per_key: 100,
            writing_streams: 64,
            writing_streams_per_key: 8,
        }
    }
}

/// The places for streams. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct StreamPlaces {
    reading: Places<String>,
    writing: Places<String>,
}

/// A stream's place; free again when this is dropped.
pub(super) type StreamPlace = Place<String>;

impl StreamPlaces {
    pub(super) fn new(limits: &CallLimits) -> Self {
        Self {
            reading: Places::new(limits.reading_streams, limits.reading_streams_per_key),
            writing: Places::new(limits.writing_streams, limits.writing_streams_per_key),
        }
    }

    /// A place for a stream that lists or purges.
    pub(super) fn reading(&self, key_id: &str) -> Result<StreamPlace, ApiError> {
        self.reading.take(key_id.to_owned()).map_err(too_many)
    }

    /// A place for a stream that records.
    pub(super) fn writing(&self, key_id: &str) -> Result<StreamPlace, ApiError> {
        self.writing.take(key_id.to_owned()).map_err(too_many)
    }
}

fn too_many(full: Full) -> ApiError {
    match full {
        Full::Everywhere => ApiError::Overloaded,
        Full::ForHolder => ApiError::TooManyStreams,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_does_not_take_all_places_and_kinds_do_not_take_each_others() {
        let limits = CallLimits {
            reading_streams: 3,
            reading_streams_per_key: 2,
            writing_streams: 1,
            writing_streams_per_key: 1,
            ..CallLimits::default()
        };
        let places = StreamPlaces::new(&limits);
        let _first = [places.reading("a").unwrap(), places.reading("a").unwrap()];
        assert!(matches!(places.reading("a"), Err(ApiError::TooManyStreams)));
        let _second = places.reading("b").unwrap();
        assert!(matches!(places.reading("c"), Err(ApiError::Overloaded)));
        let _writing = places.writing("a").unwrap();
        assert!(matches!(places.writing("b"), Err(ApiError::Overloaded)));
    }
}
