"""A JSON object in shared memory with a member for each route, of which the changed ones are encoded."""

import logging
from collections.abc import Callable, Mapping

from proxy.telemetry.shared_text import SharedText

log = logging.getLogger(__name__)


class Published:
    """`subject` names it in the log. `member` encodes the member of a route."""

    def __init__(self, shared: SharedText, subject: str, member: Callable[[str], bytes]) -> None:
        self._shared = shared
        self._subject = subject
        self._member = member
        self._texts: dict[str, bytes] = {}
        self._changed: set[str] = set()
        self._is_written = True
        self._was_too_large = False

    def keep(self, texts: Mapping[str, bytes]) -> None:
        """Members that are there already."""
        self._texts = {**texts, **self._texts}

    def change(self, route: str) -> None:
        """The member of a route has changed."""
        self._changed.add(route)

    def changed(self) -> tuple[str, ...]:
        """The routes to `encode`."""
        return tuple(self._changed)

    def encode(self, route: str) -> None:
        """Encode the member of a route."""
        self._changed.discard(route)
        self._texts[route] = self._member(route)
        self._is_written = False

    def write(self) -> None:
        """Publish what was encoded. The largest members are left out if there is no room for all."""
        if self._is_written:
            return
        text, is_whole = _joined(self._texts, self._shared.room - len(b"{}"))
        if not (is_whole or self._was_too_large):
            log.warning(
                "there is no room for the %s of all routes: some are not reported", self._subject
            )
        self._was_too_large = not is_whole
        self._shared.write(text)
        self._is_written = True


def _joined(members: Mapping[str, bytes], room: int) -> tuple[bytes, bool]:
    """A JSON object of the members, and whether all are in it."""
    fitting = []
    for each in sorted(members.values(), key=len):
        room -= len(each) + 1
        if room < 0:
            break
        fitting.append(each)
    return b"{%b}" % b",".join(fitting), len(fitting) == len(members)
