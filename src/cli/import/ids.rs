//! The ids of interactions that come without one.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Sets these hashes apart from any other use of the same function.
const DOMAIN: &[u8] = b"interactions import id 1\0";

/// Gives out ids.
#[derive(Debug)]
pub(super) enum Ids {
    /// Other ones every time.
    Random,
    /// The same ones for the same file: made of its name, the line's number and the line.
    Derived {
        /// A hash that the name went into.
        named: Sha256,
    },
}

impl Ids {
    /// Ids for a file of this base name.
    pub(super) fn of_file(name: &[u8]) -> Self {
        let mut named = Sha256::new();
        named.update(DOMAIN);
        // A length first, so that no name runs on into what follows it.
        named.update(count(name.len()));
        named.update(name);
        Self::Derived { named }
    }

    /// An id for one of the interactions of a line, which stands at `place` among them.
    pub(super) fn id(&self, line: u64, place: usize, text: &[u8]) -> String {
        let id = match self {
            Self::Random => Uuid::now_v7(),
            Self::Derived { named } => {
                let hash = named.clone();
                let hash = hash.chain_update(line.to_le_bytes()).chain_update(count(place));
                let hash: [u8; 32] = hash.chain_update(text).finalize().into();
                let mut half = [0; 16];
                half.copy_from_slice(&hash[..16]);
                uuid::Builder::from_custom_bytes(half).into_uuid()
            }
        };
        id.to_string()
    }
}

fn count(count: usize) -> [u8; 8] {
    (count as u64).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_tell_everything_apart_and_stay_the_same() {
        let ids = || Ids::of_file(b"events.jsonl");
        let id = ids().id(1, 0, b"{}");
        assert_eq!(id, ids().id(1, 0, b"{}"));
        // What other versions of the program gave: a file imported by them is still deduplicated.
        assert_eq!(id, "3a346584-c1c7-8f59-a932-9a72b27f9b07");
        for other in [
            ids().id(2, 0, b"{}"),
            ids().id(1, 1, b"{}"),
            ids().id(1, 0, b"{ }"),
            Ids::of_file(b"events2.jsonl").id(1, 0, b"{}"),
        ] {
            assert_ne!(id, other);
        }
        assert_eq!(Uuid::parse_str(&id).unwrap().get_version_num(), 8);
    }

    #[test]
    fn random_ids_differ() {
        let [first, second] = [(); 2].map(|()| Ids::Random.id(1, 0, b"{}"));
        assert_ne!(first, second);
        assert_eq!(Uuid::parse_str(&first).unwrap().get_version_num(), 7);
    }
}
