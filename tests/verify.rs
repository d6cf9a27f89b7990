//! Damage to what is stored is found, and never served as if it were whole.

use std::fs;
use std::path::Path;

use interactions::domain::access::NamespaceId;
use interactions::grpc::proto;
use interactions::repository::{Repository, Settings};
use interactions::server::verify::verify;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _};
use tonic::Code;

use crate::support::database::{TestDatabase, databases, sqlite};
use crate::support::program::program;
use crate::support::service::TestService;
use crate::support::typed::proto_struct;

const ROWS: usize = 1_500;

fn interaction(number: usize) -> proto::Interaction {
    let metadata = json!({ "note": format!("Note {number:05} "), "text": "padding ".repeat(20) });
    proto::Interaction {
        interaction_id: format!("i{number:05}"),
        interaction_type: vec!["Click".to_owned(), "own_name".to_owned()],
        position: Some(3),
        document_score: Some(0.3),
        user_id: "u-1".to_owned(),
        metadata: Some(proto_struct(metadata.as_object().unwrap())),
        ..Default::default()
    }
}

async fn filled(database: &TestDatabase) -> (NamespaceId, TestService) {
    let service = TestService::new(&database.repository, "verified").await;
    service.record((0..ROWS).map(interaction).collect()).await;
    (service.namespace, service)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_whole_is_found_whole_and_a_changed_column_is_named() {
    for database in databases().await {
        let (namespace, _) = filled(&database).await;
        let other = TestService::new(&database.repository, "other").await;
        other
            .record(vec![
                interaction(7),
                proto::Interaction {
                    interaction_type: vec!["view".to_owned()],
                    ..Default::default()
                },
            ])
            .await;
        let whole = verify(&database.repository).await.unwrap();
        assert_eq!((whole.interactions, whole.damaged), (ROWS as u64 + 2, 0), "{}", database.name);
        for (id, change) in [
            ("i00003", "user_id = 'u-2'"),
            ("i01234", "timestamp_us = timestamp_us + 1"),
            ("i00400", "record = content_hash"),
        ] {
            let update = format!("UPDATE interactions SET {change} WHERE interaction_id = '{id}'");
            execute(&database, update).await;
        }
        let found = verify(&database.repository).await.unwrap();
        let named = ["i00003", "i00400", "i01234"].map(|id| (namespace, id.to_owned()));
        assert_eq!((found.damaged, found.named.as_slice()), (3, &named[..]), "{}", database.name);
        let out = program(&["verify"]).env("INTERACTIONS_DATABASE_URL", &database.url).output();
        let out = out.unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        assert_eq!(out.status.code(), Some(1), "{text}");
        assert!(text.contains(&format!("damaged  {namespace}  i01234")), "{text}");
        assert!(text.contains("1502 interactions read, 3 damaged"), "{text}");
        database.remove().await;
    }
}

async fn execute(database: &TestDatabase, statement: String) {
    if database.name == "postgres" {
        let mut connection = sqlx::PgConnection::connect(&database.url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    } else {
        let mut connection = sqlx::SqliteConnection::connect(&database.url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

fn file(database: &TestDatabase) -> &Path {
    Path::new(database.url.strip_prefix("sqlite://").unwrap())
}

/// What the program says when it is to serve the database, which it must not.
fn refused_start(database: &TestDatabase, flags: &[&str]) -> String {
    let serve = [&["serve", "--listen", "127.0.0.1:0"], flags].concat();
    let mut serve = program(&serve);
    let out = serve.env("INTERACTIONS_DATABASE_URL", &database.url).output().unwrap();
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    String::from_utf8(out.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_of_a_record_is_found_by_its_hash() {
    let database = sqlite().await;
    let (namespace, _) = filled(&database).await;
    database.repository.close().await;
    let mut bytes = fs::read(file(&database)).unwrap();
    let note = b"Note 00777 ";
    let places: Vec<_> =
        bytes.windows(note.len()).enumerate().filter(|(_, found)| found == note).collect();
    let places: Vec<_> = places.into_iter().map(|(place, _)| place).collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place] ^= 1;
    }
    fs::write(file(&database), bytes).unwrap();
    let repository = Repository::connect(&Settings::from_url(&database.url).unwrap()).await;
    let repository = repository.unwrap();
    // SQLite itself sees nothing.
    repository.check_pages().await.unwrap();
    let found = verify(&repository).await.unwrap();
    assert_eq!((found.damaged, found.named), (1, vec![(namespace, "i00777".to_owned())]));
    repository.close().await;
    let error = refused_start(&database, &["--verify"]);
    assert!(error.contains("1 of 1500 interactions are damaged"), "{error}");
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_page_is_data_loss_and_never_a_shorter_list() {
    let database = sqlite().await;
    let (_, service) = filled(&database).await;
    database.repository.close().await;
    let whole = fs::read(file(&database)).unwrap();
    let page = usize::from(u16::from_be_bytes([whole[16], whole[17]]));
    // The pages that hold records, which stand between others.
    let note = b"Note 00";
    let damaged: Vec<_> = whole
        .chunks(page)
        .enumerate()
        .filter(|(_, page)| page.windows(note.len()).any(|found| found == note))
        .map(|(number, _)| number)
        .collect();
    let middle = damaged[damaged.len() / 2];
    let mut bytes = whole.clone();
    bytes[middle * page..(middle + 1) * page].fill(0x5a);
    fs::write(file(&database), bytes).unwrap();

    let repository = Repository::connect(&Settings::from_url(&database.url).unwrap()).await;
    let repository = repository.unwrap();
    let again = service.reopened(&repository);
    let request = proto::ListInteractionsRequest { page_size: 100, ..Default::default() };
    let status = again.pages(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DataLoss, "{status}");
    assert!(!status.message().contains("malformed"), "{status}");
    assert!(verify(&repository).await.is_err());
    repository.close().await;
    let error = refused_start(&database, &[]);
    assert!(error.contains("restore a backup"), "{error}");
    database.remove().await;
}
