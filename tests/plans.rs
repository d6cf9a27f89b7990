//! The plans that the databases choose at 100,000 interactions in one namespace and a few in others,
//! which are seen first when statistics are gathered: every simple filter, every sortable column,
//! equality in metadata, types, search, and alternatives of these go through an index of their own
//! where they are selective, and along the order of the list where they are not. No page is read by
//! walking a whole namespace.

use std::sync::LazyLock;

use crate::support::database::{TestDatabase, databases};
use crate::support::service::TestService;
use interactions::domain::access::NamespaceId;
use interactions::domain::field::{Identifier, Time};
use interactions::domain::filter::Filter;
use interactions::domain::filter_json;
use interactions::domain::interaction_type::TypeName;
use interactions::domain::query::{Query, Selection, Window};
use interactions::domain::search::Search;
use interactions::domain::sort::{Direction, KeyValue, Position, Sort, WrittenKey};
use interactions::domain::violation::Violations;
use interactions::grpc::proto;
use interactions::repository::{Dialect, Repository, Settings, Start, Way};
use prost_types::Timestamp;
use sea_orm::sea_query::SelectStatement;
use sea_orm::{
    ConnectionTrait as _, Database, DatabaseConnection, Statement, TransactionTrait as _,
};
use serde_json::{Value, json};

use crate::support::typed::proto_struct;

/// Interactions of the largest namespace, unless `INTERACTIONS_TEST_PLAN_ROWS` has another number.
static ROWS: LazyLock<u32> = LazyLock::new(|| match std::env::var("INTERACTIONS_TEST_PLAN_ROWS") {
    Ok(rows) => rows.parse().unwrap(),
    Err(_) => 100_000,
});
const START: i64 = 1_735_689_600;

/// A skewed namespace: few users and features do most of it, most rows are impressions, and one in
/// a thousand has what selective requests look for.
fn interaction(number: u32) -> proto::Interaction {
    // A multiplicative hash scatters what would otherwise run in step with time.
    let scatter = |salt: u32| number.wrapping_mul(2_654_435_761).wrapping_add(salt) >> 7;
    let skewed = |salt: u32, count: u32| {
        let draw = scatter(salt) % (count * count);
        f64::from(draw).sqrt() as u32
    };
    let kind = match scatter(1) % 10_000 {
        0..=9 => "purchase",
        10 => "custom_tap",
        11..=999 => "click",
        _ => "impression",
    };
    let word = if scatter(3) % 1_000 == 0 { "rareword" } else { "commonword" };
    let metadata = json!({
        "device": (["mobile", "desktop", "tablet"][(scatter(4) % 3) as usize]),
        "title": format!("{word} number {}", scatter(5) % 5_000),
        "geo": {"place": format!("P{}", number / 20), "lat": f64::from(scatter(7) % 180)},
        "request": format!("r{number}"),
    });
    let metadata = proto_struct(metadata.as_object().unwrap());
    proto::Interaction {
        interaction_id: format!("i{number:08}"),
        feature_id: format!("f{}", skewed(8, 2_000)),
        interaction_type: vec![kind.to_owned()],
        position: (!number.is_multiple_of(4)).then(|| (scatter(9) % 50) as i32),
        metadata: Some(metadata),
        user_id: format!("u{}", skewed(10, 1_000)),
        session_id: format!("s{}", number / 10),
        execution_id: format!("e{}", number / 5),
        retriever_id: format!("r{}", scatter(11) % 20),
        feature_uri: format!("uri{}", scatter(12) % 1_000),
        query_snapshot: None,
        search_request: None,
        document_score: (!number.is_multiple_of(3)).then(|| f64::from(scatter(13)) / 1e6),
        result_set_size: Some((scatter(14) % 100) as i32),
        timestamp: Some(Timestamp { seconds: START + i64::from(number), nanos: 0 }),
        created_at: None,
    }
}

struct Loaded {
    database: TestDatabase,
    connection: DatabaseConnection,
    namespace: NamespaceId,
    /// One of a few rows.
    smallest: NamespaceId,
}

async fn loaded() -> Vec<Loaded> {
    let mut loaded = Vec::new();
    for database in databases().await {
        let mut smallest = NamespaceId(0);
        for (number, name) in (0..).zip(["small", "smaller"]) {
            let service = TestService::new(&database.repository, name).await;
            service.record((0..60 >> number).map(interaction).collect()).await;
            smallest = service.namespace;
        }
        let service = TestService::new(&database.repository, "large").await;
        for batch in (0..*ROWS).collect::<Vec<_>>().chunks(1_000) {
            service.record(batch.iter().copied().map(interaction).collect()).await;
        }
        // The one setting of the service's own connections that plans depend on here: values are
        // spelled out below, so that every plan is a custom one.
        let url = match database.repository.dialect() {
            Dialect::Postgres => format!("{}?options=-c%20random_page_cost=1.1", database.url),
            Dialect::Sqlite => database.url.clone(),
        };
        let connection = Database::connect(&url).await.unwrap();
        // PostgreSQL's autovacuum would get there in time; SQLite is asked to when it closes.
        let analyze = match database.repository.dialect() {
            Dialect::Postgres => "VACUUM ANALYZE",
            Dialect::Sqlite => "PRAGMA optimize",
        };
        connection.execute_unprepared(analyze).await.unwrap();
        loaded.push(Loaded { database, connection, namespace: service.namespace, smallest });
    }
    loaded
}

impl Loaded {
    fn query(&self, filter: Filter, search: &str, sort: &[(&str, Direction)]) -> Query {
        let keys = sort
            .iter()
            .map(|(field, direction)| WrittenKey { field: (*field).into(), direction: *direction });
        Query {
            selection: Selection {
                namespace: self.namespace,
                window: Window::default(),
                filter,
                search: Search::parse(search).unwrap(),
            },
            sort: Sort::build(keys.collect(), "sort").unwrap(),
        }
    }

    /// The plans of the statements that read a page of `query`, one after the other.
    async fn plans(&self, query: &Query, start: &Start) -> Vec<String> {
        let repository = &self.database.repository;
        let mut plans = Vec::new();
        let way = repository.way(&query.selection, &query.sort, 101).await.unwrap();
        for statement in repository.page_statements(query, &way, start, 101) {
            plans.push(self.plan(repository.render(&statement)).await);
        }
        plans
    }

    async fn plan(&self, statement: Statement) -> String {
        let (prefix, column) = match self.database.repository.dialect() {
            Dialect::Postgres => ("EXPLAIN ", 0),
            Dialect::Sqlite => ("EXPLAIN QUERY PLAN ", 3),
        };
        let text = statement.to_string();
        let Statement { sql, values, db_backend } = statement;
        let explain = match self.database.repository.dialect() {
            // Spelled out: that is how a custom plan sees values.
            Dialect::Postgres => Statement::from_string(db_backend, format!("{prefix}{text}")),
            // Bound, as the service has them: plans do not depend on them.
            Dialect::Sqlite => Statement { sql: format!("{prefix}{sql}"), values, db_backend },
        };
        let rows = self.connection.query_all_raw(explain).await.unwrap();
        let lines = rows.iter().map(|row| row.try_get_by_index::<String>(column).unwrap());
        format!("{text}\n{}", lines.collect::<Vec<_>>().join("\n"))
    }
}

/// On PostgreSQL: what is planned once for all values, and the index by which it is answered.
fn planned_once(loaded: &Loaded) -> Vec<(String, Query, Start, String)> {
    let range = json!({"timestamp": {"gte": "2025-01-01T00:10:00Z", "lt": "2025-01-01T10:00:00Z"}});
    let mut filters = vec![
        (json!({}), "interactions_timestamp".to_owned()),
        (range.clone(), "interactions_timestamp".to_owned()),
        (json!({"interaction_id": "i00000007"}), "interactions_pkey".to_owned()),
        (json!({"interaction_type": "impression"}), "interactions_type_0".to_owned()),
        (json!({"interaction_type": "purchase"}), "interactions_type_6".to_owned()),
        (json!({"position": 3}), "interactions_position".to_owned()),
        (json!({"result_set_size": 3}), "interactions_result_set_size".to_owned()),
        (json!({"document_score": 0.5}), "interactions_document_score".to_owned()),
    ];
    for (field, value) in [
        ("user_id", "u7"),
        ("feature_id", "f7"),
        ("session_id", "s7"),
        ("execution_id", "e7"),
        ("retriever_id", "r7"),
        ("feature_uri", "uri7"),
    ] {
        filters.push((json!({ field: value }), format!("interactions_{field}")));
        filters
            .push((json!({ "AND": [{ field: value }, range] }), format!("interactions_{field}")));
    }
    let middle = i64::from(*ROWS / 2);
    let time = KeyValue::Integer((START + middle) * 1_000_000);
    let middle = Position(vec![time, KeyValue::Text(format!("i{middle:08}"))]);
    let mut all = Vec::new();
    for (filter, index) in filters {
        for direction in [Direction::Ascending, Direction::Descending] {
            for start in [None, Some(middle.clone())] {
                let what = format!("{filter} {direction:?} {start:?}");
                let query = loaded.query(parsed(&filter), "", &[("timestamp", direction)]);
                all.push((what, query, start, index.clone()));
            }
        }
    }
    all
}

/// A query, and the index that each database must answer it by.
struct Expectation {
    what: String,
    query: Query,
    start: Start,
    sqlite: String,
    postgres: String,
}

/// Builds expectations on one database.
struct Expectations<'l> {
    loaded: &'l Loaded,
    all: Vec<Expectation>,
}

impl Expectations<'_> {
    fn add(&mut self, what: &str, query: Query, start: Start, sqlite: &str, postgres: &str) {
        let (sqlite, postgres) = (sqlite.to_owned(), postgres.to_owned());
        self.all.push(Expectation { what: what.to_owned(), query, start, sqlite, postgres });
    }

    fn simple_filters(&mut self) {
        for (field, value) in [
            (Identifier::InteractionId, "i00000007"),
            (Identifier::UserId, "u7"),
            (Identifier::FeatureId, "f7"),
            (Identifier::SessionId, "s7"),
            (Identifier::ExecutionId, "e7"),
            (Identifier::RetrieverId, "r7"),
            (Identifier::FeatureUri, "uri7"),
        ] {
            let query = self.loaded.query(Filter::identifier(field, value.to_owned()), "", &[]);
            let own = format!("interactions_{}", field.name());
            let (sqlite, postgres) = if field == Identifier::InteractionId {
                ("autoindex".to_owned(), "interactions_pkey".to_owned())
            } else {
                (own.clone(), own)
            };
            self.add(field.name(), query, None, &sqlite, &postgres);
        }
    }

    fn types(&mut self) {
        for (name, sqlite, postgres) in [
            ("purchase", "interactions_type_6", "interactions_type_6"),
            ("click", "interactions_type_2", "interactions_type_2"),
            ("custom_tap", "interaction_facts", "interactions_document"),
        ] {
            let filter = Filter::of_type(TypeName::parse(name).unwrap());
            self.add(name, self.loaded.query(filter, "", &[]), None, sqlite, postgres);
        }
    }

    fn json_equality(&mut self) {
        for filter in [
            json!({"metadata.request": "r77"}),
            json!({"metadata.request": "absent"}),
            json!({"metadata.geo.place": "p199"}),
            json!({"metadata.geo.place": "P199", "case_sensitive": true}),
            json!({"AND": [{"metadata.request": ["r1", "r2"]}, {"metadata.device": "mobile"}]}),
        ] {
            let query = self.loaded.query(parsed(&filter), "", &[]);
            let (sqlite, postgres) = ("interaction_facts", "interactions_document");
            self.add(&filter.to_string(), query, None, sqlite, postgres);
        }
    }

    fn searches(&mut self) {
        for search in ["rareword", "absent", "\"rareword number\"", "rarew*", "absent OR rareword"]
        {
            for sort in [&[][..], &[("position", Direction::Descending)]] {
                let query = self.loaded.query(Filter::EVERYTHING, search, sort);
                let (sqlite, postgres) = ("interaction_words", "interactions_search_words");
                self.add(&format!("{search} {sort:?}"), query, None, sqlite, postgres);
            }
        }
    }

    /// Alternatives, lists and conjunctions of which at least one side is selective.
    fn selective(&mut self) {
        for (filter, sqlite, postgres) in [
            (
                json!({"OR": [{"metadata.request": "r77"}, {"session_id": "s7"}]}),
                vec!["interaction_facts", "interactions_session_id"],
                vec!["interactions_document", "interactions_session_id"],
            ),
            (
                json!({"OR": [{"interaction_type": ["purchase", "custom_tap"]}, {"user_id": "absent"}]}),
                vec!["interactions_type_6", "interaction_facts", "interactions_user_id"],
                vec!["interactions_type_6", "interactions_document", "interactions_user_id"],
            ),
            (
                json!({"session_id": ["s1", "s9000", "absent"]}),
                vec!["interactions_session_id"],
                vec!["interactions_session_id"],
            ),
            (
                json!({"metadata.device": "mobile", "metadata.request": "r77"}),
                vec!["interaction_facts"],
                vec!["interactions_document"],
            ),
            (
                json!({"session_id": "s7", "NOT": [{"metadata.device": "mobile"}]}),
                vec!["interactions_session_id"],
                vec!["interactions_session_id"],
            ),
            (
                json!({"session_id": "s7", "user_id": {"contains": "1"}, "position": {"gt": 5}}),
                vec!["interactions_session_id"],
                vec!["interactions_session_id"],
            ),
        ] {
            for (sort, start) in [(&[][..], None), (&[("position", Direction::Ascending)], None)] {
                let query = self.loaded.query(parsed(&filter), "", sort);
                for (sqlite, postgres) in sqlite.iter().zip(&postgres) {
                    let what = format!("{filter} {sort:?}");
                    self.add(&what, query.clone(), start.clone(), sqlite, postgres);
                }
            }
        }
    }

    /// A range of what the list is sorted by bounds the walk, whatever else is asked.
    fn ranges(&mut self) {
        let early =
            json!({"timestamp": {"lt": "2025-01-01T00:10:00Z"}, "metadata.device": "mobile"});
        let query = self.loaded.query(parsed(&early), "", &[]);
        let postgres = "(timestamp_us < '";
        self.add("early", query, None, "(namespace_id=? AND timestamp_us<?)", postgres);
    }

    /// What a large share of the namespace passes.
    fn unselective(&mut self) {
        for (filter, search) in [
            (json!({"metadata.device": "mobile"}), ""),
            (json!({"metadata.device": ["mobile", "tablet"]}), ""),
            (json!({"NOT": [{"metadata.device": "mobile"}]}), ""),
            (json!({"position": {"gte": 3}}), ""),
            (json!({"OR": [{"metadata.device": "mobile"}, {"position": {"lt": 20}}]}), ""),
            (json!({"interaction_type": ["impression", "custom_tap"]}), ""),
            (json!({}), "commonword"),
        ] {
            for (sort, index) in [
                (&[][..], "interactions_timestamp"),
                (&[("document_score", Direction::Ascending)], "interactions_document_score"),
            ] {
                let query = self.loaded.query(parsed(&filter), search, sort);
                let what = format!("{filter} {search} {sort:?}");
                self.add(&what, query, None, index, index);
            }
        }
    }

    /// Every sortable column, from the start and from the middle, in both directions.
    fn sorts(&mut self) {
        let middle = i64::from(*ROWS / 2);
        let time = KeyValue::Integer((START + middle) * 1_000_000);
        let id = KeyValue::Text(format!("i{middle:08}"));
        let text = |text: &str| KeyValue::Text(text.to_owned());
        for (field, index, value) in [
            ("position", "interactions_position", KeyValue::Integer(20)),
            ("result_set_size", "interactions_result_set_size", KeyValue::Integer(50)),
            ("document_score", "interactions_document_score", KeyValue::Number(5.5)),
            ("created_at", "interactions_created_at_us", time.clone()),
            ("feature_id", "interactions_feature_id", text("f5")),
            ("user_id", "interactions_user_id", text("u5")),
            ("session_id", "interactions_session_id", text("s5")),
            ("execution_id", "interactions_execution_id", text("e5")),
            ("retriever_id", "interactions_retriever_id", text("r5")),
            ("feature_uri", "interactions_feature_uri", text("uri5")),
        ] {
            for direction in [Direction::Ascending, Direction::Descending] {
                let what = format!("{field} {direction:?}");
                let query = self.loaded.query(Filter::EVERYTHING, "", &[(field, direction)]);
                self.add(&what, query.clone(), None, index, index);
                let position = Position(vec![value.clone(), time.clone(), id.clone()]);
                let what = format!("{what} from the middle");
                self.add(&what, query, Some(position), index, index);
            }
        }
        for direction in [Direction::Ascending, Direction::Descending] {
            let index = "interactions_timestamp";
            let query = self.loaded.query(Filter::EVERYTHING, "", &[("timestamp", direction)]);
            self.add(&format!("timestamp {direction:?}"), query.clone(), None, index, index);
            // The position bounds the walk: it is part of what the index is asked, not of what
            // rows are tested for.
            let sign = if direction == Direction::Ascending { '>' } else { '<' };
            let sqlite = format!("(timestamp_us,interaction_id){sign}(?,?)");
            let postgres = format!("(ROW(timestamp_us, interaction_id) {sign} ROW(");
            let position = Some(Position(vec![time.clone(), id.clone()]));
            let what = format!("timestamp {direction:?} from the middle");
            self.add(&what, query, position, &sqlite, &postgres);
        }
    }
}

fn parsed(filter: &Value) -> Filter {
    let mut violations = Violations::default();
    let parsed = filter_json::parse(filter.as_object().unwrap(), "filters", &mut violations);
    assert!(violations.is_empty(), "{violations:?}");
    parsed
}

/// Statements that find a batch to remove, and the index that each is to walk. None of them may sort
/// a whole namespace: there are as many batches as it takes.
async fn removals(loaded: &Loaded) -> Vec<(&'static str, &'static str, SelectStatement)> {
    let window = Window { visible_since: None, recorded_before: Some(i64::MAX / 2) };
    let middle = i64::from(*ROWS / 2);
    let time = (START + middle) * 1_000_000;
    let position = Position(vec![KeyValue::Integer(time), KeyValue::Text(format!("i{middle:08}"))]);
    let of = |filter| Selection { window, ..loaded.query(filter, "", &[]).selection };
    let user = Filter::identifier(Identifier::UserId, "u7".to_owned());
    let expired = Filter::before(Time::Timestamp, time);
    let repository = &loaded.database.repository;
    let mut removals = Vec::new();
    for (what, index, selection, start) in [
        ("everything", "interactions_timestamp", of(Filter::EVERYTHING), None),
        ("the rest", "interactions_timestamp", of(Filter::EVERYTHING), Some(&position)),
        ("what is too old", "interactions_timestamp", of(expired), None),
        ("a user", "interactions_user_id", of(user), None),
    ] {
        let way = repository.way(&selection, &Sort::default(), 500).await.unwrap();
        removals.push((what, index, repository.removal_statement(&selection, &way, start, 500)));
    }
    removals
}

/// Counts that an index alone answers, and those for which it finds the rows.
async fn counts(loaded: &Loaded) -> Vec<(String, [&'static str; 2], SelectStatement)> {
    let repository = &loaded.database.repository;
    let by = |index| [index; 2];
    let mut counts = Vec::new();
    for (filter, indexes) in [
        (json!({}), ["USING COVERING INDEX", "Index Only Scan"]),
        (json!({"user_id": "u7"}), by("interactions_user_id")),
        (json!({"session_id": ["s7", "s9"]}), by("interactions_session_id")),
        (json!({"interaction_type": "purchase"}), by("interactions_type_6")),
        (json!({"metadata.request": "r77"}), ["interaction_facts", "interactions_document"]),
    ] {
        let selection = loaded.query(parsed(&filter), "", &[]).selection;
        let way = repository.way_to_all(&selection).await.unwrap();
        counts.push((filter.to_string(), indexes, repository.count_statement(&selection, &way)));
    }
    counts
}

/// The settings under which the service plans a page of `query`, on new connections.
async fn settings(loaded: &Loaded, query: &Query) -> String {
    let settings = Settings::from_url(&loaded.database.url).unwrap();
    let repository = Repository::connect(&settings).await.unwrap();
    let explained = repository.explain(query, &None, 101, false).await.unwrap();
    repository.close().await;
    explained[0].plan.iter().find(|line| line.starts_with("Settings:")).unwrap().clone()
}

/// The order of the list is that of an index within one value of what it is sorted by first, and so
/// no more than that is read for its first page.
async fn first_pages_that_sort(loaded: &Loaded) -> Vec<String> {
    let mut wrong = Vec::new();
    for field in ["position", "result_set_size", "retriever_id", "document_score", "session_id"] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let keys = [(field, direction), ("timestamp", direction)];
            let query = loaded.query(Filter::EVERYTHING, "", &keys);
            let explained = loaded.database.repository.explain(&query, &None, 11, false).await;
            let explained = explained.unwrap();
            let plan = explained[0].plan.join("\n");
            if ["Sort", "TEMP B-TREE"].iter().any(|sort| plan.contains(sort)) {
                wrong.push(format!("{field} {direction:?} sorts:\n{plan}"));
            }
        }
    }
    wrong
}

/// On PostgreSQL: what is planned once, but is not answered by its index alone, whatever its values.
async fn not_planned_well_once(loaded: &Loaded) -> Vec<String> {
    let one = loaded.query(parsed(&json!({"user_id": "u1"})), "", &[]);
    assert!(settings(loaded, &one).await.contains("plan_cache_mode = 'force_generic_plan'"));
    let several = loaded.query(parsed(&json!({"user_id": ["u1", "u2"]})), "", &[]);
    assert!(settings(loaded, &several).await.contains("plan_cache_mode = 'force_custom_plan'"));
    let kept = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off \
                -c enable_bitmapscan=off -c random_page_cost=1.1";
    let url = format!("{}?options={}", loaded.database.url, kept.replace(' ', "%20"));
    let connection = Database::connect(&url).await.unwrap();
    let mut wrong = Vec::new();
    for (what, query, start, index) in planned_once(loaded) {
        let repository = &loaded.database.repository;
        for statement in repository.page_statements(&query, &Way::Free, &start, 101) {
            let statement = repository.render(&statement);
            let text = statement.to_string();
            let plan = kept_plan(&connection, statement).await;
            // One row at most needs neither an order nor a bound.
            let alone = index == "interactions_pkey"
                || !["Sort", "Filter:"].iter().any(|more| plan.contains(more));
            if !plan.contains(&format!("using {index} ")) || !alone {
                wrong.push(format!("{what} is not answered by {index} alone:\n{text}\n{plan}"));
            }
        }
    }
    connection.close().await.unwrap();
    wrong
}

/// The plan of a statement that knows nothing of its values.
async fn kept_plan(connection: &DatabaseConnection, statement: Statement) -> String {
    let Statement { sql, values, db_backend } = statement;
    let literal = |value| Statement::from_sql_and_values(db_backend, "$1", [value]).to_string();
    let values = values.unwrap().0.into_iter().map(literal).collect::<Vec<_>>().join(", ");
    let transaction = connection.begin().await.unwrap();
    transaction.execute_unprepared(&format!("PREPARE kept AS {sql}")).await.unwrap();
    let explain = Statement::from_string(db_backend, format!("EXPLAIN EXECUTE kept({values})"));
    let rows = transaction.query_all_raw(explain).await.unwrap();
    transaction.execute_unprepared("DEALLOCATE kept").await.unwrap();
    transaction.rollback().await.unwrap();
    let lines = rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_by_their_index() {
    for loaded in loaded().await {
        let mut expectations = Expectations { loaded: &loaded, all: Vec::new() };
        expectations.simple_filters();
        expectations.types();
        expectations.json_equality();
        expectations.searches();
        expectations.selective();
        expectations.unselective();
        expectations.ranges();
        expectations.sorts();
        let dialect = loaded.database.repository.dialect();
        let mut wrong = Vec::new();
        for Expectation { what, query, start, sqlite, postgres } in &expectations.all {
            let (index, walk) = match dialect {
                Dialect::Sqlite => (sqlite, "\nSCAN interactions"),
                Dialect::Postgres => (postgres, "Seq Scan"),
            };
            for plan in loaded.plans(query, start).await {
                let (_, chosen) = plan.split_once('\n').unwrap();
                if !chosen.contains(index.as_str()) || format!("\n{chosen}").contains(walk) {
                    wrong.push(format!("{what} is not answered by {index}:\n{plan}"));
                }
            }
            // In a small namespace any index will do, as long as none reads what is another's.
            let mut query = query.clone();
            query.selection.namespace = loaded.smallest;
            for plan in loaded.plans(&query, start).await {
                let (_, chosen) = plan.split_once('\n').unwrap();
                if format!("\n{chosen}").contains(walk) {
                    wrong.push(format!("{what} walks all namespaces:\n{plan}"));
                }
            }
        }
        wrong.extend(first_pages_that_sort(&loaded).await);
        if dialect == Dialect::Postgres {
            wrong.extend(not_planned_well_once(&loaded).await);
        }
        for (what, index, statement) in removals(&loaded).await {
            let plan = loaded.plan(loaded.database.repository.render(&statement)).await;
            let sorts = ["Sort", "TEMP B-TREE"].iter().any(|sort| plan.contains(sort));
            if !plan.contains(index) || (sorts && index == "interactions_timestamp") {
                wrong.push(format!("{what} is not removed by {index}:\n{plan}"));
            }
        }
        for (what, [sqlite, postgres], statement) in counts(&loaded).await {
            let index = if dialect == Dialect::Sqlite { sqlite } else { postgres };
            let plan = loaded.plan(loaded.database.repository.render(&statement)).await;
            if !plan.contains(index) {
                wrong.push(format!("{what} is not counted by {index}:\n{plan}"));
            }
        }
        assert!(wrong.is_empty(), "{}:\n\n{}", loaded.database.name, wrong.join("\n\n"));
        loaded.connection.close().await.unwrap();
        loaded.database.remove().await;
    }
}
