//! A way to end a call whose client takes nothing any more.
//!
//! hyper asks an answer for its next part only when there is room for it in the client's window, so an
//! error behind what the client does not take is never sent, and what waits before it is kept. What
//! remains is to drop the call as a whole: its stream is then reset (RST_STREAM).

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

tokio::task_local! {
    static CALL: HangUp;
}

/// Ends one call.
#[derive(Debug, Clone, Default)]
pub struct HangUp(CancellationToken);

impl HangUp {
    /// Runs a call to its end, or until it is hung up. A connection has to run every call in here, or
    /// none can be.
    pub async fn around(call: impl Future) {
        let hang_up = Self::default();
        let ended = hang_up.0.clone();
        tokio::select! {
            biased;
            _ = CALL.scope(hang_up, call) => {}
            () = ended.cancelled() => {}
        }
    }

    /// That of the call for which this task works; `None` where it cannot be hung up.
    pub(super) fn current() -> Option<Self> {
        CALL.try_with(Self::clone).ok()
    }

    /// Ends the call in a while, unless it has ended by then.
    pub(super) fn later(&self, delay: Duration) {
        let Self(call) = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            call.cancel();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_is_hung_up_is_dropped_in_a_while() {
        let (alive, dropped) = tokio::sync::oneshot::channel::<()>();
        let call = tokio::spawn(HangUp::around(async move {
            HangUp::current().unwrap().later(Duration::from_millis(50));
            let _alive = alive;
            std::future::pending::<()>().await;
        }));
        let begun = std::time::Instant::now();
        assert!(dropped.await.is_err());
        assert!(begun.elapsed() >= Duration::from_millis(50));
        call.await.unwrap();
        assert!(HangUp::current().is_none());
    }
}
