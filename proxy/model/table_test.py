"""The tests of a table: assumption, request and expectation."""

from msgspec import Struct

from proxy.model.stage import Stage


class Given(Struct, frozen=True):
    """The assumptions of a test. None stands for the value in the file."""

    stage: Stage | None = None
    weights_bp: tuple[tuple[str, int], ...] | None = None
    kill_switch: bool | None = None


class Expectation(Struct, frozen=True):
    """The expected result. A value of None is not checked."""

    route: str | None = None
    backend: str | None = None
    upstream_path: str | None = None
    upstream_host: str | None = None
    reason: str | None = None
    status: int | None = None
    location: str | None = None
    mirrored_to: tuple[str, ...] | None = None


class TableTest(Struct, frozen=True):
    """A request and its expected result."""

    name: str
    method: str
    host: str
    path: str
    """The path as sent, query included."""
    expect: Expectation
    given: Given = Given()
    headers: tuple[tuple[str, str], ...] = ()
    cookies: tuple[tuple[str, str], ...] = ()
    client: str = "127.0.0.1"
    bucket_bp: int | None = None
    line: int = 0
    column: int = 0
    scheme: str = "http"
    """That of the connection."""
    override: str | None = None
    """The backend that the client chooses, and may choose."""
    last_write: str | None = None
    """The backend that the client wrote to within `read_your_writes.ttl`."""
