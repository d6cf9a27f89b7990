//! SQLite: whether the rows of a page are found by what they hold, or by their order.
//!
//! Some indexes name the rows that can match, in no useful order: those of words and of values in
//! JSON, several values of a column, alternatives. Where they name few, these are looked at and
//! sorted. Where they name many, the page is full sooner if rows are tested one after the other in
//! the order of the list. SQLite would choose by statistics that know nothing of words and of values
//! in JSON, nor which namespace is asked; so the rows named are counted, up to a bound.

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{
    Alias, Expr, ExprTrait, Query as Sql, SelectStatement, SubQueryStatement, UnionType,
};

use super::condition::{Compiler, own_types};
use super::document::TYPES_KEY;
use super::entity::interaction::{Column, Entity, Part};
use super::json_condition::Reach;
use super::planning::Planning;
use super::readers::Reader;
use super::{Dialect, Error, Repository};
use crate::domain::filter::{
    Condition, Filter, IdentifierTest, IntegerTest, JsonTest, ScoreTest, TimeTest,
};
use crate::domain::interaction_type::TypeName;
use crate::domain::query::Selection;
use crate::domain::sort::{Sort, SortField};

/// Most rows that are looked at one by one and sorted for a page of one; for more it grows with the
/// root of their number. Where as many match in a namespace of 500,000, a page is full after as much
/// work along the order of the list.
const MOST_NAMED: u64 = 500;
/// Most sets of candidates that are counted.
const MOST_COUNTED: usize = 8;
/// Most indexes that are asked for one set; SQLite joins up to 500 selects.
const MOST_PARTS: usize = 64;

/// How the rows of a selection are found.
#[derive(Debug, Clone)]
pub enum Way {
    /// As the database likes.
    Free,
    /// In the order of the list, testing each.
    Walk,
    /// Among those that an index names.
    Among(Candidates),
}

impl Way {
    /// Its name, for the log.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Walk => "walk",
            Self::Among(_) => "among",
        }
    }
}

/// Numbers of rows, among which are all of a selection. Each part is an index's.
#[derive(Debug, Clone)]
pub struct Candidates {
    parts: Vec<SelectStatement>,
    /// Whether they are just those that the search finds.
    found: bool,
}

impl Repository {
    /// Every way to `selection` that may be the best one.
    #[must_use]
    pub fn ways(&self, selection: &Selection, sort: &Sort) -> Vec<Way> {
        let candidates = match self.dialect {
            Dialect::Sqlite => self.compiler(selection.namespace).candidates(selection, sort),
            Dialect::Postgres => Vec::new(),
        };
        let among = candidates.into_iter().map(Way::Among);
        [Way::Free, Way::Walk].into_iter().chain(among).collect()
    }

    /// The best way to the first `limit` rows of `selection` in the order of `sort`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn way(&self, selection: &Selection, sort: &Sort, limit: u64) -> Result<Way, Error> {
        let way = async {
            let reader = self.readers.soon(Some(selection.namespace), Planning::Anew).await?;
            self.way_by(&reader, selection, sort, limit).await
        };
        self.callers.answer(way).await
    }

    /// The same, found out by `reader`.
    pub(super) async fn way_by(
        &self,
        reader: &Reader,
        selection: &Selection,
        sort: &Sort,
        limit: u64,
    ) -> Result<Way, Error> {
        if self.dialect == Dialect::Postgres {
            return Ok(Way::Free);
        }
        let lead = sort.keys().first();
        if lead.is_some_and(|key| matches!(key.field, SortField::Json(_))) {
            // No index has this order: all are looked at.
            return self.way_to_all_by(reader, selection).await;
        }
        let candidates = self.compiler(selection.namespace).candidates(selection, sort);
        if candidates.is_empty() {
            return Ok(Way::Free);
        }
        let few = fewest(reader, candidates, limit).await?;
        Ok(few.map_or(Way::Walk, Way::Among))
    }

    /// The best way to all rows of `selection`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn way_to_all(&self, selection: &Selection) -> Result<Way, Error> {
        let way = async {
            let reader = self.readers.soon(Some(selection.namespace), Planning::Anew).await?;
            self.way_to_all_by(&reader, selection).await
        };
        self.callers.answer(way).await
    }

    /// The same, found out by `reader`.
    pub(super) async fn way_to_all_by(
        &self,
        reader: &Reader,
        selection: &Selection,
    ) -> Result<Way, Error> {
        if self.dialect == Dialect::Postgres {
            return Ok(Way::Free);
        }
        let sort = Sort::default();
        let compiler = self.compiler(selection.namespace);
        let candidates = compiler.candidates(selection, &sort);
        if candidates.is_empty() {
            return Ok(Way::Free);
        }
        let conjuncts = selection.filter.conjuncts();
        let narrowed = conjuncts.iter().any(|conjunct| compiler.is_in_order(conjunct, &sort));
        let any = candidates.first().filter(|_| !narrowed).cloned();
        let few = fewest(reader, candidates, 1).await?;
        Ok(few.or(any).map_or(Way::Free, Way::Among))
    }
}

/// Those of `candidates` that are the fewest; `None` where all are many for a page of `limit`.
async fn fewest(
    reader: &Reader,
    mut candidates: Vec<Candidates>,
    limit: u64,
) -> Result<Option<Candidates>, Error> {
    let most = MOST_NAMED.saturating_mul(Ord::max(limit.isqrt(), 1));
    candidates.truncate(MOST_COUNTED);
    let mut counts = Sql::select();
    for candidates in &candidates {
        counts.expr(candidates.count_up_to(most.saturating_add(1)));
    }
    let Some(row) = reader.query_one(&counts).await? else { return Ok(None) };
    let mut fewest = (most.saturating_add(1).cast_signed(), None);
    for (place, candidates) in candidates.into_iter().enumerate() {
        let count = row.try_get_by_index::<i64>(place)?;
        if count < fewest.0 {
            fewest = (count, Some(candidates));
        }
    }
    Ok(fewest.1)
}

impl Candidates {
    fn of(rows: SelectStatement) -> Self {
        Self { parts: vec![rows], found: false }
    }

    /// The numbers, some perhaps twice.
    fn select(&self) -> SelectStatement {
        let mut parts = self.parts.iter().cloned();
        let mut select = parts.next().unwrap_or_default();
        select.unions(parts.map(|part| (UnionType::All, part)));
        select
    }

    /// How many there are, at most `limit`.
    fn count_up_to(&self, limit: u64) -> Expr {
        let mut select = self.select();
        select.limit(limit);
        let mut count = Sql::select();
        count.expr(Expr::cust("COUNT(*)")).from_subquery(select, Alias::new("named"));
        Expr::SubQuery(None, Box::new(SubQueryStatement::SelectStatement(count)))
    }
}

impl Compiler {
    /// Sets of which each holds every row of `selection`.
    fn candidates(self, selection: &Selection, sort: &Sort) -> Vec<Candidates> {
        let mut candidates = Vec::new();
        if let Some(search) = &selection.search {
            candidates.push(Candidates { found: true, ..Candidates::of(self.words(search)) });
        }
        for conjunct in selection.filter.conjuncts() {
            if !self.is_in_order(conjunct, sort) {
                candidates.extend(self.candidates_of(conjunct));
            }
        }
        candidates
    }

    /// Whether an index has the rows that `filter` is true of in the order of the list: those of one
    /// value, which goes on by time, or of a range of what the list is sorted by.
    pub(super) fn is_in_order(self, filter: &Filter, sort: &Sort) -> bool {
        let Filter::Condition(condition) = filter else { return false };
        let leads = |field| sort.keys().first().is_some_and(|key| key.field == field);
        match condition {
            Condition::Identifier { field, test } => match test {
                IdentifierTest::In(values) => values.len() == 1 && sort.is_by_time(),
                IdentifierTest::Ordered(..) => leads(SortField::Identifier(*field)),
                IdentifierTest::Exists | IdentifierTest::Text(..) => false,
            },
            Condition::Types(names) => {
                matches!(&names[..], [name] if name.bit().is_some()) && sort.is_by_time()
            }
            Condition::Integer { field, test } => match test {
                IntegerTest::In(values) => values.len() == 1 && sort.is_by_time(),
                IntegerTest::Ordered(..) => leads(SortField::Integer(*field)),
                IntegerTest::Exists => false,
            },
            Condition::Score(test) => match test {
                ScoreTest::In(values) => values.len() == 1 && sort.is_by_time(),
                ScoreTest::Ordered(..) => leads(SortField::Score),
                ScoreTest::Exists => false,
            },
            Condition::Time { field, test } => match test {
                TimeTest::In(values) => values.len() == 1 && sort.is_by_time(),
                TimeTest::Ordered(..) => leads(SortField::Time(*field)),
            },
            Condition::Json { .. } => false,
        }
    }

    /// `None` where no index names rows that `filter` can be true of.
    fn candidates_of(self, filter: &Filter) -> Option<Candidates> {
        match filter {
            // Any of them would do. One that says more than another cannot be told here.
            Filter::All(filters) => filters.iter().find_map(|filter| self.candidates_of(filter)),
            Filter::Any(filters) => {
                let parts = filters.iter().map(|filter| Some(self.candidates_of(filter)?.parts));
                let parts = parts.collect::<Option<Vec<_>>>()?.concat();
                let parts = Some(parts).filter(|parts| (1..=MOST_PARTS).contains(&parts.len()))?;
                Some(Candidates { parts, found: false })
            }
            Filter::Not(_) => None,
            Filter::Condition(condition) => self.candidates_of_condition(condition),
        }
    }

    fn candidates_of_condition(self, condition: &Condition) -> Option<Candidates> {
        let by_column = match condition {
            Condition::Json { path, test: JsonTest::In(values, _) } => {
                return Reach::path(self, path).facts(values).map(Candidates::of);
            }
            Condition::Types(names) => return self.candidates_of_types(names),
            Condition::Identifier { test, .. } => {
                matches!(test, IdentifierTest::In(_) | IdentifierTest::Ordered(..))
            }
            Condition::Integer { test, .. } => !matches!(test, IntegerTest::Exists),
            Condition::Score(test) => !matches!(test, ScoreTest::Exists),
            Condition::Time { .. } => true,
            Condition::Json { .. } => false,
        };
        by_column.then(|| Candidates::of(self.rows(self.condition(condition))))
    }

    fn candidates_of_types(self, names: &[TypeName]) -> Option<Candidates> {
        let well_known = names.iter().filter(|name| name.bit().is_some());
        let mut parts: Vec<_> =
            well_known.map(|name| self.rows(self.types(std::slice::from_ref(name)))).collect();
        let own = own_types(names);
        if !own.is_empty() {
            parts.push(Reach::key(self, TYPES_KEY).facts(&own)?);
        }
        Some(Candidates { parts, found: false })
    }

    /// The rows that a column's index names.
    fn rows(self, condition: Expr) -> SelectStatement {
        Sql::select()
            .column(Part::RowId)
            .from(Entity)
            .and_where(Expr::col(Column::NamespaceId).eq(self.namespace.0))
            .and_where(condition)
            .to_owned()
    }

    /// The conditions that tell the rows of `selection` from others, where they are looked for in
    /// this way and in this order.
    pub(super) fn conditions(self, selection: &Selection, sort: &Sort, way: &Way) -> Vec<Expr> {
        let unindexed = self.without_indexes();
        let conjuncts = selection.filter.conjuncts().into_iter();
        let mut conditions: Vec<_> = conjuncts
            .map(|conjunct| match way {
                Way::Free => self.filter(conjunct),
                Way::Walk if self.is_in_order(conjunct, sort) => self.filter(conjunct),
                Way::Walk | Way::Among(_) => unindexed.filter(conjunct),
            })
            .collect();
        conditions.extend(selection.search.as_ref().map(|search| self.search(search)));
        if let Way::Among(candidates) = way {
            if candidates.found {
                conditions.pop();
            }
            conditions.push(Expr::col(Part::RowId).in_subquery(candidates.select()));
        }
        conditions
    }
}
