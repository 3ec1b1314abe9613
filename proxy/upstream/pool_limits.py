"""The limits of the connections to one endpoint."""

from msgspec import Struct

from proxy.model import Deviation


class PoolLimits(Struct, frozen=True):
    """The limits of one endpoint; see `Backend`."""

    max_connections: int
    max_pending_requests: int
    idle_timeout_s: float
    tolerate: frozenset[Deviation] = frozenset()
    max_tunnels: int = 4096
    max_connection_age_s: float | None = None
    receive_buffer_bytes: int | None = None
    """What the kernel keeps of each connection; None for the bounds of the system."""
