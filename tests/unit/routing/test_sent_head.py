"""How large a head was that a backend refused."""

import pytest
from msgspec.structs import replace

from proxy.model import Allow, Forwarded, HeaderEdits, HeaderPairs
from proxy.routing.transforms.sent_head import SentHead, sent_head
from proxy.routing.transforms.trace_context import NO_CLAIMS, identify
from tests.make import backend, facts, matched, refs, route


def of(headers: HeaderPairs, *, removed: str = "", added: bytes = b"") -> SentHead:
    edits = HeaderEdits(add=((added, b"1"),)) if added else HeaderEdits()
    return sent_head(
        replace(facts(), headers=headers),
        matched(replace(route(), request=edits)),
        refs(legacy=100)[0],
        backend(headers=Allow(remove=frozenset(removed.split()))),
        Forwarded(),
        identify(NO_CLAIMS, 1),
    )


HOST = (b"host", b"h")


def fields(count: int, value: bytes = b"1") -> HeaderPairs:
    return [HOST, *((b"x-%03d" % number, value) for number in range(count - 1))]


def test_host_and_framing_count() -> None:
    seen = of([HOST, (b"content-length", b"3"), (b"connection", b"x-hop"), (b"x-hop", b"1")])
    assert (seen.fields, seen.added) == (9, 7)
    bare = of([HOST], removed="x-forwarded-for x-forwarded-proto x-forwarded-host forwarded via")
    ids = len("x-request-id: \r\n") + 32 + len("traceparent: \r\n") + 55
    assert bare.field_bytes == len("host: h\r\n") + ids


def test_a_second_field_of_a_name_counts_as_added() -> None:
    assert of([HOST, (b"x", b"2")], added=b"x").added == 8


@pytest.mark.parametrize(
    ("headers", "past"),
    [
        pytest.param(fields(93), False, id="100 with the added ones"),
        pytest.param(fields(94), True, id="101"),
        pytest.param(fields(100), True, id="the client has as many as servers take"),
        pytest.param(fields(101), False, id="the client's own are too many"),
        pytest.param(fields(2, b"v" * 7_500), False, id="8 KiB with the added ones"),
        pytest.param(fields(2, b"v" * 8_000), True, id="more than 8 KiB"),
        pytest.param(fields(3, b"v" * 8_100), True, id="more than 16 KiB"),
        pytest.param(fields(4, b"v" * 8_000), False, id="the client's own are too large"),
        pytest.param([HOST, (b"via", b"v" * 8_180)], True, id="a list grows past a line"),
    ],
)
def test_the_added_fields_take_a_head_past_a_usual_limit(headers: HeaderPairs, past: bool) -> None:
    assert of(headers).past_usual_limit is past
