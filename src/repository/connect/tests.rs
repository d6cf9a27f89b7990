use super::*;
use crate::repository::planning::Planning;

async fn empty() -> (Repository, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings::sqlite_file(&directory.path().join("connect.sqlite3"));
    let repository = Repository::connect(&settings).await.unwrap();
    repository.migrate_up().await.unwrap();
    (repository, directory)
}

#[tokio::test]
async fn migrations_go_up_and_down_again() {
    let (repository, _directory) = empty().await;
    let steps = repository.migration_states().await.unwrap().len();
    repository.migrate_down(u32::try_from(steps).unwrap()).await.unwrap();
    assert!(repository.migration_states().await.unwrap().iter().all(|state| !state.applied));
    repository.migrate_up().await.unwrap();
    assert!(repository.migration_states().await.unwrap().iter().all(|state| state.applied));
}

#[tokio::test]
async fn sqlite_is_set_up_to_lose_nothing_and_readers_cannot_write() {
    use sea_orm::{ConnectionTrait as _, Statement};
    let (repository, _directory) = empty().await;
    for (connection, query_only) in [(&repository.writer, 0), (&repository.readers.pools()[0], 1)] {
        for (pragma, expected) in [
            ("synchronous", 2),
            ("foreign_keys", 1),
            ("busy_timeout", 5_000),
            ("wal_autocheckpoint", 32_768),
            ("trusted_schema", 0),
            ("query_only", query_only),
        ] {
            let sql = format!("PRAGMA {pragma}");
            let statement = Statement::from_string(sea_orm::DatabaseBackend::Sqlite, sql);
            let row = connection.query_one_raw(statement).await.unwrap().unwrap();
            assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), expected, "{pragma}");
        }
        let statement =
            Statement::from_string(sea_orm::DatabaseBackend::Sqlite, "PRAGMA journal_mode");
        let row = connection.query_one_raw(statement).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<String>(0).unwrap(), "wal");
    }
}

#[tokio::test]
async fn a_query_ends_when_its_caller_leaves_and_leaves_the_next_one_alone() {
    use std::time::{Duration, Instant};

    use sea_orm::{ConnectionTrait as _, Statement};
    let (repository, _directory) = empty().await;
    let statement = |limit: &str| {
        let sql = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n {limit}) \
             SELECT COUNT(*) FROM n"
        );
        Statement::from_string(sea_orm::DatabaseBackend::Sqlite, sql)
    };
    // As many as one may have, all of which would never end.
    let endless = (0..3).map(|_| {
        let query = async {
            let reader = repository.readers.soon(None, Planning::Anew).await.unwrap();
            reader.query_one_raw(statement("")).await
        };
        tokio::time::timeout(Duration::from_millis(100), repository.callers.answer(query))
    });
    assert!(futures::future::join_all(endless).await.iter().all(Result::is_err));
    let left = Instant::now();
    let short = (0..4).map(|_| async {
        let reader = repository.readers.soon(None, Planning::Anew).await.unwrap();
        let row = reader.query_one_raw(statement("LIMIT 100000")).await;
        row.unwrap().unwrap().try_get_by_index::<i64>(0).unwrap()
    });
    assert_eq!(futures::future::join_all(short).await, [100_000; 4]);
    assert!(left.elapsed() < Duration::from_secs(1), "{:?}", left.elapsed());
}
