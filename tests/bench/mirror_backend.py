"""A backend for `tests.bench.mirroring`, in a process of its own. argv: how it behaves, and the rows of its JSON.

Prints its URL, and serves until its standard input ends.
"""

import json
import socket
import sys

from tests.faults.misbehaving import Behave, answers_a_gigabyte, backend, floods, hangs, resets


def rows(count: int) -> bytes:
    """So many rows of JSON, about 47 bytes each."""
    return json.dumps([{"id": n, "name": "n" * 12, "cost": n * 7} for n in range(count)]).encode()


def response(body: bytes) -> bytes:
    """A response with JSON."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


def responding(body: bytes) -> Behave:
    """Responds to each request."""

    def behave(connection: socket.socket, _: object) -> None:
        while connection.recv(65536):
            connection.sendall(response(body))

    return behave


def main() -> None:
    kind, count = sys.argv[1:]
    kinds: dict[str, Behave] = {
        "responds": responding(rows(int(count))),
        "hangs": hangs,
        "resets": resets,
        "floods": floods,
        "responds with 1 GB": answers_a_gigabyte,
    }
    with backend(kinds[kind]) as url:
        print(url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
