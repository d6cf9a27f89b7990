//! Fills a database through the service's own code, and makes it ready to be asked.

use std::time::Instant;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use interactions::domain::access::{NamespaceId, Scope};
use interactions::grpc::interaction_service::record_all;
use interactions::repository::{Dialect, NewKey, Repository, Settings};

use crate::data::{Event, Events, NAMESPACES, Totals};

const SEED: u64 = 20_251_121;
const BATCH: usize = 1_000;
/// Batches in work at a time in PostgreSQL. In SQLite they would only stand in line, and of those that
/// do so for two seconds one is turned away.
const WRITERS: usize = 4;

/// A database with the data set in it.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// It reads nothing any more: it knows the SQL of the service.
    pub(crate) repository: Repository,
    /// The largest namespace.
    pub(crate) namespace: NamespaceId,
    pub(crate) totals: Totals,
    /// A key that reads and writes everywhere, and reads the largest namespace by default.
    pub(crate) key: String,
}

/// Fills the empty database at `url`.
pub(crate) async fn load(url: &str, rows: u64) -> anyhow::Result<Loaded> {
    let settings = Settings::from_url(url)?;
    let repository = Repository::connect(&settings).await?;
    repository.migrate_up().await?;
    let mut namespaces = Vec::new();
    for number in 0..NAMESPACES {
        namespaces.push(repository.create_namespace(&format!("bench-{number}")).await?.id);
    }
    let namespace = *namespaces.first().context("there are namespaces")?;
    let key = NewKey {
        name: "bench".to_owned(),
        scopes: vec![Scope::Read, Scope::Write],
        namespaces: Vec::new(),
        default_namespace: Some(namespace),
        expires_at: None,
    };
    let (_, secret) = repository.create_key(key).await?;
    let writers = match repository.dialect() {
        Dialect::Sqlite => 1,
        Dialect::Postgres => WRITERS,
    };
    let started = Instant::now();
    let mut batches = Batches { events: Events::new(rows, SEED), waiting: Vec::new() };
    batches.waiting.resize_with(NAMESPACES, Vec::new);
    futures::stream::iter(batches.by_ref())
        .map(|(namespace, interactions)| {
            let (repository, namespace) = (repository.clone(), namespaces[namespace]);
            async move {
                let recording =
                    async move { record_all(&repository, namespace, interactions).await };
                tokio::spawn(recording).await?.map_err(|error| anyhow::anyhow!("{error:?}"))
            }
        })
        .buffer_unordered(writers)
        .try_collect::<Vec<usize>>()
        .await?;
    let totals = batches.events.totals.clone();
    eprintln!("  {rows} interactions loaded in {:.1} s", started.elapsed().as_secs_f64());
    // SQLite gathers its statistics when it is closed.
    repository.close().await;
    let repository = Repository::connect(&settings).await?;
    Ok(Loaded { repository, namespace, totals, key: secret.expose().to_owned() })
}

/// The data set in batches of one namespace each.
struct Batches {
    events: Events,
    waiting: Vec<Vec<interactions::grpc::proto::Interaction>>,
}

impl Iterator for Batches {
    type Item = (usize, Vec<interactions::grpc::proto::Interaction>);

    fn next(&mut self) -> Option<Self::Item> {
        for Event { namespace, interaction } in self.events.by_ref() {
            let waiting = &mut self.waiting[namespace];
            waiting.push(interaction);
            if waiting.len() == BATCH {
                return Some((namespace, std::mem::take(waiting)));
            }
        }
        let rest = self.waiting.iter_mut().enumerate().find(|(_, waiting)| !waiting.is_empty());
        rest.map(|(namespace, waiting)| (namespace, std::mem::take(waiting)))
    }
}
