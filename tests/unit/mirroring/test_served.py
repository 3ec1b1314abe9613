"""What a worker hands over: the other process reads the same."""

import pytest
from msgspec.structs import replace

from proxy.comparison.observation import Observation
from proxy.mirroring.served import Batch, CopiedRequest, decoded, encoded, served_request
from proxy.model import Decision, FieldName, Match
from proxy.model.headers import written_name
from proxy.routing.transforms.trace_context import Identity
from tests.make import facts, refs, route

IDENTITY = Identity(b"id", b"00-1-2-00", b"1", True)


def test_a_batch_arrives_as_it_was_sent() -> None:
    matches = (Match(), Match(methods=("GET",)))
    only = replace(route("r", to=refs(legacy=100, new=0)), matches=matches)
    decision = Decision(only, "stage", only.backend_refs[0], mirrored_to=("new",), match=matches[1])
    asked = replace(facts(), headers=[(FieldName(b"X-Id"), b"7"), (b"accept", b"\xff")])
    response = Observation(200, [(FieldName(b"ETag"), b"e")], b"\0body", 9, b"digest", 0.5)
    served = served_request("v", CopiedRequest(asked, decision, IDENTITY), b"sent", response, 7.5)
    batch = decoded(encoded(Batch([served], {"r": {"queue": 2}})))
    assert batch == Batch([served], {"r": {"queue": 2}})
    (read,) = batch.requests
    assert (read.match, read.backend, read.copied_to) == (1, "legacy", "new")
    assert [written_name(name) for name, _ in read.facts.headers] == [b"X-Id", b"accept"]
    assert [written_name(name) for name, _ in read.response.headers] == [b"ETag"]


def test_only_parts_of_a_request_are_sent() -> None:
    with pytest.raises(TypeError, match="object is no part of a request"):
        encoded(Batch([], {"r": {"queue": object()}}))  # type: ignore[dict-item]
