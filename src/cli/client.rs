//! The connection that the client commands share, and its errors in words.

use std::error::Error as _;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::client_tls::ClientTls;
use crate::grpc::proto::interaction_service_client::InteractionServiceClient;

/// Largest answer that is taken, in bytes: a page is at most 1 MiB, some other server's may be more.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Largest headers and trailers that are taken, in bytes: an error may list 1,000 violations.
const MAX_HEADER_BYTES: u32 = 1 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that has been silent for this long is asked whether it lives.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long it may take to say so.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// A client that names its key and its namespace with every call.
pub(super) type Client = InteractionServiceClient<InterceptedService<Channel, Credentials>>;

/// Where the service is, and as whom to call it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct Connection {
    /// The service: HOST:PORT, or a URL that starts with http:// or https://
    #[arg(long, env = "INTERACTIONS_ADDR", default_value = "127.0.0.1:50051")]
    addr: String,

    /// The API key (better given in the environment: arguments can be seen by others)
    #[arg(long, env = "INTERACTIONS_API_KEY", hide_env_values = true)]
    key: Option<SecretString>,

    /// The namespace, by name or id; a client that names none gets the key's default
    #[arg(long, env = "INTERACTIONS_NAMESPACE")]
    namespace: Option<String>,

    #[command(flatten)]
    tls: ClientTls,
}

impl Connection {
    /// Connects to the service.
    ///
    /// # Errors
    /// When the address, the key, the namespace or a certificate cannot be one, or nothing answers in 10 seconds.
    pub(super) async fn connect(&self) -> anyhow::Result<Client> {
        let credentials = self.credentials()?;
        let endpoint = self.tls.endpoint(&self.addr)?;
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .http2_max_header_list_size(MAX_HEADER_BYTES);
        let channel = endpoint.connect().await;
        let channel =
            channel.with_context(|| format!("cannot reach the service at {}", endpoint.uri()))?;
        let client = InteractionServiceClient::with_interceptor(channel, credentials);
        Ok(client.max_decoding_message_size(MAX_ANSWER_BYTES))
    }

    /// The namespace, where one is named.
    #[must_use]
    pub(super) fn namespace(&self) -> Option<&str> {
        // An empty environment variable is how some shells leave one unset.
        self.namespace.as_deref().filter(|name| !name.is_empty())
    }

    fn credentials(&self) -> anyhow::Result<Credentials> {
        // Empty where the environment leaves it so: see `namespace`.
        let key = self.key.as_ref().map(SecretString::expose_secret).filter(|key| !key.is_empty());
        let authorization = key.map(bearer).transpose()?;
        let namespace = self.namespace().map(str::parse).transpose();
        let namespace = namespace.context("a namespace's name or id is plain ASCII")?;
        Ok(Credentials { authorization, namespace })
    }
}

fn bearer(key: &str) -> anyhow::Result<MetadataValue<Ascii>> {
    // The key is no part of the error.
    let mut value: MetadataValue<Ascii> =
        format!("Bearer {key}").parse().context("an API key is plain ASCII")?;
    value.set_sensitive(true);
    Ok(value)
}

/// Adds the key and the namespace to a call.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    authorization: Option<MetadataValue<Ascii>>,
    namespace: Option<MetadataValue<Ascii>>,
}

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let Self { authorization, namespace } = self;
        let metadata = request.metadata_mut();
        if let Some(authorization) = authorization {
            metadata.insert("authorization", authorization.clone());
        }
        if let Some(namespace) = namespace {
            metadata.insert("x-namespace", namespace.clone());
        }
        Ok(request)
    }
}

/// A call's error for people: its message, then each violation on a line of its own.
#[must_use]
pub(super) fn explain(status: &Status) -> anyhow::Error {
    let violations = status.get_details_bad_request().map(|details| details.field_violations);
    let violations = violations.unwrap_or_default().into_iter();
    let violations = violations.map(|fault| format!("{}: {}", fault.field, fault.description));
    let mut lines = vec![message(status)];
    lines.extend(violations);
    // The message may end in the first of them; once is enough.
    if let [message, first, ..] = lines.as_mut_slice()
        && let Some(at) = message.find(first.as_str())
    {
        message.truncate(at);
        message.truncate(message.trim_end_matches([' ', ':']).len());
    }
    if status.code() == Code::Unauthenticated {
        lines.push("a key is given with --key or INTERACTIONS_API_KEY".to_owned());
    }
    lines.retain(|line| !line.is_empty());
    anyhow::Error::msg(lines.join("\n"))
}

/// The message, and its causes where the transport failed and not the service.
fn message(status: &Status) -> String {
    let mut text = match status.message() {
        "" => status.code().description().to_owned(),
        message => message.to_owned(),
    };
    let mut cause = status.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(&format!(": {words}"));
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tonic_types::ErrorDetails;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        connection: Connection,
    }

    fn connection(arguments: &[&str]) -> Connection {
        let program = std::iter::once("test");
        Command::parse_from(program.chain(arguments.iter().copied())).connection
    }

    #[test]
    fn credentials_go_with_every_call_and_the_key_is_not_shown() {
        let connection = connection(&["--key", "sk_secret", "--namespace", "demo"]);
        assert!(!format!("{connection:?}").contains("sk_secret"));
        let mut credentials = connection.credentials().unwrap();
        assert!(!format!("{credentials:?}").contains("sk_secret"));
        let metadata = credentials.call(Request::new(())).unwrap().into_parts().0;
        assert_eq!(metadata.get("authorization").unwrap(), "Bearer sk_secret");
        assert_eq!(metadata.get("x-namespace").unwrap(), "demo");
    }

    #[test]
    fn what_is_empty_is_not_sent() {
        let mut credentials = connection(&["--key", "", "--namespace="]).credentials().unwrap();
        assert!(credentials.call(Request::new(())).unwrap().into_parts().0.is_empty());
    }

    #[test]
    fn a_key_that_cannot_be_one_is_not_repeated() {
        let error = connection(&["--key", "sk_a\nb"]).credentials().unwrap_err();
        assert!(!format!("{error:?}").contains("sk_a"), "{error:?}");
    }

    #[test]
    fn every_violation_gets_its_line() {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("filters.position", "must be a number");
        details.add_bad_request_violation("page_size", "must not be negative");
        let status =
            Status::with_error_details(Code::InvalidArgument, "the request is invalid", details);
        assert_eq!(
            explain(&status).to_string(),
            "the request is invalid\nfilters.position: must be a number\n\
             page_size: must not be negative",
        );
    }

    #[test]
    fn a_violation_in_the_message_is_not_said_twice() {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("limit", "must not be negative");
        details.add_bad_request_violation("skip", "must not be negative");
        let message = "invalid argument: limit: must not be negative (and 1 more)";
        let status = Status::with_error_details(Code::InvalidArgument, message, details);
        assert_eq!(
            explain(&status).to_string(),
            "invalid argument\nlimit: must not be negative\nskip: must not be negative",
        );
    }

    #[test]
    fn an_error_without_a_message_still_says_something() {
        let text = explain(&Status::new(Code::NotFound, "")).to_string();
        assert_eq!(text, Code::NotFound.description());
    }
}
