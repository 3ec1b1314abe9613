"""Both ways choose the same backend by key, override and last write (ADR 21)."""

import pytest

from tests.unit.forwarding.both_ways import Pair


@pytest.mark.parametrize("path", [b"/cohort/1", b"/ids/1"])
@pytest.mark.parametrize(
    "cookies",
    [
        *(b"uid=%d; beta=%d" % (number, number) for number in range(20)),
        *(b"", b"uid=", b"b=0f; c=1", b"c=1;b=0f", b" c=1 ;; b=0f", b"b=0f", b"c=1;d=2"),
        *(b"uid=" + b"x" * 5000, b"b=1; b=2", b"xb=1", b"b"),
    ],
)
def test_both_ways_find_the_same_bucket(pair: Pair, path: bytes, cookies: bytes) -> None:
    raw = b"GET %b HTTP/1.1\r\nHost: h\r\nCookie: %b\r\nX-User:\r\n\r\n" % (path, cookies)
    for _ in range(2):
        pair.send(raw, draw_bp=4_999)


@pytest.mark.parametrize("path", [b"/writers/1", b"/dark/1", b"/cohort/1"])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize(
    "fields",
    [
        *(b"X-Choice: picky", b"X-Choice: legacy", b"X-Choice: nobody", b"X-Choice:", b"X-Choice-2: picky"),
        *(b"Cookie: choice=picky", b"Cookie: uid=7; choice=picky; a=1", b"Cookie: a=choice"),
        *(b"Cookie: facade_writes_writers=7000.picky; uid=7", b"Cookie: facade_writes_writers=70.x; uid=8"),
        *(b"Cookie: uid=7; facade_writes_other=1", b"Accept: */*"),
    ],
)  # fmt: skip
def test_both_ways_obey_the_same_choices(
    pair: Pair, path: bytes, method: bytes, fields: bytes
) -> None:
    raw = b"%b %b HTTP/1.1\r\nHost: h\r\n%b\r\n\r\n" % (method, path, fields)
    for _ in range(2):
        pair.send(raw, draw_bp=4_999)
