"""The prepared routes of a replaced table are freed some in each tick (ADR 26)."""

import asyncio

from proxy.config.load import load
from proxy.control.table_file import snapshot_of
from tests.support.facade_in_process import InProcess
from tests.support.freed import most_freed_in_a_step

_ROUTES = 400
_TABLE = "version: 1\nbackends: {legacy: 'http://127.0.0.1:1'}\nroutes:\n" + "".join(
    f"  - {{name: r{number}, match: {{path: {{exact: /r{number}}}}}, backend_refs: legacy}}\n"
    for number in range(_ROUTES)
)
_REQUESTS = [b"GET /r%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % number for number in range(_ROUTES)]


def test_the_first_request_of_a_table_frees_few_routes_of_the_one_before() -> None:
    with asyncio.Runner() as runner:
        facade = runner.run(_facade())
        assert runner.run(facade.send_one_by_one(_REQUESTS)) == _ROUTES
        text = _TABLE.encode()
        replaced = facade.forwarder.table.current
        facade.forwarder.table.current = snapshot_of(load(text, "t.yaml"), text, {}, 1.0)
        first = facade.send_one_by_one(_REQUESTS[:1])
        assert most_freed_in_a_step(lambda: runner.run(first)) < _ROUTES
        assert replaced is not facade.forwarder.table.current
        runner.run(_closed(facade))


async def _facade() -> InProcess:
    return InProcess(_TABLE, quick=True)


async def _closed(facade: InProcess) -> None:
    facade.close()
    await facade.forwarder.upstreams.aclose()
