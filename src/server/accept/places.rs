//! How many connections there are, in all and from each peer.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places that there are for connections.
#[derive(Debug, Clone)]
pub(super) struct Places {
    total: usize,
    per_peer: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    /// No peer has zero.
    by_peer: HashMap<IpAddr, usize>,
}

/// A place of one connection; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    peer: IpAddr,
    taken: Arc<Mutex<Taken>>,
}

/// Which places are all taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Everywhere,
    ForPeer,
}

impl fmt::Display for Full {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Everywhere => "connections",
            Self::ForPeer => "connections of one peer",
        })
    }
}

impl Places {
    /// `total` places, `per_peer` of them for one peer.
    pub(super) fn new(total: usize, per_peer: usize) -> Self {
        Self { total, per_peer, taken: Arc::default() }
    }

    /// Takes a place for a connection from `address`.
    pub(super) fn take(&self, address: IpAddr) -> Result<Place, Full> {
        let peer = peer(address);
        let mut taken = lock(&self.taken);
        if taken.total >= self.total {
            return Err(Full::Everywhere);
        }
        let of_peer = taken.by_peer.get(&peer).copied().unwrap_or(0);
        if of_peer >= self.per_peer {
            return Err(Full::ForPeer);
        }
        taken.by_peer.insert(peer, of_peer + 1);
        taken.total += 1;
        drop(taken);
        Ok(Place { peer, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.total -= 1;
        if let Some(count) = taken.by_peer.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                taken.by_peer.remove(&self.peer);
            }
        }
    }
}

/// Nothing in here panics between two changes that belong together, so poison means nothing.
fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who is behind an address. Whoever has one IPv6 address has the 2^64 of its network.
fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const SECOND: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn there_is_a_limit_for_each_and_one_for_all() {
        let places = Places::new(3, 2);
        let first = [places.take(FIRST).unwrap(), places.take(FIRST).unwrap()];
        assert_eq!(places.take(FIRST).unwrap_err(), Full::ForPeer);
        let second = places.take(SECOND).unwrap();
        assert_eq!(places.take(SECOND).unwrap_err(), Full::Everywhere);
        drop(first);
        let again = [places.take(SECOND).unwrap(), places.take(FIRST).unwrap()];
        drop((again, second));
        assert!(lock(&places.taken).by_peer.is_empty());
        assert_eq!(lock(&places.taken).total, 0);
    }

    #[test]
    fn a_panic_frees_the_place() {
        let places = Places::new(1, 1);
        let place = places.take(FIRST).unwrap();
        let panicking = std::thread::spawn(move || {
            let _place = place;
            panic!("on purpose");
        });
        assert!(panicking.join().is_err());
        assert!(places.take(FIRST).is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_peer() {
        let parse = |text: &str| peer(text.parse().unwrap());
        assert_eq!(parse("2001:db8:1:2::1"), parse("2001:db8:1:2:ffff::9"));
        assert_ne!(parse("2001:db8:1:2::1"), parse("2001:db8:1:3::1"));
        assert_eq!(parse("::ffff:192.0.2.1"), FIRST);
    }
}
