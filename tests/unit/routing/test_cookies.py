"""The cookies of a backend: which it gets and may set, and under which names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model import ALL_COOKIES, CookieRules, HeaderPairs
from proxy.routing.transforms.cookies import (
    dropped_cookies,
    in_words,
    with_cookies,
    with_set_cookies,
)

RENAMED = CookieRules(renamed=(("SID", "NEW_SID"),))
SWAPPED = CookieRules(renamed=(("A", "B"), ("B", "A")))
CHAIN = CookieRules(renamed=(("A", "B"), ("B", "C")))
ALLOWED = CookieRules(frozenset(("UID", "SID")), renamed=(("SID", "NEW_SID"),))
REMOVED = CookieRules(remove=frozenset(("UID",)), renamed=(("SID", "NEW_SID"),))


def sent(rules: CookieRules, *values: str) -> list[str]:
    """The values of the Cookie fields that the backend gets."""
    fields: HeaderPairs = [(b"x", b"SID=1"), *((b"cookie", value.encode()) for value in values)]
    kept = with_cookies(fields, rules)
    assert kept[0] == fields[0]
    return [value.decode() for _, value in kept[1:]]


def set_by(rules: CookieRules, *values: str) -> list[str]:
    """The values of the Set-Cookie fields that the client gets."""
    fields: HeaderPairs = [(b"x", b"SID=1"), *((b"set-cookie", value.encode()) for value in values)]
    kept = with_set_cookies(fields, rules)
    assert kept[0] == fields[0]
    assert len(kept) + len(dropped_cookies(fields, rules)) == len(fields)
    return [value.decode() for _, value in kept[1:]]


@pytest.mark.parametrize(
    ("rules", "cookies", "got"),
    [
        pytest.param(ALL_COOKIES, "SID=1; b=2", ["SID=1; b=2"], id="no rule"),
        pytest.param(RENAMED, "NEW_SID=1", ["SID=1"], id="by its own name"),
        pytest.param(RENAMED, "SID=1", [], id="never that of another backend"),
        pytest.param(RENAMED, "SID=1; a=2; NEW_SID=3; b=4", ["a=2; SID=3; b=4"], id="in its place"),
        pytest.param(RENAMED, "NEW_SID=1; NEW_SID=2", ["SID=1; SID=2"], id="duplicates"),
        pytest.param(RENAMED, 'NEW_SID="a b="; c=d', ['SID="a b="; c=d'], id="quotes stay"),
        pytest.param(RENAMED, 'x="; SID=1; y="', ['x="; y="'], id="quotes hide no cookie"),
        pytest.param(RENAMED, "NEW_SID=a=b", ["SID=a=b"], id="only the first = counts"),
        pytest.param(RENAMED, "NEW_SID=", ["SID="], id="an empty value"),
        pytest.param(RENAMED, "NEW_SID", ["SID"], id="no value"),
        pytest.param(RENAMED, "SID =1; \tSID\t=2; =SID=3", [], id="blanks hide no cookie"),
        pytest.param(RENAMED, "NEW_SID =1", ["SID =1"], id="blanks stay"),
        pytest.param(RENAMED, "new_sid=1; sid=2", ["new_sid=1; sid=2"], id="case counts"),
        pytest.param(RENAMED, "XNEW_SID=1; NEW_SIDX=2", ["XNEW_SID=1; NEW_SIDX=2"], id="whole"),
        pytest.param(SWAPPED, "A=1; B=2", ["B=1; A=2"], id="swapped"),
        pytest.param(CHAIN, "A=1; B=2; C=3", ["A=2; B=3"], id="a chain"),
        pytest.param(ALLOWED, "UID=1; SID=2; NEW_SID=3; a=4", ["UID=1; SID=3"], id="allowed"),
        pytest.param(REMOVED, "UID=1; SID=2; NEW_SID=3; a=4", ["SID=3; a=4"], id="removed"),
    ],
)
def test_a_backend_gets_its_cookies_by_its_own_names(
    rules: CookieRules, cookies: str, got: list[str]
) -> None:
    assert sent(rules, cookies) == got


def test_each_field_of_cookies_is_read() -> None:
    assert sent(RENAMED, "SID=1", "NEW_SID=2", "a=3; SID=4") == ["SID=2", "a=3"]


@pytest.mark.parametrize(
    ("rules", "cookie", "got"),
    [
        pytest.param(ALL_COOKIES, "SID=1", ["SID=1"], id="no rule"),
        pytest.param(RENAMED, "SID=1", ["NEW_SID=1"], id="by the client's name"),
        pytest.param(RENAMED, "SID=1; Path=/; HttpOnly", ["NEW_SID=1; Path=/; HttpOnly"], id="attributes"),
        pytest.param(RENAMED, "SID=; Max-Age=0; Path=/", ["NEW_SID=; Max-Age=0; Path=/"], id="deleted"),
        pytest.param(
            RENAMED,
            "SID=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            ["NEW_SID=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
            id="expired",
        ),
        pytest.param(RENAMED, 'SID="a=b"', ['NEW_SID="a=b"'], id="quotes stay"),
        pytest.param(RENAMED, "SID", ["NEW_SID"], id="no value"),
        pytest.param(RENAMED, " =\tSID =1", ["NEW_SID =1"], id="nameless, which is sent back as SID"),
        pytest.param(RENAMED, "NEW_SID=1", [], id="the client's name is taken"),
        pytest.param(RENAMED, "sid=1", ["sid=1"], id="case counts"),
        pytest.param(RENAMED, "a=SID=1", ["a=SID=1"], id="a value"),
        pytest.param(RENAMED, "a=1; SID=2", ["a=1; SID=2"], id="an attribute"),
        pytest.param(SWAPPED, "A=1", ["B=1"], id="swapped"),
        pytest.param(CHAIN, "B=1", ["C=1"], id="a chain"),
        pytest.param(CHAIN, "C=1", [], id="the end of a chain is taken"),
        pytest.param(ALLOWED, "SID=1", ["NEW_SID=1"], id="allowed"),
        pytest.param(ALLOWED, "a=1", [], id="not allowed"),
        pytest.param(REMOVED, "UID=1; Path=/", [], id="removed"),
        pytest.param(REMOVED, "a=1", ["a=1"], id="not removed"),
    ],
)  # fmt: skip
def test_a_client_gets_the_cookies_by_its_own_names(
    rules: CookieRules, cookie: str, got: list[str]
) -> None:
    assert set_by(rules, cookie) == got


def test_each_cookie_that_is_set_is_read() -> None:
    values = ("SID=1", "a=2", "NEW_SID=3", "SID=4; Path=/x")
    assert set_by(RENAMED, *values) == ["NEW_SID=1", "a=2", "NEW_SID=4; Path=/x"]


@pytest.mark.parametrize(
    ("rules", "dropped"),
    [
        (ALL_COOKIES, ()),
        (CookieRules(remove=frozenset(("a", "x"))), ("a", "a")),
        (CookieRules(frozenset(("b",))), ("a", "a", "Path")),
        (CookieRules(frozenset()), ("a", "a", "b", "Path")),
        (CookieRules(renamed=(("c", "a"),)), ("a", "a")),
        (CookieRules(renamed=(("a", "c"),)), ()),
    ],
)
def test_a_backend_may_not_set_a_cookie_that_it_may_not_see(
    rules: CookieRules, dropped: tuple[str, ...]
) -> None:
    values = (b"a=1; Path=/", b" = a=2", b"b=a=3", b"Path")
    headers = [(b"x", b"a=1"), *((b"set-cookie", value) for value in values)]
    assert dropped_cookies(headers, rules) == dropped
    assert len(with_set_cookies(headers, rules)) == len(headers) - len(dropped)


@given(
    st.sampled_from((RENAMED, SWAPPED, CHAIN, ALLOWED, REMOVED)),
    st.sampled_from(("SID", "NEW_SID", "A", "B", "C", "UID", "x")),
    st.from_regex(r"[!#-+\--:<-\[\]-~]{0,9}", fullmatch=True),
)
def test_what_a_backend_sets_it_gets_back(rules: CookieRules, name: str, value: str) -> None:
    """And no other cookie of the client becomes the same one."""
    cookie = f"{name}={value}"
    for stored in set_by(rules, f"{cookie}; Path=/"):
        pair = stored.partition(";")[0]
        assert sent(rules, pair) == [cookie]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (ALL_COOKIES, ""),
        (CookieRules(frozenset(("b", "a", "c")), frozenset("c")), "only a, b"),
        (CookieRules(frozenset()), "only none"),
        (CookieRules(remove=frozenset(("SID", "A"))), "all but A, SID"),
        (RENAMED, "all but SID, and NEW_SID as SID"),
        (REMOVED, "all but SID, UID, and NEW_SID as SID"),
        (ALLOWED, "only UID, NEW_SID as SID"),
        (SWAPPED, "all, and B as A, A as B"),
    ],
)
def test_the_rules_are_shown_in_words(rules: CookieRules, words: str) -> None:
    assert in_words(rules) == words
