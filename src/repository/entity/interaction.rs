//! The table of interactions.

use sea_orm::entity::prelude::*;

use crate::domain::access::NamespaceId;
use crate::domain::field::{Identifier, Integer, Time};
use crate::domain::interaction::Interaction;

/// One interaction. The JSON and the search columns are left out here: their types differ between
/// the databases, and only expressions ever touch them; see [`Part`].
#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "interactions")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) namespace_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) interaction_id: String,
    pub(crate) timestamp_us: i64,
    pub(crate) created_at_us: i64,
    pub(crate) type_mask: i64,
    pub(crate) document_score: Option<f64>,
    pub(crate) position: Option<i32>,
    pub(crate) result_set_size: Option<i32>,
    pub(crate) feature_id: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) session_id: Option<String>,
    pub(crate) execution_id: Option<String>,
    pub(crate) retriever_id: Option<String>,
    pub(crate) feature_uri: Option<String>,
    pub(crate) content_hash: Vec<u8>,
    pub(crate) record: Vec<u8>,
}

impl Model {
    /// The row of `interaction`, whose encoded message is `record`.
    pub(crate) fn of(
        namespace: NamespaceId,
        interaction: &Interaction,
        content_hash: [u8; 16],
        record: &[u8],
    ) -> Self {
        let Interaction {
            interaction_id,
            feature_id,
            user_id,
            session_id,
            execution_id,
            retriever_id,
            feature_uri,
            types,
            position,
            result_set_size,
            document_score,
            timestamp,
            created_at,
            metadata: _,
            query_snapshot: _,
            search_request: _,
        } = interaction;
        Self {
            namespace_id: namespace.0,
            interaction_id: interaction_id.clone(),
            timestamp_us: *timestamp,
            created_at_us: *created_at,
            type_mask: types.mask(),
            document_score: *document_score,
            position: *position,
            result_set_size: *result_set_size,
            feature_id: feature_id.clone(),
            user_id: user_id.clone(),
            session_id: session_id.clone(),
            execution_id: execution_id.clone(),
            retriever_id: retriever_id.clone(),
            feature_uri: feature_uri.clone(),
            content_hash: content_hash.to_vec(),
            record: record.to_vec(),
        }
    }
}

/// Interactions stand alone: a foreign key would tie tables that are spread differently.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Columns of interactions whose types differ between the databases, and SQLite's tables beside it.
#[derive(Debug, Clone, Copy, DeriveIden)]
pub(crate) enum Part {
    /// What filters on JSON look at, in lower case.
    Document,
    /// The same as it came, where lower case changed it.
    DocumentExact,
    /// PostgreSQL: the distinct words of `metadata`.
    SearchWords,
    /// PostgreSQL: the words of `metadata` in their order.
    SearchText,
    /// SQLite: the row's number.
    RowId,
    /// SQLite's table of words.
    InteractionWords,
    /// The column of that table.
    Words,
    /// SQLite's table of values at paths.
    InteractionFacts,
    /// The column of that table.
    Facts,
    /// The number of a row in either.
    Rowid,
}

impl From<Identifier> for Column {
    fn from(field: Identifier) -> Self {
        match field {
            Identifier::InteractionId => Self::InteractionId,
            Identifier::FeatureId => Self::FeatureId,
            Identifier::UserId => Self::UserId,
            Identifier::SessionId => Self::SessionId,
            Identifier::ExecutionId => Self::ExecutionId,
            Identifier::RetrieverId => Self::RetrieverId,
            Identifier::FeatureUri => Self::FeatureUri,
        }
    }
}

impl From<Integer> for Column {
    fn from(field: Integer) -> Self {
        match field {
            Integer::Position => Self::Position,
            Integer::ResultSetSize => Self::ResultSetSize,
        }
    }
}

impl From<Time> for Column {
    fn from(field: Time) -> Self {
        match field {
            Time::Timestamp => Self::TimestampUs,
            Time::CreatedAt => Self::CreatedAtUs,
        }
    }
}
