//! A backup that is made while clients record has all that was acknowledged before it began, and works
//! like the database that it was made of.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use interactions::grpc::proto;
use interactions::repository::{Repository, Settings};
use interactions::server::verify::verify;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::support::cluster::binary;
use crate::support::database::{TestDatabase, databases, postgres};
use crate::support::ingest::numbered;
use crate::support::service::{TestService, interactions};

/// Interactions that are recorded together.
const BATCH: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_has_what_was_acknowledged_before_it() {
    for database in databases().await {
        let service = TestService::new(&database.repository, "backed-up").await;
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let recording = tokio::spawn({
            let (service, acknowledged) = (service.clone(), acknowledged.clone());
            async move {
                for first in (0..).step_by(BATCH) {
                    service.record(numbered(first..first + BATCH)).await;
                    acknowledged.store(first + BATCH, Ordering::SeqCst);
                }
            }
        });
        while acknowledged.load(Ordering::SeqCst) < 10 * BATCH {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let before = acknowledged.load(Ordering::SeqCst);
        let backup = Backup::of(&database).await;
        assert!(acknowledged.load(Ordering::SeqCst) > before, "recording went on meanwhile");
        recording.abort();

        let restored =
            Repository::connect(&Settings::from_url(&backup.url).unwrap()).await.unwrap();
        assert!(restored.migration_states().await.unwrap().iter().all(|state| state.applied));
        let found = verify(&restored).await.unwrap();
        assert_eq!(found.damaged, 0, "{}: {found:?}", database.name);
        let copy = service.reopened(&restored);
        // By an index of words, which a backup has to bring along.
        let list = proto::ListInteractionsRequest {
            search: "shoe".to_owned(),
            page_size: 1_000,
            ..Default::default()
        };
        let pages = copy.pages(list).await.unwrap();
        let ids: BTreeSet<_> =
            pages.iter().flat_map(interactions).map(|found| found.interaction_id).collect();
        for interaction in numbered(0..before) {
            let id = interaction.interaction_id;
            assert!(ids.contains(&id), "{}: {id} of {before} is missing", database.name);
        }
        // What came after the backup can be recorded again, and what is there changes nothing.
        copy.record(numbered(0..before + BATCH)).await;
        restored.close().await;
        backup.remove().await;
        database.remove().await;
    }
}

/// A copy of a database, restored.
struct Backup {
    url: String,
    postgres: Option<TestDatabase>,
}

impl Backup {
    async fn of(database: &TestDatabase) -> Self {
        let Some(file) = database.url.strip_prefix("sqlite://") else {
            return Self::of_postgres(database).await;
        };
        let mut connection = sqlx::SqliteConnection::connect(&database.url).await.unwrap();
        // <https://www.sqlite.org/lang_vacuum.html#vacuuminto>
        let vacuum = AssertSqlSafe(format!("VACUUM INTO '{file}.backup'"));
        sqlx::raw_sql(vacuum).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        Self { url: format!("sqlite://{file}.backup"), postgres: None }
    }

    async fn of_postgres(database: &TestDatabase) -> Self {
        let target = postgres_without_tables().await;
        let (source, url) = (database.url.clone(), target.url.clone());
        let restore = move || {
            let mut dump = Command::new(binary("pg_dump"));
            let mut dump = dump.arg(source).stdout(Stdio::piped()).spawn().unwrap();
            let restored = Command::new(binary("psql"))
                .args(["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", &url])
                .stdin(dump.stdout.take().unwrap())
                .stdout(Stdio::null())
                .status();
            assert!(restored.unwrap().success() && dump.wait().unwrap().success());
        };
        tokio::task::spawn_blocking(restore).await.unwrap();
        Self { url: target.url.clone(), postgres: Some(target) }
    }

    async fn remove(self) {
        if let Some(database) = self.postgres {
            database.remove().await;
        }
    }
}

/// A database to restore into.
async fn postgres_without_tables() -> TestDatabase {
    let database = postgres().await;
    let steps = database.repository.migration_states().await.unwrap().len();
    database.repository.migrate_down(u32::try_from(steps).unwrap()).await.unwrap();
    let mut connection = sqlx::PgConnection::connect(&database.url).await.unwrap();
    let drop = AssertSqlSafe("DROP TABLE seaql_migrations".to_owned());
    sqlx::raw_sql(drop).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    database
}
