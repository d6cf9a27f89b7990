//! The tests of isolation fail where one of the things that keep namespaces apart is left out.
//!
//! These are, in the repository: `in_namespace` in `read.rs`, through which pages, counts, single
//! interactions, the search for what a purge removes and the question whether a namespace is empty
//! go; `of_namespace` in `remove.rs`, for what is deleted; `contents` in `insert.rs`, for the content
//! that an id is taken by; and the primary key (namespace, id), which decides what an insert finds
//! taken and cannot be left out. The words and facts that indexes hold start with their namespace as
//! well, but only to be found quicker. In the service: the reach of a key, and the namespace in the
//! fingerprint of a page token.

use std::process::Command;

use super::{play, sqlite};

/// Calls with something left out; a fraction of them notices.
const ROUNDS: usize = 2_000;
/// The variable that names what is left out, in a process of its own.
const LEFT_OUT: &str = "ISOLATION_LEFT_OUT";

/// What can be left out, and what then shows.
const MUTATIONS: [(&str, &str); 5] = [
    ("namespace-of-reads", "foreign row"),
    ("namespace-of-removals", "foreign row"),
    ("namespace-of-conflicts", "foreign content decides"),
    ("reach-of-keys", "let in where it may not be"),
    ("namespace-of-tokens", "a foreign token is taken"),
];

/// Plays with something left out, in the process that [`whatever_is_left_out_shows`] starts.
#[tokio::test(flavor = "multi_thread")]
async fn a_game_with_something_left_out() {
    if let Ok(name) = std::env::var(LEFT_OUT) {
        fail::cfg(name, "return").unwrap();
        play(sqlite().await, ROUNDS).await;
    }
}

#[test]
fn whatever_is_left_out_shows() {
    for (name, shows) in MUTATIONS {
        let game = "isolation::mutations::a_game_with_something_left_out";
        let mut game_without = Command::new(std::env::current_exe().unwrap());
        game_without.args(["--exact", game, "--nocapture"]).env(LEFT_OUT, name);
        let output = game_without.output().unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("running 1 test"), "{text}");
        assert!(!output.status.success(), "without {name} nothing shows");
        assert!(text.contains(shows), "{name}: {text}");
    }
}
