//! Clients of the service: one that waits for each answer, many at once, one that reads a long stream,
//! and those that record in bulk. They take interactions as bytes, as pgbench takes rows.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use interactions::grpc::proto;
use interactions::grpc::proto::interaction_service_client::InteractionServiceClient;
use tokio::sync::Barrier;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::data::Dice;

type Client = InteractionServiceClient<InterceptedService<Channel, Access>>;

/// Names a key and a namespace with every call.
#[derive(Debug, Clone)]
struct Access {
    bearer: MetadataValue<Ascii>,
    namespace: MetadataValue<Ascii>,
}

impl Interceptor for Access {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.bearer.clone());
        request.metadata_mut().insert("x-namespace", self.namespace.clone());
        Ok(request)
    }
}

/// Where the service is, and who asks it.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    pub(crate) namespace: String,
}

/// A list of at most one page, and how many interactions have to be in it.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) request: proto::ListInteractionsRequest,
    pub(crate) expected: RangeInclusive<usize>,
}

/// Draws requests.
pub(crate) type Asks = Arc<dyn Fn(&mut Dice) -> Ask + Send + Sync>;

/// How long something is done before it is measured, and how long it is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// Interactions, and how long they took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Haul {
    pub(crate) rows: u64,
    pub(crate) elapsed: Duration,
}

impl Haul {
    pub(crate) fn per_second(self) -> f64 {
        self.rows as f64 / self.elapsed.as_secs_f64()
    }
}

impl Reach {
    async fn client(&self) -> anyhow::Result<Client> {
        let channel = Endpoint::from_shared(format!("http://{}", self.address))?.connect().await?;
        let access = Access {
            bearer: format!("Bearer {}", self.key).parse()?,
            namespace: self.namespace.parse()?,
        };
        Ok(InteractionServiceClient::with_interceptor(channel, access))
    }

    /// The median of what one client waits, in milliseconds.
    pub(crate) async fn median(&self, asks: &Asks, span: Span) -> anyhow::Result<f64> {
        let mut client = self.client().await?;
        let mut dice = Dice::new(1);
        let mut waits = Vec::new();
        let started = Instant::now();
        while started.elapsed() < span.warm_up + span.measured {
            let ask = asks(&mut dice);
            let asked = Instant::now();
            answer(&mut client, ask).await?;
            if started.elapsed() > span.warm_up {
                waits.push(asked.elapsed().as_secs_f64() * 1e3);
            }
        }
        median(waits)
    }

    /// How many answers a second `clients` get together, each on a connection of its own.
    pub(crate) async fn rate(
        &self,
        clients: usize,
        asks: &Asks,
        span: Span,
    ) -> anyhow::Result<f64> {
        let mut askers = Vec::new();
        for _ in 0..clients {
            askers.push(ServiceAsker { client: self.client().await?, asks: Arc::clone(asks) });
        }
        rate(askers, span).await
    }

    /// Reads one stream to its end, with a rest after each page.
    pub(crate) async fn stream(
        &self,
        request: proto::ListInteractionsRequest,
        rest: Duration,
    ) -> anyhow::Result<Haul> {
        let mut client = self.client().await?;
        let started = Instant::now();
        let mut pages = client.list_interactions(request).await?.into_inner();
        let mut rows = 0;
        while let Some(page) = pages.message().await? {
            rows += page.interactions.len() as u64;
            if !rest.is_zero() {
                tokio::time::sleep(rest).await;
            }
        }
        Ok(Haul { rows, elapsed: started.elapsed() })
    }

    /// Reads as many streams at once; returns how many rows they have together.
    pub(crate) async fn streams(
        &self,
        readers: usize,
        request: proto::ListInteractionsRequest,
        rest: Duration,
    ) -> anyhow::Result<u64> {
        let streams = (0..readers).map(|_| self.stream(request.clone(), rest));
        let read = futures::future::try_join_all(streams).await?;
        Ok(read.iter().map(|haul| haul.rows).sum())
    }

    /// The token that continues `request` after `depth` interactions.
    pub(crate) async fn token_at(
        &self,
        request: proto::ListInteractionsRequest,
        depth: u64,
    ) -> anyhow::Result<String> {
        let limit = i64::try_from(depth)?;
        let request = proto::ListInteractionsRequest { page_size: 1_000, limit, ..request };
        let mut pages = self.client().await?.list_interactions(request).await?.into_inner();
        let mut token = String::new();
        while let Some(page) = pages.message().await? {
            token = page.next_page_token;
        }
        anyhow::ensure!(!token.is_empty(), "the list is not {depth} interactions long");
        Ok(token)
    }

    /// Records batches, each list of them on a stream of its own, and waits for every answer.
    pub(crate) async fn record(
        &self,
        streams: Vec<Vec<proto::WriteInteractionsRequest>>,
    ) -> anyhow::Result<Haul> {
        let start = Arc::new(Barrier::new(streams.len() + 1));
        let mut running = Vec::new();
        for batches in streams {
            let (reach, start) = (self.clone(), Arc::clone(&start));
            running.push(tokio::spawn(async move {
                let client = reach.client().await;
                start.wait().await;
                record_on_one_stream(client?, batches).await
            }));
        }
        start.wait().await;
        let started = Instant::now();
        let mut rows = 0;
        for stream in running {
            rows += stream.await??;
        }
        Ok(Haul { rows, elapsed: started.elapsed() })
    }
}

/// One that asks again and again, on a connection of its own.
pub(crate) trait Asker: Send + 'static {
    /// Asks once, and takes the whole answer.
    fn ask(&mut self, dice: &mut Dice) -> impl Future<Output = anyhow::Result<()>> + Send;
}

struct ServiceAsker {
    client: Client,
    asks: Asks,
}

impl Asker for ServiceAsker {
    async fn ask(&mut self, dice: &mut Dice) -> anyhow::Result<()> {
        answer(&mut self.client, (self.asks)(dice)).await
    }
}

/// How many answers a second `askers` get together.
pub(crate) async fn rate<A: Asker>(askers: Vec<A>, span: Span) -> anyhow::Result<f64> {
    let start = Arc::new(Barrier::new(askers.len()));
    let mut running = Vec::new();
    for (number, mut asker) in askers.into_iter().enumerate() {
        let start = Arc::clone(&start);
        running.push(tokio::spawn(async move {
            let mut dice = Dice::new(number as u64);
            start.wait().await;
            let started = Instant::now();
            let (mut answers, mut counted_from) = (0_u64, None);
            // One that waited all the time counts the answer that it waits for next.
            while answers == 0 || started.elapsed() < span.warm_up + span.measured {
                if counted_from.is_none() && started.elapsed() > span.warm_up {
                    counted_from = Some(Instant::now());
                }
                asker.ask(&mut dice).await?;
                answers += u64::from(counted_from.is_some());
            }
            let counted_from = counted_from.context("no answer in time")?;
            anyhow::Ok(Haul { rows: answers, elapsed: counted_from.elapsed() })
        }));
    }
    let mut rate = 0.0;
    for asker in running {
        rate += asker.await??.per_second();
    }
    Ok(rate)
}

async fn answer(client: &mut Client, ask: Ask) -> anyhow::Result<()> {
    let Ask { request, expected } = ask;
    let mut pages = client.list_interactions(request).await?.into_inner();
    let mut found = 0;
    while let Some(page) = pages.message().await? {
        found += page.interactions.len();
    }
    anyhow::ensure!(expected.contains(&found), "{found} interactions, not {expected:?}");
    Ok(())
}

async fn record_on_one_stream(
    mut client: Client,
    batches: Vec<proto::WriteInteractionsRequest>,
) -> anyhow::Result<u64> {
    let requests = tokio_stream::iter(batches);
    let mut answers = client.write_interactions(requests).await?.into_inner();
    let mut recorded = 0;
    while let Some(answer) = answers.message().await? {
        for result in answer.results {
            let fine = result.status.is_none_or(|status| status.code == 0);
            anyhow::ensure!(fine && !result.deduplicated, "{} is refused", result.interaction_id);
            recorded += 1;
        }
    }
    Ok(recorded)
}

/// The middle of `figures`.
pub(crate) fn median(mut figures: Vec<f64>) -> anyhow::Result<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().context("nothing was measured")
}
