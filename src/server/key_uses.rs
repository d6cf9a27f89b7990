//! Writes down when keys were last used: every minute, and before the server ends.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::grpc::auth::Auth;
use crate::repository::Repository;

/// A key that is used all the time is written this often.
const INTERVAL: Duration = Duration::from_secs(60);

/// Writes down the uses that `auth` notes, until `stop` is cancelled, and then what is left.
pub(super) async fn write_down(auth: Arc<Auth>, repository: Repository, stop: CancellationToken) {
    loop {
        let last = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(INTERVAL) => false,
        };
        write(&auth, &repository).await;
        if last {
            return;
        }
    }
}

/// What cannot be written is kept for the next time.
async fn write(auth: &Auth, repository: &Repository) {
    let uses = auth.take_uses();
    if uses.is_empty() {
        return;
    }
    if let Err(error) = repository.touch_keys(&uses).await {
        let (keys, cause) = (uses.len(), error.cause());
        tracing::warn!(error = %error, cause, keys, "last uses of keys not written yet");
        auth.keep_uses(uses);
    }
}
