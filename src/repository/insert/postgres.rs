//! PostgreSQL: one statement, whose text is the same whatever the number of rows, so that a connection
//! prepares it once. Every column is one parameter, an array with an element for each row.

use std::collections::BTreeSet;

use sea_orm::sea_query::{DynIden, Expr, IntoIden, Query as Sql};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement};

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
        let (columns, values): (Vec<_>, Vec<_>) =
            arrays.into_columns(namespace).into_iter().unzip();
        let mut insert = Sql::insert();
        insert.into_table(Entity).columns(columns);
        // Set-returning functions in the list of a SELECT go on in step, and in order.
        let mut select = Sql::select();
        select.exprs(values);
        // As many columns as values.
        let _ = insert.select_from(select);
        insert.on_conflict(on_conflict()).returning(Sql::returning().column(Column::InteractionId));
        Self(DbBackend::Postgres.build(&insert))
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

    /// The columns, and what is to be selected into each.
    fn into_columns(self, namespace: NamespaceId) -> Vec<(DynIden, Expr)> {
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
        let compiler = Compiler::of(Dialect::Postgres, namespace);
        let each = |template: &str, array: Expr| compiler.sql(template, [array]);
        let plain = |array: Expr| each("UNNEST(?)", array);
        let text = |texts: Vec<String>| each("NULLIF(UNNEST(?), '')", Expr::value(texts));
        let count = |counts: Vec<i32>| each("NULLIF(UNNEST(?), -1)", Expr::value(counts));
        let score = each("NULLIF(UNNEST(?), 'NaN')", Expr::value(document_score));
        let document = each("UNNEST(?)::jsonb", Expr::value(document));
        let exact = each("NULLIF(UNNEST(?), '')::jsonb", Expr::value(document_exact));
        let words = each("UNNEST(?)::tsvector", Expr::value(search_words));
        vec![
            (Column::NamespaceId.into_iden(), Expr::value(namespace.0)),
            (Column::InteractionId.into_iden(), plain(Expr::value(interaction_id))),
            (Column::TimestampUs.into_iden(), plain(Expr::value(timestamp_us))),
            (Column::CreatedAtUs.into_iden(), plain(Expr::value(created_at_us))),
            (Column::TypeMask.into_iden(), plain(Expr::value(type_mask))),
            (Column::DocumentScore.into_iden(), score),
            (Column::Position.into_iden(), count(position)),
            (Column::ResultSetSize.into_iden(), count(result_set_size)),
            (Column::FeatureId.into_iden(), text(feature_id)),
            (Column::UserId.into_iden(), text(user_id)),
            (Column::SessionId.into_iden(), text(session_id)),
            (Column::ExecutionId.into_iden(), text(execution_id)),
            (Column::RetrieverId.into_iden(), text(retriever_id)),
            (Column::FeatureUri.into_iden(), text(feature_uri)),
            (Column::ContentHash.into_iden(), plain(Expr::value(content_hash))),
            (Column::Record.into_iden(), plain(Expr::value(record))),
            (Part::Document.into_iden(), document),
            (Part::DocumentExact.into_iden(), exact),
            (Part::SearchWords.into_iden(), words),
            (Part::SearchText.into_iden(), plain(Expr::value(search_text))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sea_orm::Value;

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
    fn the_text_is_the_same_for_any_number_of_rows() {
        let rows = ["a", "b", "c"].map(new);
        let Rows(one) = Rows::of(NamespaceId(1), rows.iter().take(1));
        let Rows(three) = Rows::of(NamespaceId(2), rows.iter());
        assert_eq!(one.sql, three.sql);
        let values = three.values.unwrap().0;
        assert_eq!(values.len(), 20);
        assert_eq!(values[1], Value::from(["a", "b", "c"].map(str::to_owned).to_vec()));
    }
}
