//! WriteInteractions, over a real socket.

use std::time::Duration;

use interactions::grpc::proto;
use interactions::grpc::proto::write_interactions_response::ItemResult;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};
use tonic_types::{Status as ItemStatus, StatusExt as _};

use super::{click, reason, services, violated};
use crate::support::server::{Client, SocketServer, write_all};

fn batch(name: &str, interactions: Vec<proto::Interaction>) -> proto::WriteInteractionsRequest {
    proto::WriteInteractionsRequest { request_id: name.to_owned(), interactions }
}

/// The status of an item as that of a call.
fn status(result: &ItemResult) -> tonic::Status {
    use prost::Message as _;
    let status: &ItemStatus = result.status.as_ref().expect("every item has a status");
    let details = status.encode_to_vec().into();
    tonic::Status::with_details(Code::from_i32(status.code), status.message.clone(), details)
}

fn codes(answer: &proto::WriteInteractionsResponse) -> Vec<(Code, bool)> {
    answer.results.iter().map(|result| (status(result).code(), result.deduplicated)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_batch_is_answered_in_order_and_every_item_on_its_own() {
    for (database, service) in services().await {
        let server = SocketServer::start(&database.url).await;
        let mut client = server.client(&service.secret).await;
        let bad = proto::Interaction {
            position: Some(-1),
            interaction_type: vec!["Two Words".to_owned()],
            ..click(2)
        };
        let unnamed = proto::Interaction { interaction_id: String::new(), ..click(9) };
        let nameless = proto::Interaction { interaction_id: String::new(), ..bad.clone() };
        let misnamed = proto::Interaction { interaction_id: "no id".repeat(9_999), ..click(9) };
        let moved = proto::Interaction { position: Some(77), ..click(1) };
        let requests = vec![
            batch("first", vec![click(1), bad, unnamed, click(3)]),
            batch("", vec![click(3), moved.clone(), click(4), click(4)]),
            batch("none", vec![]),
            batch("nameless", vec![nameless, misnamed]),
            batch("last", vec![moved]),
        ];
        let (answers, error) = write_all(&mut client, requests).await;
        assert!(error.is_none(), "{error:?}");
        let names: Vec<_> = answers.iter().map(|answer| answer.request_id.as_str()).collect();
        assert_eq!(names, ["first", "", "none", "nameless", "last"]);
        let (ok, again) = ((Code::Ok, false), (Code::Ok, true));
        let (wrong, taken) = ((Code::InvalidArgument, false), (Code::AlreadyExists, false));
        assert_eq!(codes(&answers[0]), [ok, wrong, ok, ok], "{}", database.name);
        assert_eq!(codes(&answers[1]), [again, taken, ok, again], "{}", database.name);
        assert_eq!(codes(&answers[2]), []);
        assert_eq!(codes(&answers[3]), [wrong, wrong]);
        assert!(answers[3].results.iter().all(|result| result.interaction_id.is_empty()));
        assert_eq!(codes(&answers[4]), [taken]);
        let refused = status(&answers[0].results[1]);
        assert_eq!(reason(&refused), "INVALID_REQUEST");
        assert_eq!(
            violated(&refused),
            ["interactions[1].interaction_type[0]", "interactions[1].position"]
        );
        assert_eq!(violated(&status(&answers[1].results[1])), ["interactions[1].interaction_id"]);
        assert_eq!(answers[0].results[1].interaction_id, "i00002");
        assert_eq!(answers[0].results[2].interaction_id.len(), 36);
        assert_eq!(service.count(proto::CountInteractionsRequest::default()).await, 4);
        server.stop().await;
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_batches_with_an_id_in_common_the_first_one_is_recorded() {
    for (database, service) in services().await {
        let server = SocketServer::start(&database.url).await;
        let mut client = server.client(&service.secret).await;
        let (ok, taken) = ((Code::Ok, false), (Code::AlreadyExists, false));
        let mut requests = Vec::new();
        for number in 0..60 {
            // In the middle of one, and at either end of the other.
            let id = 10 * number + 5;
            let moved = |position| proto::Interaction { position: Some(position), ..click(id) };
            requests.push(batch("", (10 * number..10 * number + 8).map(click).collect()));
            requests.push(batch("", vec![moved(77), click(10 * number + 8)]));
            requests.push(batch("", vec![click(10 * number + 9), moved(78)]));
        }
        let (answers, error) = write_all(&mut client, requests).await;
        assert!(error.is_none(), "{error:?}");
        for answers in answers.chunks(3) {
            assert_eq!(codes(&answers[0]), [ok; 8], "{}", database.name);
            assert_eq!(codes(&answers[1]), [taken, ok], "{}", database.name);
            assert_eq!(codes(&answers[2]), [ok, taken], "{}", database.name);
        }
        server.stop().await;
        database.remove().await;
    }
}

/// PostgreSQL writes one batch while another waits for somebody else; SQLite has one writer.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_written_beside_the_one_before_it_and_answered_after_it() {
    use sqlx::Connection as _;
    for (database, service) in services().await {
        if database.url.starts_with("sqlite") {
            database.remove().await;
            continue;
        }
        let server = SocketServer::start(&database.url).await;
        let mut client = server.client(&service.secret).await;
        service.record(vec![click(1)]).await;
        // Whoever inserts this id waits for what becomes of the transaction.
        let mut other = sqlx::PgConnection::connect(&database.url).await.unwrap();
        sqlx::query("BEGIN").execute(&mut other).await.unwrap();
        let rename = "UPDATE interactions SET interaction_id = $1 WHERE interaction_id = $2";
        let rename = sqlx::query(rename).bind(click(50).interaction_id);
        rename.bind(click(1).interaction_id).execute(&mut other).await.unwrap();
        let (sender, receiver) = mpsc::channel(1);
        let call = client.write_interactions(ReceiverStream::new(receiver)).await.unwrap();
        let mut answers = call.into_inner();
        sender.send(batch("waits", vec![click(50)])).await.unwrap();
        sender.send(batch("does not", vec![click(60)])).await.unwrap();
        let recorded = async {
            while service.count(proto::CountInteractionsRequest::default()).await < 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), recorded).await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(200), answers.message()).await;
        assert!(early.is_err(), "answered before the batch before it: {early:?}");
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        drop(sender);
        for name in ["waits", "does not"] {
            let answer = answers.message().await.unwrap().unwrap();
            assert_eq!(answer.request_id, name);
            assert_eq!(codes(&answer), [(Code::Ok, false)]);
        }
        assert!(answers.message().await.unwrap().is_none());
        other.close().await.unwrap();
        server.stop().await;
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_batch_ends_the_stream_after_the_answers_before_it() {
    for (database, service) in services().await {
        let server = SocketServer::start(&database.url).await;
        let mut client = server.client(&service.secret).await;
        let many = (0..1_001).map(click).collect();
        for (wrong, field) in [
            (batch("", many), "interactions"),
            (batch(&"x".repeat(257), vec![click(5)]), "request_id"),
        ] {
            let requests =
                vec![batch("good", vec![click(1)]), wrong, batch("late", vec![click(7)])];
            let (answers, error) = write_all(&mut client, requests).await;
            assert_eq!(answers.len(), 1);
            let error = error.unwrap();
            assert_eq!(error.code(), Code::InvalidArgument);
            assert_eq!(violated(&error), [field]);
        }
        let huge = proto::Interaction { user_id: "u".repeat(5 << 20), ..click(1) };
        let (answers, error) = write_all(&mut client, vec![batch("", vec![huge])]).await;
        let error = error.unwrap();
        assert!(answers.is_empty());
        assert_eq!(
            (error.code(), reason(&error).as_str()),
            (Code::ResourceExhausted, "MESSAGE_TOO_LARGE")
        );
        assert_eq!(service.count(proto::CountInteractionsRequest::default()).await, 1);
        server.stop().await;
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_refusals_fit_into_what_clients_take() {
    let (database, service) = services().await.remove(0);
    let server = SocketServer::start(&database.url).await;
    // With tonic's default, which is everybody's: 4 MiB.
    let mut client = server.client(&service.secret).await;
    let wrong = |number| proto::Interaction {
        interaction_type: vec!["?".repeat(150); 16],
        user_id: "\0".repeat(300),
        ..click(number)
    };
    let (answers, error) =
        write_all(&mut client, vec![batch("", (0..1_000).map(wrong).collect())]).await;
    assert!(error.is_none(), "{error:?}");
    assert!(answers[0].results.iter().all(|item| status(item).code() == Code::InvalidArgument));
    let details = status(&answers[0].results[999]).get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    assert!(violations.last().unwrap().description.contains("more violations"), "{violations:?}");
    server.stop().await;
    database.remove().await;
}

/// While the database is not writing, a stream takes a few batches and leaves the rest to its sender.
#[tokio::test(flavor = "multi_thread")]
async fn a_sender_is_slowed_down_to_the_pace_of_the_database() {
    const BATCHES: u32 = 40;
    for (database, service) in services().await {
        let server = SocketServer::start(&database.url).await;
        let mut client = server.client(&service.secret).await;
        let text = serde_json::json!({ "text": "word ".repeat(40_000) });
        let metadata = crate::support::typed::proto_struct(text.as_object().unwrap());
        let megabyte = move |number: u32| {
            let large = |item| proto::Interaction {
                metadata: Some(metadata.clone()),
                ..click(number * 5 + item)
            };
            batch("", (0..5).map(large).collect())
        };
        let (sender, receiver) = mpsc::channel(1);
        let mut answers =
            client.write_interactions(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        let lock = WriteLock::take(&database.url).await;
        let mut sent = 0;
        while sent < BATCHES {
            let send = sender.send(megabyte(sent));
            if tokio::time::timeout(Duration::from_millis(500), send).await.is_err() {
                break;
            }
            sent += 1;
        }
        // Three that are worked on, and what the windows of HTTP/2 and the client itself hold.
        assert!(sent <= 8, "{}: {sent} batches were taken", database.name);
        lock.release().await;
        let rest = tokio::spawn(async move {
            for number in sent..BATCHES {
                sender.send(megabyte(number)).await.unwrap();
            }
        });
        let mut recorded = 0;
        while let Some(answer) = answers.message().await.unwrap() {
            recorded +=
                answer.results.iter().filter(|item| status(item).code() == Code::Ok).count();
        }
        rest.await.unwrap();
        // One may have been cut off and sent again by `sent`, not counted: each id counts once.
        let stored = service.count(proto::CountInteractionsRequest::default()).await;
        assert_eq!(stored, i64::from(BATCHES) * 5, "{}: {recorded} recorded", database.name);
        server.stop().await;
        database.remove().await;
    }
}

/// Keeps everybody else from writing.
enum WriteLock {
    Sqlite(sqlx::SqliteConnection),
    Postgres(sqlx::PgConnection),
}

impl WriteLock {
    async fn take(url: &str) -> Self {
        use sqlx::Connection as _;
        if url.starts_with("sqlite") {
            let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
            sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
            return Self::Sqlite(connection);
        }
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        sqlx::query("BEGIN").execute(&mut connection).await.unwrap();
        let lock = "LOCK TABLE interactions IN EXCLUSIVE MODE";
        sqlx::query(lock).execute(&mut connection).await.unwrap();
        Self::Postgres(connection)
    }

    async fn release(self) {
        use sqlx::Connection as _;
        match self {
            Self::Sqlite(mut connection) => {
                sqlx::query("ROLLBACK").execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            Self::Postgres(mut connection) => {
                sqlx::query("ROLLBACK").execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }
}

/// A stream on which one batch has been answered.
async fn answered_once(
    client: &mut Client,
) -> (mpsc::Sender<proto::WriteInteractionsRequest>, Streaming<proto::WriteInteractionsResponse>) {
    let (sender, receiver) = mpsc::channel(1);
    let call = client.write_interactions(ReceiverStream::new(receiver)).await.unwrap();
    let mut answers = call.into_inner();
    sender.send(batch("", vec![click(1)])).await.unwrap();
    assert!(answers.message().await.unwrap().is_some());
    (sender, answers)
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_checked_with_every_batch() {
    for (database, service) in services().await {
        let server = SocketServer::start(&database.url).await;
        let mut client = server.client(&service.secret).await;
        let (sender, mut answers) = answered_once(&mut client).await;
        let keys = database.repository.keys().await.unwrap();
        let revoked = database.repository.revoke_key(keys[0].organisation_id, &keys[0].key_id);
        assert!(revoked.await.unwrap().is_some());
        // The server remembers a key for ten seconds.
        tokio::time::sleep(Duration::from_secs(11)).await;
        sender.send(batch("", vec![click(2)])).await.unwrap();
        assert_eq!(answers.message().await.unwrap_err().code(), Code::Unauthenticated);
        server.stop().await;
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_answers_what_it_took_and_says_so() {
    for (database, service) in services().await {
        let server = SocketServer::start(&database.url).await;
        let mut client = server.client(&service.secret).await;
        let (sender, mut answers) = answered_once(&mut client).await;
        let stopping = tokio::spawn(server.stop());
        let status = answers.message().await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "STOPPING"));
        drop((sender, answers, client));
        stopping.await.unwrap();
        database.remove().await;
    }
}
