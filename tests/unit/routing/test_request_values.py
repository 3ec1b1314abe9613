"""Values of a request in fields, paths and queries: what they are, and that none leaves its place."""

# ruff: noqa: E501 -- a row of a table stays on one line

import re
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.errors import BadRequest
from proxy.model import (
    NO_EDITS,
    BackendRef,
    Facts,
    HeaderEdits,
    MatchedRoute,
    QueryEdits,
    Redirect,
    RequestValue,
    Rewrite,
    Route,
    ValueTemplate,
)
from proxy.model.match import Match
from proxy.model.values import ValueKind
from proxy.routing.decide import decision_for
from proxy.routing.direct_response import redirect_location
from proxy.routing.paths import path_variants
from proxy.routing.transforms.request_values import (
    ValueSource,
    edited_query,
    field_value,
    query_value,
    resolved_edits,
    segments_for,
)
from proxy.routing.transforms.upstream_request import request_target
from tests.make import exact, facts, template

CLIENT, HOST = RequestValue("client"), RequestValue("host")
ITEM, USER, ID = (
    RequestValue("query", "item"),
    RequestValue("header", "x-user"),
    RequestValue("path", "id"),
)
PATTERN = template("/t/{id}/x")
KINDS: tuple[ValueKind, ...] = ("client", "scheme", "host", "request_id", "path", "query", "header")


def source(
    query: str = "", path: str = "/t/7/x", headers: dict[str, str] | None = None, host: str = "h:8"
) -> ValueSource:
    return ValueSource(facts(path, query=query, headers=headers, host=host), PATTERN, b"id-1")


@pytest.mark.parametrize(
    ("value", "given_", "expected"),
    [
        (CLIENT, source(), b"192.0.2.1"),
        (CLIENT, ValueSource(replace(facts(), client=""), None), None),
        (RequestValue("scheme"), source(), b"http"),
        (HOST, source(), b"h:8"),
        (HOST, source(host=""), None),
        (RequestValue("request_id"), source(), b"id-1"),
        (RequestValue("request_id"), ValueSource(facts(), None), b"{request_id}"),
        (RequestValue("request_id"), ValueSource(facts(), None, b""), None),
        (ID, source(path="/t/a%20b;s=1/x"), b"a b"),
        (ID, ValueSource(facts("/t/7/x"), None), None),
        (RequestValue("path", "other"), source(), None),
        (ITEM, source("a=1&item=a+b%2Fc&item=2"), b"a b/c"),
        (ITEM, source("it%65m="), b""),
        (ITEM, source("item"), b""),
        (ITEM, source("other=1"), None),
        (USER, source(headers={"X-User": "u"}), b"u"),
        (USER, source(), None),
        (RequestValue("header", "x-forwarded-proto"), source(headers={"X-Forwarded-Proto": "x"}), b"http"),
    ],
)  # fmt: skip
def test_a_value(value: RequestValue, given_: ValueSource, expected: bytes | None) -> None:
    assert given_.raw(value) == expected


def test_several_lines_of_a_field_are_one_value() -> None:
    two = replace(facts(), headers=[(b"x-user", b"a"), (b"x-user", b"b")])
    assert ValueSource(two, None).raw(USER) == b"a, b"
    assert query_value(b"", "item") is None


@pytest.mark.parametrize(
    ("parts", "given_", "expected"),
    [
        ((b"for ", CLIENT, b"!"), source(), b"for 192.0.2.1!"),
        ((ITEM,), source("item=a,b;c%22%0d%0aX:%20y"), b"a%2Cb%3Bc%22%0D%0AX:%20y"),
        ((ITEM,), source("item=%C3%A9%25"), b"%C3%A9%25"),
        ((ITEM,), source("item="), b""),
        ((b"a", ITEM), source(), None),
        ((ID,), source(path="/t/a@b%2F/x"), b"a@b/"),
        ((USER,), source(headers={"x-user": 'a, "b" \u00e9'}), b'a, "b" %C3%A9'),
        ((b" ", ITEM), source("item="), b""),
        ((USER,), source(headers={"x-user": "u" * 8192}), b"u" * 8192),
        ((USER,), source(headers={"x-user": "u" * 8193}), None),
    ],
)
def test_the_value_of_a_field(
    parts: ValueTemplate, given_: ValueSource, expected: bytes | None
) -> None:
    assert field_value(parts, given_) == expected


def test_edits_with_values() -> None:
    edits = HeaderEdits(
        ((b"a", b"1"),),
        ((b"b", b"2"),),
        (b"c",),
        ((b"d", (ID,)), (b"e", (ITEM,))),
        ((b"f", (CLIENT,)), (b"g", (ITEM,))),
    )
    assert resolved_edits(edits, source()) == HeaderEdits(
        ((b"a", b"1"), (b"d", b"7")), ((b"b", b"2"), (b"f", b"192.0.2.1")), (b"c", b"e")
    )
    assert resolved_edits(NO_EDITS, source()) is NO_EDITS


def view(rewrite: Rewrite, given_: Match | None = None) -> MatchedRoute:
    refs = (BackendRef("new", rewrite=rewrite),)
    match = given_ or Match(path=exact("/view.do"))
    return MatchedRoute(Route("view", (match,), refs), match)


QUERY_TO_PATH = Rewrite(
    template="/items/{query.item}",
    values=(("{query.item}", ITEM),),
    query=QueryEdits(remove=("item",)),
)


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("item=7", b"/items/7"),
        ("a=%31&item=7&b", b"/items/7?a=%31&b"),
        ("item=a+b", b"/items/a%20b"),
        ("item=a/b", b"/items/a%2Fb"),
        ("item=a%2Fb?c%23;d", b"/items/a%2Fb%3Fc%23%3Bd"),
        ("item=%C3%A9", b"/items/%C3%A9"),
        ("item=%25", b"/items/%25"),
        ("item=%7b", b"/items/%7B"),
        ("item=a..b", b"/items/a..b"),
    ],
)
def test_a_query_parameter_becomes_a_segment(query: str, target: bytes) -> None:
    asked = facts("/view.do", query=query)
    assert request_target(asked, decision_for(view(QUERY_TO_PATH), asked, (0, "only"))) == target


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "the query parameter item, a part of the path for this route, is missing"),
        ("item=", "the query parameter item, a part of the path for this route, is empty"),
        *(
            (f"item={value}", "the query parameter item cannot be a part of a path")
            for value in (
                *("..", ".", "%2e%2e", "%252e%252e", "%25252e.", "a/../b", "..%2Fadmin"),
                *(
                    "..;x",
                    "a%2F..%3Bx",
                    "%00",
                    "%0d%0a",
                    "%250a",
                    "a%5Cb",
                    "%255c",
                    "%C0%AF",
                    "%7F",
                ),
            )
        ),
    ],
)
def test_a_value_that_cannot_be_a_segment_is_refused(query: str, text: str) -> None:
    asked = facts("/view.do", query=query)
    with pytest.raises(BadRequest, match=f"^{text}$"):
        decision_for(view(QUERY_TO_PATH), asked, (0, "only"))


def test_a_path_parameter_becomes_a_query_parameter() -> None:
    edits = QueryEdits(
        (("item", (ID,)), ("a b", (b"x&", CLIENT)), ("none", (RequestValue("query", "no"),))),
        ("x",),
    )
    rewrite = Rewrite(full_path="/view.do", query=edits)
    asked = facts("/t/7%2F8/x", query="x=1&item=2&y&z=%20")
    decision = decision_for(view(rewrite, Match(path=PATTERN)), asked, (0, "only"))
    expected = b"/view.do?y&z=%20&item=7%2F8&a%20b=x%26192.0.2.1"
    assert request_target(asked, decision) == expected


def test_a_query_without_parameters_has_no_question_mark() -> None:
    rewrite = Rewrite(query=QueryEdits(remove=("x",)))
    asked = facts("/view.do", query="x=1")
    assert request_target(asked, decision_for(view(rewrite), asked, (0, "only"))) == b"/view.do"


def test_a_parameter_of_the_template_goes_before_a_value_of_its_name() -> None:
    rewrite = Rewrite(
        template="/n/{host}/{client}", values=(("{host}", HOST), ("{client}", CLIENT))
    )
    route = view(rewrite, Match(path=template("/t/{host}")))
    asked = facts("/t/7", host="")
    assert decision_for(route, asked, (0, "only")).upstream_path == b"/n/7/192.0.2.1"


def test_a_tail_and_a_value_stand_in_one_path() -> None:
    rewrite = Rewrite(template="/n/{query.item}/{id}/**", values=(("{query.item}", ITEM),))
    matched = view(rewrite, Match(path=replace(template("/t/{id}"), tail=True)))
    asked = facts("/t/7/a%20b/c", query="item=8")
    assert decision_for(matched, asked, (0, "only")).upstream_path == b"/n/8/7/a%20b/c"


def test_the_path_keeps_a_parameter_as_it_was_sent() -> None:
    segments = segments_for((("{path.id}", ID),), source(path="/t/a%20b;x/x"))
    assert segments == {"{path.id}": b"a%20b"}
    with pytest.raises(BadRequest, match="the client, a part of the path"):
        segments_for((("{client}", CLIENT),), ValueSource(replace(facts(), client=""), None))


@pytest.mark.parametrize(
    ("redirect", "location"),
    [
        (Redirect(template="/new/{id}"), b"/new/7%2f?item=8&y=1"),
        (Redirect(template="/new/{query.item}", values=(("{query.item}", ITEM),)), b"/new/8?item=8&y=1"),
        (
            Redirect(template="/{id}", hostname="b.example", query=QueryEdits((("from", (HOST,)),), ("item",))),
            b"http://b.example:8/7%2f?y=1&from=h%3A8",
        ),
        (Redirect(query=QueryEdits(remove=("item", "y"))), b"/t/7%2f/x"),
        (Redirect(template="/r/{request_id}", values=(("{request_id}", RequestValue("request_id")),)), b"/r/id-1?item=8&y=1"),
    ],
)  # fmt: skip
def test_a_redirect_with_values(redirect: Redirect, location: bytes) -> None:
    match = Match(path=PATTERN)
    asked = facts("/t/7%2f/x", query="item=8&y=1", host="h:8")
    assert redirect_location(match, redirect, asked, request_id=b"id-1") == location


def test_a_redirect_without_a_path_match_has_no_parameters() -> None:
    redirect = Redirect(template="/n/{query.item}", values=(("{query.item}", ITEM),))
    assert redirect_location(Match(), redirect, facts(query="item=1")) == b"/n/1?item=1"


ANYTHING = st.one_of(
    st.binary(max_size=30),
    st.text(alphabet="./%;\\ab\r\n\0 é25eEfFcC0&=#?", max_size=12).map(str.encode),
)


def hostile(raw: bytes) -> Facts:
    """A request with `raw` wherever a client can write."""
    asked = facts("/t/7/x", host="")
    fields = [(b"host", raw), (b"x-user", raw), (b"x-forwarded-host", raw)]
    return replace(asked, host=raw, path=b"/t/" + raw + b"/x", query=b"item=" + raw, headers=fields)


@given(ANYTHING, st.sampled_from(KINDS), st.booleans())
@example(b"%0d%0ax: y", "query", True)
@example(b"\r\nx: y", "header", True)
def test_no_value_leaves_its_field(raw: bytes, kind: ValueKind, trusted: bool) -> None:
    name = {"path": "id", "query": "item", "header": "x-user"}.get(kind, "")
    asked = replace(hostile(raw), client=raw.decode("latin-1"), peer_trusted=trusted)
    value = field_value((b"a", RequestValue(kind, name)), ValueSource(asked, PATTERN, raw))
    assert value is None or re.fullmatch(rb"[\t\x20-\x7e]*", value)


@given(ANYTHING, st.sampled_from(["query", "header", "host"]))
@example(b"..%252f", "query")
def test_no_value_leaves_its_segment(raw: bytes, kind: ValueKind) -> None:
    value = RequestValue(kind, {"query": "item", "header": "x-user"}.get(kind, ""))
    asked = hostile(raw)
    try:
        segment = segments_for((("{v}", value),), ValueSource(asked, PATTERN))["{v}"]
    except BadRequest:
        return
    assert re.fullmatch(rb"(?:[A-Za-z0-9\-._~!$&'()*+,=:@]|%[0-9A-F]{2})+", segment)
    source = ValueSource(asked, PATTERN)
    assert unquote_to_bytes(segment) == source.raw(value)
    # No server that decodes it, even twice, resolves it to a path outside.
    for variant in path_variants(b"/a/b/" + segment):
        assert variant.startswith(b"/a/b/")


@given(ANYTHING, st.sampled_from(KINDS), st.lists(ANYTHING, max_size=3))
def test_no_value_leaves_its_query_parameter(
    raw: bytes, kind: ValueKind, others: list[bytes]
) -> None:
    name = {"path": "id", "query": "item", "header": "x-user"}.get(kind, "")
    value = RequestValue(kind, name)
    asked = replace(hostile(raw), client=raw.decode("latin-1"))
    source = ValueSource(asked, PATTERN, raw)
    kept = b"&".join(b"k=" + other.replace(b"&", b"") for other in others)
    edited = edited_query(kept, QueryEdits((("v", (value,)),)), source)
    pairs = edited.split(b"&") if edited else []
    if source.raw(value) is None:
        assert edited == kept
        return
    assert pairs[:-1] == (kept.split(b"&") if kept else [])
    assert re.fullmatch(rb"v=(?:[A-Za-z0-9\-._~]|%[0-9A-F]{2})*", pairs[-1])
    assert query_value(edited, "v") == source.raw(value)
