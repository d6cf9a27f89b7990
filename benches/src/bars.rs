//! The jobs, what each is compared with, and the performance bars.

use interactions::repository::Dialect;

use crate::report::Bar;

/// Something that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    Newest1,
    Newest16,
    Session16,
    Stream,
    DepthTimestamp,
    DepthPosition,
    DepthPositionDown,
    RareType,
    AbsentValue,
    RareWord,
    Memory,
    Memory8,
    Ingest1,
    Ingest4,
}

impl Job {
    /// All of them; those that write come last.
    pub(crate) const ALL: [Self; 14] = [
        Self::Newest1,
        Self::Newest16,
        Self::Session16,
        Self::Stream,
        Self::DepthTimestamp,
        Self::DepthPosition,
        Self::DepthPositionDown,
        Self::RareType,
        Self::AbsentValue,
        Self::RareWord,
        Self::Memory,
        Self::Memory8,
        Self::Ingest1,
        Self::Ingest4,
    ];

    /// Whether it is one that two servers can be compared by; the others have an anchor in the same
    /// server, or none.
    pub(crate) fn is_of_servers(self) -> bool {
        match self {
            Self::Newest1
            | Self::Newest16
            | Self::Session16
            | Self::Stream
            | Self::RareType
            | Self::AbsentValue
            | Self::RareWord
            | Self::Ingest1
            | Self::Ingest4 => true,
            Self::DepthTimestamp
            | Self::DepthPosition
            | Self::DepthPositionDown
            | Self::Memory
            | Self::Memory8 => false,
        }
    }

    /// What `--only` calls it, and what it does.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Newest1 => ("newest-1", "newest 100, 1 client, p50"),
            Self::Newest16 => ("newest-16", "newest 100, 16 clients"),
            Self::Session16 => ("session-16", "a session, 16 clients"),
            Self::Stream => ("stream", "stream of up to 500,000"),
            Self::DepthTimestamp => ("depth-timestamp", "deep page by timestamp, p50"),
            Self::DepthPosition => ("depth-position", "deep page by position, p50"),
            Self::DepthPositionDown => {
                ("depth-position-down", "deep page by position, falling, p50")
            }
            Self::RareType => ("rare-type", "rare type, p50"),
            Self::AbsentValue => ("absent-value", "absent metadata value, p50"),
            Self::RareWord => ("rare-word", "selective search, p50"),
            Self::Memory => ("memory", "memory of a slow stream"),
            Self::Memory8 => ("memory-8", "memory of each of 8 slow streams"),
            Self::Ingest1 => ("ingest-1", "ingest, 1 stream"),
            Self::Ingest4 => ("ingest-4", "ingest, 4 streams"),
        }
    }

    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Newest16 | Self::Session16 => "requests/s",
            Self::Stream | Self::Ingest1 | Self::Ingest4 => "rows/s",
            Self::Memory | Self::Memory8 => "MiB",
            Self::Newest1
            | Self::DepthTimestamp
            | Self::DepthPosition
            | Self::DepthPositionDown
            | Self::RareType
            | Self::AbsentValue
            | Self::RareWord => "ms",
        }
    }

    /// What it is compared with.
    pub(crate) fn anchor(self, dialect: Dialect) -> &'static str {
        match (self, dialect) {
            (Self::Newest1 | Self::Newest16 | Self::Session16, Dialect::Postgres) => "pgbench",
            (Self::Stream, Dialect::Postgres) => "COPY TO",
            (Self::Ingest1 | Self::Ingest4, Dialect::Postgres) => "COPY FROM",
            (
                Self::Newest1
                | Self::Newest16
                | Self::Session16
                | Self::Stream
                | Self::Ingest1
                | Self::Ingest4,
                Dialect::Sqlite,
            ) => "rusqlite",
            (Self::DepthTimestamp | Self::DepthPosition | Self::DepthPositionDown, _) => "page 1",
            (Self::RareType | Self::AbsentValue | Self::RareWord, _) => "newest 100",
            (Self::Memory | Self::Memory8, _) => "",
        }
    }

    pub(crate) fn bar(self, dialect: Dialect) -> Option<Bar> {
        match (self, dialect) {
            (Self::Newest1, Dialect::Postgres) => Some(Bar::AtMost(4.0)),
            (Self::Newest16, Dialect::Postgres) => Some(Bar::AtLeast(0.3)),
            (Self::Session16, Dialect::Postgres) => Some(Bar::AtLeast(0.2)),
            (Self::Stream, Dialect::Postgres) => Some(Bar::AtLeast(0.5)),
            (Self::Stream, Dialect::Sqlite) => Some(Bar::AtLeast(0.3)),
            (Self::Ingest1 | Self::Ingest4, Dialect::Postgres) => Some(Bar::AtLeast(0.85)),
            (Self::DepthTimestamp | Self::DepthPosition | Self::DepthPositionDown, _) => {
                Some(Bar::AtMost(1.5))
            }
            (Self::RareType | Self::AbsentValue | Self::RareWord, _) => Some(Bar::AtMost(3.0)),
            (Self::Memory | Self::Memory8, _) => Some(Bar::AtMost(4.0)),
            (
                Self::Newest1 | Self::Newest16 | Self::Session16 | Self::Ingest1 | Self::Ingest4,
                Dialect::Sqlite,
            ) => None,
        }
    }
}
