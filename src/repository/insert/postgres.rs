//! PostgreSQL: one statement, whose text is the same whatever the number of rows, so that a connection
//! prepares it once. Every column is one parameter, an array with an element for each row.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use sea_orm::sea_query::{DynIden, Expr, IntoIden, Query as Sql};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement, Value};

use super::on_conflict;
use crate::domain::access::NamespaceId;
use crate::domain::search::word_lines;
use crate::repository::condition::Compiler;
use crate::repository::document::Document;
use crate::repository::entity::interaction::{Column, Entity, Model, Part};
use crate::repository::write::NewInteraction;
use crate::repository::{Dialect, Error, search};

/// Rows to be inserted.
#[derive(Debug)]
pub(in crate::repository) struct Rows(Statement);

impl Rows {
    pub(super) fn of<'n>(
        namespace: NamespaceId,
        interactions: impl Iterator<Item = &'n NewInteraction>,
    ) -> Self {
        let mut arrays = Arrays::default();
        interactions.for_each(|new| arrays.add(namespace, new));
        let values = arrays.into_columns(namespace).map(|column| column.values);
        Self(Statement::from_sql_and_values(DbBackend::Postgres, TEXT.as_str(), values))
    }

    pub(super) async fn insert(
        self,
        transaction: &DatabaseTransaction,
    ) -> Result<BTreeSet<String>, Error> {
        let inserted = transaction.query_all_raw(self.0).await?;
        let ids = inserted.iter().map(|row| row.try_get_by_index(0));
        Ok(ids.collect::<Result<_, _>>()?)
    }
}

/// The text of the statement. To build it anew for each batch would copy all of its values.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let namespace = NamespaceId(0);
    let compiler = Compiler::of(Dialect::Postgres, namespace);
    let columns = Arrays::default().into_columns(namespace);
    let mut insert = Sql::insert();
    insert.into_table(Entity).columns(columns.iter().map(|column| column.name.clone()));
    // Set-returning functions in the list of a SELECT go on in step, and in order.
    let mut select = Sql::select();
    select.exprs(columns.map(|column| compiler.sql(column.each, [Expr::value(column.values)])));
    // As many columns as values.
    let _ = insert.select_from(select);
    insert.on_conflict(on_conflict()).returning(Sql::returning().column(Column::InteractionId));
    DbBackend::Postgres.build(&insert).sql
});

/// A column of the rows to be inserted.
struct Filled {
    name: DynIden,
    /// What is selected into it, of the values as `?`.
    each: &'static str,
    values: Value,
}

/// The columns. An array has no NULL in it: where there is none, it has what no row can have.
#[derive(Default)]
struct Arrays {
    interaction_id: Vec<String>,
    timestamp_us: Vec<i64>,
    created_at_us: Vec<i64>,
    type_mask: Vec<i64>,
    document_score: Vec<f64>,
    position: Vec<i32>,
    result_set_size: Vec<i32>,
    feature_id: Vec<String>,
    user_id: Vec<String>,
    session_id: Vec<String>,
    execution_id: Vec<String>,
    retriever_id: Vec<String>,
    feature_uri: Vec<String>,
    content_hash: Vec<Vec<u8>>,
    record: Vec<Vec<u8>>,
    document: Vec<String>,
    document_exact: Vec<String>,
    search_words: Vec<String>,
    search_text: Vec<String>,
}

impl Arrays {
    fn add(&mut self, namespace: NamespaceId, new: &NewInteraction) {
        let NewInteraction { interaction, timestamp_given: _, content_hash, record } = new;
        let Model {
            namespace_id: _,
            interaction_id,
            timestamp_us,
            created_at_us,
            type_mask,
            document_score,
            position,
            result_set_size,
            feature_id,
            user_id,
            session_id,
            execution_id,
            retriever_id,
            feature_uri,
            content_hash,
            record,
        } = Model::of(namespace, interaction, *content_hash, record);
        self.interaction_id.push(interaction_id);
        self.timestamp_us.push(timestamp_us);
        self.created_at_us.push(created_at_us);
        self.type_mask.push(type_mask);
        // Scores are finite, counts never negative, and an empty identifier is an absent one.
        self.document_score.push(document_score.unwrap_or(f64::NAN));
        self.position.push(position.unwrap_or(-1));
        self.result_set_size.push(result_set_size.unwrap_or(-1));
        self.feature_id.push(feature_id.unwrap_or_default());
        self.user_id.push(user_id.unwrap_or_default());
        self.session_id.push(session_id.unwrap_or_default());
        self.execution_id.push(execution_id.unwrap_or_default());
        self.retriever_id.push(retriever_id.unwrap_or_default());
        self.feature_uri.push(feature_uri.unwrap_or_default());
        self.content_hash.push(content_hash);
        self.record.push(record);
        let document = Document::of(interaction);
        self.document.push(document.folded());
        self.document_exact.push(document.exact().unwrap_or_default());
        let lines = interaction.metadata.as_ref().map(word_lines).unwrap_or_default();
        self.search_words.push(search::vector(&lines));
        self.search_text.push(search::text(&lines));
    }

    fn into_columns(self, namespace: NamespaceId) -> [Filled; 20] {
        const PLAIN: &str = "UNNEST(?)";
        const TEXT: &str = "NULLIF(UNNEST(?), '')";
        const COUNT: &str = "NULLIF(UNNEST(?), -1)";
        const SCORE: &str = "NULLIF(UNNEST(?), 'NaN')";
        let Self {
            interaction_id,
            timestamp_us,
            created_at_us,
            type_mask,
            document_score,
            position,
            result_set_size,
            feature_id,
            user_id,
            session_id,
            execution_id,
            retriever_id,
            feature_uri,
            content_hash,
            record,
            document,
            document_exact,
            search_words,
            search_text,
        } = self;
        [
            filled(Column::NamespaceId, "?", namespace.0),
            filled(Column::InteractionId, PLAIN, interaction_id),
            filled(Column::TimestampUs, PLAIN, timestamp_us),
            filled(Column::CreatedAtUs, PLAIN, created_at_us),
            filled(Column::TypeMask, PLAIN, type_mask),
            filled(Column::DocumentScore, SCORE, document_score),
            filled(Column::Position, COUNT, position),
            filled(Column::ResultSetSize, COUNT, result_set_size),
            filled(Column::FeatureId, TEXT, feature_id),
            filled(Column::UserId, TEXT, user_id),
            filled(Column::SessionId, TEXT, session_id),
            filled(Column::ExecutionId, TEXT, execution_id),
            filled(Column::RetrieverId, TEXT, retriever_id),
            filled(Column::FeatureUri, TEXT, feature_uri),
            filled(Column::ContentHash, PLAIN, content_hash),
            filled(Column::Record, PLAIN, record),
            filled(Part::Document, "UNNEST(?)::jsonb", document),
            filled(Part::DocumentExact, "NULLIF(UNNEST(?), '')::jsonb", document_exact),
            filled(Part::SearchWords, "UNNEST(?)::tsvector", search_words),
            filled(Part::SearchText, PLAIN, search_text),
        ]
    }
}

fn filled(name: impl IntoIden, each: &'static str, values: impl Into<Value>) -> Filled {
    Filled { name: name.into_iden(), each, values: values.into() }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::domain::interaction::Interaction;
    use crate::domain::interaction_type::TypeSet;

    fn new(interaction_id: &str) -> NewInteraction {
        let interaction = Interaction {
            interaction_id: interaction_id.to_owned(),
            feature_id: None,
            user_id: None,
            session_id: None,
            execution_id: None,
            retriever_id: None,
            feature_uri: None,
            types: TypeSet::new(Vec::new()),
            position: None,
            result_set_size: None,
            document_score: None,
            timestamp: 0,
            created_at: 0,
            metadata: None,
            query_snapshot: None,
            search_request: None,
        };
        let (content_hash, record) = ([0; 16], Bytes::new());
        NewInteraction { interaction, timestamp_given: false, content_hash, record }
    }

    #[test]
    fn every_parameter_of_the_text_has_its_values() {
        let rows = ["a", "b", "c"].map(new);
        let Rows(Statement { sql, values, .. }) = Rows::of(NamespaceId(2), rows.iter());
        let values = values.unwrap().0;
        assert_eq!(values.len(), 20);
        assert_eq!(values[1], Value::from(["a", "b", "c"].map(str::to_owned).to_vec()));
        // In their order, each once.
        let named = sql.match_indices('$').map(|(at, _)| {
            sql[at + 1..].chars().take_while(char::is_ascii_digit).collect::<String>()
        });
        assert!(named.eq((1..=20).map(|number| number.to_string())), "{sql}");
    }
}
