"""All errors of this package.

    ServiceError                    its message is a sentence for a person
    +-- SettingsError               invalid settings; carries every problem
    +-- ListenError                 an address that cannot be listened on
    +-- MigrationError              the service must not run on this database
    |   +-- MigrationRefused        files and history table disagree: a person has to decide
    |   +-- MigrationFailed         PostgreSQL rejected a statement of a file
    |   +-- UnfitDatabase           a property of the database that no migration changes
    +-- RequestError                carries `status`, the status of the response
        +-- Malformed         400   the request or its body is malformed
        +-- Unauthorized      401   carries `challenge`, for WWW-Authenticate
        +-- Forbidden         403
        +-- NotFound          404
        |   +-- NoSuchSpecial 404
        |   +-- NoSuchFlight  404
        +-- MethodNotAllowed  405   carries `allow`
        +-- TooSlow           408   the body did not arrive in time
        +-- ConditionFailed   412   If-Match or If-None-Match does not hold
        +-- TooLarge          413   the body is beyond the limit
        +-- TargetTooLong     414
        +-- WrongMediaType    415   carries `field`, a header field with the accepted types
        +-- HeadTooLarge      431
        +-- Invalid           422   well-formed, but invalid; carries `errors`
        |   +-- BadHeader     422   violates a rule of the domain, as do the next two
        |   +-- BadOffer      422
        |   +-- BadFlightName 422
        |   +-- KeyReused     422   the idempotency key belongs to another request
        +-- NotReleased       501   switched off by a feature flag
        +-- Unavailable       503   carries `retry_after_s`; the same request may succeed later
            +-- Busy          503   a lock was held, or a statement took too long
            +-- Conflicted    503   rolled back because of another transaction
            +-- Exhausted     503   every database connection is in use
            +-- NotMigrated   503   tables are missing
            +-- TooManyConnections
            +-- WritesRefused 503   a standby, a read-only database or a full disk

The message of a RequestError is sent to the client, so it never contains the text of an error of a
library. That error is the `__cause__`, and is logged.
"""

from msgspec import Struct


class ServiceError(Exception):
    """An error whose message is a sentence for a person."""


class SettingsError(ServiceError):
    """The settings are invalid; `problems` holds all reasons."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class ListenError(ServiceError):
    """The service cannot listen on an address."""


class MigrationError(ServiceError):
    """This version does not fit this database. Retrying does not help."""


class MigrationRefused(MigrationError):
    """The migration files differ from the applied migrations in the history table."""


class MigrationFailed(MigrationError):
    """PostgreSQL rejected a statement of a migration."""


class UnfitDatabase(MigrationError):
    """The service cannot use this database, for example because of its encoding."""


class RequestError(ServiceError):
    """A request that gets an error response: `status`, with the message as its detail."""

    status = 500


class Malformed(RequestError):
    """The content does not conform to its media type."""

    status = 400


class Unauthorized(RequestError):
    """The request lacks a valid token; `challenge` is the value of WWW-Authenticate (RFC 6750 3)."""

    status = 401

    def __init__(self, message: str, challenge: str) -> None:
        super().__init__(message)
        self.challenge = challenge


class Forbidden(RequestError):
    """The request is refused, whatever credentials it has."""

    status = 403


class NotFound(RequestError):
    """No resource exists at this path."""

    status = 404


class NoSuchSpecial(NotFound):
    """No flight special has this id."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no flight special with the id {number}")


class NoSuchFlight(NotFound):
    """The profile has no flight with this number."""

    def __init__(self, profile_id: str, number: int) -> None:
        super().__init__(f"the profile {profile_id[:40]!a} has no flight with the number {number}")


class MethodNotAllowed(RequestError):
    """The resource does not support the method; `allow` holds the supported ones."""

    status = 405

    def __init__(self, allow: tuple[str, ...]) -> None:
        super().__init__(f"this path answers {', '.join(allow)} only")
        self.allow = allow


class TooSlow(RequestError):
    """The body did not arrive in time."""

    status = 408


class ConditionFailed(RequestError):
    """A precondition (RFC 9110 13.1) is false; nothing was written."""

    status = 412


class TooLarge(RequestError):
    """The body exceeds the limit."""

    status = 413


class TargetTooLong(RequestError):
    """The request target exceeds the limit."""

    status = 414


class HeadTooLarge(RequestError):
    """The fields of the head, or of the trailers, exceed a limit."""

    status = 431


class WrongMediaType(RequestError):
    """The body has an unsupported media type or content coding.

    `field` is a header field that names the accepted media types.
    """

    status = 415

    def __init__(self, message: str, field: tuple[str, str]) -> None:
        super().__init__(message)
        self.field = field


class BodyError(Struct, frozen=True):
    """One mistake in a body; `pointer` is a JSON Pointer (RFC 6901 6) to its place, as in `#/cost`."""

    pointer: str
    detail: str


class Invalid(RequestError):
    """Well-formed content that violates the schema or a rule; nothing was written.

    `errors` lists every mistake of the body.
    """

    status = 422

    def __init__(self, message: str, errors: tuple[BodyError, ...] = ()) -> None:
        super().__init__(message)
        self.errors = errors


class BadHeader(Invalid):
    """A header violates the rules of the domain."""


class BadOffer(Invalid):
    """The fields of a special violate the rules of the domain."""


class BadFlightName(Invalid):
    """A flight name violates the rules of the domain."""


class KeyReused(Invalid):
    """The idempotency key was used for another request."""


class NotReleased(RequestError):
    """Deployed, but switched off by a feature flag."""

    status = 501


class Unavailable(RequestError):
    """The database cannot serve this request now; a later one may succeed."""

    status = 503
    retry_after_s = 1


class Busy(Unavailable):
    """A row or a table was locked for too long, or a statement reached its time limit."""


class Conflicted(Unavailable):
    """Rolled back because of another transaction: deadlock or serialization failure."""


class Exhausted(Unavailable):
    """No database connection became free in time."""


class NotMigrated(Unavailable):
    """The database is reachable, but tables of this version are missing."""


class WritesRefused(Unavailable):
    """The database serves reads, but no writes: a standby, a read-only database or a full disk."""


class TooManyConnections(Unavailable):
    """The listener has more connections than its limit."""
