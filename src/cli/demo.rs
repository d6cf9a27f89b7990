//! `interactions demo`: the service on data to play with.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::stop_signal::stop_signal;
use super::{demo_data, listing};
use crate::config::ListenArgs;
use crate::domain::access::{KeySecret, NamespaceId, Scope};
use crate::grpc::interaction_service::record_all;
use crate::repository::{NewKey, Repository, Settings};
use crate::server;

/// The namespace of the demo.
const NAMESPACE: &str = "demo";
const FILE: &str = "demo.sqlite3";

/// Serves a database of its own, filled with events of a real search page, until it is stopped.
///
/// It prints an API key and calls to try. The database is new at every start, and gone at the end.
#[derive(Debug, Args)]
pub struct Demo {
    #[command(flatten)]
    listen: ListenArgs,
}

impl Demo {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// When the address is taken or needs TLS, or the database cannot be made.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { listen } = self;
        let listen = listen.address(false)?;
        let shutdown = stop_signal()?;
        let bound = server::bind(listen).await;
        let bound = bound.with_context(|| format!("cannot listen on {listen}"))?;
        // Removed when it goes out of scope.
        let directory = tempfile::Builder::new().prefix("interactions-demo-").tempdir()?;
        let settings = Settings::sqlite_file(&directory.path().join(FILE));
        let repository = Repository::connect(&settings).await?;
        repository.migrate_up().await?;
        let (recorded, secret) = fill(&repository).await?;
        listing::print_line(&instructions(bound.local_addr, recorded, &secret))?;
        server::run(bound, repository, shutdown).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Makes a namespace, its interactions and a key; tells how many interactions there are.
async fn fill(repository: &Repository) -> anyhow::Result<(usize, KeySecret)> {
    let namespace = repository.create_namespace(NAMESPACE).await?.id;
    let interactions = demo_data::interactions()?.collect::<anyhow::Result<Vec<_>>>()?;
    let recorded = record_all(repository, namespace, interactions).await;
    let recorded = recorded.map_err(|error| anyhow::anyhow!("demo data refused: {error:?}"))?;
    let (_, secret) = repository.create_key(new_key(namespace)).await?;
    Ok((recorded, secret))
}

fn new_key(namespace: NamespaceId) -> NewKey {
    NewKey {
        name: "demo".to_owned(),
        scopes: vec![Scope::Read, Scope::Write],
        namespaces: vec![namespace],
        default_namespace: Some(namespace),
        expires_at: None,
    }
}

fn instructions(address: SocketAddr, recorded: usize, secret: &KeySecret) -> String {
    let key = secret.expose();
    let program = program();
    format!(
        r#"
{recorded} interactions are served at {address}, in the namespace `{NAMESPACE}`.
Their database is a temporary one. Ctrl-C stops the service and removes it.

In a second terminal:

export INTERACTIONS_API_KEY={key}

# clicks and purchases among the first results
{program} list --addr {address} --namespace {NAMESPACE} --filters '{{"AND":[{{"field":"position","operator":"lte","value":5}},{{"field":"interaction_type","operator":"in","value":["click","purchase"]}}]}}' --limit 10

# the same with grpcurl
grpcurl -plaintext -H "authorization: Bearer $INTERACTIONS_API_KEY" -H 'x-namespace: {NAMESPACE}' -d '{{"filters":{{"AND":[{{"field":"position","operator":"lte","value":5}},{{"field":"interaction_type","operator":"in","value":["click","purchase"]}}]}},"limit":10}}' {address} interactions.v1.InteractionService/ListInteractions

# how many speak of bluetooth headphones
{program} count --addr {address} --namespace {NAMESPACE} --search 'bluetooth headphones'
"#
    )
}

/// How this program was called, for the user to call it again.
fn program() -> String {
    if std::env::var_os("CARGO").is_some() {
        let profile = if cfg!(debug_assertions) { "" } else { " --release" };
        return format!("cargo run{profile} --");
    }
    std::env::args().next().unwrap_or_else(|| "interactions".to_owned())
}
