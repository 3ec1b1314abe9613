"""What a decision depends on beside the table and the request: randomness, clock and health, as values."""

from msgspec import Struct

from proxy.model.health import ALL_HEALTHY, Health


class Known(Struct, frozen=True):
    """What a test of the table, `plan` or `explain` knows of a request that its facts do not show."""

    bucket_bp: int | None = None
    """The bucket in [0, 10,000), for routes with and without a cohort."""
    override: str | None = None
    """The backend that the client has chosen, and may choose."""
    last_write: str | None = None
    """The backend that the client wrote to within `read_your_writes.ttl`."""


NOTHING_KNOWN = Known()


class Moment(Struct, frozen=True):
    """The draw, the time, the random bits and the health of backends for one request."""

    draw_bp: int = 0
    """A uniform random number from [0, 10,000)."""
    now_s: float = 0.0
    """The time in seconds since the epoch."""
    bits: int = 0
    """The random bits of the request, of which an id for a new client is made."""
    known: Known = NOTHING_KNOWN
    health: Health = ALL_HEALTHY
    """The health of the backends that the table monitors, as this worker knows it."""
