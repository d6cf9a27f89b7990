//! What those who manage namespaces and keys ask for.

use std::str::FromStr;

use prost_types::FieldMask;

use super::{duration, list, timestamp};
use crate::domain::access::{NamespaceRef, Scope, is_key_id, rules};
use crate::domain::time::Micros;
use crate::domain::violation::Violations;
use crate::grpc::proto;
use crate::grpc::proto::api_key;

/// A namespace to be created.
#[derive(Debug)]
pub(in crate::grpc) struct NewNamespace {
    pub(in crate::grpc) name: String,
    /// `None`: for ever.
    pub(in crate::grpc) retention: Option<Micros>,
}

/// A change of a namespace's retention, which is all that can change.
#[derive(Debug)]
pub(in crate::grpc) struct NewRetention {
    pub(in crate::grpc) namespace: NamespaceRef,
    /// `None`: for ever.
    pub(in crate::grpc) retention: Option<Micros>,
}

/// A key to be created, whose namespaces have not been looked up.
#[derive(Debug)]
pub(in crate::grpc) struct KeyDraft {
    pub(in crate::grpc) name: String,
    pub(in crate::grpc) scopes: Vec<Scope>,
    pub(in crate::grpc) namespaces: Vec<NamespaceRef>,
    pub(in crate::grpc) default_namespace: Option<NamespaceRef>,
    pub(in crate::grpc) expires_at: Option<Micros>,
}

/// A key to be replaced.
#[derive(Debug)]
pub(in crate::grpc) struct Rotation {
    pub(in crate::grpc) key_id: String,
    pub(in crate::grpc) overlap: Micros,
    pub(in crate::grpc) expires_at: Option<Micros>,
}

/// Which part of a list, of namespaces or of keys.
#[derive(Debug)]
pub(in crate::grpc) struct Listing {
    pub(in crate::grpc) page_size: u32,
    pub(in crate::grpc) page_token: String,
}

/// Checks a namespace to be created.
pub(in crate::grpc) fn new_namespace(
    request: proto::CreateNamespaceRequest,
) -> Result<NewNamespace, Violations> {
    let proto::CreateNamespaceRequest { name, retention } = request;
    let mut violations = Violations::default();
    rules::namespace_name(&name, "name", &mut violations);
    let retention = self::retention(retention, &mut violations);
    violations.into_result(NewNamespace { name, retention })
}

/// Checks a change of a namespace.
pub(in crate::grpc) fn new_retention(
    request: proto::UpdateNamespaceRequest,
) -> Result<NewRetention, Violations> {
    let proto::UpdateNamespaceRequest { namespace_ref, retention, update_mask } = request;
    let mut violations = Violations::default();
    let namespace = reference(&namespace_ref, "namespace_ref", &mut violations);
    let FieldMask { paths } = update_mask.unwrap_or_default();
    for (place, path) in paths.iter().enumerate() {
        if !["retention", "*"].contains(&path.as_str()) {
            violations.add(format!("update_mask.paths[{place}]"), "takes retention, or * for all");
        }
    }
    if paths.is_empty() && retention.is_none() {
        let nothing = "names nothing, and nothing is set; with retention here and none set, \
                       interactions are kept for ever";
        violations.add("update_mask", nothing);
    }
    let retention = self::retention(retention, &mut violations);
    checked(namespace, violations, |namespace| NewRetention { namespace, retention })
}

/// Checks how a namespace is named.
pub(in crate::grpc) fn namespace_ref(text: &str) -> Result<NamespaceRef, Violations> {
    let mut violations = Violations::default();
    let namespace = reference(text, "namespace_ref", &mut violations);
    checked(namespace, violations, |namespace| namespace)
}

/// Checks the id of a key.
pub(in crate::grpc) fn key_id(key_id: String) -> Result<String, Violations> {
    let mut violations = Violations::default();
    check_key_id(&key_id, &mut violations);
    violations.into_result(key_id)
}

/// Checks a key to be created at `now`.
pub(in crate::grpc) fn key_draft(
    request: proto::CreateApiKeyRequest,
    now: Micros,
) -> Result<KeyDraft, Violations> {
    let proto::CreateApiKeyRequest { name, scopes, namespaces, default_namespace, expires_at } =
        request;
    let mut violations = Violations::default();
    rules::key_name(&name, "name", &mut violations);
    let scopes = self::scopes(&scopes, &mut violations);
    rules::confinement(namespaces.len(), "namespaces", &mut violations);
    let namespaces = namespaces.iter().enumerate().filter_map(|(place, text)| {
        reference(text, &format!("namespaces[{place}]"), &mut violations)
    });
    let namespaces = namespaces.collect();
    let default_namespace = match default_namespace.as_str() {
        "" => None,
        text => reference(text, "default_namespace", &mut violations),
    };
    let expires_at = expiry(expires_at, now, &mut violations);
    let draft = KeyDraft { name, scopes, namespaces, default_namespace, expires_at };
    violations.into_result(draft)
}

/// Checks how a key is to be replaced at `now`.
pub(in crate::grpc) fn rotation(
    request: proto::RotateApiKeyRequest,
    now: Micros,
) -> Result<Rotation, Violations> {
    let proto::RotateApiKeyRequest { key_id, overlap, expires_at } = request;
    let mut violations = Violations::default();
    check_key_id(&key_id, &mut violations);
    let overlap = match overlap {
        Some(overlap) => {
            let overlap = duration::micros(&overlap, "overlap", &mut violations);
            overlap.inspect(|overlap| rules::overlap(*overlap, "overlap", &mut violations))
        }
        None => None,
    };
    let overlap = overlap.unwrap_or(rules::DEFAULT_OVERLAP);
    let expires_at = expiry(expires_at, now, &mut violations);
    violations.into_result(Rotation { key_id, overlap, expires_at })
}

/// Checks which part of a list is asked for.
pub(in crate::grpc) fn listing(page_size: i32, page_token: String) -> Result<Listing, Violations> {
    let mut violations = Violations::default();
    let page_size = list::page_size(page_size, &mut violations);
    violations.into_result(Listing { page_size, page_token })
}

fn retention(
    retention: Option<prost_types::Duration>,
    violations: &mut Violations,
) -> Option<Micros> {
    let micros = duration::micros(&retention?, "retention", violations)?;
    rules::retention(micros, "retention", violations);
    Some(micros)
}

fn expiry(
    expires_at: Option<prost_types::Timestamp>,
    now: Micros,
    violations: &mut Violations,
) -> Option<Micros> {
    expires_at.map(|expires_at| timestamp::expiry(&expires_at, now, "expires_at", violations))
}

fn scopes(given: &[i32], violations: &mut Violations) -> Vec<Scope> {
    let mut known = Vec::with_capacity(given.len().min(Scope::ALL.len()));
    let before = violations.len();
    for (place, scope) in given.iter().enumerate() {
        match api_key::Scope::try_from(*scope) {
            Ok(api_key::Scope::Read) => known.push(Scope::Read),
            Ok(api_key::Scope::Write) => known.push(Scope::Write),
            Ok(api_key::Scope::Admin) => known.push(Scope::Admin),
            Ok(api_key::Scope::Unspecified) | Err(_) => {
                violations.add(format!("scopes[{place}]"), "takes READ, WRITE or ADMIN");
            }
        }
    }
    // With one that is not known among them, the places of the others are not theirs.
    if violations.len() == before { rules::scopes(&known, "scopes", violations) } else { known }
}

fn check_key_id(key_id: &str, violations: &mut Violations) {
    if !is_key_id(key_id) {
        violations.add("key_id", "takes the twelve letters and digits of a key's public id");
    }
}

fn reference(text: &str, path: &str, violations: &mut Violations) -> Option<NamespaceRef> {
    if text.is_empty() {
        violations.add(path, "names no namespace; takes its id (ns_…) or its name");
        return None;
    }
    match NamespaceRef::from_str(text) {
        Ok(namespace) => Some(namespace),
        Err(wrong) => {
            violations.add(path, wrong);
            None
        }
    }
}

/// What `build` makes of a part that has been checked, where nothing was found wrong.
fn checked<Part, Whole>(
    part: Option<Part>,
    violations: Violations,
    build: impl FnOnce(Part) -> Whole,
) -> Result<Whole, Violations> {
    match part {
        Some(part) => violations.into_result(build(part)),
        None => Err(violations),
    }
}

#[cfg(test)]
mod tests;
