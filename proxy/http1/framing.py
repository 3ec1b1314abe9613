"""Which messages have a body, for both directions (RFC 9112 6.3)."""

from proxy.model import Body

NO_BODY = Body("none")
"""The framing of a request without body fields: no body follows, not even an empty one."""

BODILESS_STATUSES = frozenset((204, 304))
"""Final responses without a body, whatever their fields say. A 204 has no Content-Length either (RFC 9110 8.6)."""

MAX_LENGTH_DIGITS = 18
"""The longest Content-Length that is accepted. It fits into 64 bits."""
