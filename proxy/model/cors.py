"""The CORS policy of a route: the pages of other origins that may read its responses (the Fetch standard)."""

from msgspec import Struct


class Cors(Struct, frozen=True):
    """Which origins, methods and header fields are allowed. `*` in a list stands for all of them."""

    origins: tuple[str, ...]
    """As browsers send them, in lower case; `https://*.example.com` matches one or more labels in front."""
    methods: tuple[str, ...]
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    max_age_s: int | None = None
    """None: the browser's default."""
    credentials: bool = False
    forward: bool = False
    """Whether preflights go to the backend; the facade responds to them if not."""

    @property
    def any_origin(self) -> bool:
        return "*" in self.origins
