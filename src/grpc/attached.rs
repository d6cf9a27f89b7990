//! Streams of answers that a task of their own fills.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Stream;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;
use tracing::Instrument as _;

use super::error::ApiError;

/// A stream of what `task` sends to `receiver`'s other end, and then of its error. The task ends
/// with the stream: nothing goes on for a caller who has left. It ends on its own even when nobody
/// takes what it sent: its error then waits here, and holds nothing.
pub(super) fn attached<T: Send + 'static>(
    receiver: mpsc::Receiver<T>,
    task: impl Future<Output = Result<(), ApiError>> + Send + 'static,
) -> impl Stream<Item = Result<T, Status>> + Send {
    // The runtime moves a task several times.
    let task = Box::pin(task);
    let task = async { task.await.map_err(Status::from) };
    let task = tokio::spawn(task.in_current_span());
    Attached { receiver, task: Some(AbortOnDropHandle::new(task)) }
}

struct Attached<T> {
    receiver: mpsc::Receiver<T>,
    /// None once its end is known.
    task: Option<AbortOnDropHandle<Result<(), Status>>>,
}

impl<T> Stream for Attached<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(message) = ready!(self.receiver.poll_recv(context)) {
            return Poll::Ready(Some(Ok(message)));
        }
        let Some(task) = &mut self.task else { return Poll::Ready(None) };
        let ended = ready!(Pin::new(task).poll(context));
        self.task = None;
        // A stream that just ended would look complete.
        let panicked = |_| Err(ApiError::Internal { cause: "a stream panicked".to_owned() }.into());
        Poll::Ready(ended.unwrap_or_else(panicked).err().map(Err))
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use tonic::Code;

    use super::*;

    async fn codes(end: impl FnOnce() -> Result<(), ApiError> + Send + 'static) -> Vec<Code> {
        let (sender, receiver) = mpsc::channel(1);
        let task = async move {
            sender.send(1).await.unwrap();
            end()
        };
        let items = attached(receiver, task)
            .map(|item| item.map_or_else(|status| status.code(), |_| Code::Ok));
        items.collect().await
    }

    #[tokio::test]
    async fn what_was_sent_comes_before_the_error_and_a_panic_is_one() {
        assert_eq!(codes(|| Ok(())).await, [Code::Ok]);
        assert_eq!(codes(|| Err(ApiError::Stopping)).await, [Code::Ok, Code::Unavailable]);
        assert_eq!(codes(|| panic!("on purpose")).await, [Code::Ok, Code::Internal]);
    }
}
