//! Retention and deleted namespaces: hidden at once, removed in the background.

use std::time::Duration;

use interactions::domain::access::NamespaceId;
use interactions::domain::time::{self, Micros};
use interactions::grpc::interaction_service::record_all;
use interactions::grpc::proto;
use interactions::grpc::proto::interaction_service_server::InteractionService as _;
use interactions::repository::{DEFAULT_ORGANISATION, Lease};
use interactions::server::maintenance;
use sea_orm::{ConnectionTrait as _, Database, Statement};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::{click, services};
use crate::support::database::TestDatabase;
use crate::support::messages::timestamp;
use crate::support::service::TestService;
use crate::support::typed::proto_struct;

const HOUR: Micros = 3_600_000_000;
/// How long the service remembers a namespace.
const REMEMBERED: Duration = Duration::from_millis(1_100);

/// An interaction that happened so many hours ago.
fn aged(number: u32, hours: i64) -> proto::Interaction {
    let metadata = serde_json::json!({ "word": "red" });
    proto::Interaction {
        timestamp: Some(timestamp(time::now() - hours * HOUR)),
        metadata: Some(proto_struct(metadata.as_object().unwrap())),
        ..click(number)
    }
}

fn lease(holder: &str) -> Lease {
    Lease { name: "maintenance", holder: holder.to_owned() }
}

async fn sweep(database: &TestDatabase) -> u64 {
    let shutdown = CancellationToken::new();
    maintenance::sweep(&database.repository, &lease("test"), &shutdown).await.unwrap()
}

/// One number that the database answers.
async fn ask(database: &TestDatabase, question: &str) -> i64 {
    let connection = Database::connect(&database.url).await.unwrap();
    let statement = Statement::from_string(connection.get_database_backend(), question);
    let row = connection.query_one_raw(statement).await.unwrap().unwrap();
    let answer = row.try_get_by_index(0).unwrap();
    connection.close().await.unwrap();
    answer
}

/// How many rows a namespace has, hidden or not.
async fn stored(database: &TestDatabase, namespace: NamespaceId) -> i64 {
    let NamespaceId(id) = namespace;
    let question = format!("SELECT count(*) FROM interactions WHERE namespace_id = {id}");
    ask(database, &question).await
}

async fn counted(service: &TestService) -> [i64; 2] {
    let none = proto::CountInteractionsRequest::default;
    let search = proto::CountInteractionsRequest { search: "red".to_owned(), ..none() };
    [service.count(none()).await, service.count(search).await]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_the_retention_is_hidden_at_once_and_removed_later() {
    for (database, service) in services().await {
        let repository = &database.repository;
        let other = TestService::new(repository, "other").await;
        other.record((0..5).map(|n| aged(n, 1_000)).collect()).await;
        service.record((0..1_300).map(|n| aged(n, i64::from(n))).collect()).await;
        let retain = |retention| {
            repository.set_retention(DEFAULT_ORGANISATION, service.namespace, retention)
        };
        // Half an hour beyond, so that the clock of the test does not matter.
        retain(Some(100 * HOUR - HOUR / 2)).await.unwrap().unwrap();
        tokio::time::sleep(REMEMBERED).await;
        assert_eq!(counted(&service).await, [100, 100], "{}", database.name);
        assert_eq!(stored(&database, service.namespace).await, 1_300);
        let list = proto::ListInteractionsRequest { include_total: true, ..Default::default() };
        assert_eq!(service.first_page(list.clone()).await.unwrap().total_size, Some(100));
        assert_eq!(service.ids(list.clone()).await.len(), 100);
        let sort = proto::Sort { field: "position".to_owned(), direction: 1 };
        let sorted = proto::ListInteractionsRequest { sort: vec![sort], page_size: 7, ..list };
        assert_eq!(service.ids_by_token(sorted).await.len(), 100);
        let get = |id: &str| {
            let request = proto::GetInteractionRequest { interaction_id: id.to_owned() };
            service.service.get_interaction(service.request(request))
        };
        assert!(get("i00099").await.is_ok());
        assert_eq!(get("i00100").await.unwrap_err().code(), Code::NotFound);
        // The id of a hidden one is taken still.
        let again = proto::BatchCreateInteractionsRequest {
            interactions: vec![proto::Interaction { timestamp: None, ..aged(100, 0) }],
            validate_only: false,
        };
        let again = service.service.batch_create_interactions(service.request(again)).await;
        assert!(again.unwrap().into_inner().results[0].deduplicated);

        // Nothing is lost while it is not removed.
        retain(None).await.unwrap().unwrap();
        tokio::time::sleep(REMEMBERED).await;
        assert_eq!(counted(&service).await, [1_300, 1_300], "{}", database.name);

        retain(Some(100 * HOUR - HOUR / 2)).await.unwrap().unwrap();
        assert_eq!(sweep(&database).await, 1_200, "{}", database.name);
        assert_eq!(sweep(&database).await, 0);
        assert_eq!(stored(&database, service.namespace).await, 100);
        tokio::time::sleep(REMEMBERED).await;
        assert_eq!(counted(&service).await, [100, 100]);
        assert_eq!(counted(&other).await, [5, 5]);
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_takes_what_retention_has_hidden_as_well() {
    for (database, service) in services().await {
        service.record((0..10).map(|n| aged(n, i64::from(n))).collect()).await;
        let day = Some(5 * HOUR - HOUR / 2);
        let repository = &database.repository;
        repository.set_retention(DEFAULT_ORGANISATION, service.namespace, day).await.unwrap();
        tokio::time::sleep(REMEMBERED).await;
        assert_eq!(counted(&service).await, [5, 5]);
        let all = proto::PurgeInteractionsRequest { all: true, force: true, ..Default::default() };
        let request = service.request(all);
        let messages = service.service.purge_interactions(request).await.unwrap().into_inner();
        let messages: Vec<_> = futures::StreamExt::collect(messages).await;
        let last: proto::PurgeInteractionsResponse = messages.into_iter().last().unwrap().unwrap();
        assert_eq!((last.purge_count, last.total_count), (10, 10), "{}", database.name);
        assert_eq!(stored(&database, service.namespace).await, 0);
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_namespace_is_emptied_and_watched_and_then_forgotten() {
    for (database, service) in services().await {
        let repository = &database.repository;
        let other = TestService::new(repository, "other").await;
        other.record((0..3).map(|n| aged(n, 1)).collect()).await;
        service.record((0..700).map(|n| aged(n, 1)).collect()).await;
        let remove =
            |force| repository.remove_namespace(DEFAULT_ORGANISATION, service.namespace, force);
        assert!(remove(false).await.is_err());
        remove(true).await.unwrap();
        assert_eq!(stored(&database, service.namespace).await, 700);
        // Whoever was let in just before records a little more.
        record_all(repository, service.namespace, vec![aged(900, 1)]).await.unwrap();
        assert_eq!(sweep(&database).await, 701, "{}", database.name);
        assert_eq!(stored(&database, service.namespace).await, 0);
        let watched = "SELECT count(*) FROM removed_namespaces";
        assert_eq!(ask(&database, watched).await, 1);
        // The name is free, and what it names is another namespace.
        let again = TestService::new(repository, "api").await;
        assert_eq!(counted(&again).await, [0, 0]);
        assert_eq!(counted(&other).await, [3, 3]);

        let connection = Database::connect(&database.url).await.unwrap();
        let long_ago = "UPDATE removed_namespaces SET removed_at_us = removed_at_us - 3600000000";
        connection.execute_unprepared(long_ago).await.unwrap();
        connection.close().await.unwrap();
        assert_eq!(sweep(&database).await, 0);
        assert_eq!(ask(&database, watched).await, 0, "{}", database.name);
        database.remove().await;
    }
}

/// A list that is under way ends, also where another namespace has the name by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_a_deleted_namespace_ends() {
    for (database, service) in services().await {
        let repository = &database.repository;
        service.record((0..10).map(|n| aged(n, 1)).collect()).await;
        let list = proto::ListInteractionsRequest { page_size: 1, ..Default::default() };
        let mut request = service.request(list);
        request.metadata_mut().insert("x-namespace", "api".parse().unwrap());
        let stream = service.service.list_interactions(request).await.unwrap();
        let mut stream = stream.into_inner();
        assert!(futures::StreamExt::next(&mut stream).await.unwrap().is_ok());
        repository.remove_namespace(DEFAULT_ORGANISATION, service.namespace, true).await.unwrap();
        repository.create_namespace("api").await.unwrap();
        tokio::time::sleep(REMEMBERED).await;
        let rest: Vec<_> = futures::StreamExt::collect(stream).await;
        let (last, pages) = rest.split_last().unwrap();
        assert_eq!(last.as_ref().unwrap_err().code(), Code::PermissionDenied, "{}", database.name);
        // Those that were read ahead.
        assert!(pages.len() <= 2 && pages.iter().all(Result::is_ok), "{}", pages.len());
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_at_a_time_does_the_work() {
    for (database, service) in services().await {
        let repository = &database.repository;
        repository
            .set_retention(DEFAULT_ORGANISATION, service.namespace, Some(HOUR))
            .await
            .unwrap();
        service.record((0..10).map(|n| aged(n, 2)).collect()).await;
        let (ours, theirs) = (lease("ours"), lease("theirs"));
        assert!(repository.take_lease(&theirs, 2_000_000).await.unwrap());
        assert!(!repository.take_lease(&ours, 60_000_000).await.unwrap(), "{}", database.name);
        assert_eq!(sweep(&database).await, 0, "{}", database.name);
        // One that is gone loses it when its time is up.
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        assert!(repository.take_lease(&ours, 60_000_000).await.unwrap());
        assert!(repository.take_lease(&ours, 60_000_000).await.unwrap());
        assert!(!repository.take_lease(&theirs, 60_000_000).await.unwrap());
        repository.give_lease_back(&theirs).await.unwrap();
        assert_eq!(sweep(&database).await, 0);
        repository.give_lease_back(&ours).await.unwrap();
        assert_eq!(sweep(&database).await, 10, "{}", database.name);
        database.remove().await;
    }
}
