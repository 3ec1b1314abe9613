r"""Reads lines of text logs: Common and Combined Log Format, and the access log of an AWS load balancer.

A line is read up to its status. Anything may follow: sizes, Referer, User-Agent, durations, fields that were added.
Log files hold what clients send, so every repetition is bounded or possessive: no line takes more than linear time.

Servers escape quotes, backslashes, controls and non-ASCII bytes of the request line in different ways: nginx and AWS
write `\x22`, Apache writes `\"`, and some versions of Tomcat write the byte itself.
"""

import re

from msgspec import Struct

from proxy.control.replay.recorded_requests import LoggedRequest

_CLIENT = rb"([!-~]{1,255}+) [^ ]{1,255}+ [^ ]{1,255}+"
_TIME = rb"\[([^\[\]]{1,64})\]"
_STATUS = rb"([0-9]{3}|-)(?![^ \r])"
_USUAL_LINE = re.compile(
    _CLIENT + rb" " + _TIME + rb' "([^"\\]*+(?:\\.[^"\\]*+)*+)" ' + _STATUS, re.DOTALL
)
# With a virtual host or a prefix in front, spaces in the user's name, or quotes that are not escaped.
_ODD_LINE = re.compile(
    rb"(?>(.{1,512}?) " + _TIME + rb' ")(.{0,65536}?)" ' + _STATUS,
    re.DOTALL,
)
# Load balancers of the older generation write no type in front.
_BALANCER_LINE = re.compile(
    rb"(?:(?:https?|h2|grpcs?|wss?) )?([0-9]{4}-[0-9]{2}-[0-9]{2}T[^ ]{1,40}+) [^ ]{1,255}+ ([^ ]{1,255}+) "
    rb"(?:[^ ]{1,255}+ ){4}([0-9]{3}|-) (?:[^ ]{1,255}+ ){3}"
    rb'(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|"(.{0,65536}?)")(?= "|[\r]?\Z)',
    re.DOTALL,
)
_VIRTUAL_HOST = re.compile(rb"[A-Za-z0-9][A-Za-z0-9.-]{0,252}(?::[0-9]{1,5})?|\[[0-9a-f:]{2,45}\]")
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_USUAL_METHODS = frozenset((b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"PATCH", b"DELETE"))
_ABSOLUTE = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]{0,15})://([^/?#]*)(.*)", re.DOTALL)
_DEFAULT_PORTS = {
    b"http": b":80",
    b"ws": b":80",
    b"https": b":443",
    b"wss": b":443",
    b"h2": b":443",
}
_ESCAPE = re.compile(rb'\\(?:x([0-9A-Fa-f]{2})|(["\\bnrtv]))')
_CONTROLS = {b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


class Fields(Struct, frozen=True):
    """The fields of a line that are used, as they are in it."""

    client: bytes
    request: bytes
    """The request line, with its escapes; `-` or empty if there was none."""
    status: bytes
    time: bytes
    host: bytes = b""
    """The virtual host, if the line has one."""


def usual_fields(line: bytes) -> Fields | None:
    """The fields of a usual line in Common or Combined Log Format. None for any other line."""
    found = _USUAL_LINE.match(line)
    return None if found is None else Fields(found[1], found[3], found[4], found[2])


def odd_fields(line: bytes) -> Fields | None:
    """The fields of any line in Common or Combined Log Format. None for another format."""
    found = _ODD_LINE.match(line)
    if found is None:
        return None
    before = found[1].split(b" ")
    if len(before) < 3:
        return None
    # `%v %h %l %u`: the identity (`%l`) is practically always a dash.
    has_host = len(before) == 4 and before[1] != b"-" and before[2] == b"-"
    if has_host:
        host = before[0] if _VIRTUAL_HOST.fullmatch(before[0]) else b""
        return Fields(before[1], found[3], found[4], found[2], host)
    client = before[0] if before[1] == b"-" else before[-3]
    return Fields(client, found[3], found[4], found[2])


def balancer_fields(line: bytes) -> Fields | None:
    """The fields of a line of an AWS load balancer. None for another format."""
    found = _BALANCER_LINE.match(line)
    if found is None:
        return None
    client = found[2].rpartition(b":")[0].strip(b"[]")
    request = found[4] if found[4] is not None else found[5]
    return Fields(client, request, found[3], found[1])


def request_of(fields: Fields) -> LoggedRequest | None:
    """The request in the fields of a line. None if it has no path: no or another protocol, CONNECT, `OPTIONS *`."""
    request = fields.request
    if b"\\" in request:
        request = _ESCAPE.sub(_unescaped, request)
    method, _, rest = request.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    if not version.startswith(b"HTTP/"):
        target = rest  # HTTP/0.9, or a request line that was cut off.
    host, target = fields.host, target.strip(b" ")
    if not target.startswith(b"/"):
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None:
            return None
        host, target = _of_absolute(absolute[1].lower(), absolute[2], absolute[3])
    if method not in _USUAL_METHODS and (method == b"-" or not _METHOD.fullmatch(method)):
        return None
    return LoggedRequest(
        method.decode(),
        host.decode("latin-1"),
        target.decode("latin-1"),
        fields.client.decode("latin-1"),
        status=0 if fields.status == b"-" else int(fields.status),
        time=fields.time.decode("latin-1"),
        in_text=True,
    )


def _of_absolute(scheme: bytes, authority: bytes, rest: bytes) -> tuple[bytes, bytes]:
    """Host and target of a URL. Clients leave the default port out of Host; load balancers write it."""
    host = authority.rpartition(b"@")[2].removesuffix(_DEFAULT_PORTS.get(scheme, b":"))
    return host, rest if rest.startswith(b"/") else b"/" + rest


def _unescaped(found: re.Match[bytes]) -> bytes:
    if found[1] is not None:
        return bytes((int(found[1], 16),))
    return _CONTROLS.get(found[2], found[2])
