//! Standard output, which may be closed at any time.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::process::ExitCode;

/// Buffered standard output.
pub(super) struct Stdout(BufWriter<io::Stdout>);

impl Stdout {
    /// Standard output.
    #[must_use]
    pub(super) fn new() -> Self {
        Self(BufWriter::new(io::stdout()))
    }

    /// Whether it is a terminal.
    #[must_use]
    pub(super) fn is_terminal() -> bool {
        io::stdout().is_terminal()
    }

    /// How many columns it has, where it is a terminal.
    #[must_use]
    pub(super) fn columns() -> Option<u16> {
        let size = console::Term::stdout().size_checked();
        size.map(|(_, columns)| columns).filter(|_| Self::is_terminal())
    }

    /// Writes a line and passes it on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write_line(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self, "{line}")?;
        Ok(self.flush()?)
    }
}

impl Default for Stdout {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Success also where the reader of standard output left: it had what it wanted, as `head` does.
///
/// # Errors
/// Any other error.
pub(super) fn unless_closed(written: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    let closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    match written {
        Err(error) if !error.downcast_ref().is_some_and(closed) => Err(error),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_left_is_no_error() {
        let failed = |kind| unless_closed(Err(io::Error::from(kind).into()));
        assert!(failed(io::ErrorKind::BrokenPipe).is_ok());
        assert!(failed(io::ErrorKind::StorageFull).is_err());
        assert!(unless_closed(Err(anyhow::anyhow!("other"))).is_err());
    }
}
