"""One response, as much of it as a comparison needs."""

from msgspec import Struct

from proxy.model import HeaderPairs


class Observation(Struct, frozen=True):
    """A response of a backend, or the reason why there is none.

    A body is kept as it was transferred, before its content coding is removed, up to a bound of the caller
    (`mirror.max_body_bytes`). A longer one is given by its beginning, its length and the SHA-256 of all of it.
    """

    status: int = 0
    """0: no response came; `failure` says why."""
    headers: HeaderPairs = []
    body: bytes = b""
    length: int | None = None
    """The bytes of the whole body, if they are more than `body`."""
    digest: bytes = b""
    """The SHA-256 of the whole body, if `length` is given."""
    duration_s: float = 0.0
    """From the last byte of the request to the last byte of the response that was kept."""
    failure: str = ""
    """Why there is no complete response: `timeout`, `unreachable`, `broke`. Empty for a complete one."""
    is_ok: bool = True
    """Whether the response meets `response_ok` of the route, if it has one."""

    @property
    def is_whole(self) -> bool:
        """Whether `body` is the whole body."""
        return self.length is None

    @property
    def body_length(self) -> int:
        return len(self.body) if self.length is None else self.length
