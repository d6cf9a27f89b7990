//! Whatever is written into the strings of a request, a database takes it for what it is: the text of
//! statements does not depend on it, and no statement fails or does anything else.

use futures::StreamExt as _;
use interactions::domain::access::{NamespaceId, Scope};
use interactions::domain::filter::Filter;
use interactions::domain::filter_json;
use interactions::domain::query::{Query, Selection, Window};
use interactions::domain::search::Search;
use interactions::domain::sort::{Direction, KeyValue, Position, Sort, WrittenKey};
use interactions::domain::text::split_words;
use interactions::domain::violation::Violations;
use interactions::grpc::proto;
use interactions::grpc::proto::interaction_service_server::InteractionService as _;
use interactions::repository::{Repository, Way};
use serde_json::{Value, json};
use tonic::{Code, Request, Status};

use crate::support::admin::AdminApi;
use crate::support::database::databases;
use crate::support::dice::Dice;
use crate::support::service::TestService;
use crate::support::typed::proto_struct;

/// What may end a string or an identifier: quotes, escapes, and characters that look like them.
#[rustfmt::skip]
const BREAKS: &[&str] = &[
    "", "'", "\"", "`", "''", "\\'", "\\\"", "’", "＇", "ʼ", "\u{301}'", "$$", "$a$", "]", ")", "')", "\")",
    "'))", "\\", "%", "\n'", "\u{202e}'",
];

/// What may follow: logic, further statements, and the languages inside of SQL's strings.
#[rustfmt::skip]
const BODIES: &[&str] = &[
    " OR 1=1", " OR 'a'='a", " AND 1=0", "; DROP TABLE interactions", "; DELETE FROM interactions",
    "; UPDATE api_keys SET revoked_at_us = 1", "; INSERT INTO namespaces VALUES (1, 1, 'x', 1, NULL)",
    " UNION SELECT record FROM interactions WHERE 1=1", " UNION ALL SELECT NULL, NULL, NULL",
    "||(SELECT hex(secret_hash) FROM api_keys)||", "; COMMIT", "; SELECT pg_sleep(30)",
    "; ATTACH DATABASE 'x' AS x", "; PRAGMA writable_schema = 1", "; COPY api_keys TO '/tmp/x'",
    "; SET search_path = x", "::int", " COLLATE NOCASE", " IS NULL", " LIKE '%'", " ESCAPE '", "%", "_",
    "$.a", "$[*]", "$[#-1]", "$.\"a\"", "$.*", "@.a", "? (@ > 1)", "{a,b}", "{}", "[0]", "#>>", "->>'a'",
    "a NEAR b", "NEAR(a b, 2)", "a* AND b", "words: a", "{words facts}: a", "^a", "a + b", "NOT a",
    "a & !b | c", "a <-> b", "a:*", "a:A", "!!a", "<1>", "(?i)a", "[[:alpha:]]", "***=a", "\\m", "?", "$1",
    ":1", "@p", "?1", "%s", "%27", "&#39;", "\\x27", "\\u0027", "\\u0000", "${7*7}", "{{7*7}}", "\r\n", "\t",
    "a.b", "..", "\"a\".\"b\"", "ns_0000000000000001", "true", "NaN", "1e999", "-1", "0x27",
];

/// What may hide the rest.
const ENDS: &[&str] = &["", "--", "-- ", "#", "/*", "*/", ";", "/**/", ";--", "\\"];

/// Payloads that are sent to a database.
const SENT: usize = 120;

fn payloads() -> Vec<String> {
    let mut payloads = Vec::new();
    for (place, body) in BODIES.iter().enumerate() {
        for start in BREAKS {
            // Each body meets each break, and over those each end.
            let end = ENDS[(place + payloads.len()) % ENDS.len()];
            payloads.push(format!("{start}{body}{end}"));
        }
    }
    payloads
}

/// A path below metadata with `text` as one segment.
fn quoted(text: &str) -> String {
    format!("metadata.\"{}\"", text.replace('"', "\"\""))
}

/// A filter with `text` wherever a value or a quoted segment can stand.
fn everywhere(text: &str) -> Value {
    let path = quoted(text);
    let pattern = regex::escape(text);
    json!({
        "user_id": text,
        "session_id": [text, "b"],
        "AND": [
            {path.clone(): text}, {path.clone(): [text, 5, true, null]}, {path.clone(): {"ne": text}},
            {path.clone(): {"gt": text, "lte": text}}, {path.clone(): {"exists": false}},
            {path.clone(): {"contains": text, "starts_with": text, "ends_with": text, "text": text}},
            {path.clone(): {"regex": pattern}}, {path.clone(): {"is_null": true}},
            {format!("{path}.0"): {"contains": text}, "case_sensitive": true},
            {"feature_id": {"contains": text}}, {"feature_uri": {"starts_with": text}},
            {"execution_id": {"regex": pattern}}, {"retriever_id": {"gt": text}},
            {"NOT": {"query_snapshot.a": text, "search_request.queries.value": {"nin": [text]}}},
        ],
    })
}

/// A request for `text` in every way.
fn query(text: &str) -> Query {
    let mut violations = Violations::default();
    let filters = everywhere(text);
    let filter = filter_json::parse(filters.as_object().unwrap(), "filters", &mut violations);
    assert!(violations.is_empty(), "{text:?}: {violations:?}");
    let keys = [quoted(text), "user_id".to_owned()];
    let keys = keys.map(|field| WrittenKey { field, direction: Direction::Ascending });
    Query {
        selection: Selection { filter, ..searched(None) },
        sort: Sort::build(keys.to_vec(), "sort").unwrap(),
    }
}

fn searched(search: Option<Search>) -> Selection {
    let (namespace, window) = (NamespaceId(42), Window::default());
    Selection { namespace, window, filter: Filter::EVERYTHING, search }
}

/// The text of every statement that pages, counts and removals of `query` take, whichever way they
/// find their rows.
async fn statements(repository: &Repository, query: &Query, text: &str) -> Vec<String> {
    let text = || KeyValue::Text(text.to_owned());
    let middle = Position(vec![text(), text(), KeyValue::Integer(5), text()]);
    // Nothing is stored: what an index can name is rare.
    let rare = repository.way(&query.selection, &query.sort, 101).await.unwrap();
    let mut statements = Vec::new();
    for way in [&rare, &Way::Walk, &Way::Free] {
        statements.extend(repository.page_statements(query, way, &None, 101));
        statements.extend(repository.page_statements(query, way, &Some(middle.clone()), 101));
        statements.push(repository.count_statement(&query.selection, way));
        statements.push(repository.removal_statement(&query.selection, way, None, 500));
    }
    statements.iter().map(|statement| repository.render(statement).sql).collect()
}

/// `search` with other words in the places of its own.
fn harmless(search: &str) -> String {
    let mut harmless = search.to_owned();
    let mut words: Vec<_> = split_words(search).filter(|word| *word != "OR").collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    for word in words {
        harmless = harmless.replace(word, &"w".repeat(word.len()));
    }
    harmless
}

#[tokio::test(flavor = "multi_thread")]
async fn one_shape_of_a_request_is_one_text() {
    // Each third: over all bodies each break comes as often.
    let payloads: Vec<_> = payloads().into_iter().step_by(3).collect();
    assert!(payloads.len() > 500);
    for database in databases().await {
        let repository = &database.repository;
        let expected = statements(repository, &query("plain"), "plain").await;
        let mut searches = 0;
        for payload in &payloads {
            let found = statements(repository, &query(payload), payload).await;
            assert_eq!(found, expected, "{}: {payload:?}", database.name);
            let searches_for = [payload.as_str(), &harmless(payload)].map(Search::parse);
            if let [Ok(Some(search)), Ok(Some(harmless))] = searches_for {
                searches += 1;
                let text = async |search| {
                    let selection = searched(Some(search));
                    let way = repository.way_to_all(&selection).await.unwrap();
                    repository.render(&repository.count_statement(&selection, &way)).sql
                };
                let (found, expected) = (text(search).await, text(harmless).await);
                assert_eq!(found, expected, "{}: {payload:?} as a search", database.name);
            }
        }
        assert!(searches > payloads.len() / 3, "{searches} searches");
        database.remove().await;
    }
}

/// The codes that a caller may get for what he wrote.
#[track_caller]
fn assert_understood<T>(what: &str, payload: &str, answer: Result<T, Status>) {
    let Err(status) = answer else { return };
    let fine = [Code::InvalidArgument, Code::NotFound, Code::PermissionDenied];
    assert!(fine.contains(&status.code()), "{what}: {payload:?}: {status:?}");
}

/// An interaction with `text` in all its strings but id and type.
fn interaction(number: usize, text: &str) -> proto::Interaction {
    let document = json!({text: text, "list": [text, {text: [text]}]});
    let document = Some(proto_struct(document.as_object().unwrap()));
    proto::Interaction {
        interaction_id: format!("p{number}"),
        interaction_type: vec!["click".to_owned()],
        user_id: text.to_owned(),
        session_id: text.to_owned(),
        feature_id: text.to_owned(),
        execution_id: text.to_owned(),
        retriever_id: text.to_owned(),
        feature_uri: text.to_owned(),
        metadata: document.clone(),
        query_snapshot: document,
        ..Default::default()
    }
}

/// The requests that take `text` where it can only be refused, mostly.
fn elsewhere(text: &str) -> Vec<(&'static str, proto::ListInteractionsRequest)> {
    let list = proto::ListInteractionsRequest::default;
    let filters = |json: Value| Some(proto_struct(json.as_object().unwrap()));
    let sort = |field| vec![proto::Sort { field, direction: 1 }];
    let text = || text.to_owned();
    vec![
        (
            "field",
            proto::ListInteractionsRequest { filters: filters(json!({text(): 1})), ..list() },
        ),
        (
            "segment",
            proto::ListInteractionsRequest {
                filters: filters(json!({format!("metadata.{}", text()): 1})),
                ..list()
            },
        ),
        (
            "operator",
            proto::ListInteractionsRequest {
                filters: filters(json!({"field": "metadata.a", "operator": text(), "value": 1})),
                ..list()
            },
        ),
        (
            "pattern",
            proto::ListInteractionsRequest {
                filters: filters(
                    json!({"metadata.a": {"regex": text()}, "user_id": {"regex": text()}}),
                ),
                ..list()
            },
        ),
        (
            "words",
            proto::ListInteractionsRequest {
                filters: filters(json!({"metadata.list": {"words": text(), "phrase": text()}})),
                ..list()
            },
        ),
        (
            "time",
            proto::ListInteractionsRequest {
                filters: filters(json!({"timestamp": {"gt": text()}})),
                ..list()
            },
        ),
        ("sort", proto::ListInteractionsRequest { sort: sort(text()), ..list() }),
        (
            "sorted segment",
            proto::ListInteractionsRequest { sort: sort(format!("metadata.{}", text())), ..list() },
        ),
        ("select", proto::ListInteractionsRequest { select: vec![text()], ..list() }),
        (
            "selected segment",
            proto::ListInteractionsRequest { select: vec![quoted(&text())], ..list() },
        ),
        ("search", proto::ListInteractionsRequest { search: text(), ..list() }),
        ("token", proto::ListInteractionsRequest { page_token: text(), ..list() }),
        ("type", proto::ListInteractionsRequest { interaction_type: text(), ..list() }),
    ]
}

async fn ask_for_everything(service: &TestService, admin: &AdminApi, payload: &str) {
    let understood = |what, answer| assert_understood(what, payload, answer);
    for (what, request) in elsewhere(payload) {
        understood(what, service.pages(request).await.map(drop));
    }
    let interaction_id = payload.to_owned();
    let get = proto::GetInteractionRequest { interaction_id: interaction_id.clone() };
    understood("get", service.service.get_interaction(service.request(get)).await.map(drop));
    let delete = proto::DeleteInteractionRequest { interaction_id, allow_missing: true };
    understood(
        "delete",
        service.service.delete_interaction(service.request(delete)).await.map(drop),
    );
    let named = proto::Interaction { interaction_id: payload.to_owned(), ..Default::default() };
    let typed = proto::Interaction { interaction_type: vec![payload.to_owned()], ..named.clone() };
    for interaction in [Some(named), Some(typed)] {
        let create = proto::CreateInteractionRequest { interaction, validate_only: false };
        let create = service.service.create_interaction(service.request(create)).await;
        understood("create", create.map(drop));
    }
    let purge = proto::PurgeInteractionsRequest {
        filters: Some(proto_struct(json!({quoted(payload): "nothing"}).as_object().unwrap())),
        search: "nothingatall".to_owned(),
        force: true,
        ..Default::default()
    };
    let purge = service.service.purge_interactions(service.request(purge)).await.unwrap();
    purge.into_inner().for_each(|message| async { understood("purge", message.map(drop)) }).await;
    if let Ok(value) = payload.parse() {
        let mut request: Request<_> = service.request(proto::CountInteractionsRequest::default());
        request.metadata_mut().insert("x-namespace", value);
        understood("header", service.service.count_interactions(request).await.map(drop));
    }
    let admin = admin.admin(&[]).await;
    understood("namespace", admin.get(payload).await.map(drop));
    understood("no namespace", admin.delete(payload, true).await);
    understood("key", admin.get_key(payload).await.map(drop));
    understood("no key", admin.revoke(payload).await.map(drop));
    let name = payload.to_owned();
    let create = proto::CreateNamespaceRequest { name, retention: None };
    understood("new namespace", admin.create_namespace(create).await.map(drop));
    let create = proto::CreateApiKeyRequest {
        name: payload.to_owned(),
        scopes: vec![1],
        namespaces: vec![payload.to_owned()],
        ..Default::default()
    };
    understood("new key", admin.create_api_key(create).await.map(drop));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_written_is_taken_for_what_it_is() {
    let mut dice = Dice::new(1);
    let payloads = payloads();
    for database in databases().await {
        let (name, repository) = (database.name, &database.repository);
        let service = TestService::new(repository, "attacked").await;
        let other = TestService::new(repository, "other").await;
        other.record((0..50).map(|number| interaction(number, "untouched")).collect()).await;
        let all = || proto::ListInteractionsRequest::default();
        let untouched = other.pages(all()).await.unwrap();
        let admin = AdminApi::new(repository);
        for number in 0..SENT {
            let payload = dice.pick(&payloads);
            service.record(vec![interaction(number, payload)]).await;
            let found = |filters: Value| {
                let filters = Some(proto_struct(filters.as_object().unwrap()));
                service.ids(proto::ListInteractionsRequest { filters, page_size: 1_000, ..all() })
            };
            let path = quoted(payload);
            for exact in [
                json!({"user_id": payload}),
                json!({path.clone(): payload, "case_sensitive": true}),
                json!({format!("metadata.list.{}", &path["metadata.".len()..]): {"contains": payload}}),
                json!({"feature_uri": {"regex": regex::escape(payload)}}),
            ] {
                let ids = found(exact).await;
                assert!(ids.contains(&format!("p{number}")), "{name}: {payload:?}");
            }
            found(everywhere(payload)).await;
            ask_for_everything(&service, &admin, payload).await;
        }
        assert_eq!(service.ids(all()).await.len(), SENT, "{name}");
        assert_eq!(other.pages(all()).await.unwrap(), untouched, "{name}");
        let names = repository.namespaces().await.unwrap();
        let names: Vec<_> = names.iter().map(|namespace| namespace.name.as_str()).collect();
        assert_eq!(names, ["attacked", "other"], "{name}");
        let keys = repository.keys().await.unwrap();
        let reading: Vec<_> = keys.iter().filter(|key| !key.may(Scope::Admin)).collect();
        assert!(keys.iter().all(|key| key.revoked_at.is_none()), "{name}");
        assert_eq!(reading.len(), 2, "{name}: {reading:?}");
        database.remove().await;
    }
}
