//! Places where a test can have something go wrong, by the environment variable `FAILPOINTS` (crate
//! `fail`). A program that is not built for tests has none.

use std::time::Duration;

/// Whether to fail here, for the sake of a test: `return` says so, `return(5)` to wait five
/// milliseconds instead, `panic` to panic. (The crate's own `sleep` and `pause` would stop all who share
/// the thread.)
pub(crate) async fn failpoint(name: &str) -> bool {
    match demand(name) {
        None => false,
        Some(None) => true,
        Some(Some(wait)) => {
            tokio::time::sleep(wait).await;
            false
        }
    }
}

/// Whether a test wants something left out that keeps namespaces apart, to see that others notice.
pub(crate) fn left_out(name: &str) -> bool {
    demand(name).is_some()
}

/// What a test wants to happen: a failure, or a wait.
#[allow(unused_variables, reason = "the macro is empty where there are no failpoints")]
fn demand(name: &str) -> Option<Option<Duration>> {
    fail::fail_point!(name, |argument| {
        Some(argument.and_then(|millis| millis.parse().ok()).map(Duration::from_millis))
    });
    None
}
