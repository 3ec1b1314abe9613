"""Everything this package raises on purpose.

    ServiceError                    a sentence for a person
    +-- SettingsError               the environment is refused; carries every problem
    +-- MigrationError              the service must not run on this database
    |   +-- MigrationRefused        files and history disagree: a person must decide
    |   +-- MigrationFailed         PostgreSQL refused a statement of a file
    +-- RequestError                carries `status`, the answer the client gets
        +-- Malformed         400   the body is not JSON
        +-- NotFound          404
        |   +-- NoSuchSpecial 404
        |   +-- NoSuchFlight  404
        +-- MethodNotAllowed  405   carries `allow`
        +-- TooSlow           408   the body did not arrive in time
        +-- ConditionFailed   412   If-Match or If-None-Match does not hold
        +-- TooLarge          413   the body is beyond the limit
        +-- WrongMediaType    415
        +-- Invalid           422   well-formed, but not what is asked for
        |   +-- BadHeader     422   breaks a rule of the domain, as the next three
        |   +-- BadOffer      422
        |   +-- BadFlight     422
        |   +-- BadFlightName 422
        |   +-- KeyReused     422   an idempotency key that was used for another request
        +-- NotReleased       501   deployed, but switched off
        +-- Unavailable       503   carries `retry_after_s`; the same request may succeed later
            +-- Conflicted    503   rolled back for another transaction's sake
            +-- Exhausted     503   every database connection is in use
            +-- NotMigrated   503   the tables are not there, or not all of them

The message of a RequestError is shown to the client: it never holds a foreign error's text. That is
the `__cause__`, and goes into the log.
"""


class ServiceError(Exception):
    """A fault with a sentence for the person who can mend it."""


class SettingsError(ServiceError):
    """The settings are refused as a whole; `problems` holds every reason."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class MigrationError(ServiceError):
    """This code and this database do not fit together; trying again does not help."""


class MigrationRefused(MigrationError):
    """The migration files differ from what the history table says was applied."""


class MigrationFailed(MigrationError):
    """A migration was rolled back because PostgreSQL refused one of its statements."""


class RequestError(ServiceError):
    """A request that gets an error answer: `status`, and the message as its detail."""

    status = 500


class Malformed(RequestError):
    """The bytes are not what their media type says."""

    status = 400


class NotFound(RequestError):
    """Nothing is at this path."""

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
    """The path exists, the method does not; `allow` holds those that do."""

    status = 405

    def __init__(self, allow: tuple[str, ...]) -> None:
        super().__init__(f"this path answers {', '.join(allow)} only")
        self.allow = allow


class TooSlow(RequestError):
    """The request's body did not arrive in time."""

    status = 408


class ConditionFailed(RequestError):
    """The resource is not in the state that the request asks for; nothing was written."""

    status = 412


class TooLarge(RequestError):
    """The request's body is longer than the service reads."""

    status = 413


class WrongMediaType(RequestError):
    """The request's body is of a type or coding that is not read here."""

    status = 415


class Invalid(RequestError):
    """Well-formed content that does not say what is needed; nothing was written."""

    status = 422


class BadHeader(Invalid):
    """A header that breaks the domain's rules."""


class BadOffer(Invalid):
    """What is said of a special breaks the domain's rules."""


class BadFlight(Invalid):
    """A flight that breaks the domain's rules."""


class BadFlightName(Invalid):
    """A flight name that breaks the domain's rules."""


class KeyReused(Invalid):
    """An idempotency key stands for one request; this is another one."""


class NotReleased(RequestError):
    """Deployed, not released: a switch holds it back."""

    status = 501


class Unavailable(RequestError):
    """The database cannot serve this request now."""

    status = 503
    retry_after_s = 1


class Conflicted(Unavailable):
    """Rolled back because of another transaction (deadlock, serialization)."""


class Exhausted(Unavailable):
    """No database connection became free in time."""


class NotMigrated(Unavailable):
    """The database answers, but the tables of this code are missing."""
