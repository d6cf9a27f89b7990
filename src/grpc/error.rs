//! What can be wrong with a call, free of transport: `status` turns it into what goes out.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::access::Scope;
use crate::domain::violation::Violations;
use crate::repository;

/// Why a call fails. What a caller may know and what only the log may know are apart: the causes
/// inside never leave the service.
#[derive(Debug, Clone)]
pub enum ApiError {
    /// The request breaks rules.
    Invalid {
        /// Which kind of rule.
        reason: InvalidReason,
        /// Everything that is wrong with it; not empty.
        violations: Violations,
    },
    /// No valid API key came with the call. A missing, a malformed, an unknown, an expired and a
    /// revoked key are one: telling them apart would tell a thief what he holds.
    Unauthenticated,
    /// The key lacks this scope.
    ScopeMissing(Scope),
    /// The key does not reach the namespace, or there is none: one answer, or names would leak.
    NamespaceDenied,
    /// There is no interaction of this id in the namespace.
    NotFound {
        /// The id that was asked for.
        interaction_id: String,
    },
    /// Interactions of these ids are there with other content.
    AlreadyExists(Violations),
    /// Something about namespaces or keys, for those who manage them.
    Admin(AdminError),
    /// The request is larger than a message may be.
    MessageTooLarge {
        /// What was found and what is allowed, for the caller to read.
        description: String,
    },
    /// The service does not know this method.
    MethodUnknown,
    /// The service does not read messages compressed in this way.
    CompressionUnknown,
    /// More calls are under way than the service takes on.
    Overloaded,
    /// The key makes more calls a second than it may.
    TooManyCalls {
        /// How long until it may make one more.
        retry_after: Duration,
    },
    /// The key has as many streams under way as it may.
    TooManyStreams,
    /// Too many calls without a valid key come from the caller's address.
    TooManyRefusals {
        /// How long until one more is looked at.
        retry_after: Duration,
    },
    /// The server is about to stop.
    Stopping,
    /// The caller takes nothing of what is sent to him.
    ReaderStalled,
    /// The caller's time is up.
    DeadlineExceeded,
    /// The database failed.
    Repository(Arc<repository::Error>),
    /// A fault of the service.
    Internal {
        /// What happened, for the log.
        cause: String,
    },
}

/// Why a call that manages namespaces or keys fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminError {
    /// The organisation has no such namespace, or the key does not manage it: one answer, or names
    /// would leak.
    NamespaceNotFound {
        /// How the caller named it.
        named: String,
    },
    /// The organisation has a namespace of this name.
    NamespaceExists {
        /// The name.
        name: String,
    },
    /// The namespace holds interactions.
    NamespaceNotEmpty,
    /// The organisation has no such key, or the caller's does not manage it.
    KeyNotFound {
        /// The id that was asked for.
        key_id: String,
    },
    /// The key is revoked or has expired.
    KeyNotValid,
    /// The caller's key is confined to namespaces, and what it asks for is not.
    KeyConfined {
        /// What that is.
        what: &'static str,
    },
}

/// Which kind of rule a request breaks; clients see it as the reason in `ErrorInfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidReason {
    /// A field of the request.
    Request,
    /// The page token: broken, or of another request.
    PageToken,
    /// No namespace is named, or more than one, or the name is not one that a namespace can have.
    Namespace,
    /// The bytes are not a message of the method.
    Message,
}

impl ApiError {
    /// A request with one thing wrong.
    #[must_use]
    pub fn invalid(
        reason: InvalidReason,
        field: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        let mut violations = Violations::default();
        violations.add(field, description);
        Self::Invalid { reason, violations }
    }
}

impl From<Violations> for ApiError {
    fn from(violations: Violations) -> Self {
        Self::Invalid { reason: InvalidReason::Request, violations }
    }
}

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        Self::Admin(error)
    }
}

impl From<repository::Error> for ApiError {
    fn from(error: repository::Error) -> Self {
        Self::Repository(Arc::new(error))
    }
}

impl From<Arc<repository::Error>> for ApiError {
    fn from(error: Arc<repository::Error>) -> Self {
        Self::Repository(error)
    }
}
