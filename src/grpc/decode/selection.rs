//! Which interactions List, Count and Purge ask for.

use crate::domain::field::Identifier;
use crate::domain::filter::Filter;
use crate::domain::filter_json;
use crate::domain::interaction_type::{ACCEPTED, TypeName};
use crate::domain::query::{Selection, Window};
use crate::domain::search::Search;
use crate::domain::time::Micros;
use crate::domain::violation::{Violations, echo};
use crate::grpc::auth::Caller;
use crate::grpc::error::ApiError;
use crate::grpc::proto;

/// The fields that the three requests share. Empty means unset.
pub(super) struct Wanted {
    pub(super) execution_id: String,
    pub(super) retriever_id: String,
    pub(super) session_id: String,
    pub(super) user_id: String,
    pub(super) feature_id: String,
    pub(super) interaction_type: String,
    pub(super) filters: Option<prost_types::Struct>,
    pub(super) filter: Option<proto::Filter>,
    pub(super) search: String,
}

/// Takes a request apart: binds what it wants to one name, and each further field to its own. A field
/// that is named neither here nor by the caller is a compile error.
macro_rules! take_apart {
    ($message:ident, $request:expr => $wanted:ident $(, $further:ident)*) => {
        let proto::$message {
            execution_id,
            retriever_id,
            session_id,
            user_id,
            feature_id,
            interaction_type,
            filters,
            filter,
            search,
            $($further,)*
        } = $request;
        let $wanted = Wanted {
            execution_id,
            retriever_id,
            session_id,
            user_id,
            feature_id,
            interaction_type,
            filters,
            filter,
            search,
        };
    };
}
pub(super) use take_apart;

/// Checks a count request.
pub(in crate::grpc) fn count(
    request: proto::CountInteractionsRequest,
    caller: &Caller,
) -> Result<Selection, Violations> {
    take_apart!(CountInteractionsRequest, request => wanted);
    let mut violations = Violations::default();
    let selection = wanted.selection(caller, &mut violations);
    violations.into_result(selection)
}

/// A purge request that has been checked.
#[derive(Debug)]
pub(in crate::grpc) struct Purge {
    /// What to delete, hidden or not.
    pub(in crate::grpc) selection: Selection,
    /// Delete it, and do not only say what would be deleted.
    pub(in crate::grpc) force: bool,
}

/// Checks a purge request that begins `now`.
pub(in crate::grpc) fn purge(
    request: proto::PurgeInteractionsRequest,
    caller: &Caller,
    now: Micros,
) -> Result<Purge, ApiError> {
    take_apart!(PurgeInteractionsRequest, request => wanted, all, force);
    let mut violations = Violations::default();
    let selection = wanted.selection(caller, &mut violations);
    let narrowed = selection.search.is_some() || !selection.filter.is_everything();
    if violations.is_empty() && narrowed == all {
        let description = if all {
            "means the whole namespace, and stands alone: leave it out, or the filters"
        } else {
            "is needed where nothing narrows the request: it would delete the whole namespace"
        };
        violations.add("all", description);
    }
    // What retention has hidden goes as well.
    let window = Window { visible_since: None, recorded_before: Some(now) };
    let selection = Selection { window, ..selection };
    Ok(violations.into_result(Purge { selection, force })?)
}

impl Wanted {
    /// What must hold of the interactions that `caller` means.
    pub(super) fn selection(self, caller: &Caller, violations: &mut Violations) -> Selection {
        let Self {
            execution_id,
            retriever_id,
            session_id,
            user_id,
            feature_id,
            interaction_type,
            filters: json,
            filter: typed,
            search,
        } = self;
        let identifiers = [
            (Identifier::ExecutionId, execution_id),
            (Identifier::RetrieverId, retriever_id),
            (Identifier::SessionId, session_id),
            (Identifier::UserId, user_id),
            (Identifier::FeatureId, feature_id),
        ];
        let mut parts = Vec::new();
        for (field, value) in identifiers {
            if value.contains('\0') {
                violations.add(field.name(), "holds a NUL character, which no field can hold");
            } else if !value.is_empty() {
                parts.push(Filter::identifier(field, value));
            }
        }
        parts.extend(of_type(&interaction_type, violations));
        if let Some(json) = json {
            let before = violations.len();
            let object = super::json::filter_object(&json, "filters", violations);
            if violations.len() == before {
                parts.push(filter_json::parse(&object, "filters", violations));
            }
        }
        if let Some(typed) = typed {
            parts.push(super::filter::filter(&typed, "filter", violations));
        }
        let search = Search::parse(&search).unwrap_or_else(|error| {
            violations.add("search", error.to_string());
            None
        });
        let Caller { key_id: _, namespace, visible_since } = caller;
        Selection {
            namespace: *namespace,
            window: Window { visible_since: *visible_since, recorded_before: None },
            filter: Filter::all(parts),
            search,
        }
    }
}

fn of_type(name: &str, violations: &mut Violations) -> Option<Filter> {
    let parsed = TypeName::parse(name).map(Filter::of_type);
    if parsed.is_none() && !name.is_empty() {
        let text = echo(name);
        let description = format!("{text} is no type name; a type is {ACCEPTED}");
        violations.add("interaction_type", description);
    }
    parsed
}
