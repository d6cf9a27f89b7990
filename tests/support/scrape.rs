//! What a server shows to Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Longer than a server takes to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// All samples at one moment.
#[derive(Debug)]
pub struct Metrics {
    pub text: String,
    samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

impl Metrics {
    /// Those that are shown at `address`.
    pub fn of(address: &str) -> Self {
        let (head, text) = get(address, "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains("text/plain; version=0.0.4"), "{head}");
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines.map(sample).collect();
        Self { text, samples }
    }

    /// The sum of the samples called `name` that have `labels`, among others; they have to be there.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |found: &BTreeMap<String, String>| {
            labels.iter().all(|(label, value)| found.get(*label).is_some_and(|it| it == value))
        };
        let found = self.samples.iter().filter(|((other, found), _)| other == name && has(found));
        let values: Vec<_> = found.map(|(_, value)| *value).collect();
        assert!(!values.is_empty(), "there is no {name} with {labels:?} in\n{}", self.text);
        values.into_iter().sum()
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// The names of all samples.
    pub fn names(&self) -> BTreeSet<&str> {
        self.samples.keys().map(|(name, _)| name.as_str()).collect()
    }

    /// The names of all metrics, and of what kind they are.
    pub fn kinds(&self) -> BTreeMap<&str, &str> {
        let lines = self.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        lines.map(|line| line.split_once(' ').unwrap()).collect()
    }

    /// The names of metrics that have a meaning, too.
    pub fn explained(&self) -> BTreeSet<&str> {
        let lines = self.text.lines().filter_map(|line| line.strip_prefix("# HELP "));
        lines.map(|line| line.split_once(' ').unwrap().0).collect()
    }
}

/// The head and the body of the answer to a request.
pub fn get(address: &str, request: &str) -> (String, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// `name{label="value",…} 1`; no value of ours has a quote in it.
fn sample(line: &str) -> ((String, BTreeMap<String, String>), f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').unwrap().split_terminator("\",");
    let labels = labels.map(|label| {
        let (label, value) = label.split_once("=\"").unwrap();
        (label.to_owned(), value.trim_end_matches('"').to_owned())
    });
    ((name.to_owned(), labels.collect()), value.parse().unwrap())
}
