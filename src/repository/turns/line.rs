//! A line in which parties take turns.

use std::collections::{HashMap, VecDeque};

use super::Party;

/// Those who wait: of each party in the order in which they came, and of the parties one after the
/// other.
#[derive(Debug)]
pub(super) struct Line<Waiter> {
    /// Parties with somebody in line, the one that comes next first.
    parties: VecDeque<Party>,
    /// Of each of them, who waits; nobody else has an entry.
    waiting: HashMap<Party, VecDeque<Waiter>>,
    length: usize,
}

impl<Waiter> Default for Line<Waiter> {
    fn default() -> Self {
        Self { parties: VecDeque::new(), waiting: HashMap::new(), length: 0 }
    }
}

impl<Waiter> Line<Waiter> {
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// The parties that wait, in the order of their turns.
    pub(super) fn parties(&self) -> impl Iterator<Item = Party> {
        self.parties.iter().copied()
    }

    /// Puts somebody at the end of his party's line.
    pub(super) fn join(&mut self, party: Party, waiter: Waiter) {
        self.length += 1;
        let waiting = self.waiting.entry(party).or_default();
        if waiting.is_empty() {
            self.parties.push_back(party);
        }
        waiting.push_back(waiter);
    }

    /// The first one of a party, which then stands behind all others.
    pub(super) fn take(&mut self, party: Party) -> Option<Waiter> {
        let waiting = self.waiting.get_mut(&party)?;
        let waiter = waiting.pop_front()?;
        self.length -= 1;
        let more = !waiting.is_empty();
        if !more {
            self.waiting.remove(&party);
        }
        self.parties.retain(|other| *other != party);
        if more {
            self.parties.push_back(party);
        }
        Some(waiter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::NamespaceId;

    #[test]
    fn parties_take_turns_and_each_keeps_its_order() {
        let [a, b, c] = [Some(NamespaceId(1)), Some(NamespaceId(2)), None];
        let mut line = Line::default();
        for (party, waiter) in [(a, "a1"), (a, "a2"), (a, "a3"), (b, "b1"), (c, "c1"), (b, "b2")] {
            line.join(party, waiter);
        }
        let mut taken = Vec::new();
        while !line.is_empty() {
            assert_eq!(line.len(), 6 - taken.len());
            let party = line.parties().next().unwrap();
            taken.push(line.take(party).unwrap());
        }
        assert_eq!(taken, ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert!(line.is_empty() && line.waiting.is_empty());
    }
}
