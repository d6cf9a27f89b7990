//! What administrators get, and what nobody else does.

mod confinement;
mod keys;
mod namespaces;

use interactions::domain::access::NamespaceId;
use interactions::grpc::proto;
use interactions::grpc::proto::api_key::Scope;
use tonic::{Code, Status};

use super::{click, reason, violated};
use crate::support::admin::{AdminApi, As};
use crate::support::database::{TestDatabase, databases};

/// A server on every database, with nothing in it.
async fn servers() -> Vec<(TestDatabase, AdminApi)> {
    let databases = databases().await;
    let api = |database: TestDatabase| {
        let api = AdminApi::new(&database.repository);
        (database, api)
    };
    databases.into_iter().map(api).collect()
}

/// Asserts that a call was refused, and why.
#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, why: &str) {
    let status = answer.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (code, why), "{status:?}");
}

fn id(namespace: &proto::Namespace) -> NamespaceId {
    namespace.namespace_id.parse().unwrap()
}

fn new_key(scopes: &[Scope], namespaces: &[&str]) -> proto::CreateApiKeyRequest {
    proto::CreateApiKeyRequest {
        name: "key".to_owned(),
        scopes: scopes.iter().map(|scope| i32::from(*scope)).collect(),
        namespaces: namespaces.iter().map(|namespace| (*namespace).to_owned()).collect(),
        default_namespace: String::new(),
        expires_at: None,
    }
}

/// What every call for administrators answers to `caller`.
async fn every_call(caller: &As<'_>) -> Vec<Result<(), Status>> {
    let key_id = || "0123456789ab".to_owned();
    let namespace_ref = || "nowhere".to_owned();
    vec![
        caller.create_namespace(proto::CreateNamespaceRequest::default()).await.map(drop),
        caller.get("nowhere").await.map(drop),
        caller.list_namespaces(proto::ListNamespacesRequest::default()).await.map(drop),
        caller
            .update_namespace(proto::UpdateNamespaceRequest {
                namespace_ref: namespace_ref(),
                ..Default::default()
            })
            .await
            .map(drop),
        caller.delete("nowhere", true).await,
        caller.create_api_key(new_key(&[Scope::Admin], &[])).await.map(drop),
        caller.get_key(&key_id()).await.map(drop),
        caller.list_api_keys(proto::ListApiKeysRequest::default()).await.map(drop),
        caller
            .rotate_api_key(proto::RotateApiKeyRequest { key_id: key_id(), ..Default::default() })
            .await
            .map(drop),
        caller.revoke(&key_id()).await.map(drop),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_manage_and_they_do_nothing_else() {
    for (database, api) in servers().await {
        let root = api.admin(&[]).await;
        root.namespace("demo").await;
        for scopes in [&[Scope::Read][..], &[Scope::Write], &[Scope::Read, Scope::Write]] {
            let created = root.create_api_key(new_key(scopes, &[])).await.unwrap();
            for answer in every_call(&api.with(&created.secret)).await {
                refused(answer, Code::PermissionDenied, "SCOPE_MISSING");
            }
        }
        for nobody in ["", "sk_", &root.secret.replace("sk_live_", "sk_live_x")] {
            for answer in every_call(&api.with(nobody)).await {
                refused(answer, Code::Unauthenticated, "INVALID_API_KEY");
            }
        }
        let record = root.record(Some("demo"), click(1)).await;
        refused(record, Code::PermissionDenied, "SCOPE_MISSING");
        refused(root.count(Some("demo")).await, Code::PermissionDenied, "SCOPE_MISSING");
        database.remove().await;
    }
}
