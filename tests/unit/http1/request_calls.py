"""A sink of requests that records its calls."""

from proxy.http1.request_head import RequestHead
from proxy.http1.request_parser import RequestParser
from proxy.model import HeaderPairs

Call = tuple[str, object] | tuple[str, object, object]


class RecordingSink:
    """Each call as `("head", target, body)`, `("data", data)` or `("ended", trailers)`."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def request_head(self, head: RequestHead, body: bytes | None) -> None:
        self.calls.append(("head", head.target, body))

    def request_data(self, data: bytes) -> None:
        self.calls.append(("data", data))

    def request_ended(self, trailers: HeaderPairs) -> None:
        self.calls.append(("ended", trailers))

    def take_calls(self) -> list[Call]:
        """The calls since the last time."""
        calls, self.calls = self.calls, []
        return calls


def new_parser() -> tuple[RecordingSink, RequestParser]:
    """A parser that accepts heads of 100 bytes and 3 fields, and its sink."""
    sink = RecordingSink()
    return sink, RequestParser(sink, 100, 3)
