"""Attempts on the fast tier that are judged: no task, and the same bytes whether the response was held or not."""

import asyncio
from typing import Any

from tests.support.facade_in_process import InProcess

TABLE = """
version: 1
backends: {legacy: "http://127.0.0.1:1", new: "http://127.0.0.1:2"}
routes:
  - name: list
    stage: live
    backend_refs: [legacy, new]
    response_ok: {json_type: array}
    fallback: {triggers: [not_ok, 503]}
"""
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
LIST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\nX-T: 1\r\n\r\n"


async def test_a_fallback_over_idle_connections_makes_no_task() -> None:
    facade = InProcess(TABLE, quick=True)
    made: list[str] = []
    loop = asyncio.get_running_loop()

    def factory(*arguments: Any, **more: Any) -> Any:
        made.append(repr(arguments))
        return asyncio.Task(arguments[1], loop=arguments[0], **more)

    loop.set_task_factory(factory)
    try:
        seen = await facade.send(GET, response=EMPTY)
    finally:
        loop.set_task_factory(None)
    assert [name for name, _ in seen.requests] == ["new", "legacy"]
    assert made == []
    assert seen.client.startswith(b"HTTP/1.1 200")
    (line,) = seen.lines
    assert (line["backend"], line["reason"], line["attempts"]) == ("legacy", "fallback:not_ok", 2)
    assert (line["first_backend"], line["response_ok"]) == ("new", False)
    facade.close()


async def test_a_good_response_goes_on_as_without_the_gate() -> None:
    judged, plain = InProcess(TABLE, quick=True), InProcess(_without_rules(), quick=True)
    for response in (LIST, CHUNKED):
        seen = await judged.send(GET, response=response)
        expected = await plain.send(GET, response=response)
        assert seen.client == expected.client
        assert seen.requests == expected.requests
    judged.close()
    plain.close()


def _without_rules() -> str:
    return "\n".join(
        line for line in TABLE.splitlines() if "response_ok" not in line and "fallback" not in line
    )
