//! Dependencies point one way: `main → server → {grpc, repository, config, telemetry}`,
//! `grpc → {domain, repository}`, `repository → domain`, and `domain` knows of nothing else.

use std::fs;
use std::path::{Path, PathBuf};

/// For each layer, what its code may not name.
const FORBIDDEN: [(&str, &[&str]); 6] = [
    (
        "domain",
        &[
            "crate::grpc",
            "crate::repository",
            "crate::server",
            "crate::cli",
            "crate::config",
            "crate::telemetry",
            "tonic::",
            "prost",
            "sea_orm",
            "sqlx",
            "tokio::",
            "tracing::",
            "metrics::",
            "opentelemetry",
        ],
    ),
    (
        "repository",
        &[
            "crate::grpc",
            "crate::server",
            "crate::cli",
            "crate::config",
            "crate::telemetry",
            "tonic::",
            "prost",
            "opentelemetry",
            "metrics_exporter",
        ],
    ),
    (
        "grpc",
        &[
            "crate::server",
            "crate::cli",
            "crate::config",
            "crate::telemetry",
            "sea_orm",
            "sqlx",
            "opentelemetry_",
            "metrics_exporter",
        ],
    ),
    // Who counts and traces knows of no exporter, and who exports knows of nobody.
    (
        "telemetry",
        &["crate::grpc", "crate::repository", "crate::server", "crate::cli", "crate::config"],
    ),
    ("cli", &["sea_orm", "sqlx"]),
    ("server", &["crate::cli", "sea_orm", "sqlx"]),
];

/// Longest file of code, in lines: what can be read in one go.
const MAX_LINES: usize = 600;

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let rust = |path: &PathBuf| path.is_dir() || path.extension().is_some_and(|end| end == "rs");
    entries.filter(rust).flat_map(|path| sources(&path)).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The files of a layer: its folder, and the file of the same name.
fn layer(name: &str) -> Vec<PathBuf> {
    let paths = [root().join(name), root().join(format!("{name}.rs"))];
    let files: Vec<_> =
        paths.iter().filter(|path| path.exists()).flat_map(|p| sources(p)).collect();
    assert!(!files.is_empty(), "there is no layer {name}");
    files
}

/// The lines of code of a file: no comments, which may speak of anything.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().enumerate();
    let code = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.map(|(number, line)| (number + 1, line.to_owned())).collect()
}

#[test]
fn dependencies_point_one_way() {
    let mut wrong = Vec::new();
    for (name, forbidden) in FORBIDDEN {
        for path in layer(name) {
            for (number, line) in code(&path) {
                for word in forbidden.iter().filter(|word| line.contains(**word)) {
                    wrong.push(format!("{}:{number} names {word}: {line}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_can_be_read_in_one_go() {
    for path in sources(&root()) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_namespace_is_a_condition_in_one_place() {
    let read = fs::read_to_string(root().join("repository/read.rs")).unwrap();
    assert_eq!(read.matches(".from(Entity)").count(), 1, "selects start in `in_namespace`");
    assert_eq!(read.matches("Column::NamespaceId").count(), 1);
}

/// Migrations must keep doing what they did: they import nothing of the service.
#[test]
fn migrations_stand_alone() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    assert!(!manifest.contains("path ="), "migrations depend on no crate of this workspace");
}
