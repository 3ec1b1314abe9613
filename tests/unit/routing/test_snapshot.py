"""What a snapshot holds beside its table."""

import pytest
from msgspec.structs import replace

from proxy.model import Limits, Listener, RouteTable
from proxy.routing.snapshot import head_bounds
from tests.make import prefix, route, snapshot, table

DEFAULT = Limits()
PLAIN = route("plain")


def limited(limits: Limits) -> RouteTable:
    return table(PLAIN, replace(route("limited", prefix("/x")), limits=limits))


def test_the_limits_of_client_connections_are_those_of_the_table() -> None:
    listener = Listener(max_connections=7)
    assert snapshot(replace(table(PLAIN), listener=listener)).listener is listener


@pytest.mark.parametrize(
    ("limits", "more_bytes", "fields"),
    [
        pytest.param(DEFAULT, 0, 100, id="the defaults"),
        pytest.param(Limits(max_uri_bytes=8 * 1024 + 5), 5, 100, id="a longer target"),
        pytest.param(Limits(max_header_bytes=32 * 1024 + 7), 7, 100, id="larger fields"),
        pytest.param(Limits(max_headers=101), 4, 101, id="one field more, with its separators"),
        pytest.param(Limits(1, 1, 1), 0, 100, id="a smaller route does not lower the bound"),
    ],
)
def test_a_head_is_read_up_to_what_the_most_generous_route_takes(
    limits: Limits, more_bytes: int, fields: int
) -> None:
    default_bytes, _ = head_bounds(table(PLAIN))
    assert default_bytes > DEFAULT.max_uri_bytes + DEFAULT.max_header_bytes
    assert head_bounds(limited(limits)) == (default_bytes + more_bytes, fields)


def test_a_head_is_read_as_far_as_the_defaults_even_where_every_route_takes_less() -> None:
    small = table(replace(PLAIN, limits=Limits(1, 1, 1)))
    assert head_bounds(small) == head_bounds(table()) == head_bounds(table(PLAIN))
