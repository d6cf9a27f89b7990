//! What opens a call that lasts. It is checked anew with every step: keys are revoked and namespaces
//! deleted while streams run.

use std::sync::Arc;

use tonic::metadata::MetadataMap;

use super::auth::{Auth, Caller};
use super::error::ApiError;
use crate::domain::access::{NamespaceId, Scope};

/// The credentials of one call.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) auth: Arc<Auth>,
    pub(super) metadata: MetadataMap,
    pub(super) scope: Scope,
}

impl Access {
    /// Who calls, as of now.
    pub(super) async fn caller(&self) -> Result<Caller, ApiError> {
        self.auth.authorize(&self.metadata, self.scope).await
    }

    /// Whether the call still works in `namespace`, in which it began. Another one may have its name
    /// by now.
    pub(super) async fn still_in(&self, namespace: NamespaceId) -> Result<(), ApiError> {
        let caller = self.caller().await?;
        if caller.namespace == namespace { Ok(()) } else { Err(ApiError::NamespaceDenied) }
    }
}
