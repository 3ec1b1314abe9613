"""Entity tags and preconditions (RFC 9110 8.8.3 and 13.1)."""

import re
from hashlib import blake2b

import msgspec

from flightspecial_service.application.commands import Condition
from flightspecial_service.domain import FlightSpecial
from flightspecial_service.errors import ConditionFailed, Malformed
from flightspecial_service.interface.http.messages import Request, Response

_TAG = re.compile(r'\s*(?:(W/)?("[\x21\x23-\x7e\x80-\xff]*"))?\s*(?:,|$)')


class Tags:
    """The entity tags of If-Match or If-None-Match. `any`: the field is `*`. Raises Malformed."""

    def __init__(self, name: str, text: str) -> None:
        self.any = text.strip() == "*"
        self._tags: list[tuple[bool, str]] = []
        at = 0
        while not self.any and at < len(text):
            match = _TAG.match(text, at)
            if match is None:
                raise Malformed(f'{name} is * or a list of entity tags in quotes, as in "1"')
            if match[2] is not None:
                self._tags.append((match[1] is not None, match[2]))
            at = match.end()
        if not self.any and not self._tags:
            raise Malformed(f'{name} is * or a list of entity tags in quotes, as in "1"')

    def match_strongly(self, tag: str) -> bool:
        """Whether the strong tag `tag` is among them by strong comparison (RFC 9110 8.8.3.2)."""
        return self.any or (False, tag) in self._tags

    def match_weakly(self, tag: str) -> bool:
        """Whether `tag` is among them by weak comparison (RFC 9110 8.8.3.2)."""
        return self.any or any(each == tag for _, each in self._tags)


def tag_of(content: bytes) -> str:
    """The tag of this content. It is a hash, so all replicas give the same tag."""
    return f'"{blake2b(content, digest_size=12).hexdigest()}"'


def special_tag(special: FlightSpecial) -> str:
    """The tag of one special. It does not depend on the build label, which is no part of its state."""
    return tag_of(msgspec.json.encode(special))


def not_modified(request: Request, response: Response, tag: str) -> Response:
    """`response` with its tag, or 304 if If-None-Match has that tag."""
    headers = (*response.headers, (b"etag", tag.encode("latin-1")))
    known = request.listed(b"if-none-match")
    if known is not None and Tags("If-None-Match", known).match_weakly(tag):
        kept = tuple(pair for pair in headers if pair[0] != b"content-type")
        return Response(304, b"", kept)
    return Response(response.status, response.body, headers)


def condition_of(request: Request) -> Condition | None:
    """The precondition of a write; None without one. Raises Malformed."""
    if_match, if_none_match = request.listed(b"if-match"), request.listed(b"if-none-match")
    if if_match is None and if_none_match is None:
        return None
    required = None if if_match is None else Tags("If-Match", if_match)
    excluded = None if if_none_match is None else Tags("If-None-Match", if_none_match)

    def check(special: FlightSpecial) -> None:
        tag = special_tag(special)
        if required is not None and not required.match_strongly(tag):
            raise ConditionFailed(
                f"the special is in another state than If-Match says: its tag is {tag}"
            )
        if excluded is not None and excluded.match_weakly(tag):
            raise ConditionFailed(f"the special is in the state of If-None-Match: its tag is {tag}")

    return check


def no_condition(_special: FlightSpecial) -> None:
    """Accepts any state."""
