"""Which fields of usual requests go on to a backend, prepared for one route and reference."""

from msgspec import Struct

from proxy.http1.known_lines import COOKIE, SENT, Line
from proxy.http1.request_writer import field_lines
from proxy.model import ALL_COOKIES, Backend, CookieRules, HeaderEdits
from proxy.routing.transforms.cookies import with_cookies

_MAX_KNOWN = 2_048
_MAX_KNOWN_BYTES = 512


class FieldPolicy(Struct, frozen=True):
    """The client fields that the table drops for a backend, beside those that no backend gets."""

    removed: frozenset[bytes]
    only: frozenset[str] | None
    cookies: CookieRules
    known: dict[bytes, bytes] = {}
    """Cookie lines that were filtered before, each with the one that is sent. Bounded: it forgets all when full."""

    def block(self, lines: list[Line]) -> bytes:
        """The lines that are forwarded, joined."""
        return b"".join(map(SENT, self.lines(lines)))

    def lines(self, lines: list[Line]) -> list[Line]:
        """The lines that are forwarded, of the kinds that a table may drop."""
        removed, only = self.removed, self.only
        if only is not None:
            lines = [line for line in lines if line[1].decode("latin-1") in only]
        if self.cookies is not ALL_COOKIES:
            return [
                line if line[0] != COOKIE else self._cookie_line(line)
                for line in lines
                if line[1] not in removed
            ]
        return [line for line in lines if line[1] not in removed] if removed else lines

    def _cookie_line(self, line: Line) -> Line:
        """The line that goes on is empty, if the backend gets none of the cookies."""
        kind, name, value, whole = line
        sent = self.known.get(whole)
        if sent is None:
            sent = field_lines(with_cookies([(name, value)], self.cookies))
            if len(self.known) >= _MAX_KNOWN:
                self.known.clear()
            if len(whole) <= _MAX_KNOWN_BYTES:
                self.known[whole] = sent
        return kind, name, value, sent


def removed_fields(backend: Backend) -> set[bytes]:
    """The client fields that the backend's own rules drop."""
    return {each.encode("latin-1") for each in backend.headers.remove}


def field_policy(backend: Backend, edits: tuple[HeaderEdits, ...]) -> FieldPolicy | None:
    """None if the table drops nothing for the backend."""
    removed = removed_fields(backend)
    for each in edits:
        removed.update(each.remove, (name for name, _ in each.set))
    if not removed and backend.headers.only is None and backend.cookies is ALL_COOKIES:
        return None
    return FieldPolicy(frozenset(removed), backend.headers.only, backend.cookies)
