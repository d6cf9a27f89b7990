//! Where an export goes: standard output, or a file that it can go on with.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, Value};

use super::progress::{Progress, path_beside};

/// What to do where the file is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Refuse,
    Replace,
    GoOn,
}

/// Where an export goes, and how far it came.
pub(super) struct Output {
    sink: Sink,
    progress: Progress,
}

enum Sink {
    /// Something that cannot be taken up again: standard output, a pipe, a device.
    Stream(Box<dyn Write + Send>),
    File(Resumable),
}

/// A file, and beside it a record of what of it is whole.
///
/// The record follows the file, never the other way round. That holds against a program that is
/// killed. Where the machine itself goes down, a file can be left shorter than the record says; it is
/// then not gone on with.
struct Resumable {
    path: PathBuf,
    record: PathBuf,
    replace: bool,
    /// None before the first page, so that a request that is refused leaves nothing behind.
    file: Option<File>,
}

impl Output {
    /// Finds out where to write, and from where on.
    ///
    /// # Errors
    /// When `file` is there and must not be, or cannot be gone on with for what is `asked`.
    pub(super) fn choose(
        file: Option<&Path>,
        existing: Existing,
        asked: Map<String, Value>,
    ) -> anyhow::Result<Self> {
        let stream = match file.filter(|path| *path != Path::new("-")) {
            None => Some(Box::new(io::stdout()) as Box<dyn Write + Send>),
            Some(path) => special_file(path)?.map(|file| Box::new(file) as Box<dyn Write + Send>),
        };
        match (stream, file) {
            (Some(stream), _) => {
                let reason = "only a file can be gone on with, not a stream";
                ensure!(existing != Existing::GoOn, reason);
                Ok(Self { sink: Sink::Stream(stream), progress: Progress::new(asked) })
            }
            (None, Some(path)) => Self::in_file(path, existing, asked),
            (None, None) => bail!("there is nowhere to write"),
        }
    }

    fn in_file(path: &Path, existing: Existing, asked: Map<String, Value>) -> anyhow::Result<Self> {
        let record = path_beside(path);
        let exists = path.exists();
        let (file, progress) = match existing {
            Existing::Refuse if exists => bail!(exists_already(path)),
            Existing::GoOn => match Progress::load(&record)? {
                Some(progress) => {
                    let file = go_on(path, &progress, &asked);
                    let file = file.with_context(|| {
                        format!("cannot go on with {} (--force writes it anew)", path.display())
                    })?;
                    (Some(file), progress)
                }
                None => {
                    let reason = "it is complete, or no export wrote it";
                    let (path, record) = (path.display(), record.display());
                    ensure!(!exists, "there is no {record} to go on with {path}: {reason}");
                    (None, Progress::new(asked))
                }
            },
            Existing::Refuse | Existing::Replace => (None, Progress::new(asked)),
        };
        let replace = existing == Existing::Replace;
        let path = path.to_owned();
        Ok(Self { sink: Sink::File(Resumable { path, record, replace, file }), progress })
    }

    /// Leads to what is to be written next.
    pub(super) fn page_token(&self) -> &str {
        &self.progress.page_token
    }

    /// How many are written, now and before.
    pub(super) fn interactions(&self) -> u64 {
        self.progress.interactions
    }

    /// Whether nothing is written yet.
    pub(super) fn is_empty(&self) -> bool {
        self.progress.bytes == 0
    }

    /// Whether there is something to go on with.
    pub(super) fn can_go_on(&self) -> bool {
        match &self.sink {
            Sink::Stream(_) => false,
            Sink::File(Resumable { path: _, record, replace: _, file }) => {
                file.is_some() && record.exists()
            }
        }
    }

    /// Writes a page, which `page_token` follows.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(
        &mut self,
        rows: &[u8],
        interactions: u64,
        page_token: String,
    ) -> anyhow::Result<()> {
        let Self { sink, progress } = self;
        match sink {
            Sink::Stream(stream) => {
                let written = stream.write_all(rows).and_then(|()| stream.flush());
                written.context("cannot write")?;
            }
            Sink::File(resumable) => {
                let mut file = resumable.open(progress)?;
                let written = file.write_all(rows).and_then(|()| file.flush());
                written.with_context(|| format!("cannot write {}", resumable.path.display()))?;
            }
        }
        progress.bytes += rows.len() as u64;
        progress.interactions += interactions;
        progress.page_token = page_token;
        match sink {
            // Without a token it would tell of the beginning; until the end is safe, what it told
            // before is right.
            Sink::File(resumable) if !progress.page_token.is_empty() => resumable.save(progress),
            Sink::File(_) | Sink::Stream(_) => Ok(()),
        }
    }

    /// Everything is written.
    ///
    /// # Errors
    /// When that cannot be made sure of.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        match &mut self.sink {
            Sink::Stream(stream) => stream.flush().context("cannot write"),
            Sink::File(Resumable { path, record, replace: _, file }) => {
                if let Some(file) = file {
                    let synced = file.sync_all();
                    synced.with_context(|| format!("cannot write {}", path.display()))?;
                }
                fs::remove_file(&*record)
                    .with_context(|| format!("cannot remove {}", record.display()))
            }
        }
    }
}

impl Resumable {
    fn open(&mut self, progress: &Progress) -> anyhow::Result<&File> {
        let Self { path, record, replace, file } = self;
        if file.is_none() {
            let mut options = OpenOptions::new();
            options.write(true);
            let options = if *replace { options.create(true) } else { options.create_new(true) };
            let opened = options.open(&*path).and_then(|file| locked(file, path));
            let opened = match opened {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    bail!(exists_already(path))
                }
                opened => opened.with_context(|| format!("cannot write {}", path.display()))?,
            };
            // First the record, of nothing: none, or one of the old content, would be wrong of a file
            // that is half written.
            let saved = progress.save(record).and_then(|()| opened.set_len(0));
            saved.with_context(|| format!("cannot write {}", record.display()))?;
            return Ok(file.insert(opened));
        }
        file.as_ref().context("the file was not opened")
    }

    fn save(&self, progress: &Progress) -> anyhow::Result<()> {
        let saved = progress.save(&self.record);
        saved.with_context(|| format!("cannot write {}", self.record.display()))
    }
}

/// Opens what is there and is neither a regular file nor a directory, such as a pipe.
fn special_file(path: &Path) -> anyhow::Result<Option<File>> {
    let special = fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    let open = || OpenOptions::new().write(true).open(path);
    let opened = special.then(open).transpose();
    opened.with_context(|| format!("cannot write {}", path.display()))
}

/// Opens a file to go on where its record says, without whatever is behind that.
fn go_on(path: &Path, progress: &Progress, asked: &Map<String, Value>) -> anyhow::Result<File> {
    progress.ensure_asked(asked)?;
    let file = OpenOptions::new().write(true).open(path)?;
    let mut file = locked(file, path)?;
    let (found, whole) = (file.metadata()?.len(), progress.bytes);
    ensure!(found >= whole, "it has {found} bytes, and had {whole}");
    file.set_len(whole)?;
    file.seek(SeekFrom::Start(whole))?;
    Ok(file)
}

/// Makes sure that no two exports write the same file.
fn locked(file: File, path: &Path) -> io::Result<File> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let taken = format!("another export is writing {}", path.display());
            Err(io::Error::new(io::ErrorKind::ResourceBusy, taken))
        }
        // Not every file system has locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

fn exists_already(path: &Path) -> String {
    format!(
        "{} exists already: --force writes it anew, --resume goes on where it is not complete",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(user: &str) -> Map<String, Value> {
        Map::from_iter([("user-id".to_owned(), json!(user))])
    }

    fn open(path: &Path, existing: Existing) -> anyhow::Result<Output> {
        Output::choose(Some(path), existing, asked("u"))
    }

    fn error(outcome: anyhow::Result<Output>) -> String {
        format!("{:#}", outcome.err().unwrap())
    }

    #[test]
    fn a_file_is_gone_on_with_where_its_record_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.jsonl");
        let mut output = open(&path, Existing::Refuse).unwrap();
        assert!(!path.exists() && !output.can_go_on() && output.is_empty());
        output.write(b"one\n", 1, "1".to_owned()).unwrap();
        output.write(b"two\n", 1, "2".to_owned()).unwrap();
        assert!(output.can_go_on());
        assert!(error(open(&path, Existing::GoOn)).contains("another export is writing"));
        drop(output);
        // As if it had been killed while it wrote.
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"thr").unwrap();
        drop(file);
        let mut output = open(&path, Existing::GoOn).unwrap();
        assert_eq!((output.page_token(), output.interactions()), ("2", 2));
        assert!(!output.is_empty());
        output.write(b"three\n", 1, String::new()).unwrap();
        output.finish().unwrap();
        assert_eq!(output.interactions(), 3);
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn killed_after_the_last_page_it_writes_that_one_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.jsonl");
        let mut output = open(&path, Existing::Refuse).unwrap();
        output.write(b"one\n", 1, "1".to_owned()).unwrap();
        output.write(b"two\n", 1, String::new()).unwrap();
        drop(output);
        let output = open(&path, Existing::GoOn).unwrap();
        assert_eq!((output.page_token(), output.interactions()), ("1", 1));
        assert_eq!(fs::read(&path).unwrap(), b"one\n");
    }

    #[test]
    fn what_cannot_be_gone_on_with_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.jsonl");
        // Nothing is there: it begins.
        assert!(open(&path, Existing::GoOn).unwrap().is_empty());
        fs::write(&path, "mine").unwrap();
        assert!(error(open(&path, Existing::GoOn)).contains("it is complete"));
        let mut progress = Progress::new(asked("u"));
        progress.bytes = 5;
        progress.save(&path_beside(&path)).unwrap();
        assert!(error(open(&path, Existing::GoOn)).contains("it has 4 bytes, and had 5"));
        let other = Output::choose(Some(&path), Existing::GoOn, asked("v"));
        assert!(error(other).contains("--user-id was \"u\" and is now \"v\""));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        for stream in [None, Some(Path::new("-")), Some(Path::new("/dev/null"))] {
            let stream = Output::choose(stream, Existing::GoOn, asked("u"));
            assert!(error(stream).contains("not a stream"));
        }
    }

    #[test]
    fn what_is_there_is_only_replaced_when_told_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.jsonl");
        let mut late = open(&path, Existing::Refuse).unwrap();
        fs::write(&path, "mine, and long").unwrap();
        assert!(error(open(&path, Existing::Refuse)).contains("exists already"));
        assert!(late.write(b"one\n", 1, String::new()).is_err());
        let mut output = open(&path, Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"mine, and long");
        output.write(b"one\n", 1, String::new()).unwrap();
        output.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\n");
        let mut device = open(Path::new("/dev/null"), Existing::Refuse).unwrap();
        device.write(b"one\n", 1, "1".to_owned()).unwrap();
        assert!(!device.can_go_on());
    }
}
