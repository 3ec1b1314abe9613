"""Endpoints are counted by template, by backend and by caller, in bounded memory; a stored ledger goes on."""

import msgspec
import pytest

from proxy.control.replay.recorded_requests import LoggedRequest
from proxy.errors import FacadeError
from proxy.ledger.callers import Callers
from proxy.ledger.ledger import MAX_NODES, Endpoint, Ledger, LedgerFile, Use, read_ledger

MONOLITH = frozenset({"legacy"})
T1, T2, T3 = (f"2026-11-{day}T10:00:00" for day in ("01", "02", "03"))


def request(target: str, time: str = T1, **fields: object) -> LoggedRequest:
    values = {
        "method": "GET",
        "host": "h",
        "client": "10.0.0.1",
        "backend": "legacy",
        "status": 200,
    }
    return msgspec.convert(
        {**values, "target": target, "time": f"{time}Z", **fields}, LoggedRequest
    )


def counted(*requests: LoggedRequest, stored: LedgerFile | None = None) -> LedgerFile:
    ledger = Ledger(MONOLITH, Callers(), stored)
    for number, each in enumerate(requests):
        ledger.count(each, number)
    return ledger.stored()


def uses(file: LedgerFile) -> dict[str, Use]:
    return {f"{each.method} {each.path}": each.use for each in file.endpoints}


def test_requests_are_counted_by_template_and_side() -> None:
    file = counted(
        request("/orders/1?x=2"),
        request("/orders/2", T2, client="8.8.8.8"),
        request("/orders/3", T3, backend="new", route="orders"),
        request("/orders", method="POST"),
        request("/"),
    )
    found = uses(file)
    assert found["GET /orders/{number}"] == Use(2, 1, T2, T3, "orders", {"private": 1, "public": 1})
    assert found["POST /orders"].monolith == 1
    assert found["GET /"].monolith == 1
    assert (file.covers_from, file.covers_to) == (T1, T3)


def test_a_log_of_the_monolith_itself_and_a_table_without_stages_are_all_of_the_monolith() -> None:
    file = counted(request("/a", in_text=True, backend=None))
    assert uses(file)["GET /a"].monolith == 1
    ledger = Ledger(frozenset(), Callers())
    ledger.count(request("/a", backend="any"), 1)
    assert uses(ledger.stored())["GET /a"].monolith == 1


def test_responses_with_404_and_lines_without_a_time_are_no_use() -> None:
    ledger = Ledger(MONOLITH, Callers())
    ledger.count(request("/a", status=404), 1)
    ledger.count(request("/b", "yesterday"), 2)
    assert (ledger.stored().endpoints, ledger.not_found, ledger.without_time) == ((), 1, 1)


def test_a_stored_ledger_goes_on_and_counts_no_line_twice() -> None:
    first = counted(request("/a", T1), request("/a", T2), request("/"))
    text = msgspec.json.encode(first)
    again = Ledger(MONOLITH, Callers(), read_ledger(text, "f"))
    for each in (request("/a", T1), request("/a", T2), request("/a", T3), request("/", T3)):
        again.count(each, 1)
    file = again.stored()
    assert again.skipped == 2
    assert {name: use.monolith for name, use in uses(file).items()} == {"GET /a": 3, "GET /": 2}
    assert (file.covers_from, file.covers_to) == (T1, T3)


def test_many_names_in_a_place_are_a_parameter_and_the_frequent_one_stays() -> None:
    many = [request(f"/products/name-{number}x") for number in range(60)]
    file = counted(*many, *[request("/products/search")] * 30)
    assert {name: use.monolith for name, use in uses(file).items()} == {
        "GET /products/{text}": 60,
        "GET /products/search": 30,
    }


def test_memory_is_bounded_whatever_the_log_has() -> None:
    ledger = Ledger(MONOLITH, Callers())
    for number in range(MAX_NODES + 5_000):
        ledger.count(request(f"/a{number}q/b{number}z"), number)
    file = ledger.stored()
    assert len(file.endpoints) < MAX_NODES
    assert sum(each.use.monolith for each in file.endpoints) == MAX_NODES + 5_000


def test_identifiers_that_nest_in_many_ways_are_bounded_too() -> None:
    kinds = ("1", "00c0ffee", "00000000-0000-4000-8000-000000000000", "%")
    ledger = Ledger(MONOLITH, Callers())
    for number in range(30_000):
        parts = [kinds[number // 4**place % 4] for place in range(8)]
        ledger.count(request("/" + "/".join(parts)), number)
    assert len(ledger.stored().endpoints) <= MAX_NODES


def test_methods_of_an_endpoint_are_bounded() -> None:
    file = counted(*(request("/a", method=f"M{number}") for number in range(100)))
    assert len(file.endpoints) == 17
    assert uses(file)["OTHER /a"].monolith == 84


def test_the_route_is_that_of_the_last_request() -> None:
    file = counted(
        request("/a", T2, route="new"), request("/a", T1, route="old"), request("/a", T3)
    )
    assert uses(file)["GET /a"].route == "new"


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[1]", b"\xff", b'{"version":1}', b"[" * 100_000], ids=range(6)
)
def test_a_file_that_is_no_ledger_is_refused(text: bytes) -> None:
    with pytest.raises(FacadeError, match="f is no ledger"):
        read_ledger(text, "f")


def test_a_ledger_of_another_version_is_refused() -> None:
    text = msgspec.json.encode(LedgerFile(2, "", "", 0, (Endpoint("GET", "/", Use()),)))
    with pytest.raises(FacadeError, match="another version"):
        read_ledger(text, "f")
