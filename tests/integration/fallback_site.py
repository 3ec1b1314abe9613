"""A table with a route at stage live that falls back, and what a client sees of it."""

from tests.support.facade_in_loop import RunningFacade

ALL = "triggers: [connect_failure, timeout, circuit_open, not_ok, 502, 503]"
LIVE = "stage: live, backend_refs: [legacy, new], response_ok: {json_type: array}"


def table(
    legacy: str, new: str, *more: str, fallback: str = ALL, route: str = LIVE, of_new: str = ""
) -> str:
    fields = "".join(f", {each}" for each in more)
    return f"""\
version: 1
defaults: {{timeouts: {{connect: 5s, request: 20s}}}}
backends:
  legacy: "{legacy}"
  new: {{url: "{new}"{of_new}}}
routes: [{{name: list, {route}, fallback: {{{fallback}}}{fields}}}]
"""


async def answer(
    facade: RunningFacade, *headers: str, method: str = "GET", body: bytes = b""
) -> tuple[int, str, str]:
    """Status, backend and reason of a request."""
    response = await facade.get("/", *headers, method=method, body=body)
    head = response.partition(b"\r\n\r\n")[0].decode()
    decision = dict(
        each.split("=")
        for line in head.split("\r\n")
        if line.lower().startswith("x-facade-decision: ")
        for each in line.split(": ", 1)[1].split()
    )
    return int(response[9:12]), decision["backend"], decision["reason"]
