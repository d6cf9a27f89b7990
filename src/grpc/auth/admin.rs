//! Who manages namespaces and keys, and which of them.

use crate::domain::access::{ApiKey, NamespaceId};

/// Who makes a call that manages namespaces or keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// The public id of the key.
    pub key_id: String,
    /// The organisation that it belongs to, beyond which it sees nothing.
    pub organisation_id: i64,
    /// The namespaces that it is confined to; empty where it manages all of its organisation.
    pub namespaces: Vec<NamespaceId>,
}

impl Admin {
    /// The namespaces that it is confined to; `None` where it is not.
    #[must_use]
    pub fn confinement(&self) -> Option<&[NamespaceId]> {
        (!self.namespaces.is_empty()).then_some(self.namespaces.as_slice())
    }

    /// Whether it manages a namespace of its organisation.
    #[must_use]
    pub fn manages(&self, namespace: NamespaceId) -> bool {
        self.confinement().is_none_or(|confinement| confinement.contains(&namespace))
    }

    /// Whether it manages a key of its organisation: one that reaches no further than itself.
    #[must_use]
    pub fn manages_key(&self, key: &ApiKey) -> bool {
        self.covers(&key.namespaces)
    }

    /// Whether a key that is confined to `namespaces` reaches no further than itself. One that is
    /// confined to none reaches everything.
    #[must_use]
    pub fn covers(&self, namespaces: &[NamespaceId]) -> bool {
        let within = |confinement: &[NamespaceId]| {
            !namespaces.is_empty()
                && namespaces.iter().all(|namespace| confinement.contains(namespace))
        };
        self.confinement().is_none_or(within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confined_key_covers_what_reaches_no_further() {
        let admin = |namespaces: &[i64]| Admin {
            key_id: String::new(),
            organisation_id: 1,
            namespaces: namespaces.iter().copied().map(NamespaceId).collect(),
        };
        let covers = |admin: &Admin, namespaces: &[i64]| {
            let namespaces: Vec<_> = namespaces.iter().copied().map(NamespaceId).collect();
            admin.covers(&namespaces)
        };
        for namespaces in [&[][..], &[1], &[1, 3]] {
            assert!(covers(&admin(&[]), namespaces));
        }
        for (namespaces, covered) in
            [(&[][..], false), (&[1], true), (&[2, 1], true), (&[3], false), (&[1, 3], false)]
        {
            assert_eq!(covers(&admin(&[1, 2]), namespaces), covered, "{namespaces:?}");
        }
        assert!(admin(&[]).manages(NamespaceId(3)) && admin(&[3]).manages(NamespaceId(3)));
        assert!(!admin(&[1, 2]).manages(NamespaceId(3)));
    }
}
