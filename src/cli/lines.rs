//! Lines of text, plain or compressed with gzip, one at a time.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// Longest line that is taken, in bytes. An interaction has at most 256 KiB encoded; as JSON it can
/// be several times as long.
pub(super) const MAX_LINE_BYTES: usize = 4 << 20;
/// What a gzip member begins with (RFC 1952, section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// What some programs write before a text in UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
const BUFFER_BYTES: usize = 128 << 10;

/// Reads `input` as plain text, also where it is gzip, of one member or several.
///
/// # Errors
/// When its beginning cannot be read.
pub(super) fn uncompressed(
    mut input: impl Read + Send + 'static,
) -> io::Result<Box<dyn BufRead + Send>> {
    let mut beginning = Vec::new();
    input.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut beginning)?;
    let compressed = beginning == GZIP_MAGIC;
    let input = io::Cursor::new(beginning).chain(input);
    let input = BufReader::with_capacity(BUFFER_BYTES, input);
    Ok(if compressed {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(input)))
    } else {
        Box::new(input)
    })
}

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// All of it, without its end.
    Whole(&'a [u8]),
    /// Longer than [`MAX_LINE_BYTES`]; it was passed over.
    TooLong,
}

/// Reads lines and counts them from 1. Keeps no more than one of them.
pub(super) struct Lines {
    input: Box<dyn BufRead + Send>,
    number: u64,
    line: Vec<u8>,
}

impl Lines {
    /// Reads from `input`, which may be plain text or gzip, also of several members.
    ///
    /// # Errors
    /// When its beginning cannot be read.
    pub(super) fn new(input: impl Read + Send + 'static) -> io::Result<Self> {
        Ok(Self { input: uncompressed(input)?, number: 0, line: Vec::new() })
    }

    /// The next line that is not blank, and its number.
    ///
    /// # Errors
    /// When the input fails, also where gzip data is damaged or ends too soon.
    pub(super) fn next_line(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        loop {
            if !self.read_line()? {
                return Ok(None);
            }
            if self.line.len() > MAX_LINE_BYTES {
                self.input.skip_until(b'\n')?;
                return Ok(Some((self.number, Line::TooLong)));
            }
            if !self.content().trim_ascii().is_empty() {
                return Ok(Some((self.number, Line::Whole(self.content()))));
            }
        }
    }

    /// Reads a line without its end, or one byte more than is taken; false at the end of the input.
    fn read_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        let most = MAX_LINE_BYTES as u64 + 1;
        let read = self.input.by_ref().take(most).read_until(b'\n', &mut self.line)?;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        }
        self.number += u64::from(read > 0);
        Ok(read > 0)
    }

    fn content(&self) -> &[u8] {
        match self.line.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if self.number == 1 => rest,
            Some(_) | None => &self.line,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn read(input: impl Read + Send + 'static) -> io::Result<Vec<(u64, String)>> {
        let mut lines = Lines::new(input)?;
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next_line()? {
            found.push(match line {
                Line::Whole(text) => (number, String::from_utf8(text.to_vec()).unwrap()),
                Line::TooLong => (number, "too long".to_owned()),
            });
        }
        Ok(found)
    }

    fn numbered(lines: &[(u64, &str)]) -> Vec<(u64, String)> {
        lines.iter().map(|(number, text)| (*number, (*text).to_owned())).collect()
    }

    #[test]
    fn plain_text_and_gzip_read_alike() {
        let text = "\u{feff}one\n\n  \r\ntwo\r\nthree";
        let expected = numbered(&[(1, "one"), (4, "two\r"), (5, "three")]);
        assert_eq!(read(io::Cursor::new(text)).unwrap(), expected);
        assert_eq!(read(io::Cursor::new(gzip(text))).unwrap(), expected);
    }

    #[test]
    fn members_of_gzip_follow_each_other() {
        let input = [gzip("one\ntw"), gzip("o\n")].concat();
        assert_eq!(read(io::Cursor::new(input)).unwrap(), numbered(&[(1, "one"), (2, "two")]));
    }

    #[test]
    fn input_that_comes_byte_by_byte_is_recognised() {
        struct Trickle(io::Cursor<Vec<u8>>);
        impl Read for Trickle {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let most = buffer.len().min(1);
                self.0.read(&mut buffer[..most])
            }
        }
        let input = Trickle(io::Cursor::new(gzip("one")));
        assert_eq!(read(input).unwrap(), numbered(&[(1, "one")]));
    }

    #[test]
    fn nothing_holds_no_lines() {
        assert!(read(io::empty()).unwrap().is_empty());
        assert!(read(io::Cursor::new("\n")).unwrap().is_empty());
    }

    #[test]
    fn gzip_that_ends_too_soon_is_an_error() {
        let whole = gzip("one\ntwo\n");
        let cut = whole[..whole.len() - 4].to_vec();
        assert!(read(io::Cursor::new(cut)).is_err());
    }

    #[test]
    fn a_long_line_is_passed_over() {
        let fits = "x".repeat(MAX_LINE_BYTES);
        let text = format!("one\n{fits}\n{fits}y{fits}\nfour");
        let expected = numbered(&[(1, "one"), (2, &fits), (3, "too long"), (4, "four")]);
        assert!(read(io::Cursor::new(text)).unwrap() == expected);
        let last = read(io::Cursor::new(format!("{fits}y"))).unwrap();
        assert_eq!(last, numbered(&[(1, "too long")]));
        let exact = read(io::Cursor::new(format!("{fits}y\ntwo"))).unwrap();
        assert_eq!(exact, numbered(&[(1, "too long"), (2, "two")]));
    }
}
