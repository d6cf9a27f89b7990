//! When keys were last presented, until it is written down.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::time::Micros;

/// Most keys noted at a time. Further ones are noted once these have been taken.
const MAX_KEYS: usize = 10_000;

/// The last use of each key, in memory.
#[derive(Debug, Default)]
pub(super) struct KeyUses(Mutex<HashMap<String, Micros>>);

impl KeyUses {
    /// Notes that a key was presented; a later use stays.
    pub(super) fn note(&self, key_id: &str, at: Micros) {
        let mut uses = self.lock();
        if let Some(last) = uses.get_mut(key_id) {
            *last = at.max(*last);
        } else if uses.len() < MAX_KEYS {
            uses.insert(key_id.to_owned(), at);
        }
    }

    /// Everything noted, which is forgotten here.
    pub(super) fn take(&self) -> Vec<(String, Micros)> {
        self.lock().drain().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Micros>> {
        // Nothing in here panics halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_last_use_and_no_more_are_noted_than_there_is_room_for() {
        let uses = KeyUses::default();
        for at in [5, 7, 6] {
            uses.note("a", at);
        }
        assert_eq!(uses.take(), [("a".to_owned(), 7)]);
        assert_eq!(uses.take(), []);
        for number in 0..MAX_KEYS + 5 {
            uses.note(&number.to_string(), 1);
        }
        uses.note("0", 2);
        let taken = uses.take();
        assert_eq!(taken.len(), MAX_KEYS);
        assert!(taken.contains(&("0".to_owned(), 2)));
    }
}
