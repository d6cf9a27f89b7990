//! How the service understands a list request, for those who run it.

use super::auth::Caller;
use super::decode::list::{self, List};
use super::error::ApiError;
use super::{page_token, proto};
use crate::domain::access::Namespace;
use crate::domain::query::Query;
use crate::repository::Start;

/// A list request that has been checked.
#[derive(Debug)]
pub struct Understood {
    /// What is asked for.
    pub query: Query,
    /// Where it goes on.
    pub start: Start,
    /// Interactions that are read for a page: one more than it has, to know whether there is another.
    pub rows: u64,
}

/// Checks a list request as the service does when it is asked of `namespace`.
///
/// # Errors
/// Those of `ListInteractions`.
pub fn understand(
    request: proto::ListInteractionsRequest,
    namespace: &Namespace,
) -> Result<Understood, ApiError> {
    let caller = Caller::of(String::new(), namespace.id, namespace.retention);
    let List { query, page_size, page_token, limit, .. } = list::list(request, &caller)?;
    let start = page_token::start(&page_token, &query)?;
    let wanted = limit.unwrap_or(u64::MAX).min(page_size.into());
    Ok(Understood { query, start, rows: wanted + 1 })
}
