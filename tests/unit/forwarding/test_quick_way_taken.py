"""Tables with rules still take the quick way: else both ways would be compared with themselves (ADR 21)."""

import pytest

from tests.unit.forwarding.both_ways import FIELDS, OTHER, TRUSTED, Pair
from tests.unit.forwarding.every_rule import TABLE

_TIMES = 3


@pytest.mark.parametrize("peer", [TRUSTED, OTHER])
@pytest.mark.parametrize(
    ("path", "more"),
    [
        pytest.param(b"/plain/1", b"", id="no rule"),
        pytest.param(b"/edited/1", b"", id="header edits of route and reference, both directions"),
        pytest.param(b"/picky/1", b"", id="cookies and headers that a backend may see"),
        pytest.param(b"/strict/1", b"", id="a list of headers"),
        pytest.param(b"/read/1?q=1", b"", id="a match by cookie and query"),
        pytest.param(b"/canary/1", b"", id="weights"),
        pytest.param(b"/cohort/1", b"", id="a cohort by cookie or header"),
        pytest.param(b"/ids/1", b"", id="a cohort with generated ids, and a key"),
        pytest.param(b"/addresses/1", b"", id="a cohort by address"),
        pytest.param(b"/items/1", b"", id="a cohort by path parameter"),
        pytest.param(b"/writers/1", b"", id="an override that is not used"),
        pytest.param(b"/prefixed/1", b"", id="a prefix rewrite"),
        pytest.param(b"/tail/t/orders/7", b"", id="a template rewrite"),
        pytest.param(b"/any/CASE/X", b"", id="ignored case"),
        pytest.param(b"/moved/1", b"", id="several matches"),
        pytest.param(b"/plain/1", b"\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https", id="forwarding fields"),
        pytest.param(b"/cohort/1", b"\r\nX-Forwarded-For: 6.6.6.6", id="forwarding fields and a cohort"),
        pytest.param(b"/plain/1", b"\r\nVia: 1.0 one\r\nX-Request-ID: theirs", id="ids and Via"),
        pytest.param(b"/picky/1", b"\r\nTracestate: a=b", id="a trace state without a trace"),
    ],
)  # fmt: skip
def test_the_quick_way_is_taken(path: bytes, more: bytes, peer: str) -> None:
    assert _taken(path, more, peer) == _TIMES


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(b"/values/1", id="values of the request"),
        pytest.param(b"/queries/1", id="query edits"),
        pytest.param(b"/shared/1", id="CORS"),
        pytest.param(b"/gone", id="a redirect"),
        pytest.param(b"/own-ids", id="edits of the facade's own fields"),
        pytest.param(b"/plain//1", id="an odd path"),
        pytest.param(b"/dark/1;x", id="path parameters"),
    ],
)
def test_the_general_way_is_taken(path: bytes) -> None:
    assert _taken(path, b"", OTHER) == 0


def _taken(path: bytes, more: bytes, peer: str) -> int:
    """How many of the requests the quick way took to their end."""
    pair = Pair(TABLE, peer)
    raw = b"GET %b HTTP/1.1\r\n%b%b\r\n\r\n" % (path, FIELDS, more)
    for _ in range(_TIMES):
        assert len(pair.send(raw).lines) == 1
    taken = pair.quick.counters.usual
    pair.close()
    return taken
