//! Lengths of time: as flags, and as columns.

use std::str::FromStr;

use anyhow::Context as _;
use jiff::{Span, SpanRelativeTo};

use crate::domain::time::Micros;

const UNITS: [(Micros, &str); 6] = [
    (24 * 60 * 60 * 1_000_000, "d"),
    (60 * 60 * 1_000_000, "h"),
    (60 * 1_000_000, "m"),
    (1_000_000, "s"),
    (1_000, "ms"),
    (1, "us"),
];

/// How long interactions are kept: a length of time, or `none` for ever.
#[derive(Debug, Clone)]
pub(super) enum Retention {
    Forever,
    For(Span),
}

impl FromStr for Retention {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        if text == "none" { Ok(Self::Forever) } else { text.parse().map(Self::For) }
    }
}

/// How many microseconds `span` has, whose days are 24 hours long.
///
/// # Errors
/// When it holds months or years, which have no length.
pub(super) fn micros(span: Span) -> anyhow::Result<Micros> {
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let micros = duration.context("months and years have no length; give days")?.as_micros();
    Micros::try_from(micros).context("this is too long")
}

/// A length of time in the largest units that say it, such as `90d` or `1d 12h`.
pub(super) fn text(micros: Micros) -> String {
    let mut rest = micros;
    let mut parts = Vec::new();
    for (size, unit) in UNITS {
        let count = rest / size;
        rest %= size;
        if count != 0 {
            parts.push(format!("{count}{unit}"));
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_back() {
        for (written, shown) in [
            ("90d", "90d"),
            ("36h", "1d 12h"),
            ("2w", "14d"),
            ("1.5s", "1s 500ms"),
            ("PT1M", "1m"),
            ("0s", "0s"),
        ] {
            let length = micros(written.parse().unwrap()).unwrap();
            assert_eq!(text(length), shown);
            assert_eq!(micros(shown.parse().unwrap()).unwrap(), length);
        }
        for without_length in ["1y", "2mo"] {
            assert!(micros(without_length.parse().unwrap()).is_err());
        }
    }
}
