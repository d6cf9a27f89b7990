//! Databases to test on. Every suite runs on all of them; one that is missing is a failure, never a
//! test passed over.

use interactions::repository::{Repository, Settings};
use sqlx::Connection as _;

/// The variable that names a PostgreSQL server on which tests may create databases.
const POSTGRES_URL: &str = "INTERACTIONS_TEST_POSTGRES_URL";

/// A migrated database of one test's own.
pub struct TestDatabase {
    pub name: &'static str,
    pub url: String,
    pub repository: Repository,
    directory: Option<tempfile::TempDir>,
    postgres: Option<(String, String)>,
}

/// An empty database of every kind.
pub async fn databases() -> Vec<TestDatabase> {
    vec![sqlite().await, postgres().await]
}

/// An empty SQLite database.
pub async fn sqlite() -> TestDatabase {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("test.sqlite3").display());
    TestDatabase::open("sqlite", url, Some(directory), None).await
}

/// An empty PostgreSQL database.
pub async fn postgres() -> TestDatabase {
    let server = std::env::var(POSTGRES_URL)
        .unwrap_or_else(|_| panic!("{POSTGRES_URL} names no server; ./scripts/test starts one"));
    let database = format!("test_{}", uuid::Uuid::now_v7().simple());
    let (base, _) = server.rsplit_once('/').unwrap();
    let url = format!("{base}/{database}");
    execute(&server, format!("CREATE DATABASE {database}")).await;
    TestDatabase::open("postgres", url, None, Some((server, database))).await
}

impl TestDatabase {
    async fn open(
        name: &'static str,
        url: String,
        directory: Option<tempfile::TempDir>,
        postgres: Option<(String, String)>,
    ) -> Self {
        let repository = Repository::connect(&Settings::from_url(&url).unwrap()).await.unwrap();
        repository.migrate_up().await.unwrap();
        Self { name, url, repository, directory, postgres }
    }

    /// How many queries PostgreSQL runs on this database beside this one, and transactions that wait
    /// for a next one. SQLite does not tell.
    pub async fn under_way(&self) -> i64 {
        if self.postgres.is_none() {
            return 0;
        }
        let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
        let query = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                     AND state <> 'idle' AND pid <> pg_backend_pid()";
        let count = sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        count
    }

    /// Closes the database and removes it.
    pub async fn remove(self) {
        self.repository.close().await;
        if let Some((server, database)) = self.postgres {
            execute(&server, format!("DROP DATABASE {database} WITH (FORCE)")).await;
        }
        drop(self.directory);
    }
}

/// Runs one statement that this file wrote itself.
async fn execute(url: &str, statement: String) {
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    let statement = sqlx::AssertSqlSafe(statement);
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
