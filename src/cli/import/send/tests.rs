use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use futures::stream::{BoxStream, unfold};
use futures::{FutureExt as _, StreamExt as _};
use tonic::Code;

use super::*;
use crate::grpc::proto::Interaction;
use crate::grpc::proto::write_interactions_response::ItemResult;

type Answer = Result<WriteInteractionsResponse, Status>;
type Answers = BoxStream<'static, Answer>;

/// What the service does with one stream.
#[derive(Debug, Clone, Copy)]
enum Plan {
    /// Answers all.
    Answer,
    /// Cannot be reached.
    Refuse(Code),
    /// Answers so many batches and ends the stream with this.
    Break(usize, Code),
    /// Answers with this id.
    Confuse(&'static str),
    /// Waits until nothing more comes before it answers all.
    Collect,
}

/// The request ids that the service saw, stream by stream.
type Seen = Arc<Mutex<Vec<Vec<u64>>>>;

struct Stage {
    requests: Requests,
    plan: Plan,
    collected: Vec<WriteInteractionsRequest>,
    seen: Seen,
}

fn service(
    plans: &[Plan],
) -> (impl FnMut(Requests) -> BoxFuture<'static, Result<Answers, Status>> + use<>, Seen) {
    let (mut plans, seen) = (VecDeque::from(plans.to_vec()), Seen::default());
    let returned = Arc::clone(&seen);
    let open = move |requests| {
        let plan = plans.pop_front().expect("no stream more than planned");
        seen.lock().unwrap().push(Vec::new());
        let seen = Arc::clone(&seen);
        let stage = Stage { requests, plan, collected: Vec::new(), seen };
        async move {
            if let Plan::Refuse(code) = plan {
                return Err(Status::new(code, "refused"));
            }
            Ok(unfold(stage, |mut stage| async { Some((stage.next().await?, stage)) }).boxed())
        }
        .boxed()
    };
    (open, returned)
}

impl Stage {
    async fn next(&mut self) -> Option<Answer> {
        match &mut self.plan {
            Plan::Break(0, Code::Ok) => None,
            Plan::Break(0, code) => {
                let status = Status::new(*code, "broken");
                while let Some(Some(request)) = self.requests.next().now_or_never() {
                    self.see(&request);
                }
                Some(Err(status))
            }
            Plan::Break(left, _) => {
                *left -= 1;
                self.answer(None).await
            }
            Plan::Confuse(id) => {
                let id = *id;
                self.answer(Some(id)).await
            }
            Plan::Collect => {
                let quiet = Duration::from_millis(300);
                while let Ok(Some(request)) = timeout(quiet, self.requests.next()).await {
                    self.see(&request);
                    self.collected.insert(0, request);
                }
                self.plan = Plan::Answer;
                self.answer(None).await
            }
            Plan::Answer | Plan::Refuse(_) => self.answer(None).await,
        }
    }

    async fn answer(&mut self, id: Option<&str>) -> Option<Answer> {
        let request = match self.collected.pop() {
            Some(request) => request,
            None => {
                let request = self.requests.next().await?;
                self.see(&request);
                request
            }
        };
        let WriteInteractionsRequest { request_id, interactions } = request;
        let fine =
            ItemResult { status: Some(tonic_types::Status::default()), ..Default::default() };
        let request_id = id.map_or(request_id, str::to_owned);
        Some(Ok(WriteInteractionsResponse { request_id, results: vec![fine; interactions.len()] }))
    }

    fn see(&self, request: &WriteInteractionsRequest) {
        let id = request.request_id.parse().unwrap();
        self.seen.lock().unwrap().last_mut().unwrap().push(id);
    }
}

/// The batch that ends with this line.
fn batch(last_line: u64) -> io::Result<Batch> {
    let interactions = vec![Interaction::default()];
    let places = vec![super::super::batch::Place { line: last_line, path: String::new() }];
    Ok(Batch { interactions, places, last_line, ..Batch::default() })
}

fn input(batches: Vec<io::Result<Batch>>) -> mpsc::Receiver<io::Result<Batch>> {
    let (sender, receiver) = mpsc::channel(batches.len().max(1));
    for batch in batches {
        sender.try_send(batch).unwrap();
    }
    receiver
}

/// The last lines of the batches that were done with, and what came of it all.
async fn sent(
    plans: &[Plan],
    batches: Vec<io::Result<Batch>>,
    failures: u32,
) -> (Vec<u64>, anyhow::Result<End>, Vec<Vec<u64>>) {
    let (open, seen) = service(plans);
    let mut done = Vec::new();
    let tell = |news| match news {
        News::Done(outcome) => done.push(outcome.last_line),
        News::Broken { why: _, wait } => assert!(wait > Duration::ZERO),
    };
    let sender = Sender::new(open, input(batches), CancellationToken::new(), tell);
    let end = Sender { failures, ..sender }.run().await;
    let seen = seen.lock().unwrap().clone();
    (done, end, seen)
}

fn lines(last: u64) -> Vec<u64> {
    (1..=last).collect()
}

fn batches(last: u64) -> Vec<io::Result<Batch>> {
    lines(last).into_iter().map(batch).collect()
}

#[tokio::test]
async fn what_is_answered_is_sent_once() {
    let (done, end, seen) = sent(&[Plan::Answer], batches(10), 0).await;
    assert_eq!((done, end.unwrap(), seen), (lines(10), End::OfFile, vec![lines(10)]));
    // Nothing to send, no stream.
    let (done, end, seen) = sent(&[], vec![], 0).await;
    assert_eq!((done, end.unwrap(), seen), (vec![], End::OfFile, Vec::<Vec<u64>>::new()));
}

#[tokio::test]
async fn a_window_of_batches_is_on_the_way() {
    let (open, seen) = service(&[Plan::Collect]);
    let mut early = None;
    let tell = |_| {
        early.get_or_insert(seen.lock().unwrap()[0].len());
    };
    let sender = Sender::new(open, input(batches(10)), CancellationToken::new(), tell);
    assert_eq!(sender.run().await.unwrap(), End::OfFile);
    assert_eq!(early, Some(WINDOW));
}

#[tokio::test]
async fn what_a_broken_stream_left_is_sent_again_in_order() {
    let plans = [
        Plan::Break(2, Code::Unavailable),
        Plan::Refuse(Code::ResourceExhausted),
        Plan::Break(0, Code::Aborted),
        Plan::Break(1, Code::Ok),
        Plan::Answer,
    ];
    let (done, end, seen) = sent(&plans, batches(7), 0).await;
    assert_eq!((done, end.unwrap()), (lines(7), End::OfFile));
    let first: Vec<_> = seen.iter().map(|ids| ids.first().copied()).collect();
    assert_eq!(first, [Some(1), None, Some(3), Some(3), Some(4)], "{seen:?}");
    for ids in seen {
        assert!(ids.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{ids:?}");
    }
}

#[tokio::test]
async fn a_failure_that_lasts_ends_it() {
    let (done, end, seen) = sent(&[Plan::Break(2, Code::Unauthenticated)], batches(7), 0).await;
    assert_eq!((done, seen.len()), (lines(2), 1));
    assert!(end.unwrap_err().to_string().contains("broken"));
    let (done, end, _) = sent(&[Plan::Refuse(Code::PermissionDenied)], batches(1), 0).await;
    assert!(done.is_empty() && end.is_err());
}

#[tokio::test]
async fn an_answer_makes_new_attempts() {
    let before_the_last = ATTEMPTS - 1;
    let plans = [Plan::Break(0, Code::Unavailable)];
    let (done, end, _) = sent(&plans, batches(3), before_the_last).await;
    assert!(done.is_empty() && end.is_err());
    let plans = [Plan::Break(1, Code::Unavailable), Plan::Answer];
    let (done, end, _) = sent(&plans, batches(3), before_the_last).await;
    assert_eq!((done, end.unwrap()), (lines(3), End::OfFile));
}

#[tokio::test]
async fn an_answer_out_of_turn_ends_it() {
    for wrong in ["2", "", "one"] {
        let (done, end, _) = sent(&[Plan::Confuse(wrong)], batches(3), 0).await;
        assert!(done.is_empty());
        assert!(end.unwrap_err().to_string().contains("broke its promise"), "{wrong}");
    }
}

#[tokio::test]
async fn what_was_read_before_an_error_is_sent() {
    let mut batches = batches(3);
    batches.push(Err(io::Error::other("torn")));
    let (done, end, _) = sent(&[Plan::Answer], batches, 0).await;
    assert_eq!(done, lines(3));
    assert_eq!(format!("{:#}", end.unwrap_err()), "cannot read on: torn");
}

#[tokio::test]
async fn a_stream_that_ends_while_nothing_is_sent_is_no_failure() {
    let plans = [Plan::Break(1, Code::Unavailable), Plan::Break(1, Code::Ok), Plan::Answer];
    let (open, seen) = service(&plans);
    let (input, receiver) = mpsc::channel(1);
    let (done, mut count) = mpsc::unbounded_channel();
    let tell = move |news| match news {
        News::Done(outcome) => done.send(outcome.last_line).unwrap(),
        News::Broken { .. } => panic!("nothing was lost"),
    };
    let running = tokio::spawn(Sender::new(open, receiver, CancellationToken::new(), tell).run());
    for line in lines(3) {
        input.send(batch(line)).await.unwrap();
        assert_eq!(count.recv().await, Some(line));
        // Long enough for the end of the stream to be seen.
        sleep(Duration::from_millis(50)).await;
    }
    drop(input);
    assert_eq!(running.await.unwrap().unwrap(), End::OfFile);
    assert_eq!(*seen.lock().unwrap(), [[1], [2], [3]]);
}

#[tokio::test]
async fn an_interrupted_import_waits_for_what_it_sent() {
    let (open, seen) = service(&[Plan::Collect]);
    let (stop, mut done) = (CancellationToken::new(), Vec::new());
    let tell = |news| match news {
        News::Done(outcome) => done.push(outcome.last_line),
        News::Broken { .. } => panic!("nothing breaks"),
    };
    let sender = Sender::new(open, input(batches(10)), stop.clone(), tell).run();
    let interrupt = async {
        sleep(Duration::from_millis(100)).await;
        stop.cancel();
    };
    let (end, ()) = futures::join!(sender, interrupt);
    assert_eq!(end.unwrap(), End::Interrupted);
    assert_eq!((done, seen.lock().unwrap().clone()), (lines(4), vec![lines(4)]));
    // Before there is anything to send.
    let (_input, receiver) = mpsc::channel(1);
    let (open, _) = service(&[]);
    let sender = Sender::new(open, receiver, stop, |_| {});
    assert_eq!(sender.run().await.unwrap(), End::Interrupted);
}
