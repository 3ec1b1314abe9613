"""What a route says about failed attempts: what a good response is, retries, fallback, and repeated writes."""

from typing import Literal

from msgspec import Struct

JsonType = Literal["array", "object", "string", "number", "boolean"]
WritePolicy = Literal["single_writer", "shadow_sandbox", "dual_write"]


class ResponseOk(Struct, frozen=True):
    """The definition of a good response (rule 8)."""

    statuses: frozenset[int] = frozenset()
    """Empty: all below 500."""
    json_type: JsonType | None = None


class Budget(Struct, frozen=True):
    """A limit of additional requests: a percentage of the requests of the route that are under way, at least 3."""

    percent_bp: int = 2_000
    least: int = 3

    def has_room(self, active: int, used: int) -> bool:
        """Whether one more fits beside `used`. `active` counts all requests of the route."""
        return used < max(self.least, active * self.percent_bp // 10_000)


class Retry(Struct, frozen=True):
    """Retries with the same backend."""

    attempts: int = 1
    """How often a request may be sent again."""
    statuses: frozenset[int] = frozenset()
    """Responses that are retried. Attempts without a response always are."""
    backoff_s: float = 0.05
    budget: Budget = Budget()


class Fallback(Struct, frozen=True):
    """The other backend of the route, after a failure of the chosen one."""

    triggers: frozenset[str]
    """`connect_failure`, `timeout`, `circuit_open`, `not_ok`, and statuses as text."""
    budget: Budget | None = None
    """None: a healthy backend takes all requests."""


class Writes(Struct, frozen=True):
    """How writes may be repeated (rule 5)."""

    policy: WritePolicy = "single_writer"
    idempotency_key: str | None = None
    """The header by which both backends recognise a repeated write."""
    shadow_url: str | None = None


SINGLE_WRITER = Writes()
