"""Request paths as Tomcat and Spring MVC read them."""

import re
from urllib.parse import unquote_to_bytes

from msgspec import Struct

CONTEXT = "/travelbuddy"
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_REFUSED = {"/": "an encoded slash", "\\": "a backslash", "\0": "a null character"}


class BadPath(ValueError):
    """The path is a 400; the text says why."""


class RequestPath(Struct, frozen=True):
    """A path as the application sees it.

    `path` is decoded and has no parameters, no doubled slash and no slash at the end; the page alone
    keeps its slash, because the path without it is a redirect. `session` is the value of `;jsessionid=`.
    """

    path: str
    session: str | None


def read_path(raw: bytes) -> RequestPath:
    """Read the path of a request target. Raises BadPath."""
    names: list[str] = []
    session = None
    for segment in raw.decode("latin-1").split("/"):
        name, *parameters = segment.split(";")
        names.append(_decoded(name))
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            session = value if key == "jsessionid" else session
    path = "".join(f"/{name}" for name in names if name) or "/"
    if path == CONTEXT and not names[-1]:
        path += "/"
    return RequestPath(path, session)


def _decoded(name: str) -> str:
    if _BROKEN_ESCAPE.search(name):
        raise BadPath("the path has an incomplete percent-encoding")
    decoded = unquote_to_bytes(name).decode("utf-8", "replace")
    for character, what in _REFUSED.items():
        if character in decoded:
            raise BadPath(f"the path has {what}")
    return decoded
