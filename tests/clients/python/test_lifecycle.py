"""A grpcio client against a running server: the life of the data, from bulk ingest to deletion.

It runs as test_interactions.py does. The key needs the scopes `read`, `write` and `admin`.
"""

import os
import queue
import unittest
import uuid
from datetime import timedelta

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2

from interactions.v1 import admin_pb2, admin_pb2_grpc, interaction_pb2, service_pb2, service_pb2_grpc

ADDRESS = os.environ["INTERACTIONS_ADDR"]
API_KEY = os.environ["INTERACTIONS_API_KEY"]
NAMESPACE = os.environ["INTERACTIONS_NAMESPACE"]
RUN = uuid.uuid4().hex


def access(key: str = API_KEY, namespace: str = NAMESPACE):
    return (("authorization", f"Bearer {key}"), ("x-namespace", namespace))


def click(n: int, user: str) -> interaction_pb2.Interaction:
    return interaction_pb2.Interaction(
        interaction_id=f"{RUN}-{user}-{n:04}", interaction_type=["click"], user_id=f"{RUN}-{user}", position=n
    )


class LifecycleTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.channel = grpc.insecure_channel(ADDRESS)
        cls.addClassCleanup(cls.channel.close)
        grpc.channel_ready_future(cls.channel).result(timeout=30)
        cls.interactions = service_pb2_grpc.InteractionServiceStub(cls.channel)
        cls.namespaces = admin_pb2_grpc.NamespaceServiceStub(cls.channel)
        cls.keys = admin_pb2_grpc.ApiKeyServiceStub(cls.channel)

    def count(self, user: str, metadata=access()) -> int:
        request = service_pb2.CountInteractionsRequest(user_id=f"{RUN}-{user}")
        return self.interactions.CountInteractions(request, metadata=metadata, timeout=30).count

    def write(self, batches, metadata=access()):
        """Sends batches on one stream; the answers, in order."""
        requests = (
            service_pb2.WriteInteractionsRequest(request_id=str(n), interactions=batch)
            for n, batch in enumerate(batches)
        )
        return list(self.interactions.WriteInteractions(requests, metadata=metadata, timeout=60))

    def refused(self, code: grpc.StatusCode, call):
        with self.assertRaises(grpc.RpcError) as raised:
            call()
        self.assertEqual(raised.exception.code(), code, raised.exception.details())

    def test_a_stream_of_batches_is_answered_in_order_with_a_status_for_each_item(self):
        bad = click(7, "bulk")
        bad.position = -1
        batches = [[click(n, "bulk") for n in range(first, first + 5)] for first in (0, 5)]
        batches[1][2] = bad
        answers = self.write(batches + [batches[0]])
        self.assertEqual([answer.request_id for answer in answers], ["0", "1", "2"])
        codes = [[result.status.code for result in answer.results] for answer in answers]
        invalid = grpc.StatusCode.INVALID_ARGUMENT.value[0]
        self.assertEqual(codes, [[0] * 5, [0, 0, invalid, 0, 0], [0] * 5])
        self.assertTrue(all(result.deduplicated for result in answers[2].results))
        self.assertEqual(self.count("bulk"), 9)
        details = {}
        for detail in answers[1].results[2].status.details:
            for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest):
                if detail.Is(kind.DESCRIPTOR):
                    details[kind.DESCRIPTOR.name] = message = kind()
                    detail.Unpack(message)
        self.assertEqual(details["ErrorInfo"].domain, "interactions")
        violations = details["BadRequest"].field_violations
        self.assertEqual([violation.field for violation in violations], ["interactions[2].position"])

    def test_an_answer_comes_before_the_stream_ends(self):
        requests = queue.SimpleQueue()
        answers = self.interactions.WriteInteractions(iter(requests.get, None), metadata=access(), timeout=60)
        for n in range(3):
            requests.put(service_pb2.WriteInteractionsRequest(interactions=[click(n, "slow")]))
            self.assertEqual(next(answers).results[0].status.code, 0)
            self.assertEqual(self.count("slow"), n + 1)
        requests.put(None)
        self.assertEqual(list(answers), [])

    def test_delete(self):
        self.write([[click(0, "deleted")]])
        request = service_pb2.DeleteInteractionRequest(interaction_id=click(0, "deleted").interaction_id)
        delete = lambda: self.interactions.DeleteInteraction(request, metadata=access(), timeout=30)
        delete()
        self.assertEqual(self.count("deleted"), 0)
        self.refused(grpc.StatusCode.NOT_FOUND, delete)
        request.allow_missing = True
        delete()

    def test_purge(self):
        self.write([[click(n, "erased") for n in range(700)], [click(n, "kept") for n in range(3)]])
        request = service_pb2.PurgeInteractionsRequest(user_id=f"{RUN}-erased")
        purge = lambda: list(self.interactions.PurgeInteractions(request, metadata=access(), timeout=60))
        (dry,) = purge()
        self.assertEqual((dry.purge_count, dry.total_count, len(dry.purge_sample)), (700, 700, 100))
        self.assertEqual(self.count("erased"), 700)
        request.force = True
        self.assertEqual([message.purge_count for message in purge()], [0, 500, 700])
        self.assertEqual((self.count("erased"), self.count("kept")), (0, 3))
        nothing = service_pb2.PurgeInteractionsRequest(force=True)
        call = self.interactions.PurgeInteractions(nothing, metadata=access(), timeout=30)
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: next(call))

    def test_a_namespace_from_its_making_to_its_end(self):
        name = f"life-{RUN[:20]}"
        admin = access()[:1]
        create = admin_pb2.CreateNamespaceRequest(name=name)
        made = self.namespaces.CreateNamespace(create, metadata=admin, timeout=30)
        self.assertRegex(made.namespace_id, "^ns_[0-9a-f]{16}$")
        self.refused(
            grpc.StatusCode.ALREADY_EXISTS,
            lambda: self.namespaces.CreateNamespace(create, metadata=admin, timeout=30),
        )
        old = click(0, "old")
        old.timestamp.FromJsonString("2020-01-01T00:00:00Z")
        self.write([[old, click(1, "old")]], access(namespace=name))
        self.assertEqual(self.count("old", access(namespace=name)), 2)

        day = Duration()
        day.FromTimedelta(timedelta(days=1))
        update = admin_pb2.UpdateNamespaceRequest(
            namespace_ref=name, retention=day, update_mask=FieldMask(paths=["retention"])
        )
        updated = self.namespaces.UpdateNamespace(update, metadata=admin, timeout=30)
        self.assertEqual(updated.retention, day)
        self.assertEqual(self.count("old", access(namespace=name)), 1)

        delete = admin_pb2.DeleteNamespaceRequest(namespace_ref=made.namespace_id)
        call = lambda: self.namespaces.DeleteNamespace(delete, metadata=admin, timeout=30)
        self.refused(grpc.StatusCode.FAILED_PRECONDITION, call)
        delete.force = True
        call()
        self.refused(grpc.StatusCode.PERMISSION_DENIED, lambda: self.count("old", access(namespace=name)))
        again = self.namespaces.CreateNamespace(create, metadata=admin, timeout=30)
        self.assertNotEqual(again.namespace_id, made.namespace_id)
        self.assertEqual(self.count("old", access(namespace=name)), 0)

    def test_a_key_from_its_making_to_its_end(self):
        admin = access()[:1]
        create = admin_pb2.CreateApiKeyRequest(
            name=f"key {RUN}", scopes=[admin_pb2.ApiKey.READ], namespaces=[NAMESPACE]
        )
        made = self.keys.CreateApiKey(create, metadata=admin, timeout=30)
        self.assertTrue(made.secret.startswith(f"sk_live_{made.api_key.key_id}"))
        self.assertEqual(self.count("nobody", access(made.secret)), 0)
        self.refused(
            grpc.StatusCode.PERMISSION_DENIED,
            lambda: self.write([[click(0, "nobody")]], access(made.secret)),
        )
        rotate = admin_pb2.RotateApiKeyRequest(key_id=made.api_key.key_id, overlap=Duration(seconds=3600))
        rotated = self.keys.RotateApiKey(rotate, metadata=admin, timeout=30)
        for secret in (made.secret, rotated.secret):
            self.assertEqual(self.count("nobody", access(secret)), 0)
        revoke = admin_pb2.RevokeApiKeyRequest(key_id=made.api_key.key_id)
        self.assertTrue(self.keys.RevokeApiKey(revoke, metadata=admin, timeout=30).HasField("revoked_at"))
        self.refused(grpc.StatusCode.UNAUTHENTICATED, lambda: self.count("nobody", access(made.secret)))
        self.assertEqual(self.count("nobody", access(rotated.secret)), 0)
        listed = self.keys.ListApiKeys(admin_pb2.ListApiKeysRequest(page_size=1000), metadata=admin, timeout=30)
        states = {key.key_id: key.HasField("revoked_at") for key in listed.api_keys}
        self.assertTrue(states[made.api_key.key_id])
        self.assertFalse(states[rotated.api_key.key_id])


if __name__ == "__main__":
    unittest.main(verbosity=2)
