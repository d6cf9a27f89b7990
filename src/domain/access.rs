//! Who may do what: namespaces, API keys and their scopes.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::time::Micros;
use super::violation::echo;

mod key_secret;
pub mod rules;

pub use key_secret::{KEY_ENTROPY_BYTES, KeySecret, is_key_id};

/// Longest name of a namespace, in bytes.
pub const MAX_NAMESPACE_NAME_BYTES: usize = 63;
/// What a namespace's name may look like, for error messages.
pub const NAMESPACE_NAME_ACCEPTED: &str =
    "1 to 63 lower-case letters, digits and hyphens, and does not start with a hyphen";

/// A namespace, inside the service. Callers know it as `ns_` and sixteen hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct NamespaceId(pub i64);

const NAMESPACE_PREFIX: &str = "ns_";

impl fmt::Display for NamespaceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{NAMESPACE_PREFIX}{:016x}", self.0)
    }
}

impl FromStr for NamespaceId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.strip_prefix(NAMESPACE_PREFIX).filter(|digits| digits.len() == 16);
        let id = digits.and_then(|digits| i64::from_str_radix(digits, 16).ok()).map(Self);
        // One spelling for each id.
        id.filter(|id| id.to_string() == text).ok_or(())
    }
}

/// Whether `name` can name a namespace: `[a-z0-9][a-z0-9-]{0,62}`.
#[must_use]
pub fn is_namespace_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_NAMESPACE_NAME_BYTES).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('-')
}

/// A namespace as callers name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NamespaceRef {
    /// By its id.
    Id(NamespaceId),
    /// By its name.
    Name(String),
}

impl NamespaceRef {
    /// Whether this is how somebody names `namespace`.
    #[must_use]
    pub fn names(&self, namespace: &Namespace) -> bool {
        match self {
            Self::Id(id) => *id == namespace.id,
            Self::Name(name) => *name == namespace.name,
        }
    }
}

impl FromStr for NamespaceRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // No name looks like an id: names hold no underscore.
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(()) if is_namespace_name(text) => Ok(Self::Name(text.to_owned())),
            Err(()) => Err(format!(
                "{} is neither a namespace's id (ns_…) nor a name, which is {NAMESPACE_NAME_ACCEPTED}",
                echo(text)
            )),
        }
    }
}

impl fmt::Display for NamespaceRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(formatter),
            Self::Name(name) => formatter.write_str(name),
        }
    }
}

/// What an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// List, count and get.
    Read,
    /// Record and delete.
    Write,
    /// Manage namespaces and keys.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// The scope's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let scope = Self::ALL.into_iter().find(|scope| scope.name() == text);
        scope.ok_or_else(|| "scopes are read, write and admin".to_owned())
    }
}

/// What the service knows of an API key; the secret is not among it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Public id, 12 characters; part of the key.
    pub key_id: String,
    /// What its owner calls it.
    pub name: String,
    /// The organisation whose namespaces it can reach.
    pub organisation_id: i64,
    /// What it may do; not empty.
    pub scopes: Vec<Scope>,
    /// The namespaces that it is confined to; empty when it reaches all of its organisation.
    pub namespaces: Vec<NamespaceId>,
    /// The namespace of calls that name none.
    pub default_namespace: Option<NamespaceId>,
    /// When it was made.
    pub created_at: Micros,
    /// When it ceases to be valid.
    pub expires_at: Option<Micros>,
    /// When it was revoked.
    pub revoked_at: Option<Micros>,
    /// When it was last presented, to about a minute.
    pub last_used_at: Option<Micros>,
}

impl ApiKey {
    /// Whether the key is valid at `now`.
    #[must_use]
    pub fn is_valid(&self, now: Micros) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expiry| now < expiry)
    }

    /// Whether the key may do what `scope` covers. `admin` covers nothing but itself: a key that
    /// manages keys need not read what people did.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether the key reaches `namespace`, which belongs to the key's organisation.
    #[must_use]
    pub fn reaches(&self, namespace: NamespaceId) -> bool {
        self.namespaces.is_empty() || self.namespaces.contains(&namespace)
    }
}

/// A namespace, as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its id.
    pub id: NamespaceId,
    /// The organisation that owns it.
    pub organisation_id: i64,
    /// Its name, unique in the organisation.
    pub name: String,
    /// When it was made.
    pub created_at: Micros,
    /// How long its interactions are kept, in microseconds, from their timestamp on; `None`: for
    /// ever. Within [`rules::RETENTION`].
    pub retention: Option<Micros>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_have_ids_and_names() {
        let id = NamespaceId(0x0123_4567_89ab_cdef);
        assert_eq!(id.to_string(), "ns_0123456789abcdef");
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["ns_", "ns_123", "ns_0123456789ABCDEF", "ns_+123456789abcdef", "demo"] {
            assert_eq!(wrong.parse::<NamespaceId>(), Err(()), "{wrong}");
        }
        assert!(is_namespace_name("demo") && is_namespace_name("7-b"));
        assert!(!is_namespace_name("Demo") && !is_namespace_name("-a") && !is_namespace_name(""));
    }

    #[test]
    fn a_namespace_is_named_by_id_or_by_name() {
        let id = NamespaceId(7);
        assert_eq!(id.to_string().parse(), Ok(NamespaceRef::Id(id)));
        assert_eq!("ns-7".parse(), Ok(NamespaceRef::Name("ns-7".to_owned())));
        for wrong in ["", "ns_7", "De mo", "a\0"] {
            assert!(wrong.parse::<NamespaceRef>().is_err(), "{wrong:?}");
        }
    }
}
