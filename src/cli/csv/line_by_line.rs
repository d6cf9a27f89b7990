//! Input that is handed on in lines, so that it is known which line a record ended on.

use std::io::{self, BufRead, Read};

use crate::cli::lines::MAX_LINE_BYTES;

/// Hands on no more than the rest of a line at a time: whoever reads records has then taken nothing
/// of a line after the one that the last record ended on. Lines end as records of CSV may: with a line
/// feed, a carriage return, or both; so no two records begin on one line.
pub(super) struct LineByLine<R> {
    input: R,
    line: u64,
    line_is_over: bool,
    /// It ended with a carriage return. A line feed that follows belongs to it.
    after_return: bool,
    /// How many more bytes a record may take.
    allowed: usize,
}

impl<R: BufRead> LineByLine<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line: 0, line_is_over: true, after_return: false, allowed: MAX_LINE_BYTES }
    }

    /// The number of the line that was handed on last, from 1; 0 before the first.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// A record begins, of [`MAX_LINE_BYTES`] at most.
    pub(super) fn begin_record(&mut self) {
        self.allowed = MAX_LINE_BYTES;
    }
}

impl<R: BufRead> Read for LineByLine<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = loop {
            match self.input.fill_buf() {
                Ok(available) => break available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        if self.allowed == 0 && !available.is_empty() {
            // Without this a quote too many would put the rest of the file into memory.
            let limit =
                format!("a record longer than {MAX_LINE_BYTES} bytes; is a quote not closed?");
            return Err(io::Error::new(io::ErrorKind::InvalidData, limit));
        }
        let most = available.len().min(buffer.len()).min(self.allowed);
        let available = &available[..most];
        let feed_of_return = self.after_return && available.first() == Some(&b'\n');
        let line_end = available.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let taken = line_end.map_or(most, |end| end + 1);
        let ends_with_return = line_end.is_some_and(|end| available[end] == b'\r');
        buffer[..taken].copy_from_slice(&available[..taken]);
        self.input.consume(taken);
        self.allowed -= taken;
        if taken > 0 {
            self.line += u64::from(self.line_is_over && !feed_of_return);
            self.line_is_over = line_end.is_some();
            self.after_return = ends_with_return;
        }
        Ok(taken)
    }
}
