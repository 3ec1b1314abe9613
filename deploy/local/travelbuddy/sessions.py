"""The visible part of Tomcat's sessions: a cookie, and ids in URLs until the client has the cookie."""

from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

COOKIE = "JSESSIONID"
_REMEMBERED = 10_000


class Session(Struct, frozen=True):
    """The session in a response: a Set-Cookie value if it is new, a suffix for the page's URLs."""

    set_cookie: str | None
    url_suffix: str


class Sessions:
    """The latest ten thousand ids. `make_id` gives a new one."""

    def __init__(self, make_id: Callable[[], str]) -> None:
        self._make_id = make_id
        self._known: OrderedDict[str, None] = OrderedDict()

    def session(self, cookie: str | None, in_url: str | None) -> Session:
        """The session of a request with these ids; a new one if neither is known.

        As Tomcat: URLs carry the id until the browser sends a cookie, even an expired one.
        """
        id_, is_new = self._find(cookie, in_url)
        set_cookie = f"{COOKIE}={id_}; Path=/travelbuddy; HttpOnly" if is_new else None
        return Session(set_cookie, f";jsessionid={id_}" if cookie is None else "")

    def _find(self, cookie: str | None, in_url: str | None) -> tuple[str, bool]:
        for presented in (cookie, in_url):
            if presented is not None and presented in self._known:
                self._known.move_to_end(presented)
                return presented, False
        new = self._make_id()
        self._known[new] = None
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return new, True
