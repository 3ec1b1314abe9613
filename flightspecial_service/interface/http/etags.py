"""Entity tags and the conditions made of them (RFC 9110 8.8.3 and 13.1)."""

import re

from flightspecial_service.application.commands import Condition
from flightspecial_service.domain import FlightSpecial
from flightspecial_service.errors import ConditionFailed, Malformed
from flightspecial_service.interface.http.messages import Request, Response

_TAG = re.compile(r'\s*(?:(W/)?("[\x21\x23-\x7e\x80-\xff]*"))?\s*(?:,|$)')


class Tags:
    """The entity tags of a list header. Raises Malformed. `any` is whether it is `*`."""

    def __init__(self, name: str, text: str) -> None:
        self.any = text.strip() == "*"
        self._tags: list[tuple[bool, str]] = []
        at = 0
        while not self.any and at < len(text):
            found = _TAG.match(text, at)
            if found is None:
                raise Malformed(f'{name} is * or a list of entity tags in quotes, as in "1"')
            if found[2] is not None:
                self._tags.append((found[1] is not None, found[2]))
            at = found.end()
        if not self.any and not self._tags:
            raise Malformed(f'{name} is * or a list of entity tags in quotes, as in "1"')

    def strongly(self, tag: str) -> bool:
        """Whether `tag`, which is strong, is among them by strong comparison."""
        return self.any or (False, tag) in self._tags

    def weakly(self, tag: str) -> bool:
        """Whether `tag` is among them by weak comparison."""
        return self.any or any(each == tag for _, each in self._tags)


def special_tag(special: FlightSpecial, build: str = "") -> str:
    """The tag of one special; `build` is what its answers show of the build."""
    return f'"{special.version}-{build}"' if build else f'"{special.version}"'


def not_modified(request: Request, response: Response, tag: str) -> Response:
    """`answer` with its tag, or 304 if the client has it already."""
    headers = (*response.headers, (b"etag", tag.encode("latin-1")))
    known = request.listed(b"if-none-match")
    if known is not None and Tags("If-None-Match", known).weakly(tag):
        kept = tuple(pair for pair in headers if pair[0] != b"content-type")
        return Response(304, b"", kept)
    return Response(response.status, response.body, headers)


def condition_of(request: Request, build: str = "") -> Condition | None:
    """What a write asks of the special's state; None if nothing. Raises Malformed."""
    must, must_not = request.listed(b"if-match"), request.listed(b"if-none-match")
    if must is None and must_not is None:
        return None
    wanted = None if must is None else Tags("If-Match", must)
    unwanted = None if must_not is None else Tags("If-None-Match", must_not)

    def check(special: FlightSpecial) -> None:
        tag = special_tag(special, build)
        if wanted is not None and not wanted.strongly(tag):
            raise ConditionFailed(
                f"the special is in another state than If-Match says: its tag is {tag}"
            )
        if unwanted is not None and unwanted.weakly(tag):
            raise ConditionFailed(f"the special is in the state of If-None-Match: its tag is {tag}")

    return check


def no_condition(_special: FlightSpecial) -> None:
    """Any state will do."""
