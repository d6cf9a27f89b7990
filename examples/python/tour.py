"""A tour of the service in Python: record, list with a filter, resume, read an error, retry.

    pip install grpcio-tools grpcio-status
    mkdir gen && python3 -m grpc_tools.protoc -I ../../proto --python_out=gen --grpc_python_out=gen \
        ../../proto/interactions/v1/*.proto
    PYTHONPATH=gen INTERACTIONS_API_KEY=sk_… INTERACTIONS_NAMESPACE=demo python3 tour.py

The key needs the scopes `read` and `write`. Every run records 320 interactions in a session of its own.
"""

import contextlib
import itertools
import json
import os
import uuid

import grpc
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from interactions.v1 import interaction_pb2, query_pb2, service_pb2, service_pb2_grpc

# The library makes a call again that fails so before its first answer. It is safe where a call may be
# repeated: reads, and writes whose interactions carry ids. docs/clients.md says why no other code.
SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{"service": "interactions.v1.InteractionService"}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.2s",
                "maxBackoff": "10s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}
# A network may drop a connection that is silent, and tell nobody: this asks whether it lives.
KEEPALIVE = [("grpc.keepalive_time_ms", 30_000), ("grpc.keepalive_timeout_ms", 20_000)]

# With these a list may end early and be resumed.
RESUMABLE = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
# Seconds that a call may take, with all its attempts.
TIMEOUT = 30


def access():
    """What goes with every call: the key, and the namespace unless the key has a default."""
    entries = [("authorization", f"Bearer {os.environ['INTERACTIONS_API_KEY']}")]
    if namespace := os.environ.get("INTERACTIONS_NAMESPACE"):
        entries.append(("x-namespace", namespace))
    return entries


ACCESS = access()


def sample(session, n):
    """The n-th interaction of a session, with an id, so that to record it again does no harm."""
    interaction = interaction_pb2.Interaction(
        interaction_id=f"{session}-{n:03}",
        feature_id=f"product-{n % 7}",
        interaction_type=[("impression", "click", "purchase")[n % 3]],
        position=n % 10,
        session_id=session,
    )
    interaction.metadata.update({"device": "desktop" if n % 2 else "mobile", "price": n / 2})
    return interaction


def record(service, session):
    """Records 20 interactions in one call and 300 on a stream, and the 20 again."""
    batch = service_pb2.BatchCreateInteractionsRequest(interactions=[sample(session, n) for n in range(20)])
    created = service.BatchCreateInteractions(batch, metadata=ACCESS, timeout=TIMEOUT).results

    # The library takes from the generator as fast as the service takes from it.
    batches = (
        service_pb2.WriteInteractionsRequest(
            request_id=str(first), interactions=[sample(session, n) for n in range(first, first + 100)]
        )
        for first in range(20, 320, 100)
    )
    recorded = 0
    for answer in service.WriteInteractions(batches, metadata=ACCESS, timeout=TIMEOUT):
        # Each interaction has a status of its own: what is refused does not stop its neighbours.
        recorded += sum(result.status.code == 0 for result in answer.results)

    again = service.BatchCreateInteractions(batch, metadata=ACCESS, timeout=TIMEOUT).results
    deduplicated = sum(result.deduplicated for result in again)
    print(f"recorded {len(created)} in a batch and {recorded} on a stream; of the batch again, {deduplicated} were there")


def pages(service, request):
    """The pages from `request.page_token` to the end, over streams that break."""
    while True:
        came_further = False
        stream = service.ListInteractions(request, metadata=ACCESS)
        try:
            for page in stream:
                yield page
                # Only this means the end: a stream that breaks has not come to it.
                if not page.next_page_token:
                    return
                request.page_token = page.next_page_token
                came_further = True
        except grpc.RpcError as error:
            if not came_further or error.code() not in RESUMABLE:
                raise
        finally:
            # Where the caller has left the loop, the service stops too.
            stream.cancel()


def ids(service, request):
    return [interaction.interaction_id for page in pages(service, request) for interaction in page.interactions]


def list_filtered(service, session):
    """Lists the clicks and purchases near the top, with the filter as a message and as JSON."""
    condition = query_pb2.Condition
    types = ListValue(values=[Value(string_value="click"), Value(string_value="purchase")])
    near_the_top = condition(field="position", operator=condition.LTE, value=Value(number_value=5))
    of_types = condition(field="interaction_type", operator=condition.IN, value=Value(list_value=types))
    group = query_pb2.Group(
        operator=query_pb2.Group.ALL_OF,
        filters=[query_pb2.Filter(condition=near_the_top), query_pb2.Filter(condition=of_types)],
    )
    typed = ids(
        service,
        service_pb2.ListInteractionsRequest(session_id=session, filter=query_pb2.Filter(group=group)),
    )

    filters = ParseDict({"position": {"lte": 5}, "interaction_type": ["click", "purchase"]}, Struct())
    as_json = ids(service, service_pb2.ListInteractionsRequest(session_id=session, filters=filters))

    assert typed == as_json
    print(f"found {len(typed)} clicks and purchases near the top, with either form of the filter")


def resume(service, session):
    """Leaves a list after three pages, and goes on from there in another call."""
    request = service_pb2.ListInteractionsRequest(session_id=session, page_size=25)
    seen = []
    with contextlib.closing(pages(service, request)) as stream:
        for page in itertools.islice(stream, 3):
            seen += [interaction.interaction_id for interaction in page.interactions]
            token = page.next_page_token
    before = len(seen)

    # The same request but for the token, which may be kept: it outlives restarts of the service.
    seen += ids(service, service_pb2.ListInteractionsRequest(session_id=session, page_size=25, page_token=token))

    assert sorted(seen) == [f"{session}-{n:03}" for n in range(320)]
    print(f"read {before}, left, and read {len(seen) - before} more: each of 320 once")


def read_error(service, session):
    """Sends what breaks two rules, and reads which and where from the details of the error."""
    bad = [sample(session, n) for n in range(2)]
    bad[0].position = -1
    bad[1].ClearField("interaction_type")
    try:
        request = service_pb2.BatchCreateInteractionsRequest(interactions=bad)
        service.BatchCreateInteractions(request, metadata=ACCESS, timeout=TIMEOUT)
    except grpc.RpcError as error:
        info, violations = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        for detail in rpc_status.from_call(error).details:
            # Unpacks what is of the type, and leaves the rest alone.
            detail.Unpack(info)
            detail.Unpack(violations)
        print(f"refused: {info.reason} of {info.domain}")
        for violation in violations.field_violations:
            print(f"  {violation.field}: {violation.description}")


def main():
    address = os.environ.get("INTERACTIONS_ADDR", "127.0.0.1:50051")
    options = [("grpc.service_config", json.dumps(SERVICE_CONFIG)), *KEEPALIVE]
    # Where the service has TLS: grpc.secure_channel(address, grpc.ssl_channel_credentials(), options)
    with grpc.insecure_channel(address, options) as channel:
        service = service_pb2_grpc.InteractionServiceStub(channel)
        session = f"tour-{uuid.uuid4()}"
        record(service, session)
        list_filtered(service, session)
        resume(service, session)
        read_error(service, session)


if __name__ == "__main__":
    main()
