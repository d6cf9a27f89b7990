//! What List asks for.

use super::selection::{Wanted, take_apart};
use crate::domain::query::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, MAX_SKIP, Query};
use crate::domain::sort::{Direction, Sort, WrittenKey};
use crate::domain::violation::Violations;
use crate::grpc::auth::Caller;
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
    caller: &Caller,
) -> Result<List, Violations> {
    take_apart!(
        ListInteractionsRequest,
        request => wanted, sort, page_size, page_token, limit, skip, include_total, select
    );
    let mut violations = Violations::default();
    let selection = wanted.selection(caller, &mut violations);
    let sort = self::sort(sort, &mut violations);
    let page_size = self::page_size(page_size, &mut violations);
    let limit = self::limit(limit, &mut violations);
    let skip = self::skip(skip, &mut violations);
    let projection = Projection::parse(&select, "select", &mut violations);
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

/// How many are on a page.
pub(super) fn page_size(given: i32, violations: &mut Violations) -> u32 {
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
