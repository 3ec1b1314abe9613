"""Counting requests by path, in bounded memory."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.control.replay.path_tree import PathTree, segments_of_shape, shape_of

UUID = "123e4567-e89b-42d3-a456-426614174000"


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/", "/"),
        ("/orders/7", "/orders/{number}"),
        ("/orders/7/8/9", "/orders/{number}/{number}/{number}"),
        ("/orders/7/", "/orders/{number}/"),
        ("/7", "/{number}"),
        (f"/c/{UUID}/x", "/c/{uuid}/x"),
        (f"/c/{UUID.upper()}", "/c/{uuid}"),
        ("/c/507f1f77bcf86cd799439011", "/c/{hex}"),
        ("/c/00c0ffee", "/c/{hex}"),
        ("/c/c0ffee", "/c/c0ffee"),
        ("/c/deadbeef", "/c/deadbeef"),
        ("/c/20261129", "/c/{number}"),
        ("/a;jsessionid=1/b;v=2", "/a/b"),
        ("/orders/7;x=1", "/orders/{number}"),
        ("/orders/7a", "/orders/7a"),
        ("/{number}", "/%7Bnumber}"),
        ("/7\n", "/7\n"),
    ],
)
def test_a_path_has_a_shape(path: str, shape: str) -> None:
    assert shape_of(path) == shape


def test_a_long_path_is_cut() -> None:
    assert shape_of("/" + "x" * 2000) == "/%"
    assert shape_of("/abc" * 2000) == "/abc" * 13
    assert len(shape_of(("/" + "x" * 64) * 20_000)) < 1024


@pytest.mark.parametrize(
    ("shape", "segments"),
    [
        ("/", []),
        ("", []),
        ("/a/b/", ["a", "b"]),
        ("//a", ["{text}", "a"]),
        ("/{number}/{uuid}/{hex}", ["{number}", "{uuid}", "{hex}"]),
        ("/a%20b/..", ["{text}", "{text}"]),
        ("/\x1b[31m", ["{text}"]),
        ("/a" * 20, ["a"] * 12),
    ],
)
def test_a_shape_has_segments(shape: str, segments: list[str]) -> None:
    assert segments_of_shape(shape) == segments


def nodes(tree: PathTree) -> int:
    return sum(1 for _ in tree.root.walk(()))


def test_names_with_few_requests_are_merged_if_there_are_too_many() -> None:
    tree = PathTree()
    for number in range(60_000):
        tree.add(["p", f"slug-{number}", "x"], "GET", 1, number % 2)
        tree.add(["busy", "page"], "GET", 1, 0)
    assert nodes(tree) <= 50_000
    assert tree.root.requests == 120_000
    products = tree.root.children["p"]
    assert (products.requests, products.errors) == (60_000, 30_000)
    assert sum(child.requests for child in products.children.values()) == 60_000
    assert tree.root.children["busy"].children["page"].ends == {"GET": 60_000}


def test_identifiers_in_every_order_do_not_break_the_limit() -> None:
    kinds = ("{number}", "{uuid}", "{hex}")
    tree = PathTree()
    for number in range(3**10):
        tree.add([kinds[number // 3**place % 3] for place in range(10)], "GET", 1, 0)
    assert nodes(tree) <= 50_000
    assert tree.root.requests == 3**10
    ends = sum(sum(node.ends.values()) for _, node in tree.root.walk(()))
    assert ends == 3**10, "a request that has no node of its own counts for the one above"


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=30))
def test_every_request_is_counted_once(paths: list[str]) -> None:
    tree = PathTree()
    for path in paths:
        tree.add(segments_of_shape(shape_of(path)), "GET", 1, 0)
    assert sum(sum(node.ends.values()) for _, node in tree.root.walk(())) == len(paths)
