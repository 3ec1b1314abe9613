"""A rewrite that is prepared for a match gives the path that `upstream_path` gives."""

import pytest

from proxy.model import Match, Rewrite
from proxy.model.match import PathMatch
from proxy.routing.upstream_path import path_rewriter, upstream_path
from tests.make import prefix, template


@pytest.mark.parametrize(
    ("path_match", "rewrite", "path", "expected"),
    [
        pytest.param(prefix("/a"), Rewrite(prefix="/b"), b"/a/x", b"/b/x", id="prefix"),
        pytest.param(None, Rewrite(prefix="/b"), b"/x", b"/b/x", id="prefix of every path"),
        pytest.param(prefix("/a"), Rewrite(full_path="/b"), b"/a/x", b"/b", id="whole path"),
        pytest.param(
            template("/a/{id}"), Rewrite(template="/b/{id}"), b"/a/7", b"/b/7", id="template"
        ),
    ],
)
def test_a_prepared_rewrite_gives_the_same_path(
    path_match: PathMatch | None, rewrite: Rewrite, path: bytes, expected: bytes
) -> None:
    match = Match(path=path_match)
    rewriter = path_rewriter(match, rewrite)
    assert rewriter is not None
    assert rewriter(path) == upstream_path(match, rewrite, path) == expected


@pytest.mark.parametrize("rewrite", [None, Rewrite(), Rewrite(hostname="b.example")])
def test_there_is_none_for_a_path_that_stays(rewrite: Rewrite | None) -> None:
    assert path_rewriter(Match(path=prefix("/a")), rewrite) is None
