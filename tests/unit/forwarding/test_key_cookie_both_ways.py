"""A table whose rules read one cookie only, the key of its cohorts, on both ways (ADR 21)."""

from collections.abc import Iterator

import pytest

from proxy.forwarding.read_fields import (
    MAX_KEPT,
    KeyCookie,
    ReadFields,
    SeenFields,
    field_reader,
)
from proxy.http1.known_lines import KnownLines
from proxy.http1.quick_head import read_quick
from tests.make import facts
from tests.unit.forwarding.both_ways import OTHER, TRUSTED, Pair

TABLE = """\
version: 1
defaults: {forwarded: {trusted_proxies: [192.0.2.1]}}
backends:
  old: {url: "http://127.0.0.1:1"}
  new: {url: "http://127.0.0.1:2", cookies: {remove: [uid]}}
cohorts:
  people: {salt: s, hash_policy: [{cookie: uid}]}
  hosts: {salt: t, hash_policy: [{cookie: uid}, {source_ip: true}]}
  numbers: {salt: u, hash_policy: [{path_parameter: id}, {cookie: uid}]}
routes:
  - {name: a, match: {path: {prefix: /a}}, cohort: people, backend_refs: {old: 50, new: 50}}
  - {name: b, match: {path: {prefix: /b}}, cohort: hosts, backend_refs: {old: 30, new: 70}}
  - {name: num, match: {path: {template: "/n/{id}"}}, cohort: numbers, backend_refs: {old: 50, new: 50}}
  - {name: rest, backend_refs: {old: 50, new: 50}}
"""


@pytest.fixture(scope="module", params=[TRUSTED, OTHER], ids=["trusted", "other"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    pair = Pair(TABLE, request.param)
    yield pair
    pair.close()


@pytest.mark.parametrize("path", [b"/a/1", b"/b/1", b"/c/1", b"/n/3"])
@pytest.mark.parametrize(
    "fields",
    [
        *(b"Cookie: uid=%d" % number for number in range(12)),
        *(b"Accept: */*", b"Cookie: uid", b"Cookie: uid=", b"Cookie: xuid=1; uid =2"),
        *(b"Cookie: x=1;\tuid= 7 ; y=2", b"Cookie: uid=; uid=8", b"Cookie: uid=1; uid=2; uid=1"),
        *(b"Cookie: uid=1\r\nCookie: uid=2", b"Cookie: uid=1\r\nX-Uid: 2\r\nX-Forwarded-For: 6.6.6.6"),
        *(b"Cookie: uid=caf\xc3\xa9", b"Cookie: uid=\xe9", b'Cookie: uid="a,b"'),
        *(b"Cookie: uid=" + b"x" * 600, b"Cookie: " + b"x=uid=1; " * 100 + b"uid=9"),
    ],
)  # fmt: skip
def test_both_ways_read_the_key_alike(pair: Pair, path: bytes, fields: bytes) -> None:
    raw = b"GET %b HTTP/1.1\r\nHost: h\r\n%b\r\n\r\n" % (path, fields)
    before = pair.quick.counters.usual
    for _ in range(2):
        pair.send(raw, draw_bp=4_999)
    assert pair.quick.counters.usual == before + 2


def test_the_reader_fits_what_the_rules_read(pair: Pair) -> None:
    snapshot = pair.quick.forwarder.table.current
    assert isinstance(field_reader(snapshot.table, snapshot.reads), KeyCookie)
    general = Pair(
        TABLE + "  - {name: d, match: {headers: {x-a: '1'}}, backend_refs: old}\n", OTHER
    )
    snapshot = general.quick.forwarder.table.current
    assert isinstance(field_reader(snapshot.table, snapshot.reads), ReadFields)
    general.close()


def test_what_is_kept_of_keys_is_bounded() -> None:
    reader = KeyCookie("uid")
    first = _seen(reader, b"0")
    assert _seen(reader, b"0") is first
    assert _seen(reader, b"x" * 600) is not _seen(reader, b"x" * 600)
    for number in range(1, MAX_KEPT + 1):
        _seen(reader, b"%d" % number)
    assert _seen(reader, b"0") is not first


def _seen(reader: KeyCookie, key: bytes) -> SeenFields:
    head = read_quick(b"GET /a HTTP/1.1\r\nHost: h\r\nCookie: uid=%b\r\n\r\n" % key, KnownLines())
    assert head is not None
    return reader.seen(head, facts("/a"))
