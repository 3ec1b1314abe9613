"""Request ids and traces: passed on where they are believed, made where not (W3C Trace Context)."""

import pytest

from proxy.routing.transforms.trace_context import claimed_ids, identify

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
BITS = (0x1234 << 64) | 0xABCD


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (PARENT, True),
        (f"00-{TRACE}-b7ad6b7169203331-00", True),
        (f"cc-{TRACE}-b7ad6b7169203331-01-later-fields", True),
        (f"00-{TRACE}-b7ad6b7169203331-01-more", False),
        (f"ff-{TRACE}-b7ad6b7169203331-01", False),
        (f"00-{TRACE.upper()}-b7ad6b7169203331-01", False),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE}-b7ad6b7169203331", False),
        ("", False),
    ],
)
def test_a_trace_goes_on_if_it_is_one(value: str, kept: bool) -> None:
    identity = identify(claimed_ids([(b"traceparent", value.encode())], False), BITS)
    assert (identity.traceparent == value.encode()) is kept
    assert identity.keeps_state is kept
    assert identity.trace_id == (TRACE if kept else f"{1 << 64 | BITS | 1:048x}"[:32]).encode()


def test_a_trace_that_is_told_twice_is_begun_anew() -> None:
    twice = [(b"traceparent", PARENT.encode())] * 2
    assert identify(claimed_ids(twice, True), BITS).traceparent != PARENT.encode()


@pytest.mark.parametrize(
    ("trusted", "values", "kept"),
    [
        (True, [b"abc-1"], True),
        (False, [b"abc-1"], False),
        (True, [b"abc", b"def"], False),
        (True, [b"a b"], False),
        (True, [b"x" * 129], False),
        (True, [b""], False),
    ],
)
def test_a_request_id_is_believed_of_trusted_peers(
    trusted: bool, values: list[bytes], kept: bool
) -> None:
    identity = identify(claimed_ids([(b"x-request-id", value) for value in values], trusted), BITS)
    assert (identity.request_id == values[0]) is kept


def test_what_is_made_is_never_all_zeros() -> None:
    identity = identify(claimed_ids([], False), 0)
    assert int(identity.trace_id, 16)
    assert int(identity.traceparent.split(b"-")[2], 16)
    assert identity.request_id == identity.trace_id
