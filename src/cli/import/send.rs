//! Batches on their way to the service: several at a time, on a stream that is opened anew when it
//! breaks.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use anyhow::Context as _;
use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::answer::{Outcome, outcome};
use super::batch::Batch;
use crate::cli::client::explain;
use crate::cli::retry::{ATTEMPTS, may_pass, wait};
use crate::grpc::proto::{WriteInteractionsRequest, WriteInteractionsResponse};

/// How many batches are sent before the first of them is answered. The service works on two.
const WINDOW: usize = 4;
/// How long the service may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take to end a stream on which all is answered.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// What is sent on one stream.
pub(super) type Requests = ReceiverStream<WriteInteractionsRequest>;

/// What there is to tell of the sending.
#[derive(Debug)]
pub(super) enum News {
    /// A batch is done with. They come in the order of the file.
    Done(Outcome),
    /// The stream broke, and is opened again after a while.
    Broken { why: anyhow::Error, wait: Duration },
}

/// Sends batches until each of their interactions is recorded or refused.
pub(super) struct Sender<Open, Tell> {
    /// Opens a stream.
    open: Open,
    tell: Tell,
    batches: mpsc::Receiver<io::Result<Batch>>,
    /// Where it is cancelled, no further batch is sent.
    stop: CancellationToken,
    input: Input,
    /// What is not answered, in order.
    unanswered: VecDeque<Batch>,
    /// The number of the first of these.
    first_number: u64,
    /// Failures since the last answer.
    failures: u32,
}

/// What is known of the batches that are still to come.
#[derive(Debug)]
enum Input {
    GoesOn,
    Over(End),
    Failed(io::Error),
}

/// Why no more batches are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// There are none.
    OfFile,
    /// By the wish of the user.
    Interrupted,
}

/// How a stream ended.
enum Broken {
    /// By a failure, of which it is to be seen whether it passes.
    Failed(Status),
    /// By something that must not happen.
    Fatal(anyhow::Error),
}

impl<Open, Tell, Opening, Answers> Sender<Open, Tell>
where
    Open: FnMut(Requests) -> Opening,
    Opening: Future<Output = Result<Answers, Status>>,
    Answers: Stream<Item = Result<WriteInteractionsResponse, Status>> + Unpin,
    Tell: FnMut(News),
{
    pub(super) fn new(
        open: Open,
        batches: mpsc::Receiver<io::Result<Batch>>,
        stop: CancellationToken,
        tell: Tell,
    ) -> Self {
        Self {
            open,
            tell,
            batches,
            stop,
            input: Input::GoesOn,
            unanswered: VecDeque::with_capacity(WINDOW),
            first_number: 1,
            failures: 0,
        }
    }

    /// Sends until there is no more to send, or `stop` is cancelled, and all is answered.
    ///
    /// # Errors
    /// When the batches end with one, or a failure lasts.
    pub(super) async fn run(mut self) -> anyhow::Result<End> {
        // A stream is opened when there is something to send: the service may wait for it.
        while self.has_something_to_send().await {
            match self.converse().await {
                Ok(()) => {}
                Err(Broken::Failed(status)) => self.recover(status).await?,
                Err(Broken::Fatal(error)) => return Err(error),
            }
        }
        match self.input {
            Input::GoesOn => Ok(End::OfFile),
            Input::Over(end) => Ok(end),
            Input::Failed(error) => Err(error).context("cannot read on"),
        }
    }

    async fn has_something_to_send(&mut self) -> bool {
        if self.unanswered.is_empty() && self.goes_on() {
            tokio::select! {
                batch = self.batches.recv() => self.take(batch),
                () = self.stop.cancelled() => self.input = Input::Over(End::Interrupted),
            }
        }
        !self.unanswered.is_empty()
    }

    fn goes_on(&self) -> bool {
        matches!(self.input, Input::GoesOn)
    }

    /// Takes the next batch into the window, or the news that there is none.
    fn take(&mut self, batch: Option<io::Result<Batch>>) {
        match batch {
            Some(Ok(batch)) => self.unanswered.push_back(batch),
            Some(Err(error)) => self.input = Input::Failed(error),
            None => self.input = Input::Over(End::OfFile),
        }
    }

    /// Sends on one stream, first what an earlier one left unanswered.
    async fn converse(&mut self) -> Result<(), Broken> {
        // All that is unanswered fits into it, so that sending never waits.
        let (requests, receiver) = mpsc::channel(WINDOW);
        for place in 0..self.unanswered.len() {
            self.send(place, &requests);
        }
        let answers = timeout(ANSWER_TIMEOUT, (self.open)(receiver.into())).await;
        let mut answers = answers.map_err(|_| Broken::late())?.map_err(Broken::Failed)?;
        let mut due = Instant::now() + ANSWER_TIMEOUT;
        while self.goes_on() || !self.unanswered.is_empty() {
            let has_room = self.unanswered.len() < WINDOW;
            let goes_on = self.goes_on();
            tokio::select! {
                answer = answers.next() => {
                    self.heed(answer.unwrap_or_else(|| Err(too_soon())).map_err(Broken::Failed)?)?;
                    due = Instant::now() + ANSWER_TIMEOUT;
                }
                batch = self.batches.recv(), if goes_on && has_room => {
                    if self.unanswered.is_empty() {
                        due = Instant::now() + ANSWER_TIMEOUT;
                    }
                    let place = self.unanswered.len();
                    self.take(batch);
                    self.send(place, &requests);
                }
                () = self.stop.cancelled(), if goes_on => {
                    self.input = Input::Over(End::Interrupted);
                }
                () = sleep_until(due), if !self.unanswered.is_empty() => return Err(Broken::late()),
            }
        }
        // All is answered, so the end of the stream is a matter of manners only.
        drop(requests);
        let _ = timeout(GOODBYE_TIMEOUT, answers.next()).await;
        Ok(())
    }

    /// Sends the batch that stands at `place` in the window, if there is one.
    fn send(&self, place: usize, requests: &mpsc::Sender<WriteInteractionsRequest>) {
        let Some(batch) = self.unanswered.get(place) else { return };
        let request = WriteInteractionsRequest {
            request_id: self.request_id(place),
            interactions: batch.interactions.clone(),
        };
        // Where nobody takes it the stream is over, and its other half says why.
        let _ = requests.try_send(request);
    }

    fn request_id(&self, place: usize) -> String {
        (self.first_number + place as u64).to_string()
    }

    fn heed(&mut self, answer: WriteInteractionsResponse) -> Result<(), Broken> {
        let request_id = self.request_id(0);
        let batch = self.unanswered.pop_front().with_context(|| {
            format!(
                "the service broke its promise: it answered batch {:?} twice",
                answer.request_id
            )
        });
        let outcome = batch.and_then(|batch| outcome(&request_id, batch, answer));
        let outcome = outcome.map_err(Broken::Fatal)?;
        self.first_number += 1;
        self.failures = 0;
        (self.tell)(News::Done(outcome));
        Ok(())
    }

    /// Waits after a failure that may pass.
    async fn recover(&mut self, status: Status) -> anyhow::Result<()> {
        if !may_pass(&status) {
            return Err(explain(&status));
        }
        // A stream may end while there is nothing to send. The next batch opens another one.
        if self.unanswered.is_empty() {
            return Ok(());
        }
        self.failures += 1;
        if self.failures == ATTEMPTS {
            return Err(explain(&status));
        }
        let wait = wait(self.failures, &status);
        (self.tell)(News::Broken { why: explain(&status), wait });
        sleep(wait).await;
        Ok(())
    }
}

impl Broken {
    fn late() -> Self {
        Self::Failed(Status::deadline_exceeded("the service did not answer in time"))
    }
}

fn too_soon() -> Status {
    Status::unavailable("the service ended the stream too soon")
}

#[cfg(test)]
mod tests;
