//! The methods that calls are counted by: those that there are, and one for all others, or whoever makes
//! methods up would fill the memory of whoever counts.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use metrics::{Counter, Gauge, Histogram, Label, counter, gauge, histogram};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use tonic::Code;

use crate::grpc::proto;

/// What OpenTelemetry calls a method that the server does not know.
const OTHER: &str = "_OTHER";
/// The same as labels.
const UNKNOWN: &str = "unknown";
/// Every code that a call can end with.
const CODES: usize = 17;

/// The files that describe the services.
const DESCRIPTORS: [&[u8]; 4] = [
    proto::DESCRIPTORS,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

/// All methods, by the paths of their calls.
#[derive(Debug)]
pub(super) struct Methods {
    known: HashMap<String, Arc<Method>>,
    unknown: Arc<Method>,
}

/// What is counted of one method. The names of the metrics are those that gRPC servers in Go and Java
/// have, so that what reads those reads these.
pub(super) struct Method {
    full_name: String,
    known: bool,
    labels: Vec<Label>,
    pub(super) started: Counter,
    pub(super) took: Histogram,
    pub(super) in_progress: Gauge,
    pub(super) sent_bytes: Counter,
    /// By code; most never happen.
    handled: [OnceLock<Counter>; CODES],
}

impl Methods {
    pub(super) fn known() -> Self {
        let mut known = HashMap::new();
        for descriptors in DESCRIPTORS {
            // The program does not start without them: reflection is made of them.
            let pool = DescriptorPool::decode(descriptors).unwrap_or_default();
            for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>())
            {
                let service = method.parent_service().full_name().to_owned();
                let of = Method::new(&service, method.name(), kind(&method));
                known.insert(format!("/{service}/{}", method.name()), Arc::new(of));
            }
        }
        let unknown = Arc::new(Method {
            full_name: OTHER.to_owned(),
            known: false,
            ..Method::new(UNKNOWN, UNKNOWN, UNKNOWN)
        });
        Self { known, unknown }
    }

    pub(super) fn find(&self, path: &str) -> Arc<Method> {
        Arc::clone(self.known.get(path).unwrap_or(&self.unknown))
    }
}

impl Method {
    fn new(service: &str, name: &str, kind: &'static str) -> Self {
        let labels = vec![
            Label::from_static_parts("grpc_type", kind),
            Label::new("grpc_service", service.to_owned()),
            Label::new("grpc_method", name.to_owned()),
        ];
        let method = Self {
            full_name: format!("{service}/{name}"),
            known: true,
            started: counter!("grpc_server_started_total", labels.clone()),
            took: histogram!("grpc_server_handling_seconds", labels.clone()),
            in_progress: gauge!("interactions_calls_in_progress", labels.clone()),
            sent_bytes: counter!("interactions_sent_bytes_total", labels.clone()),
            handled: Default::default(),
            labels,
        };
        // There from the start, so that the first call shows as one more than none.
        method.handled(Code::Ok);
        method
    }

    /// `service/method`, or what stands for any other.
    pub(super) fn full_name(&self) -> &str {
        &self.full_name
    }

    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    pub(super) fn handled(&self, code: Code) -> &Counter {
        let place = usize::try_from(code as i32).unwrap_or_default().min(CODES - 1);
        self.handled[place].get_or_init(|| {
            let mut labels = self.labels.clone();
            labels.push(Label::from_static_parts("grpc_code", code_name(code)));
            counter!("grpc_server_handled_total", labels)
        })
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Method").field(&self.full_name).finish()
    }
}

fn kind(method: &MethodDescriptor) -> &'static str {
    match (method.is_client_streaming(), method.is_server_streaming()) {
        (false, false) => "unary",
        (true, false) => "client_stream",
        (false, true) => "server_stream",
        (true, true) => "bidi_stream",
    }
}

/// A code by its name in gRPC's documents.
pub(super) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_known_by_their_paths_and_all_others_are_one() {
        let methods = Methods::known();
        let name = |path: &str| methods.find(path).full_name().to_owned();
        for known in [
            "interactions.v1.InteractionService/ListInteractions",
            "interactions.v1.NamespaceService/CreateNamespace",
            "grpc.health.v1.Health/Check",
            "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ] {
            assert_eq!(name(&format!("/{known}")), known);
        }
        for other in ["/", "", "/interactions.v1.InteractionService/listInteractions", "*"] {
            assert_eq!(name(other), OTHER);
        }
        assert_eq!(kind_of(&methods, "WriteInteractions"), "bidi_stream");
        assert_eq!(kind_of(&methods, "GetInteraction"), "unary");
    }

    fn kind_of(methods: &Methods, name: &str) -> String {
        let method = methods.find(&format!("/interactions.v1.InteractionService/{name}"));
        method.labels[0].value().to_owned()
    }

    #[test]
    fn every_code_has_a_counter_of_its_own() {
        let names: std::collections::BTreeSet<_> =
            (0..17).map(|code| code_name(Code::from_i32(code))).collect();
        assert_eq!(names.len(), CODES);
        assert_eq!(Code::Unauthenticated as usize, CODES - 1);
    }
}
