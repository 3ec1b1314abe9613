"""What a path may be taken for (rule 12), and how it is rewritten."""

import pytest

from proxy.errors import BadRequest
from proxy.model import STRICT_PATHS, PathPolicy
from proxy.routing.paths import (
    fill_template,
    has_dot_segments,
    onward_path,
    path_variants,
    prefix_replacer,
    readings_of,
    resolve_dots,
    to_wire,
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param(b"/", {b"/"}, id="the root"),
        pytest.param(b"/a/b.c/~d", {b"/a/b.c/~d"}, id="a plain path has one reading"),
        pytest.param(b"/a,b+c@d:e!$&'()*=", {b"/a,b+c@d:e!$&'()*="}, id="sub-delimiters are plain"),
        pytest.param(b"/a|b[c]^", {b"/a|b[c]^"}, id="what browsers do not escape is plain"),
        pytest.param(b"/a;jsessionid=AB12/b", {b"/a/b"}, id="a session id is no ambiguity"),
        pytest.param(b"/a;JSESSIONID=AB12", {b"/a"}, id="nor in capitals"),
        pytest.param(b"/a;v=1", {b"/a;v=1", b"/a"}, id="another parameter is one"),
        pytest.param(b"/%ED%95%AD", {"/항".encode()}, id="non-ASCII can only be escaped"),
        pytest.param(b"/a%20b", {b"/a b"}, id="so can a space"),
        pytest.param(b"/a%2Fb", {b"/a%2Fb", b"/a/b"}, id="an encoded slash"),
        pytest.param(b"/a%252Fb", {b"/a%252Fb", b"/a%2Fb", b"/a/b"}, id="encoded twice"),
        pytest.param(b"//a", {b"//a", b"/a"}, id="double slashes"),
        pytest.param(b"/a/../b", {b"/a/../b", b"/b"}, id="dot segments"),
        pytest.param(b"/a/%2e%2e/b", {b"/a/%2e%2e/b", b"/a/../b", b"/b"}, id="encoded dots"),
        pytest.param(b"/a/..;x/b", {b"/a/..;x/b", b"/a/../b", b"/b"}, id="dots with a parameter"),
        pytest.param(b"/%66oo", {b"/%66oo", b"/foo"}, id="a letter that need not be encoded"),
    ],
)
def test_a_path_is_read_as(path: bytes, expected: set[bytes]) -> None:
    found = path_variants(path)
    assert set(found) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"*",
        b"a/b",
        b"http://x/y",
        b"/a b",
        b"/a\x00b",
        b"/a\nb",
        b"/a\\b",
        b"/a#b",
        b"/a?b",
        b"/\xff",
        b"/a%",
        b"/a%2",
        b"/a%zz",
        b"/a%00",
        b"/a%0d%0a",
        b"/a%5Cb",
        b"/a%255cb",
        b"/a%2500",
        b"/%c0%ae%c0%ae/b",
        b"/%e0%80%af",
        b"/%f0%80%80%af",
        b"/%7f",
    ],
)
def test_what_no_server_should_be_shown_is_refused(path: bytes) -> None:
    with pytest.raises(BadRequest):
        path_variants(path)


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        (b"/a/b", b"/a/b"),
        (b"/a/./b", b"/a/b"),
        (b"/a/../b", b"/b"),
        (b"/../../b", b"/b"),
        (b"/a/b/..", b"/a/"),
        (b"/a/b/.", b"/a/b/"),
        (b"/..", b"/"),
        (b"/a/.../b", b"/a/.../b"),
    ],
)
def test_dot_segments_are_resolved(path: bytes, resolved: bytes) -> None:
    assert resolve_dots(path) == resolved


@pytest.mark.parametrize(
    ("path", "prefix", "replacement", "rewritten"),
    [
        pytest.param(b"/api/x/3", "/api/x", "/x", b"/x/3", id="the rest follows"),
        pytest.param(b"/api/x", "/api/x", "/x", b"/x", id="nothing follows"),
        pytest.param(b"/api/x/", "/api/x", "/x", b"/x/", id="a trailing slash stays"),
        pytest.param(b"/api", "/api", "/", b"/", id="to the root"),
        pytest.param(b"/api/x", "/api", "/", b"/x", id="to the root, with a rest"),
        pytest.param(b"/x", "/", "/y", b"/y/x", id="from the root"),
        pytest.param(b"/api;jsessionid=1", "/api", "/z", b"/z;jsessionid=1", id="a session stays"),
        pytest.param(b"/%ED%95%AD/x", "/항", "/y", b"/y/x", id="an escaped prefix"),
        pytest.param(b"/a/%2F", "/a", "/b", b"/b/%2F", id="the rest goes on as it was sent"),
        pytest.param(b"/a/b", "/a", "/항", b"/%ED%95%AD/b", id="the new prefix is escaped"),
        pytest.param(b"/a/b", "/a/", "/c/", b"/c/b", id="slashes at the ends do not count"),
    ],
)
def test_a_prefix_is_replaced(path: bytes, prefix: str, replacement: str, rewritten: bytes) -> None:
    assert prefix_replacer(prefix, replacement)(path) == rewritten


def test_a_template_takes_the_raw_segments() -> None:
    path = b"/t/f/7%20a;jsessionid=1/header"
    assert fill_template(path, "/f/{id}/h", "/t/f/{id}/header") == b"/f/7%20a/h"


def test_a_written_path_is_escaped_for_the_wire() -> None:
    assert to_wire("/a b/항?#%") == b"/a%20b/%ED%95%AD%3F%23%25"


@pytest.mark.parametrize(
    ("path", "policy", "expected"),
    [
        (b"//a", PathPolicy(double_slash="merge"), {b"/a"}),
        (b"//a", PathPolicy(double_slash="keep"), {b"//a"}),
        (b"/a%2Fb%2e", PathPolicy(encoded_slash="keep"), {b"/a%2Fb%2e", b"/a%2Fb."}),
        (b"/a%252Fb", PathPolicy(encoded_slash="keep"), {b"/a%252Fb", b"/a%2Fb", b"/a/b"}),
        (b"/a%2F;v=1%2F2/b", PathPolicy(encoded_slash="keep"), {b"/a%2F;v=1%2F2/b", b"/a%2F/b"}),
        (b"/a%5Cb\\c", PathPolicy(backslash="keep"), {b"/a\\b\\c"}),
        (b"/\xc3\xa9", PathPolicy(raw_bytes="keep"), {b"/\xc3\xa9"}),
        (b"/a%2F/b", PathPolicy("merge", "keep"), {b"/a%2F/b"}),
    ],
)
def test_a_policy_leaves_readings_out(
    path: bytes, policy: PathPolicy, expected: set[bytes]
) -> None:
    assert set(path_variants(path, policy)) == expected


def test_a_backslash_that_is_refused_is_read_as_a_slash_too() -> None:
    assert set(readings_of(b"/a%5Cb", STRICT_PATHS)) == {b"/a%5Cb", b"/a\\b", b"/a/b"}


@pytest.mark.parametrize(
    ("path", "has_dots"),
    [
        (b"/a/b.c", False),
        (b"/a/..b", False),
        (b"/a/../b", True),
        (b"/a/.", True),
        (b"/a/%2e%2E/b", True),
        (b"/a/..;x/b", True),
        (b"/a\\..\\b", True),
        (b"/a%252f..%252fb", True),
    ],
)
def test_dot_segments_are_found_in_every_reading(path: bytes, has_dots: bool) -> None:
    assert has_dot_segments(path) == has_dots


@pytest.mark.parametrize(
    ("path", "policy", "with_parameters", "onward"),
    [
        (b"//a//b", STRICT_PATHS, True, b"//a//b"),
        (b"//a//b", PathPolicy(double_slash="merge"), True, b"/a/b"),
        (b"//a/%2e%2e//b", PathPolicy(double_slash="merge"), True, b"//a/%2e%2e//b"),
        (b"/a;jsessionid=1/b;v=2", STRICT_PATHS, True, b"/a;jsessionid=1/b;v=2"),
        (b"/a;jsessionid=1/b;v=2", STRICT_PATHS, False, b"/a/b"),
        (b"/;x", STRICT_PATHS, False, b"/"),
        (b"/a%3Bx", STRICT_PATHS, False, b"/a%3Bx"),
        (b"/a/;x/b", PathPolicy(double_slash="merge"), False, b"/a/b"),
    ],
)
def test_the_path_that_goes_on(
    path: bytes, policy: PathPolicy, with_parameters: bool, onward: bytes
) -> None:
    assert onward_path(path, policy, with_parameters) == onward
