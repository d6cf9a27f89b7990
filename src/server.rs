//! The composition root: opens the database, puts services and layers together, and lets the
//! process go when it is told to stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::util::MapResponseLayer;
use tower::{Layer as _, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;

use self::accept::Limits;
use self::conversation::{Life, Speaker};
use self::tls::Tls;
use crate::config::{DatabaseArgs, DatabasePlace, Origin};
use crate::grpc::admission::Admission;
use crate::grpc::api_key_service::ApiKeyServiceImpl;
use crate::grpc::auth::Auth;
use crate::grpc::interaction_service::InteractionServiceImpl;
use crate::grpc::limits::CallLimits;
use crate::grpc::namespace_service::NamespaceServiceImpl;
use crate::grpc::observe::Observe;
use crate::grpc::proto::api_key_service_server::{self, ApiKeyServiceServer};
use crate::grpc::proto::interaction_service_server::{InteractionServiceServer, SERVICE_NAME};
use crate::grpc::proto::namespace_service_server::{self, NamespaceServiceServer};
use crate::grpc::{layers, proto, transport_status};
use crate::repository::{Dialect, Repository, Settings};
use crate::telemetry::metrics::Exporter;

pub mod accept;
mod browsers;
pub mod conversation;
mod key_uses;
pub mod maintenance;
mod metering;
pub mod tls;
pub mod verify;

/// Largest request in bytes: a batch of a thousand usual interactions, with room to spare.
const MAX_REQUEST_BYTES: usize = 4 << 20;
/// The same for those who manage namespaces and keys: a key with its hundred namespaces, five times
/// over.
const MAX_ADMIN_REQUEST_BYTES: usize = 64 << 10;
/// The same for what needs no key: the name of a service, or of a message.
const MAX_OPEN_REQUEST_BYTES: usize = 4 << 10;
/// Largest answer in bytes. A page is never over 1 MiB; this only catches a fault.
const MAX_ANSWER_BYTES: usize = 8 << 20;

/// How long calls may go on after the server was told to stop. With the limits below, the process is
/// gone within 25 seconds, before those who run it (30 seconds in Kubernetes) lose patience.
const DRAIN_LIMIT: Duration = Duration::from_secs(23);
/// How long noting the last uses of keys may take after that.
const LAST_USES_LIMIT: Duration = Duration::from_millis(400);
/// How long closing the database may take after that.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// Which databases are brought up to date when they are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrate {
    /// None: whoever opens it looks after the schema.
    Never,
    /// SQLite, which belongs to this process alone. A PostgreSQL schema that is not up to date is
    /// an error.
    Sqlite,
    /// Both.
    Always,
}

/// Opens the database that `arguments` name.
///
/// # Errors
///
/// When it cannot be opened, does not fit or cannot be migrated, or is not up to date.
pub async fn open(arguments: &DatabaseArgs, migrate: Migrate) -> anyhow::Result<Repository> {
    let settings = settings(arguments)?;
    let repository = Repository::connect(&settings).await;
    let repository = repository.with_context(|| format!("cannot open {settings}"))?;
    match (migrate, repository.dialect()) {
        (Migrate::Never, Dialect::Sqlite | Dialect::Postgres) => {}
        (Migrate::Sqlite | Migrate::Always, Dialect::Sqlite)
        | (Migrate::Always, Dialect::Postgres) => {
            let migrated = repository.migrate_up().await;
            migrated.with_context(|| format!("cannot migrate {settings}"))?;
        }
        (Migrate::Sqlite, Dialect::Postgres) => require_schema(&repository).await?,
    }
    let checked = verify::at_start(&repository).await;
    checked.with_context(|| format!("cannot use {settings}; restore a backup"))?;
    tracing::info!(database = %settings, "database opened");
    Ok(repository)
}

/// The database that `arguments` name.
///
/// # Errors
///
/// When the URL cannot be read, or there is no home for the default file.
pub fn settings(arguments: &DatabaseArgs) -> anyhow::Result<Settings> {
    match arguments.place().context("name a database with --database-url")? {
        DatabasePlace::Url(url) => Ok(Settings::from_url(url.expose_secret())?),
        DatabasePlace::SqliteFile(path) => Ok(Settings::sqlite_file(&path)),
    }
}

async fn require_schema(repository: &Repository) -> anyhow::Result<()> {
    let states = repository.migration_states().await.context("cannot read the schema's state")?;
    let pending = states.iter().filter(|state| !state.applied).count();
    anyhow::ensure!(
        pending == 0,
        "the database lacks {pending} migrations: run `interactions migrate up` first"
    );
    Ok(())
}

/// A socket that listens, and is not served yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    /// Its address, with the port that port 0 turned into.
    pub local_addr: SocketAddr,
    /// Certificates; without any, what is said can be read on its way.
    pub tls: Option<Tls>,
    /// How its connections are treated.
    pub transport: Transport,
    /// How much may be asked of it at a time.
    pub call_limits: CallLimits,
    /// Whose pages may call from browsers; without any, it speaks neither gRPC-Web nor HTTP/1.1.
    pub cors_origins: Vec<Origin>,
    /// Who shows what is counted, on an address of its own.
    pub metrics: Option<Exporter>,
}

/// How connections are treated. Only tests need others than the default settings.
#[derive(Debug, Clone)]
pub struct Transport {
    /// How they are taken.
    pub limits: Limits,
    /// How long they last.
    pub life: Life,
    /// How often the files of certificates are looked at.
    pub reload_interval: Duration,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            life: Life::default(),
            reload_interval: tls::RELOAD_INTERVAL,
        }
    }
}

/// Takes the address to listen on.
///
/// # Errors
///
/// When it is taken, or not this machine's.
pub async fn bind(listen: SocketAddr) -> io::Result<Bound> {
    let listener = TcpListener::bind(listen).await?;
    let local_addr = listener.local_addr()?;
    let (transport, call_limits) = (Transport::default(), CallLimits::default());
    let (cors_origins, metrics) = (Vec::new(), None);
    Ok(Bound { listener, local_addr, tls: None, transport, call_limits, cors_origins, metrics })
}

/// Serves until `shutdown` is cancelled. Then health says so, no connection is taken any more,
/// streams end with UNAVAILABLE, and other calls have 23 seconds to end. Closes `repository`.
///
/// # Errors
///
/// When the descriptors built into the program are broken.
pub async fn run(
    bound: Bound,
    repository: Repository,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let Bound { listener, local_addr, tls, transport, call_limits, cors_origins, metrics } = bound;
    let Transport { mut limits, life, reload_interval } = transport;
    limits.http1 = !cors_origins.is_empty();
    let tls = tls.map(Arc::new);
    let _reloading = tls.clone().map(|tls| {
        let reloading = async move { tls.reload(reload_interval).await };
        AbortOnDropHandle::new(tokio::spawn(reloading))
    });
    let _exporting = metrics.map(|exporter| {
        let repository = repository.clone();
        let exporting = exporter.serve(move || metering::note_load(&repository));
        AbortOnDropHandle::new(tokio::spawn(exporting))
    });
    let (health, health_service) = tonic_health::server::health_reporter();
    set_health(&health, ServingStatus::Serving).await;
    let maintenance = maintenance::run(repository.clone(), shutdown.clone());
    let maintenance = AbortOnDropHandle::new(tokio::spawn(maintenance));
    let auth = Arc::new(Auth::new(repository.clone()));
    let interactions =
        InteractionServiceImpl::new(repository.clone(), auth.clone(), shutdown.clone())
            .with_call_limits(&call_limits);
    let namespaces = NamespaceServiceImpl::new(repository.clone(), auth.clone());
    let keys = ApiKeyServiceImpl::new(repository.clone(), auth.clone());
    // Before a request is decoded, and only where keys are asked for: health is to be had of a server
    // that is busy, too.
    let admission = Admission::new(auth.clone(), &call_limits);
    let services = Routes::default()
        .add_service(health_service.max_decoding_message_size(MAX_OPEN_REQUEST_BYTES))
        .add_service(reflection().build_v1()?.max_decoding_message_size(MAX_OPEN_REQUEST_BYTES))
        // Older clients, and grpcurl before 1.9, know only this one.
        .add_service(
            reflection().build_v1alpha()?.max_decoding_message_size(MAX_OPEN_REQUEST_BYTES),
        )
        .add_service(
            admission.layer(
                InteractionServiceServer::new(interactions)
                    .max_decoding_message_size(MAX_REQUEST_BYTES)
                    .max_encoding_message_size(MAX_ANSWER_BYTES),
            ),
        )
        .add_service(
            admission.layer(
                NamespaceServiceServer::new(namespaces)
                    .max_decoding_message_size(MAX_ADMIN_REQUEST_BYTES)
                    .max_encoding_message_size(MAX_ANSWER_BYTES),
            ),
        )
        .add_service(
            admission.layer(
                ApiKeyServiceServer::new(keys)
                    .max_decoding_message_size(MAX_ADMIN_REQUEST_BYTES)
                    .max_encoding_message_size(MAX_ANSWER_BYTES),
            ),
        );
    let service = ServiceBuilder::new()
        // Outermost, so that the others see gRPC only.
        .option_layer(limits.http1.then(|| browsers::layers(&cors_origins)))
        .layer(MapResponseLayer::new(layers::any_body))
        // So far out that it sees what the others turn away.
        .layer(Observe::new())
        // Without it a panic resets the stream, which clients take for a cancellation of theirs.
        .layer(CatchPanicLayer::custom(layers::answer_panic))
        // Innermost: next to the code whose answers it mends.
        .layer(MapResponseLayer::new(transport_status::decode_errors))
        .service(services.prepare());
    let connections = accept::connections(listener, limits, tls.clone());
    // Those who ask for its health are told first.
    let stopping = CancellationToken::new();
    let announcing = tokio::spawn(announce(health, shutdown.clone(), stopping.clone()));
    let _announcing = AbortOnDropHandle::new(announcing);
    let serving = Speaker { service, life, shutdown: stopping }.serve(connections);
    tracing::info!(address = %local_addr, tls = tls.is_some(), "serving");
    let drained = CancellationToken::new();
    let uses = tokio::spawn(key_uses::write_down(auth, repository.clone(), drained.clone()));
    within(DRAIN_LIMIT, serving, shutdown.clone()).await;
    drained.cancel();
    if tokio::time::timeout(LAST_USES_LIMIT, uses).await.is_err() {
        tracing::warn!("the last uses of keys were not noted in time");
    }
    if tokio::time::timeout(CLOSE_LIMIT, maintenance).await.is_err() {
        tracing::warn!("maintenance did not end in time");
    }
    if tokio::time::timeout(CLOSE_LIMIT, repository.close()).await.is_err() {
        tracing::warn!("database connections were still in use");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Everything that a client needs to know of our messages, the details of errors included.
fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// Says that the server is about to stop, and then lets it.
async fn announce(health: HealthReporter, shutdown: CancellationToken, stop: CancellationToken) {
    shutdown.cancelled().await;
    set_health(&health, ServingStatus::NotServing).await;
    stop.cancel();
}

/// The health of each service by its name, and of the whole server by the empty one.
async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for service in [
        "",
        SERVICE_NAME,
        namespace_service_server::SERVICE_NAME,
        api_key_service_server::SERVICE_NAME,
    ] {
        health.set_service_status(service, status).await;
    }
}

/// Waits for `serving`, but after a shutdown only so long: by itself it would wait for ever for a
/// client that never leaves.
async fn within(limit: Duration, serving: impl Future<Output = ()>, shutdown: CancellationToken) {
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(limit).await;
    };
    tokio::select! {
        () = serving => {}
        () = too_late => tracing::warn!("some connections did not end in time"),
    }
}

#[cfg(test)]
mod tests;
