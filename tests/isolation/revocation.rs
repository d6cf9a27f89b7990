//! A key that is revoked opens nothing any more: at once on the server that revokes it, and within
//! ten seconds on any other. Neither do keys that somebody made up, however many.

use std::time::Duration;

use interactions::domain::access::KeySecret;
use interactions::grpc::proto;
use tonic::{Code, Status};

use crate::support::admin::AdminApi;
use crate::support::database::{TestDatabase, databases};

/// How long another server may take a revoked key for valid.
const REMEMBERED: Duration = Duration::from_secs(10);

fn words(status: &Status) -> (Code, String, Vec<u8>) {
    (status.code(), status.message().to_owned(), status.details().to_vec())
}

async fn revoke_and_try(database: TestDatabase) {
    let name = database.name;
    let (first, second) =
        (AdminApi::new(&database.repository), AdminApi::new(&database.repository));
    let admin = first.admin(&[]).await;
    admin.namespace("demo").await;
    let create = proto::CreateApiKeyRequest {
        name: "reader".to_owned(),
        scopes: vec![proto::api_key::Scope::Read.into()],
        ..Default::default()
    };
    let created = admin.create_api_key(create).await.unwrap();
    for api in [&first, &second] {
        let count = api.with(&created.secret).count(Some("demo")).await;
        assert_eq!(count.unwrap(), 0, "{name}");
    }
    admin.revoke(&created.api_key.unwrap().key_id).await.unwrap();
    let revoked = first.with(&created.secret).count(Some("demo")).await.unwrap_err();
    assert_eq!(revoked.code(), Code::Unauthenticated, "{name}");
    // Every call from then on: nothing hangs on how long one takes.
    tokio::time::sleep(REMEMBERED).await;
    let unknown = KeySecret::from_entropy(&[9; 64]);
    for api in [&first, &second] {
        for namespace in [Some("demo"), Some("nowhere"), None] {
            for secret in [created.secret.as_str(), unknown.expose(), "sk_live_nothing", ""] {
                let status = api.with(secret).count(namespace).await.unwrap_err();
                assert_eq!(words(&status), words(&revoked), "{name}: {namespace:?}");
            }
        }
    }
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_by_every_server() {
    let tries =
        databases().await.into_iter().map(|database| tokio::spawn(revoke_and_try(database)));
    for tried in tries.collect::<Vec<_>>() {
        tried.await.unwrap();
    }
}

/// Guesses are told by their checksum, and whoever insists on an unknown key is remembered.
#[tokio::test(flavor = "multi_thread")]
async fn guessed_keys_do_not_reach_the_database() {
    for database in databases().await {
        let (name, api) = (database.name, AdminApi::new(&database.repository));
        let code = async |secret: &str| {
            api.with(secret).count(Some("demo")).await.map_err(|status| status.code())
        };
        let unknown = |number: u8| KeySecret::from_entropy(&[number; 64]).expose().to_owned();
        let seen = unknown(1);
        assert_eq!(code(&seen).await, Err(Code::Unauthenticated), "{name}");
        database.repository.close().await;
        for number in 0..10_000 {
            let guess = seen.replace(&seen[40..46], &format!("{number:06}"));
            assert_eq!(code(&guess).await, Err(Code::Unauthenticated), "{name}: {guess}");
        }
        assert_eq!(code(&seen).await, Err(Code::Unauthenticated), "{name}");
        // One that could be a key is looked for.
        assert_eq!(code(&unknown(2)).await, Err(Code::Unavailable), "{name}");
        database.remove().await;
    }
}
