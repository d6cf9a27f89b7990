//! A tour of the service in Rust: record, list with a filter, resume, read an error, retry.
//!
//! ```text
//! INTERACTIONS_API_KEY=sk_… INTERACTIONS_NAMESPACE=demo cargo run --package interactions-tour
//! ```
//!
//! The key needs the scopes `read` and `write`. Every run records 320 interactions in a session of its
//! own.

use std::env;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use pb::interaction_service_client::InteractionServiceClient;
use pb::{
    BatchCreateInteractionsRequest, BatchCreateInteractionsResponse, Condition, Filter, Group,
    Interaction, ListInteractionsRequest, ListInteractionsResponse, WriteInteractionsRequest,
    condition, filter, group,
};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_types::StatusExt as _;
use uuid::Uuid;

/// What `build.rs` generates.
mod pb {
    #![allow(
        dead_code,
        missing_docs,
        unreachable_pub,
        unused_qualifications,
        clippy::all,
        reason = "generated; the proto has the comments"
    )]
    tonic::include_proto!("interactions.v1");
}

/// How often a call is made before it is given up.
const ATTEMPTS: u32 = 5;
/// The longest wait after the first failure; after each further one, three times as long.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// How long an attempt may take.
const TIMEOUT: Duration = Duration::from_secs(30);

type Client = InteractionServiceClient<InterceptedService<Channel, Access>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = env::var("INTERACTIONS_ADDR").unwrap_or_else(|_| "127.0.0.1:50051".to_owned());
    // Where the service has TLS: https, and a feature of tonic that brings roots to trust.
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        // A network may drop a connection that is silent, and tell nobody: this asks whether it lives.
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20))
        .connect()
        .await?;
    let service = InteractionServiceClient::with_interceptor(channel, Access::from_environment()?);
    let tour = Tour { service, session: format!("tour-{}", Uuid::now_v7()) };
    tour.record().await?;
    tour.list_filtered().await?;
    tour.resume().await?;
    tour.read_error().await
}

/// What goes with every call: the key, and the namespace unless the key has a default.
#[derive(Clone)]
struct Access {
    authorization: MetadataValue<Ascii>,
    namespace: Option<MetadataValue<Ascii>>,
}

impl Access {
    fn from_environment() -> anyhow::Result<Self> {
        let key = env::var("INTERACTIONS_API_KEY").context("INTERACTIONS_API_KEY is not set")?;
        let mut authorization: MetadataValue<Ascii> = format!("Bearer {key}").parse()?;
        authorization.set_sensitive(true);
        let namespace = env::var("INTERACTIONS_NAMESPACE").ok().filter(|name| !name.is_empty());
        Ok(Self { authorization, namespace: namespace.map(|name| name.parse()).transpose()? })
    }
}

impl Interceptor for Access {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let Self { authorization, namespace } = self.clone();
        request.metadata_mut().insert("authorization", authorization);
        if let Some(namespace) = namespace {
            request.metadata_mut().insert("x-namespace", namespace);
        }
        Ok(request)
    }
}

/// Makes a call again that fails with UNAVAILABLE before its first answer. Other libraries of gRPC do so
/// by themselves, as a service config tells them; tonic has none. It is safe where a call may be
/// repeated: reads, and writes whose interactions carry ids. docs/clients.md says why no other code.
async fn retried<T>(call: impl AsyncFn() -> Result<T, Status>) -> Result<T, Status> {
    let mut backoff = FIRST_BACKOFF;
    let mut attempt = 1;
    loop {
        match call().await {
            Err(status) if status.code() == Code::Unavailable && attempt < ATTEMPTS => {
                // Any part of the time, so that clients that failed together do not come back together.
                let part = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
                let asked = status.get_details_retry_info().and_then(|info| info.retry_delay);
                tokio::time::sleep(backoff.mul_f64(part).max(asked.unwrap_or_default())).await;
                backoff = (backoff * 3).min(LONGEST_BACKOFF);
                attempt += 1;
            }
            result => return result,
        }
    }
}

/// A request with a deadline, which the server keeps too.
fn in_time<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(TIMEOUT);
    request
}

struct Tour {
    service: Client,
    session: String,
}

impl Tour {
    /// The n-th interaction of the session, with an id, so that to record it again does no harm.
    fn sample(&self, n: u16) -> Interaction {
        let device = if n.is_multiple_of(2) { "mobile" } else { "desktop" };
        let interaction_type = ["impression", "click", "purchase"][usize::from(n % 3)];
        Interaction {
            interaction_id: format!("{}-{n:03}", self.session),
            feature_id: format!("product-{}", n % 7),
            interaction_type: vec![interaction_type.to_owned()],
            position: Some(i32::from(n % 10)),
            session_id: self.session.clone(),
            metadata: Some(object([
                ("device", text(device)),
                ("price", number(f64::from(n) / 2.0)),
            ])),
            ..Interaction::default()
        }
    }

    async fn create_batch(
        &self,
        interactions: Vec<Interaction>,
    ) -> Result<BatchCreateInteractionsResponse, Status> {
        let batch = BatchCreateInteractionsRequest { interactions, validate_only: false };
        let call =
            async || self.service.clone().batch_create_interactions(in_time(batch.clone())).await;
        Ok(retried(call).await?.into_inner())
    }

    /// Records 20 interactions in one call and 300 on a stream, and the 20 again.
    async fn record(&self) -> anyhow::Result<()> {
        let samples: Vec<_> = (0..320).map(|n| self.sample(n)).collect();
        let (batch, others) = samples.split_at(20);
        let created = self.create_batch(batch.to_vec()).await?;

        let batches: Vec<_> = others
            .chunks(100)
            .map(|chunk| WriteInteractionsRequest {
                request_id: chunk[0].interaction_id.clone(),
                interactions: chunk.to_vec(),
            })
            .collect();
        // tonic takes from the iterator as fast as the service takes from it.
        let call = async || {
            let batches = tokio_stream::iter(batches.clone());
            self.service.clone().write_interactions(in_time(batches)).await
        };
        let mut answers = retried(call).await?.into_inner();
        let mut recorded = 0;
        while let Some(answer) = answers.message().await? {
            // Each interaction has a status of its own: what is refused does not stop its neighbours.
            let codes = answer.results.iter().filter_map(|result| result.status.as_ref());
            recorded += codes.filter(|status| status.code == Code::Ok as i32).count();
        }

        let again = self.create_batch(batch.to_vec()).await?;
        let deduplicated = again.results.iter().filter(|result| result.deduplicated).count();
        println!(
            "recorded {} in a batch and {recorded} on a stream; of the batch again, {deduplicated} were there",
            created.results.len(),
        );
        Ok(())
    }

    /// The pages from the request's token to the end.
    fn pages(&self, request: ListInteractionsRequest) -> Pages {
        Pages { service: self.service.clone(), request, stream: None, at_end: false }
    }

    fn of_session(&self) -> ListInteractionsRequest {
        ListInteractionsRequest { session_id: self.session.clone(), ..Default::default() }
    }

    async fn ids(&self, request: ListInteractionsRequest) -> Result<Vec<String>, Status> {
        let mut ids = Vec::new();
        let mut pages = self.pages(request);
        while let Some(page) = pages.next().await? {
            ids.extend(page.interactions.into_iter().map(|interaction| interaction.interaction_id));
        }
        Ok(ids)
    }

    /// Lists the clicks and purchases near the top, with the filter as a message and as JSON.
    async fn list_filtered(&self) -> anyhow::Result<()> {
        let types = || list([text("click"), text("purchase")]);
        let group = Group {
            operator: group::Operator::AllOf.into(),
            filters: vec![
                condition("position", condition::Operator::Lte, number(5.0)),
                condition("interaction_type", condition::Operator::In, types()),
            ],
            case_sensitive: None,
        };
        let filter = Filter { kind: Some(filter::Kind::Group(group)) };
        let typed =
            self.ids(ListInteractionsRequest { filter: Some(filter), ..self.of_session() }).await?;

        let at_most_five = Kind::StructValue(object([("lte", number(5.0))]));
        let filters = object([
            ("position", Value { kind: Some(at_most_five) }),
            ("interaction_type", types()),
        ]);
        let as_json = self
            .ids(ListInteractionsRequest { filters: Some(filters), ..self.of_session() })
            .await?;

        ensure!(typed == as_json, "the two forms of the filter differ");
        println!(
            "found {} clicks and purchases near the top, with either form of the filter",
            typed.len()
        );
        Ok(())
    }

    /// Leaves a list after three pages, and goes on from there in another call.
    async fn resume(&self) -> anyhow::Result<()> {
        let request = ListInteractionsRequest { page_size: 25, ..self.of_session() };
        let mut pages = self.pages(request.clone());
        let (mut seen, mut page_token) = (Vec::new(), String::new());
        for _ in 0..3 {
            let page = pages.next().await?.context("there are more than three pages")?;
            seen.extend(
                page.interactions.into_iter().map(|interaction| interaction.interaction_id),
            );
            page_token = page.next_page_token;
        }
        // Where its stream is dropped, the service stops too.
        drop(pages);

        // The same request but for the token, which may be kept: it outlives restarts of the service.
        let rest = self.ids(ListInteractionsRequest { page_token, ..request }).await?;

        let counts = (seen.len(), rest.len());
        seen.extend(rest);
        seen.sort();
        let all: Vec<_> = (0..320).map(|n| self.sample(n).interaction_id).collect();
        ensure!(seen == all, "something is missing, or was seen twice");
        println!("read {}, left, and read {} more: each of 320 once", counts.0, counts.1);
        Ok(())
    }

    /// Sends what breaks two rules, and reads which and where from the details of the error.
    async fn read_error(&self) -> anyhow::Result<()> {
        let bad = vec![
            Interaction { position: Some(-1), ..self.sample(0) },
            Interaction { interaction_type: Vec::new(), ..self.sample(1) },
        ];
        let status = self.create_batch(bad).await.err().context("it was not refused")?;
        let info = status.get_details_error_info().context("an error has an ErrorInfo")?;
        println!("refused: {} of {}", info.reason, info.domain);
        let request = status.get_details_bad_request().context("this error has a BadRequest")?;
        for violation in request.field_violations {
            println!("  {}: {}", violation.field, violation.description);
        }
        Ok(())
    }
}

/// The pages of a list, over streams that break.
struct Pages {
    service: Client,
    /// What is left to ask: it has the token of the last page.
    request: ListInteractionsRequest,
    /// The stream that is being read, and whether it has brought a page.
    stream: Option<(Streaming<ListInteractionsResponse>, bool)>,
    at_end: bool,
}

impl Pages {
    async fn next(&mut self) -> Result<Option<ListInteractionsResponse>, Status> {
        while !self.at_end {
            let (mut stream, came_further) = match self.stream.take() {
                Some(open) => open,
                None => {
                    let call =
                        async || self.service.clone().list_interactions(self.request.clone()).await;
                    (retried(call).await?.into_inner(), false)
                }
            };
            match stream.message().await {
                Ok(Some(page)) => {
                    self.request.page_token.clone_from(&page.next_page_token);
                    // Only this means the end: a stream that breaks has not come to it.
                    self.at_end = page.next_page_token.is_empty();
                    self.stream = Some((stream, true));
                    return Ok(Some(page));
                }
                Err(status) if !came_further || !is_resumable(&status) => return Err(status),
                // The next stream goes on from the token.
                Ok(None) | Err(_) => {}
            }
        }
        Ok(None)
    }
}

/// Whether a list may go on after its stream ended so.
fn is_resumable(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted)
}

fn condition(field: &str, operator: condition::Operator, value: Value) -> Filter {
    let condition =
        Condition { field: field.to_owned(), operator: operator.into(), value: Some(value) };
    Filter { kind: Some(filter::Kind::Condition(condition)) }
}

fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

fn number(number: f64) -> Value {
    Value { kind: Some(Kind::NumberValue(number)) }
}

fn list<const N: usize>(values: [Value; N]) -> Value {
    Value { kind: Some(Kind::ListValue(ListValue { values: values.into() })) }
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Struct {
    Struct { fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() }
}
