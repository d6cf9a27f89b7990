//! When a stream of answers ends that would otherwise go on.

use std::time::Duration;

use tokio::sync::mpsc::{Permit, Sender};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::deadline::{self, passed};
use super::error::ApiError;
use super::hang_up::HangUp;

/// How long a stream may stand still. How long it lasts is up to the caller: an export takes hours
/// and holds nothing between two messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaceLimits {
    /// How long the client may take no message while one is ready.
    pub idle: Duration,
    /// How long the next message may take to make.
    pub step: Duration,
}

impl Default for PaceLimits {
    fn default() -> Self {
        Self { idle: Duration::from_secs(10), step: Duration::from_secs(60) }
    }
}

/// What ends one stream before its time.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    pub(super) deadline: Option<Instant>,
    pub(super) limits: PaceLimits,
    pub(super) shutdown: CancellationToken,
    /// What remains where the client does not even take the error; `None` where nothing does.
    pub(super) hang_up: Option<HangUp>,
}

impl Pace {
    /// Room for the next message; `None` when nobody will take it.
    pub(super) async fn room<'a, T>(
        &self,
        sender: &'a Sender<T>,
    ) -> Result<Option<Permit<'a, T>>, ApiError> {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(ApiError::Stopping),
            () = passed(self.deadline) => Err(ApiError::DeadlineExceeded),
            room = sender.reserve() => Ok(room.ok()),
            () = sleep(self.limits.idle) => Err(self.stalled()),
        }
    }

    /// Room for the answer to a request that waits; `None` when nobody will take it. Goes on through a
    /// shutdown, so that what was received is answered.
    pub(super) async fn room_for_answer<'a, T>(
        &self,
        sender: &'a Sender<T>,
    ) -> Result<Option<Permit<'a, T>>, ApiError> {
        tokio::select! {
            biased;
            () = passed(self.deadline) => Err(ApiError::DeadlineExceeded),
            room = sender.reserve() => Ok(room.ok()),
            () = sleep(self.limits.idle) => Err(self.stalled()),
        }
    }

    /// The error for a client that takes nothing. He finds it behind what is on the way, if he takes
    /// that in as long a time again.
    fn stalled(&self) -> ApiError {
        if let Some(hang_up) = &self.hang_up {
            hang_up.later(self.limits.idle);
        }
        ApiError::ReaderStalled
    }

    /// The next message, made by `work`.
    pub(super) async fn step<T>(
        &self,
        work: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let limit = Instant::now().checked_add(self.limits.step);
        let limit = [self.deadline, limit].into_iter().flatten().min();
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(ApiError::Stopping),
            answer = deadline::within(limit, work) => answer,
        }
    }
}
