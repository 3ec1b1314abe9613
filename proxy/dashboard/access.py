"""Who may use the dashboard: the login, its cookie, and the tokens of its forms.

The cookie has no state on the server: `EXPIRY.NONCE.MAC`. Its key comes from the admin token, so another token ends all
sessions, and a restart ends none. The token of a form is a MAC of the same nonce: a form of another site has no such
value. SameSite does not separate ports of a host, so it is not enough. Replicas ask each other for their tables with a
text of the same form that has another purpose.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address

COOKIE = "facade_admin"
SESSION_S = 12 * 3600
MAX_TRIES = 5
REPLICA_SCHEME = "replica"
"""Of the Authorization field, in lower case (RFC 9110 11.1)."""
_REPLICA_S = 600
"""As far may the clocks of two replicas differ."""
_TRIES_WINDOW_S = 60.0
_MAX_TRIES_OF_ALL = 60
_MAX_ADDRESSES = 1024
_NONCE_BYTES = 16


class Access:
    """`matches` compares a text with the admin token; None if the listener has none. `clock` is `time.time`.

    `may_edit` is whether forms may edit the table at all.
    """

    def __init__(
        self,
        secret: bytes,
        matches: Callable[[bytes], bool] | None,
        clock: Callable[[], float],
        *,
        may_edit: bool = True,
    ) -> None:
        self.matches = matches
        self.may_edit = may_edit
        self._key = hmac.new(secret, b"facade dashboard", hashlib.sha256).digest()
        self._clock = clock
        self.tries = LoginTries(clock)

    @property
    def needs_login(self) -> bool:
        return self.matches is not None

    def new_session(self) -> str:
        """The value of a new cookie."""
        return self._sealed("session", SESSION_S)

    def is_session(self, cookie: str) -> bool:
        """Whether this listener gave out the cookie, and it has not expired."""
        return self._is_sealed("session", cookie)

    def replica_credentials(self) -> str:
        """What a replica with the same admin token accepts for the state of its table, and for nothing else."""
        return self._sealed("replica", _REPLICA_S)

    def replica_fields(self) -> dict[str, str]:
        """The header fields of a request to another replica: none if they have no admin token."""
        if not self.needs_login:
            return {}
        return {"authorization": f"{REPLICA_SCHEME} {self.replica_credentials()}"}

    def is_replica(self, credentials: str) -> bool:
        """Whether a replica with the same admin token made the credentials a short time ago."""
        return self._is_sealed("replica", credentials)

    def _sealed(self, purpose: str, seconds: int) -> str:
        content = f"{int(self._clock()) + seconds}.{secrets.token_hex(_NONCE_BYTES)}"
        return f"{content}.{self._mac(purpose, content)}"

    def _is_sealed(self, purpose: str, text: str) -> bool:
        content, _, mac = text.rpartition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(purpose, content).encode()):
            return False
        return int(content.partition(".")[0]) > self._clock()

    def form_token(self, cookie: str) -> str:
        """The token of the forms of a session."""
        return self._mac("form", cookie)

    def is_form_token(self, cookie: str, token: str) -> bool:
        """Whether a form was made for this session."""
        return hmac.compare_digest(token.encode(), self.form_token(cookie).encode())

    def _mac(self, purpose: str, text: str) -> str:
        return hmac.new(self._key, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()


class LoginTries:
    """At most five tries a minute from an address, and sixty from all of them. Memory is bounded."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._of_address: OrderedDict[str, deque[float]] = OrderedDict()
        self._of_all: deque[float] = deque(maxlen=_MAX_TRIES_OF_ALL)

    def take(self, address: str) -> bool:
        """Count a try. Returns whether it is allowed; one that is not does not count."""
        now = self._clock()
        tries = self._of_address.setdefault(address, deque(maxlen=MAX_TRIES))
        self._of_address.move_to_end(address)
        if len(self._of_address) > _MAX_ADDRESSES:
            self._of_address.popitem(last=False)
        if _is_full(tries, now) or _is_full(self._of_all, now):
            return False
        tries.append(now)
        self._of_all.append(now)
        return True


def _is_full(tries: deque[float], now: float) -> bool:
    return len(tries) == tries.maxlen and now - tries[0] < _TRIES_WINDOW_S


def cookie_of(header: str) -> str:
    """The dashboard's cookie in a Cookie field; empty if there is none."""
    try:
        morsel = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value


def is_own_name(host: str) -> bool:
    """Whether Host is an address or `localhost`. Another name may be another site's that resolves to this listener."""
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name == "localhost":
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def is_same_origin(host: str, origin: str | None, fetch_site: str | None) -> bool:
    """Whether a browser sent a form from a page of this listener (RFC 6454, Fetch Metadata)."""
    if fetch_site is not None and fetch_site not in ("same-origin", "none"):
        return False
    return origin is None or origin.partition("://")[2] == host
