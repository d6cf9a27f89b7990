"""A grpcio client against a running server: records, lists, pages, resumes, reads error details.

It shares nothing with the server but the proto files. `scripts/test --only clients` runs it; by hand:

    pip install -r tests/clients/python/requirements.txt
    python3 -m grpc_tools.protoc -I proto --python_out=tests/clients/python/gen \
        --grpc_python_out=tests/clients/python/gen proto/interactions/v1/*.proto
    PYTHONPATH=tests/clients/python/gen INTERACTIONS_ADDR=127.0.0.1:50051 \
        INTERACTIONS_API_KEY=sk_… INTERACTIONS_NAMESPACE=test \
        python3 tests/clients/python/test_interactions.py

The key needs the scopes `read` and `write`. Every run records interactions of a session of its own,
so it can be repeated in the same namespace.
"""

import os
import unittest
import uuid
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from interactions.v1 import interaction_pb2, query_pb2, service_pb2, service_pb2_grpc

ADDRESS = os.environ["INTERACTIONS_ADDR"]
API_KEY = os.environ["INTERACTIONS_API_KEY"]
NAMESPACE = os.environ["INTERACTIONS_NAMESPACE"]

ACCESS = (("authorization", f"Bearer {API_KEY}"), ("x-namespace", NAMESPACE))
RUN = uuid.uuid4().hex
SESSION = f"python-{RUN}"
TYPES = ["impression", "click", "purchase", "add_to_cart"]
START = datetime(2025, 1, 1, tzinfo=timezone.utc)

CLICKS_NEAR_THE_TOP = {
    "AND": [
        {"field": "position", "operator": "lte", "value": 5},
        {"field": "interaction_type", "operator": "in", "value": ["click", "purchase"]},
    ]
}


def struct(content: dict) -> Struct:
    return ParseDict(content, Struct())


def recorded(n: int) -> interaction_pb2.Interaction:
    """The n-th interaction of the run. Three share each timestamp; every fifth has no price."""
    metadata = {
        "title": f"{'Red' if n % 2 else 'Blue'} shoes, café {n}",
        "device": "mobile" if n % 3 == 0 else "desktop",
        "tags": ["sale", "new"] if n % 4 == 0 else [],
        "geo": {"country": "DE"},
    }
    if n % 5:
        metadata["price"] = (n * 7) % 20 + 0.5
    interaction = interaction_pb2.Interaction(
        interaction_id=f"{RUN}-{n:03}",
        feature_id=f"product-{n % 6}",
        interaction_type=[TYPES[n % len(TYPES)]],
        position=n % 10,
        session_id=SESSION,
        user_id=f"user-{n % 2}",
        metadata=struct(metadata),
    )
    interaction.timestamp.FromDatetime(START + timedelta(seconds=n // 3))
    return interaction


RECORDED = [recorded(n) for n in range(53)]
NEWEST_FIRST = sorted(
    RECORDED, key=lambda i: (i.timestamp.ToDatetime(), i.interaction_id), reverse=True
)
MATCHING = [i for i in NEWEST_FIRST if i.position <= 5 and i.interaction_type[0] in ("click", "purchase")]


def ids(interactions) -> list[str]:
    return [interaction.interaction_id for interaction in interactions]


class ClientTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.channel = grpc.insecure_channel(ADDRESS)
        cls.addClassCleanup(cls.channel.close)
        grpc.channel_ready_future(cls.channel).result(timeout=30)
        cls.stub = service_pb2_grpc.InteractionServiceStub(cls.channel)
        request = service_pb2.BatchCreateInteractionsRequest(interactions=RECORDED)
        answer = cls.stub.BatchCreateInteractions(request, metadata=ACCESS, timeout=30)
        cls.batch_results = answer.results

    def list_pages(self, **request):
        """The pages of one stream, each as its message."""
        request.setdefault("session_id", SESSION)
        request = service_pb2.ListInteractionsRequest(**request)
        return self.stub.ListInteractions(request, metadata=ACCESS, timeout=30)

    def list_ids(self, **request) -> list[str]:
        return [id for page in self.list_pages(**request) for id in ids(page.interactions)]

    def create(self, interaction):
        request = service_pb2.CreateInteractionRequest(interaction=interaction)
        return self.stub.CreateInteraction(request, metadata=ACCESS, timeout=30)

    @contextmanager
    def refused(self, code: grpc.StatusCode):
        """Expects the block to fail with `code`; the dict it gives is filled with the details."""
        details = {}
        with self.assertRaises(grpc.RpcError) as raised:
            yield details
        self.assertEqual(raised.exception.code(), code, raised.exception.details())
        status = rpc_status.from_call(raised.exception)
        self.assertIsNotNone(status, "an error carries grpc-status-details-bin")
        self.assertEqual(status.code, code.value[0])
        self.assertEqual(status.message, raised.exception.details())
        for detail in status.details:
            for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest):
                if detail.Is(kind.DESCRIPTOR):
                    message = kind()
                    detail.Unpack(message)
                    details[kind.DESCRIPTOR.name] = message
        self.assertEqual(details["ErrorInfo"].domain, "interactions")
        self.assertRegex(details["ErrorInfo"].reason, "^[A-Z][A-Z0-9_]+$")

    def violations(self, details) -> dict[str, str]:
        found = {v.field: v.description for v in details["BadRequest"].field_violations}
        for field, description in found.items():
            self.assertTrue(description, f"{field} is explained")
        return found

    # Recording

    def test_a_batch_is_recorded(self):
        self.assertEqual([r.interaction_id for r in self.batch_results], ids(RECORDED))
        self.assertFalse(any(r.deduplicated for r in self.batch_results))

    def test_what_is_read_is_what_was_recorded(self):
        request = service_pb2.GetInteractionRequest(interaction_id=RECORDED[7].interaction_id)
        found = self.stub.GetInteraction(request, metadata=ACCESS, timeout=30)
        self.assertTrue(found.HasField("created_at"))
        found.ClearField("created_at")
        self.assertEqual(found, RECORDED[7])

    def test_the_server_fills_in_id_and_times(self):
        made = self.create(interaction_pb2.Interaction(interaction_type=["View"]))
        self.assertEqual(uuid.UUID(made.interaction_id).version, 7)
        self.assertEqual(list(made.interaction_type), ["view"])
        self.assertTrue(made.HasField("timestamp") and made.HasField("created_at"))

    def test_the_same_again_is_deduplicated(self):
        again = service_pb2.BatchCreateInteractionsRequest(interactions=RECORDED[:5])
        answer = self.stub.BatchCreateInteractions(again, metadata=ACCESS, timeout=30)
        self.assertEqual([r.interaction_id for r in answer.results], ids(RECORDED[:5]))
        self.assertTrue(all(r.deduplicated for r in answer.results))
        self.assertEqual(len(self.list_ids()), len(RECORDED))

    def test_other_content_under_a_known_id_already_exists(self):
        changed = interaction_pb2.Interaction()
        changed.CopyFrom(RECORDED[0])
        changed.position = 9
        with self.refused(grpc.StatusCode.ALREADY_EXISTS):
            self.create(changed)

    def test_a_bad_batch_records_nothing_and_names_every_item(self):
        batch = [
            interaction_pb2.Interaction(
                interaction_id=f"{RUN}-bad-{n}", interaction_type=["click"], position=position
            )
            for n, position in enumerate([0, -1, 2, -3])
        ]
        batch[3].ClearField("interaction_type")
        request = service_pb2.BatchCreateInteractionsRequest(interactions=batch)
        with self.refused(grpc.StatusCode.INVALID_ARGUMENT) as details:
            self.stub.BatchCreateInteractions(request, metadata=ACCESS, timeout=30)
        self.assertEqual(
            set(self.violations(details)),
            {"interactions[1].position", "interactions[3].position", "interactions[3].interaction_type"},
        )
        with self.refused(grpc.StatusCode.NOT_FOUND):
            request = service_pb2.GetInteractionRequest(interaction_id=f"{RUN}-bad-0")
            self.stub.GetInteraction(request, metadata=ACCESS, timeout=30)

    # Filters, sort, search

    def test_filters_as_json(self):
        self.assertEqual(self.list_ids(filters=struct(CLICKS_NEAR_THE_TOP)), ids(MATCHING))

    def test_filter_as_message(self):
        condition, group = query_pb2.Condition, query_pb2.Group
        types = ListValue(values=[Value(string_value="click"), Value(string_value="purchase")])
        typed = query_pb2.Filter(
            group=group(
                operator=group.ALL_OF,
                filters=[
                    query_pb2.Filter(
                        condition=condition(
                            field="position", operator=condition.LTE, value=Value(number_value=5)
                        )
                    ),
                    query_pb2.Filter(
                        condition=condition(
                            field="interaction_type",
                            operator=condition.IN,
                            value=Value(list_value=types),
                        )
                    ),
                ],
            )
        )
        self.assertEqual(self.list_ids(filter=typed), ids(MATCHING))

    def test_filters_below_metadata(self):
        filters = {"metadata.device": "MOBILE", "metadata.tags": "sale", "NOT": {"metadata.price": {"gt": 10}}}
        expected = [
            i
            for i in NEWEST_FIRST
            if i.metadata["device"] == "mobile"
            and "sale" in list(i.metadata["tags"])
            and not ("price" in i.metadata and i.metadata["price"] > 10)
        ]
        self.assertTrue(expected)
        self.assertEqual(self.list_ids(filters=struct(filters)), ids(expected))

    def test_sort_puts_missing_values_last_both_ways(self):
        for direction, sign in ((query_pb2.Sort.ASC, 1), (query_pb2.Sort.DESC, -1)):
            sort = [query_pb2.Sort(field="metadata.price", direction=direction)]
            priced = [i for i in NEWEST_FIRST if "price" in i.metadata]
            priced.sort(key=lambda i: sign * i.metadata["price"])
            unpriced = [i for i in NEWEST_FIRST if "price" not in i.metadata]
            self.assertEqual(self.list_ids(sort=sort, page_size=8), ids(priced + unpriced))

    def test_search(self):
        red = [i for i in NEWEST_FIRST if i.metadata["title"].startswith("Red")]
        blue = [i for i in NEWEST_FIRST if i not in red]
        self.assertEqual(self.list_ids(search="RED sho* cafe"), ids(red))
        self.assertEqual(self.list_ids(search='"shoes café" -red'), ids(blue))
        self.assertEqual(self.list_ids(search='"café shoes"'), [])

    def test_select(self):
        page = next(self.list_pages(select=["position", "metadata.geo.country"], limit=1))
        expected = {
            "interaction_id": NEWEST_FIRST[0].interaction_id,
            "position": NEWEST_FIRST[0].position,
            "metadata": {"geo": {"country": "DE"}},
        }
        self.assertEqual(MessageToDict(page.interactions[0]), expected)

    # Pages

    def test_pages_are_ordered_and_complete(self):
        for page_size in (1, 7, 52, 53, 54):
            pages = list(self.list_pages(page_size=page_size))
            self.assertEqual([id for p in pages for id in ids(p.interactions)], ids(NEWEST_FIRST))
            self.assertTrue(all(len(p.interactions) <= page_size for p in pages))
            self.assertTrue(all(p.next_page_token for p in pages[:-1]))
            self.assertEqual(pages[-1].next_page_token, "")

    def test_a_cancelled_stream_is_resumed(self):
        stream = self.list_pages(page_size=10)
        first = next(stream)
        stream.cancel()
        rest = self.list_ids(page_size=9, page_token=first.next_page_token)
        self.assertEqual(ids(first.interactions) + rest, ids(NEWEST_FIRST))

    def test_limit_ends_the_stream_with_a_token(self):
        pages = list(self.list_pages(page_size=4, limit=10))
        seen = [id for page in pages for id in ids(page.interactions)]
        self.assertEqual(seen, ids(NEWEST_FIRST[:10]))
        self.assertTrue(pages[-1].next_page_token)
        seen += self.list_ids(page_token=pages[-1].next_page_token)
        self.assertEqual(seen, ids(NEWEST_FIRST))

    def test_total_comes_with_the_first_page_only(self):
        pages = list(self.list_pages(page_size=20, limit=45, include_total=True))
        self.assertEqual(pages[0].total_size, len(RECORDED))
        self.assertFalse(any(page.HasField("total_size") for page in pages[1:]))

    def test_count(self):
        request = service_pb2.CountInteractionsRequest(
            session_id=SESSION, filters=struct(CLICKS_NEAR_THE_TOP)
        )
        answer = self.stub.CountInteractions(request, metadata=ACCESS, timeout=30)
        self.assertEqual(answer.count, len(MATCHING))

    def test_no_match_is_one_empty_page(self):
        pages = list(self.list_pages(user_id="nobody", include_total=True))
        self.assertEqual(len(pages), 1)
        self.assertEqual((len(pages[0].interactions), pages[0].next_page_token), (0, ""))
        self.assertTrue(pages[0].HasField("total_size"))
        self.assertEqual(pages[0].total_size, 0)

    # Errors

    def test_every_violation_of_a_filter_is_listed_with_its_path(self):
        filters = {
            "AND": [
                {"interaction_type": "click"},
                {"position": {"lte": "five"}},
                {"OR": []},
                {"field": "colour", "value": "red"},
            ]
        }
        with self.refused(grpc.StatusCode.INVALID_ARGUMENT) as details:
            self.list_ids(filters=struct(filters), page_size=-1)
        self.assertEqual(
            set(self.violations(details)),
            {"filters.AND[1].position.lte", "filters.AND[2].OR", "filters.AND[3].field", "page_size"},
        )

    def test_a_typed_filter_with_nothing_in_it_is_refused(self):
        typed = query_pb2.Filter(
            group=query_pb2.Group(operator=query_pb2.Group.ALL_OF, filters=[query_pb2.Filter()])
        )
        with self.refused(grpc.StatusCode.INVALID_ARGUMENT) as details:
            self.list_ids(filter=typed)
        (field,) = self.violations(details)
        self.assertTrue(field.startswith("filter.group.filters[0]"), field)

    def test_a_token_of_another_request_is_refused(self):
        token = next(self.list_pages(page_size=5)).next_page_token
        for request in ({"page_token": token, "user_id": "user-1"}, {"page_token": "nonsense"}):
            with self.refused(grpc.StatusCode.INVALID_ARGUMENT) as details:
                self.list_ids(**request)
            self.assertEqual(set(self.violations(details)), {"page_token"})

    def test_no_call_without_a_key(self):
        namespace = ("x-namespace", NAMESPACE)
        for access in ((namespace,), (namespace, ("authorization", "Bearer sk_unknown"))):
            with self.refused(grpc.StatusCode.UNAUTHENTICATED):
                request = service_pb2.ListInteractionsRequest()
                next(self.stub.ListInteractions(request, metadata=access, timeout=30))

    def test_a_namespace_that_does_not_exist_is_not_open(self):
        access = (ACCESS[0], ("x-namespace", "no-such-namespace"))
        with self.refused(grpc.StatusCode.PERMISSION_DENIED):
            self.stub.CountInteractions(
                service_pb2.CountInteractionsRequest(), metadata=access, timeout=30
            )


if __name__ == "__main__":
    unittest.main(verbosity=2)
