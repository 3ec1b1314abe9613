"""Tomcat's sessions, as far as they show on the wire: a cookie for whoever has none that we know."""

from collections import OrderedDict
from collections.abc import Callable

COOKIE = "JSESSIONID"
_REMEMBERED = 10_000


class Sessions:
    """The ids that were given out, the latest ten thousand. `make_id` gives a new one."""

    def __init__(self, make_id: Callable[[], str]) -> None:
        self._make_id = make_id
        self._known: OrderedDict[str, None] = OrderedDict()

    def cookie_for(self, presented: str | None) -> str | None:
        """The Set-Cookie for a request that presents this id; None if it is one of ours."""
        if presented is not None and presented in self._known:
            self._known.move_to_end(presented)
            return None
        made = self._make_id()
        self._known[made] = None
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return f"{COOKIE}={made}; Path=/travelbuddy; HttpOnly"
