//! What List and Count ask for.

use crate::domain::access::NamespaceId;
use crate::domain::field::Identifier;
use crate::domain::filter::Filter;
use crate::domain::filter_json;
use crate::domain::interaction_type::{ACCEPTED, TypeName};
use crate::domain::query::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, MAX_SKIP, Query, Selection};
use crate::domain::search::Search;
use crate::domain::sort::{Direction, Sort, WrittenKey};
use crate::domain::violation::{Violations, echo};
use crate::grpc::projection::Projection;
use crate::grpc::proto;

/// A list request that has been checked.
#[derive(Debug)]
pub(in crate::grpc) struct List {
    pub(in crate::grpc) query: Query,
    pub(in crate::grpc) page_size: u32,
    pub(in crate::grpc) page_token: String,
    /// `None`: until the end.
    pub(in crate::grpc) limit: Option<u64>,
    pub(in crate::grpc) skip: u32,
    pub(in crate::grpc) include_total: bool,
    /// `None`: all fields.
    pub(in crate::grpc) projection: Option<Projection>,
}

/// Checks a list request.
pub(in crate::grpc) fn list(
    request: proto::ListInteractionsRequest,
    namespace: NamespaceId,
) -> Result<List, Violations> {
    let proto::ListInteractionsRequest {
        execution_id,
        retriever_id,
        session_id,
        user_id,
        feature_id,
        interaction_type,
        filters,
        filter,
        sort,
        search,
        page_size,
        page_token,
        limit,
        skip,
        include_total,
        select,
    } = request;
    let mut violations = Violations::default();
    let simple =
        Simple { execution_id, retriever_id, session_id, user_id, feature_id, interaction_type };
    let filter = self::filter(simple, filters.as_ref(), filter.as_ref(), &mut violations);
    let search = self::search(&search, &mut violations);
    let sort = self::sort(sort, &mut violations);
    let page_size = self::page_size(page_size, &mut violations);
    let limit = self::limit(limit, &mut violations);
    let skip = self::skip(skip, &mut violations);
    let projection = Projection::parse(&select, "select", &mut violations);
    let selection = Selection { namespace, filter, search };
    match sort {
        Some(sort) if violations.is_empty() => Ok(List {
            query: Query { selection, sort },
            page_size,
            page_token,
            limit,
            skip,
            include_total,
            projection,
        }),
        Some(_) | None => Err(violations),
    }
}

/// Checks a count request.
pub(in crate::grpc) fn count(
    request: proto::CountInteractionsRequest,
    namespace: NamespaceId,
) -> Result<Selection, Violations> {
    let proto::CountInteractionsRequest {
        execution_id,
        retriever_id,
        session_id,
        user_id,
        feature_id,
        interaction_type,
        filters,
        filter,
        search,
    } = request;
    let mut violations = Violations::default();
    let simple =
        Simple { execution_id, retriever_id, session_id, user_id, feature_id, interaction_type };
    let filter = self::filter(simple, filters.as_ref(), filter.as_ref(), &mut violations);
    let search = self::search(&search, &mut violations);
    violations.into_result(Selection { namespace, filter, search })
}

/// The simple filters; empty means unset.
struct Simple {
    execution_id: String,
    retriever_id: String,
    session_id: String,
    user_id: String,
    feature_id: String,
    interaction_type: String,
}

impl Simple {
    fn filters(self, violations: &mut Violations) -> Vec<Filter> {
        let Self { execution_id, retriever_id, session_id, user_id, feature_id, interaction_type } =
            self;
        let identifiers = [
            (Identifier::ExecutionId, execution_id),
            (Identifier::RetrieverId, retriever_id),
            (Identifier::SessionId, session_id),
            (Identifier::UserId, user_id),
            (Identifier::FeatureId, feature_id),
        ];
        let mut filters = Vec::new();
        for (field, value) in identifiers {
            if value.contains('\0') {
                violations.add(field.name(), "holds a NUL character, which no field can hold");
            } else if !value.is_empty() {
                filters.push(Filter::identifier(field, value));
            }
        }
        match TypeName::parse(&interaction_type) {
            Some(name) => filters.push(Filter::of_type(name)),
            None if interaction_type.is_empty() => {}
            None => {
                let text = echo(&interaction_type);
                let description = format!("{text} is no type name; a type is {ACCEPTED}");
                violations.add("interaction_type", description);
            }
        }
        filters
    }
}

/// All filters of a request as one: every form that is given must hold.
fn filter(
    simple: Simple,
    json: Option<&prost_types::Struct>,
    typed: Option<&proto::Filter>,
    violations: &mut Violations,
) -> Filter {
    let mut filters = simple.filters(violations);
    if let Some(json) = json {
        let before = violations.len();
        let object = super::json::filter_object(json, "filters", violations);
        if violations.len() == before {
            filters.push(filter_json::parse(&object, "filters", violations));
        }
    }
    if let Some(typed) = typed {
        filters.push(super::filter::filter(typed, "filter", violations));
    }
    Filter::all(filters)
}

fn search(text: &str, violations: &mut Violations) -> Option<Search> {
    Search::parse(text).unwrap_or_else(|error| {
        violations.add("search", error.to_string());
        None
    })
}

fn sort(keys: Vec<proto::Sort>, violations: &mut Violations) -> Option<Sort> {
    let mut written = Vec::with_capacity(keys.len());
    let before = violations.len();
    for (place, key) in keys.into_iter().enumerate() {
        let proto::Sort { field, direction } = key;
        let direction = match proto::sort::Direction::try_from(direction) {
            Ok(proto::sort::Direction::Unspecified | proto::sort::Direction::Asc) => {
                Direction::Ascending
            }
            Ok(proto::sort::Direction::Desc) => Direction::Descending,
            Err(_) => {
                violations.add(format!("sort[{place}].direction"), "takes ASC or DESC");
                Direction::Ascending
            }
        };
        written.push(WrittenKey { field, direction });
    }
    match Sort::build(written, "sort") {
        Ok(sort) if violations.len() == before => Some(sort),
        Ok(_) => None,
        Err(wrong) => {
            violations.extend(wrong);
            None
        }
    }
}

fn page_size(given: i32, violations: &mut Violations) -> u32 {
    match u32::try_from(given) {
        Ok(0) => DEFAULT_PAGE_SIZE,
        Ok(size) => size.min(MAX_PAGE_SIZE),
        Err(_) => {
            violations.add("page_size", "is never negative; 0 means the default of 100");
            DEFAULT_PAGE_SIZE
        }
    }
}

fn limit(given: i64, violations: &mut Violations) -> Option<u64> {
    match u64::try_from(given) {
        Ok(0) => None,
        Ok(limit) => Some(limit),
        Err(_) => {
            violations.add("limit", "is never negative; 0 means until the end");
            None
        }
    }
}

fn skip(given: i32, violations: &mut Violations) -> u32 {
    match u32::try_from(given) {
        Ok(skip) if skip <= MAX_SKIP => skip,
        Ok(_) | Err(_) => {
            let advice = "to go further, follow page tokens";
            violations.add("skip", format!("takes 0 to {MAX_SKIP}; {advice}"));
            0
        }
    }
}
