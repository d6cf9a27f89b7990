//! Streams of answers that a task of their own fills.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// A stream of what `task` sends to `receiver`'s other end. The task ends with the stream: nothing
/// goes on for a caller who has left.
pub(super) fn attached<T: Send + 'static>(
    receiver: mpsc::Receiver<T>,
    task: impl Future<Output = ()> + Send + 'static,
) -> impl Stream<Item = T> + Send {
    Attached { receiver, _task: AbortOnDropHandle::new(tokio::spawn(task)) }
}

struct Attached<T> {
    receiver: mpsc::Receiver<T>,
    _task: AbortOnDropHandle<()>,
}

impl<T> Stream for Attached<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.receiver.poll_recv(context)
    }
}
