//! A client of the programs that answer in JSON over HTTP/1.1. It takes an answer as bytes, as the client
//! of the service does, and counts the rows in it by what each of them has once.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::client::Asker;
use crate::data::Dice;

/// Stands in a question for the number of a session.
const SESSION: &str = "{session}";

/// What is asked again and again, and how an answer is known to be right.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    /// JSON to be posted, where the question is not all in the path.
    pub(crate) body: Option<String>,
    pub(crate) bearer: Option<String>,
    /// Sessions to draw from, numbered from 1.
    pub(crate) sessions: u64,
    /// What an answer has once in every row.
    pub(crate) mark: String,
    pub(crate) expected: RangeInclusive<usize>,
}

impl Question {
    fn request(&self, dice: &mut Dice) -> anyhow::Result<Request<Full<Bytes>>> {
        let session = (dice.below(self.sessions as usize) + 1).to_string();
        let mut request = Request::builder()
            .uri(self.path.replace(SESSION, &session))
            .header(header::HOST, self.address.to_string())
            .header(header::ACCEPT, "application/json");
        if let Some(bearer) = &self.bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
        }
        let Some(body) = &self.body else {
            return Ok(request.body(Full::default())?);
        };
        let request = request.method(Method::POST).header(header::CONTENT_TYPE, "application/json");
        Ok(request.body(Full::from(body.replace(SESSION, &session)))?)
    }

    fn check(&self, answer: &[u8]) -> anyhow::Result<()> {
        let text = std::str::from_utf8(answer)?;
        let found = text.matches(&self.mark).count();
        let start = text.get(..300).unwrap_or(text);
        anyhow::ensure!(
            self.expected.contains(&found),
            "{found} rows, not {:?}: {start}",
            self.expected
        );
        Ok(())
    }
}

/// A connection that stays.
pub(crate) struct HttpAsker {
    connection: SendRequest<Full<Bytes>>,
    question: Arc<Question>,
}

impl HttpAsker {
    pub(crate) async fn connect(question: Arc<Question>) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(question.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { connection: sender, question })
    }
}

impl Asker for HttpAsker {
    async fn ask(&mut self, dice: &mut Dice) -> anyhow::Result<()> {
        self.connection.ready().await.context("the connection does not stay")?;
        let answer = self.connection.send_request(self.question.request(dice)?).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        anyhow::ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        self.question.check(&body)
    }
}
