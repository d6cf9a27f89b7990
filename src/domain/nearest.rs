//! What somebody may have meant who mistyped a name.

/// How alike two names are, from 0 to 1, of which one is offered for the other.
const ALIKE: f64 = 0.85;
/// Longest name that is compared, in bytes: no name of ours is as long, and anybody may send any.
const MAX_BYTES: usize = 64;

/// The one of `known` that is most like `name`, if any is like it. Case does not count.
#[must_use]
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > MAX_BYTES {
        return None;
    }
    let name = name.to_lowercase();
    let alike = known.into_iter().map(|known| (strsim::jaro_winkler(&name, known), known));
    let (most, known) = alike.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (most >= ALIKE).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 6] =
        ["user_id", "session_id", "execution_id", "position", "timestamp", "created_at"];

    #[test]
    fn a_slip_finds_its_name() {
        for (slip, meant) in [
            ("sesion_id", "session_id"),
            ("sessionId", "session_id"),
            ("session", "session_id"),
            ("User_ID", "user_id"),
            ("positon", "position"),
            ("timestmap", "timestamp"),
            ("created", "created_at"),
        ] {
            assert_eq!(nearest(slip, KNOWN), Some(meant), "{slip}");
        }
    }

    #[test]
    fn what_is_like_nothing_finds_nothing() {
        for other in ["", "nope", "x", "price", "device"] {
            assert_eq!(nearest(other, KNOWN), None, "{other}");
        }
        assert_eq!(nearest("a", []), None);
        assert_eq!(nearest(&"session_id".repeat(10), KNOWN), None);
    }
}
