//! Places of which there are so many, and so many for each who takes them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places that there are. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Places<Holder: Eq + Hash> {
    total: usize,
    per_holder: usize,
    taken: Arc<Mutex<Taken<Holder>>>,
}

#[derive(Debug)]
struct Taken<Holder> {
    total: usize,
    /// No holder has zero.
    by_holder: HashMap<Holder, usize>,
}

/// A place; free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place<Holder: Eq + Hash> {
    holder: Holder,
    taken: Arc<Mutex<Taken<Holder>>>,
}

/// Which places are all taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// All that there are.
    Everywhere,
    /// All that this one may take.
    ForHolder,
}

impl<Holder: Eq + Hash + Clone> Places<Holder> {
    /// `total` places, `per_holder` of them for one holder.
    #[must_use]
    pub(crate) fn new(total: usize, per_holder: usize) -> Self {
        let taken = Taken { total: 0, by_holder: HashMap::new() };
        Self { total, per_holder, taken: Arc::new(Mutex::new(taken)) }
    }

    /// Takes a place for `holder`.
    ///
    /// # Errors
    ///
    /// When none is left.
    pub(crate) fn take(&self, holder: Holder) -> Result<Place<Holder>, Full> {
        let mut taken = lock(&self.taken);
        if taken.total >= self.total {
            return Err(Full::Everywhere);
        }
        let of_holder = taken.by_holder.get(&holder).copied().unwrap_or(0);
        if of_holder >= self.per_holder {
            return Err(Full::ForHolder);
        }
        taken.by_holder.insert(holder.clone(), of_holder + 1);
        taken.total += 1;
        drop(taken);
        Ok(Place { holder, taken: Arc::clone(&self.taken) })
    }
}

impl<Holder: Eq + Hash> Drop for Place<Holder> {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.total -= 1;
        if let Some(count) = taken.by_holder.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                taken.by_holder.remove(&self.holder);
            }
        }
    }
}

/// Nothing in here panics between two changes that belong together, so poison means nothing.
fn lock<Holder>(taken: &Mutex<Taken<Holder>>) -> MutexGuard<'_, Taken<Holder>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_limit_for_each_and_one_for_all() {
        let places = Places::new(3, 2);
        let first = [places.take("a").unwrap(), places.take("a").unwrap()];
        assert_eq!(places.take("a").unwrap_err(), Full::ForHolder);
        let second = places.take("b").unwrap();
        assert_eq!(places.take("b").unwrap_err(), Full::Everywhere);
        drop(first);
        let again = [places.take("b").unwrap(), places.take("a").unwrap()];
        drop((again, second));
        assert!(lock(&places.taken).by_holder.is_empty());
        assert_eq!(lock(&places.taken).total, 0);
    }

    #[test]
    fn a_panic_frees_the_place() {
        let places = Places::new(1, 1);
        let place = places.take(1).unwrap();
        let panicking = std::thread::spawn(move || {
            let _place = place;
            panic!("on purpose");
        });
        assert!(panicking.join().is_err());
        assert!(places.take(1).is_ok());
    }
}
