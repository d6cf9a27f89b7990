//! Calls that break the rules of gRPC, or ours: each is answered, and the answer says why.

use bytes::Bytes;
use h2::client::SendRequest;
use interactions::grpc::proto;
use prost::Message as _;
use tokio::net::TcpStream;
use tonic::codegen::http::{HeaderMap, Method, Request};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::Target;
use crate::support::frames::message;

const SERVICE: &str = "/interactions.v1.InteractionService";

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    http: u16,
    /// The code, and the reason in our details.
    pub(super) status: Option<(Code, String)>,
}

/// What is wrong, the call with its body, and the code and the reason of the answer.
type Case = (&'static str, Request<()>, Vec<u8>, (Code, &'static str));

/// A call with everything that belongs to one.
pub(super) fn usual(method: &str, bearer: &str) -> Request<()> {
    let uri = if method.starts_with('/') {
        format!("http://localhost{method}")
    } else {
        format!("http://localhost{SERVICE}/{method}")
    };
    Request::post(uri)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", bearer)
        .body(())
        .unwrap()
}

fn with(mut call: Request<()>, name: &'static str, value: &[u8]) -> Request<()> {
    call.headers_mut().append(name, value.try_into().unwrap());
    call
}

fn without(mut call: Request<()>, name: &str) -> Request<()> {
    call.headers_mut().remove(name).unwrap();
    call
}

pub(super) async fn connect(target: &Target) -> SendRequest<Bytes> {
    let socket = TcpStream::connect(target.address).await.unwrap();
    let (requests, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    requests
}

pub(super) async fn ask(requests: &SendRequest<Bytes>, call: Request<()>, body: Vec<u8>) -> Answer {
    let mut requests = requests.clone().ready().await.unwrap();
    let (answer, mut sending) = requests.send_request(call, false).unwrap();
    // The answer may come before the server has taken all of it.
    let _ = sending.send_data(body.into(), true);
    let (head, mut body) = answer.await.unwrap().into_parts();
    while let Some(data) = body.data().await {
        let read = body.flow_control().release_capacity(data.unwrap().len());
        read.unwrap();
    }
    let trailers = body.trailers().await.unwrap().unwrap_or_default();
    let status = status(&head.headers).or_else(|| status(&trailers));
    Answer { http: head.status.as_u16(), status }
}

pub(super) fn status(headers: &HeaderMap) -> Option<(Code, String)> {
    let status = Status::from_header_map(headers)?;
    let reason = status.get_error_details().error_info().map(|info| info.reason.clone());
    Some((status.code(), reason.unwrap_or_default()))
}

fn get() -> Vec<u8> {
    proto::GetInteractionRequest { interaction_id: "n0000007".to_owned() }.encode_to_vec()
}

/// The prefix of a message that is told to be `length` bytes long, with `flag`.
fn prefix(flag: u8, length: u32) -> Vec<u8> {
    [&[flag][..], &length.to_be_bytes()].concat()
}

/// Messages that are not as their prefix says.
fn prefixes(bearer: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let malformed = (Code::InvalidArgument, "MALFORMED_MESSAGE");
    let too_large = (Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    let large = vec![b'a'; (4 << 20) + 1];
    for method in ["GetInteraction", "ListInteractions", "WriteInteractions"] {
        let call = || usual(method, bearer);
        let squeezed = || with(call(), "grpc-encoding", b"gzip");
        let unknown = (Code::Unimplemented, "COMPRESSION_UNKNOWN");
        cases.extend([
            ("compressed, in no way", call(), [prefix(1, 0)].concat(), malformed),
            ("compressed, it is not said how", call(), prefix(2, 0), malformed),
            ("compressed", squeezed(), [prefix(1, 1), vec![0]].concat(), unknown),
            ("4 GiB, it says", call(), prefix(0, u32::MAX), too_large),
            ("too large", call(), message(&large), too_large),
            ("longer, it says", call(), [prefix(0, 100), get()].concat(), malformed),
            ("a prefix cut off", call(), vec![0, 0, 0], malformed),
            ("shorter, it says", call(), [prefix(0, 3), get()].concat(), malformed),
        ]);
    }
    cases.push(("no message", usual("GetInteraction", bearer), Vec::new(), malformed));
    cases
}

/// Headers that are not as they should be.
fn headers(bearer: &str) -> Vec<Case> {
    let ok = (Code::Ok, "");
    let call = || usual("GetInteraction", bearer);
    let unknown = (Code::Unimplemented, "METHOD_UNKNOWN");
    let long = format!("/{}", "a".repeat(8_000));
    let namespace = (Code::InvalidArgument, "NAMESPACE_REQUIRED");
    let key = (Code::Unauthenticated, "INVALID_API_KEY");
    let request = (Code::InvalidArgument, "INVALID_REQUEST");
    let other = |path: &str| usual(path, bearer);
    let cases = [
        ("no te", without(call(), "te"), ok),
        ("binary metadata that is none", with(call(), "x-some-bin", b"!!"), ok),
        ("an unknown method", other("Nothing"), unknown),
        ("an unknown service", other("/nothing.Service/Get"), unknown),
        ("no service", other("/"), unknown),
        ("a long path", other(&long), unknown),
        ("an escape that is none", other("/interactions.v1.InteractionService/Get%zz"), unknown),
        ("a method with an escape", other("/interactions.v1.InteractionService/Get%49"), unknown),
        ("no key", without(call(), "authorization"), key),
        ("two keys", with(call(), "authorization", bearer.as_bytes()), key),
        (
            "a key that is no text",
            with(without(call(), "authorization"), "authorization", &[0xff; 50]),
            key,
        ),
        (
            "two namespaces",
            with(with(call(), "x-namespace", b"real"), "x-namespace", b"real"),
            namespace,
        ),
        ("a namespace that is no text", with(call(), "x-namespace", &[0xff, 0xfe]), namespace),
        (
            "no time",
            with(call(), "grpc-timeout", b"0S"),
            (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
        ),
        ("all time", with(call(), "grpc-timeout", b"99999999H"), ok),
        ("a time without a unit", with(call(), "grpc-timeout", b"10"), request),
        ("a time that is too long", with(call(), "grpc-timeout", b"123456789S"), request),
        ("a time that is no text", with(call(), "grpc-timeout", &[0xff]), request),
    ];
    cases.map(|(name, call, expected)| (name, call, message(&get()), expected)).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_violation_is_answered_with_its_reason() {
    let target = Target::start().await;
    let bearer = target.bearer();
    let mut wrong = Vec::new();
    let calls = async {
        let requests = connect(&target).await;
        for (name, call, body, (code, reason)) in [prefixes(&bearer), headers(&bearer)].concat() {
            let path = call.uri().path().to_owned();
            let answer = ask(&requests, call, body).await;
            if answer.status != Some((code, reason.to_owned())) || answer.http != 200 {
                wrong.push(format!("{name}, {}: {answer:?}", &path[..path.len().min(60)]));
            }
        }
    };
    let ((), cost) = target.under(calls).await;
    cost.print("calls against the rules", "answered");
    cost.assert_bounded("calls against the rules");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    target.stop();
}

/// HTTP has a say before gRPC has.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_call_of_grpc_is_refused_as_http_does() {
    let target = Target::start().await;
    let bearer = target.bearer();
    let requests = connect(&target).await;
    let long = format!("/{}", "a".repeat(16 << 10));
    let large = with(usual("GetInteraction", &bearer), "x-large", &[b'a'; 17 << 10]);
    for (name, call) in [("a path of 16 KiB", usual(&long, &bearer)), ("large headers", large)] {
        let answer = ask(&requests, call, Vec::new()).await;
        assert_eq!((answer.http, answer.status), (431, None), "{name}");
    }
    let typeless = without(usual("GetInteraction", &bearer), "content-type");
    let other = with(typeless.clone(), "content-type", b"text/html");
    let mut lookup = usual("GetInteraction", &bearer);
    *lookup.method_mut() = Method::GET;
    for (call, http) in [(typeless, 415), (other, 415), (lookup, 405)] {
        let answer = ask(&requests, call, message(&get())).await;
        assert_eq!((answer.http, answer.status), (http, None));
    }
    target.stop();
}
