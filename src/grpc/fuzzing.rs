//! What fuzz targets reach in this layer.

use prost::Message;
use serde_json::Number;
use tonic::Status;

use super::auth::Caller;
use super::decode::{admin, batch, interaction, json, list, selection};
use super::error::ApiError;
use super::{page_token, proto, status};
use crate::domain::access::NamespaceId;
use crate::domain::interaction::Interaction;
use crate::domain::query::Query;
use crate::domain::sort::{Position, Sort};
use crate::domain::time::Micros;
use crate::domain::violation::Violations;
use crate::repository::{Dialect, KeyPlace, NewInteraction};

const NAMESPACE: NamespaceId = NamespaceId(42);

/// What the checks of requests came to.
#[derive(Debug, Default)]
pub struct Checked {
    /// What would be recorded.
    pub accepted: Vec<NewInteraction>,
    /// What would be looked for.
    pub queries: Vec<Query>,
    /// How what is wrong would be answered.
    pub refusals: Vec<Status>,
    /// The same for single interactions of a stream.
    pub refused_items: Vec<tonic_types::Status>,
}

/// Decodes `bytes` as each kind of request, and checks as the service would at `now` what can be
/// decoded.
#[must_use]
pub fn check_requests(bytes: &[u8], now: Micros) -> Checked {
    let mut checked = Checked::default();
    checked.check_recording(bytes, now);
    checked.check_queries(bytes, now);
    checked.check_admin(bytes, now);
    checked
}

impl Checked {
    fn check_recording(&mut self, bytes: &[u8], now: Micros) {
        let single = self.check(bytes, |request: proto::CreateInteractionRequest| {
            let mut violations = Violations::default();
            let new = request.interaction.map(|given| {
                interaction::new_interaction(given, now, "interaction", &mut violations)
            });
            violations.into_result(new)
        });
        self.accepted.extend(single.flatten());
        let whole = self.check(bytes, |request: proto::BatchCreateInteractionsRequest| {
            batch::whole(request.interactions, Dialect::Sqlite, NAMESPACE, now)
        });
        self.accepted.extend(whole.iter().flat_map(|batch| batch.interactions()).cloned());
        let received = self.check(bytes, |request: proto::WriteInteractionsRequest| {
            batch::received(request, Dialect::Postgres, NAMESPACE, now)
        });
        if let Some(batch::Received { request_id: _, refused, batch }) = received {
            self.accepted.extend_from_slice(batch.interactions());
            let refused = refused.into_iter().flatten();
            self.refused_items
                .extend(refused.map(|(_, violations)| status::of_item(violations.into())));
        }
    }

    fn check_queries(&mut self, bytes: &[u8], now: Micros) {
        let caller =
            Caller { key_id: "0123456789ab".to_owned(), namespace: NAMESPACE, visible_since: None };
        let listed = self.check(bytes, |request: proto::ListInteractionsRequest| {
            let list = list::list(request, &caller)?;
            page_token::start(&list.page_token, &list.query)?;
            Ok::<_, ApiError>(list.query)
        });
        let counted = self.check(bytes, |request: proto::CountInteractionsRequest| {
            selection::count(request, &caller)
        });
        let purged = self.check(bytes, |request: proto::PurgeInteractionsRequest| {
            selection::purge(request, &caller, now)
        });
        let purged = purged.map(|purge| purge.selection);
        let selections = counted.into_iter().chain(purged);
        self.queries.extend(listed);
        self.queries.extend(selections.map(|selection| Query { selection, sort: Sort::default() }));
    }

    fn check_admin(&mut self, bytes: &[u8], now: Micros) {
        self.check(bytes, admin::new_namespace);
        self.check(bytes, admin::new_retention);
        self.check(bytes, |request: proto::DeleteNamespaceRequest| {
            admin::namespace_ref(&request.namespace_ref)
        });
        self.check(bytes, |request: proto::ListNamespacesRequest| {
            let listing = admin::listing(request.page_size, request.page_token)?;
            Ok::<_, ApiError>(page_token::admin::namespace(&listing.page_token)?)
        });
        self.check(bytes, |request| admin::key_draft(request, now));
        self.check(bytes, |request| admin::rotation(request, now));
        self.check(bytes, |request: proto::RevokeApiKeyRequest| admin::key_id(request.key_id));
        self.check(bytes, |request: proto::ListApiKeysRequest| {
            let listing = admin::listing(request.page_size, request.page_token)?;
            Ok::<_, ApiError>(page_token::admin::key(&listing.page_token)?)
        });
    }

    fn check<Request, Found, Refusal>(
        &mut self,
        bytes: &[u8],
        check: impl FnOnce(Request) -> Result<Found, Refusal>,
    ) -> Option<Found>
    where
        Request: Message + Default,
        ApiError: From<Refusal>,
    {
        match check(Request::decode(bytes).ok()?) {
            Ok(found) => Some(found),
            Err(refusal) => {
                self.refusals.push(ApiError::from(refusal).into());
                None
            }
        }
    }
}

/// What a stored record says; `None` when it is not one.
#[must_use]
pub fn stored_interaction(record: &[u8]) -> Option<Interaction> {
    interaction::stored(record)
}

/// A number of a request as the filters get it.
#[must_use]
pub fn json_number(number: f64) -> Option<Number> {
    json::number(number)
}

/// Where a page token continues `query`.
#[must_use]
pub fn position(token: &str, query: &Query) -> Option<Position> {
    page_token::decode(token, query).ok()
}

/// The token that continues `query` after `position`.
#[must_use]
pub fn position_token(query: &Query, position: &Position) -> String {
    page_token::encode(query, position)
}

/// The name after which a page token goes on; `None` too where it begins.
#[must_use]
pub fn namespace_name(token: &str) -> Option<String> {
    page_token::admin::namespace(token).ok()?
}

/// The token that goes on after the namespace of this name.
#[must_use]
pub fn namespace_token(name: &str) -> String {
    page_token::admin::after_namespace(name)
}

/// The place after which a page token goes on; `None` too where it begins.
#[must_use]
pub fn key_place(token: &str) -> Option<KeyPlace> {
    page_token::admin::key(token).ok()?
}

/// The token that goes on after the key in this place.
#[must_use]
pub fn key_token(place: KeyPlace) -> String {
    page_token::admin::after_key(place)
}
