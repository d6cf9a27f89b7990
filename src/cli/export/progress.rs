//! How far a file came: what stands in `FILE.progress` beside it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::encoder::Format;
use crate::cli::json::object_value;
use crate::grpc::proto::sort::Direction;
use crate::grpc::proto::{ListInteractionsRequest, Sort};

/// The form of the file. Another one is refused.
const VERSION: u32 = 1;

/// How far an export came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress {
    version: u32,
    /// What was asked for, by the names of the options.
    pub(super) asked: Map<String, Value>,
    /// Leads to what follows; empty at the beginning.
    pub(super) page_token: String,
    /// How much of the file is whole. What is behind that was being written.
    pub(super) bytes: u64,
    pub(super) interactions: u64,
}

/// Only the version, which is understood whatever else there is.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Progress {
    /// Nothing yet.
    pub(super) fn new(asked: Map<String, Value>) -> Self {
        Self { version: VERSION, asked, page_token: String::new(), bytes: 0, interactions: 0 }
    }

    /// Reads it; none where there is no such file.
    ///
    /// # Errors
    /// When it cannot be read, or is of another program.
    pub(super) fn load(path: &Path) -> anyhow::Result<Option<Self>> {
        let json = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let not_understood = || format!("{} is not understood", path.display());
        let Versioned { version } = serde_json::from_slice(&json).with_context(not_understood)?;
        let other = format!("it is of version {version}, and this program writes {VERSION}");
        ensure!(version == VERSION, "{}: {other}", not_understood());
        Ok(Some(serde_json::from_slice(&json).with_context(not_understood)?))
    }

    /// Replaces it at once: whenever the program is killed, one or the other is there and whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let new = beside(path, ".new");
        fs::write(&new, serde_json::to_vec(self)?)?;
        fs::rename(new, path)
    }

    /// Checks that the same is asked for again.
    ///
    /// # Errors
    /// When it is not; the error says in what.
    pub(super) fn ensure_asked(&self, again: &Map<String, Value>) -> anyhow::Result<()> {
        let names: BTreeSet<_> = self.asked.keys().chain(again.keys()).collect();
        let shown = |value: Option<&Value>| value.map_or("not given".to_owned(), Value::to_string);
        let differences = names.into_iter().filter_map(|name| {
            let (before, now) = (self.asked.get(name), again.get(name));
            (before != now)
                .then(|| format!("--{name} was {} and is now {}", shown(before), shown(now)))
        });
        let differences: Vec<_> = differences.collect();
        ensure!(
            differences.is_empty(),
            "it was begun with another request: {}",
            differences.join("; ")
        );
        Ok(())
    }
}

/// The path of `FILE.progress`.
pub(super) fn path_beside(file: &Path) -> PathBuf {
    beside(file, ".progress")
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut path = OsString::from(file);
    path.push(end);
    path.into()
}

/// What is asked for, by the names of the options: all that decides on what the file holds, but
/// neither where the service is nor the key.
///
/// # Errors
/// When a filter cannot be written as JSON.
pub(super) fn asked(
    request: &ListInteractionsRequest,
    format: Format,
    namespace: Option<&str>,
) -> anyhow::Result<Map<String, Value>> {
    let ListInteractionsRequest {
        execution_id,
        retriever_id,
        session_id,
        user_id,
        feature_id,
        interaction_type,
        filters,
        // The command line has no other form than JSON.
        filter: _,
        sort,
        search,
        // These are the same for every export, or change as it goes.
        page_size: _,
        page_token: _,
        limit: _,
        skip: _,
        include_total: _,
        select: _,
    } = request;
    let key = |Sort { field, direction }: &Sort| {
        let descending = *direction == i32::from(Direction::Desc);
        format!("{}{field}", if descending { "-" } else { "" })
    };
    let sort: Vec<_> = sort.iter().map(key).collect();
    let texts = [
        ("execution-id", execution_id.as_str()),
        ("retriever-id", retriever_id),
        ("session-id", session_id),
        ("user-id", user_id),
        ("feature-id", feature_id),
        ("type", interaction_type),
        ("search", search),
        ("sort", &sort.join(",")),
        ("format", format.name()),
        ("namespace", namespace.unwrap_or_default()),
    ];
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    let mut asked: Map<_, _> =
        texts.map(|(name, text)| (name.to_owned(), Value::from(text))).collect();
    if let Some(filters) = filters {
        asked.insert("filters".to_owned(), object_value(filters)?);
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::filters::{JsonFilter, SortKeys};

    fn request() -> ListInteractionsRequest {
        ListInteractionsRequest {
            user_id: "u".to_owned(),
            filters: Some(r#"{"position":{"lte":5,"gt":0.1}}"#.parse::<JsonFilter>().unwrap().0),
            sort: "-timestamp,position".parse::<SortKeys>().unwrap().0,
            ..Default::default()
        }
    }

    fn progress() -> Progress {
        Progress {
            page_token: "t".to_owned(),
            bytes: 7,
            interactions: 1,
            ..Progress::new(asked(&request(), Format::Csv, Some("shop")).unwrap())
        }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_beside(&directory.path().join("a.csv"));
        assert_eq!(path.file_name().unwrap(), "a.csv.progress");
        assert_eq!(Progress::load(&path).unwrap(), None);
        for bytes in [7, 8] {
            let progress = Progress { bytes, ..progress() };
            progress.save(&path).unwrap();
            assert_eq!(Progress::load(&path).unwrap(), Some(progress));
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.progress");
        for json in ["", "{", "[]", "{}", r#"{"version":1}"#, r#"{"version":2,"more":1}"#] {
            fs::write(&path, json).unwrap();
            let error = Progress::load(&path).unwrap_err().to_string();
            assert!(error.contains("is not understood"), "{json}: {error}");
        }
    }

    #[test]
    fn another_request_is_refused_and_the_difference_named() {
        let same = asked(&request(), Format::Csv, Some("shop")).unwrap();
        let saved: Progress =
            serde_json::from_slice(&serde_json::to_vec(&progress()).unwrap()).unwrap();
        saved.ensure_asked(&same).unwrap();
        type Change = fn(&mut ListInteractionsRequest);
        let changes: [(Change, &str); 8] = [
            (|request| request.user_id.clear(), "--user-id was \"u\" and is now not given"),
            (|request| request.session_id.push('s'), "--session-id was not given"),
            (|request| request.execution_id.push('e'), "--execution-id"),
            (|request| request.retriever_id.push('r'), "--retriever-id"),
            (|request| request.feature_id.push('f'), "--feature-id"),
            (|request| request.interaction_type.push('t'), "--type"),
            (|request| request.search.push('s'), "--search"),
            (|request| request.sort.truncate(1), "--sort was \"-timestamp,position\""),
        ];
        for (change, difference) in changes {
            let mut request = request();
            change(&mut request);
            let again = asked(&request, Format::Csv, Some("shop")).unwrap();
            let error = saved.ensure_asked(&again).unwrap_err().to_string();
            assert!(error.contains(difference), "{error}");
            assert_eq!(error.matches("--").count(), 1, "{error}");
        }
        let filters = ListInteractionsRequest { filters: None, ..request() };
        for (again, difference) in [
            (asked(&filters, Format::Csv, Some("shop")), "--filters"),
            (asked(&request(), Format::Jsonl, Some("shop")), "--format"),
            (asked(&request(), Format::Csv, None), "--namespace"),
        ] {
            let error = saved.ensure_asked(&again.unwrap()).unwrap_err().to_string();
            assert!(error.contains(difference), "{error}");
        }
    }
}
