"""The tables that the repository shows first: a CORS preflight goes to the route of its GET, and Host is kept."""

import re
from pathlib import Path

import pytest

from proxy.config.load import load
from proxy.control.table_file import snapshot_of
from proxy.routing.explain import explain
from proxy.routing.explanation import Explanation
from proxy.routing.request_spec import RequestSpec

ROOT = Path(__file__).parents[3]
PREFLIGHT = (
    ("origin", "http://ui.example"),
    ("access-control-request-method", "GET"),
    ("access-control-request-headers", "content-type"),
)
SEAM = "/travelbuddy/flightspecials"


def first_table(file: str) -> bytes:
    """The file, if it is a table; else the first complete table in the page."""
    text = (ROOT / file).read_text()
    if file.endswith(".yaml"):
        return text.encode()
    blocks: list[str] = re.findall(r"^```yaml[^\n]*\n(.*?)^```", text, re.M | re.S)
    return next(block for block in blocks if re.search("^version: 1$", block, re.M)).encode()


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("routes.yaml", SEAM),
        ("routes.yaml", f"{SEAM}/"),
        ("deploy/chart/routes.yaml", SEAM),
        ("docs/routes.md", SEAM),
        ("docs/shifting.md", SEAM),
        ("README.md", "/shop/orders"),
        ("README.ko.md", "/shop/orders"),
    ],
)
def test_a_preflight_goes_where_its_get_goes(file: str, path: str) -> None:
    text = first_table(file)
    table = snapshot_of(load(text, file), text, {}, 0.0)
    get = explain(table, RequestSpec("GET", path), 0.0)
    preflight = explain(table, RequestSpec("OPTIONS", path, PREFLIGHT), 0.0)
    assert get.route is not None
    assert get.route != "everything-else"
    assert preflight.route == get.route
    assert backends(preflight) == backends(get)


def backends(explanation: Explanation) -> list[tuple[str | None, float]]:
    """The possible backends with their shares."""
    return [(way.backend, way.share) for way in explanation.ways]


@pytest.mark.parametrize(
    "file",
    [
        *("routes.yaml", "deploy/chart/routes.yaml", "README.md", "README.ko.md"),
        *("docs/routes.md", "docs/shifting.md"),
    ],
)
def test_backends_get_the_host_of_the_client_by_default(file: str) -> None:
    text = first_table(file)
    assert all(backend.preserve_host for backend in load(text, file).table.backends)
    assert b"preserve_host:" not in text
