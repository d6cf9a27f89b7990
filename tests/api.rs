//! What callers get: records, pages, tokens and errors, on every database.

mod admin;
mod errors;
mod listing;
mod recording;
mod removing;
mod retention;
mod writing;

use interactions::grpc::proto;
use prost_types::Timestamp;
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::support::database::{TestDatabase, databases};
use crate::support::service::TestService;

/// An empty namespace on every database.
async fn services() -> Vec<(TestDatabase, TestService)> {
    let mut services = Vec::new();
    for database in databases().await {
        let service = TestService::new(&database.repository, "api").await;
        services.push((database, service));
    }
    services
}

/// A click of so many seconds after the first.
fn click(number: u32) -> proto::Interaction {
    proto::Interaction {
        interaction_id: format!("i{number:05}"),
        interaction_type: vec!["click".to_owned()],
        position: Some(i32::try_from(number % 10).unwrap()),
        timestamp: Some(Timestamp { seconds: 1_735_689_600 + i64::from(number), nanos: 0 }),
        ..Default::default()
    }
}

/// The fields of the violations that a status lists.
fn violated(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let request = details.bad_request().unwrap_or_else(|| panic!("no violations in {status:?}"));
    request.field_violations.iter().map(|violation| violation.field.clone()).collect()
}

/// The reason that a status gives to programs.
fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no reason in {status:?}"));
    assert_eq!(info.domain, "interactions");
    info.reason.clone()
}
