"""A sink of requests that remembers what it is told."""

from proxy.http1.request_head import RequestHead
from proxy.http1.request_parser import RequestParser
from proxy.model import HeaderPairs

Call = tuple[str, object] | tuple[str, object, object]


class Heard:
    """Each call as `("head", target, body)`, `("data", data)` or `("ended", trailers)`."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def request_head(self, head: RequestHead, body: bytes | None) -> None:
        self.calls.append(("head", head.target, body))

    def request_data(self, data: bytes) -> None:
        self.calls.append(("data", data))

    def request_ended(self, trailers: HeaderPairs) -> None:
        self.calls.append(("ended", trailers))

    def said(self) -> list[Call]:
        """What was told since the last time."""
        calls, self.calls = self.calls, []
        return calls


def reading() -> tuple[Heard, RequestParser]:
    """A reader that takes heads of 100 bytes and 3 fields, and who hears of its requests."""
    heard = Heard()
    return heard, RequestParser(heard, 100, 3)
