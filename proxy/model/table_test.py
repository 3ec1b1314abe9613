"""The tests that stand in a table: what is assumed, asked and expected. Nouns, as in `proxy.model`."""

from msgspec import Struct

from proxy.model.stage import Stage


class Given(Struct, frozen=True):
    """What a test assumes, instead of what the file says now. Unset is "as the file has it"."""

    stage: Stage | None = None
    weights_bp: tuple[tuple[str, int], ...] | None = None
    kill_switch: bool | None = None


class Expectation(Struct, frozen=True):
    """Unset is "whatever"."""

    route: str | None = None
    backend: str | None = None
    upstream_path: str | None = None
    upstream_host: str | None = None
    reason: str | None = None
    status: int | None = None
    location: str | None = None
    mirrored_to: tuple[str, ...] | None = None


class TableTest(Struct, frozen=True):
    """A request, and what the table has to do with it."""

    name: str
    method: str
    host: str
    path: str
    """As sent, query included."""
    expect: Expectation
    given: Given = Given()
    headers: tuple[tuple[str, str], ...] = ()
    cookies: tuple[tuple[str, str], ...] = ()
    client: str = "127.0.0.1"
    bucket_bp: int | None = None
    line: int = 0
    column: int = 0
