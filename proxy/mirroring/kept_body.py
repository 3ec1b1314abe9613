"""The body of an observed response: kept up to a limit, then hashed."""

from hashlib import sha256

from proxy.comparison.observation import Observation
from proxy.http1.response_head import ResponseFields, ResponseHead
from proxy.model import ResponseOk
from proxy.routing.response_ok import is_body_ok, is_status_ok, needs_body

_BEGINNING_BYTES = 64 * 1024
"""How much is kept of a body that is longer than the limit."""


class KeptBytes:
    """The bytes that all copies of a process keep together. `limit` grows with the table."""

    __slots__ = ("limit", "now")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.now = 0

    def take(self, count: int) -> bool:
        """Whether there is room. If so, the bytes count until `give_back`."""
        if self.now + count > self.limit:
            return False
        self.now += count
        return True

    def give_back(self, count: int) -> None:
        self.now -= count


class KeptBody:
    """One body, as it was transferred. `release` it at the end."""

    __slots__ = ("_chunks", "_hash", "_kept", "_limit", "_room", "is_lost", "length")

    def __init__(self, limit: int, room: KeptBytes) -> None:
        self._limit = limit
        self._room = room
        self._chunks: list[bytes] = []
        self._kept = 0
        self._hash = sha256()
        self.length = 0
        self.is_lost = False
        """There was no room: neither the body nor its hash is known."""

    @property
    def is_hashed(self) -> bool:
        """Whether only the beginning is kept."""
        return self.length > self._limit

    def add(self, data: bytes) -> None:
        if self.is_lost:
            return
        before, self.length = self.length, self.length + len(data)
        if self.length <= self._limit:
            self._keep(data)
            return
        if before <= self._limit:
            self._begin_hash(data)
        self._hash.update(data)

    def _keep(self, data: bytes) -> None:
        if self._room.take(len(data)):
            self._kept += len(data)
            self._chunks.append(data)
        else:
            self.release()
            self.is_lost = True

    def _begin_hash(self, data: bytes) -> None:
        """`data` crosses the limit."""
        chunks = self._chunks
        for chunk in chunks:
            self._hash.update(chunk)
        self.release()
        beginning = b"".join((*chunks, data[:_BEGINNING_BYTES]))[:_BEGINNING_BYTES]
        if self._room.take(len(beginning)):
            self._kept = len(beginning)
            self._chunks = [beginning]

    @property
    def data(self) -> bytes:
        """The whole body; its beginning, if it is longer than the limit."""
        if len(self._chunks) != 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0]

    @property
    def digest(self) -> bytes:
        """The SHA-256 of a body of which only the beginning is kept."""
        return self._hash.digest() if self.is_hashed else b""

    def observation(self, head: ResponseHead, duration_s: float, failure: str) -> Observation:
        """The response with this head and body, as far as it has come."""
        return Observation(
            head.status,
            head.fields.pairs,
            self.data,
            self.length if self.is_hashed else None,
            self.digest,
            duration_s,
            failure,
        )

    def release(self) -> None:
        """Keep nothing any more."""
        self._room.give_back(self._kept)
        self._kept = 0
        self._chunks = []


def is_good(rule: ResponseOk | None, method: str, seen: Observation) -> bool:
    """Whether a whole response meets `response_ok` of its route. A body that is only hashed is not judged."""
    if rule is None or seen.failure:
        return True  # A 5xx, or an incomplete response, is no baseline in any case.
    if not is_status_ok(rule, method, seen.status):
        return False
    head = ResponseHead(seen.status, False, ResponseFields(seen.headers, seen.body_length))
    if not seen.is_whole or not needs_body(rule, method, head):
        return True
    return is_body_ok(rule, head.fields, seen.body)
