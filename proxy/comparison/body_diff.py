"""Compares two bodies: decoded, then as JSON, as text or as bytes."""

from msgspec import Struct

from proxy.comparison.body_text import codec_of, text_of
from proxy.comparison.content_coding import codings_of, decoded
from proxy.comparison.differences import Differences
from proxy.comparison.json_diff import JsonDiff
from proxy.comparison.json_reader import Json, read_json
from proxy.comparison.observation import Observation
from proxy.comparison.outcome import Kind
from proxy.comparison.pace import Pace, Steps
from proxy.comparison.places import Node
from proxy.comparison.problems import REASONS, NotComparable, NotJson, Undecodable, Unusable
from proxy.comparison.redaction import shortened
from proxy.model import CompareRules

_EXCERPT = 40
"""Characters around the first difference of two texts."""


class Rejected(Exception):
    """The body of the incumbent is no baseline. `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason


class Body(Struct, frozen=True):
    """A body with what its header fields say of it."""

    observation: Observation
    codings: tuple[str, ...]
    content_type: bytes

    @property
    def raw(self) -> bytes:
        return self.observation.body

    @property
    def described(self) -> tuple[tuple[str, ...], bytes]:
        return self.codings, self.content_type


def body_of(observation: Observation) -> Body:
    headers = observation.headers
    codings = codings_of([v for name, v in headers if name.lower() == b"content-encoding"])
    types = [value for name, value in headers if name.lower() == b"content-type"]
    return Body(observation, codings, types[0] if types else b"")


class BodyDiff:
    """Compares the bodies of one pair of responses. `root` has the rules for places in JSON."""

    def __init__(self, rules: CompareRules, root: Node, found: Differences) -> None:
        self._rules = rules
        self._root = root
        self._found = found
        self._pace = Pace()

    def compare(self, left: Body, right: Body) -> Steps[None]:
        """Add the differences. Raises Rejected for a body that is no baseline, NotComparable for two bodies."""
        if not (left.observation.is_whole and right.observation.is_whole):
            self._compare_long(left, right)
        elif left.raw == right.raw and left.described == right.described:
            return
        elif not left.raw or not right.raw:
            self._compare_empty(left, right)
        else:
            yield from self._compare_whole(left, right)

    def _compare_long(self, left: Body, right: Body) -> None:
        """Compare bodies of which at least one is only known by its hash."""
        one, other = left.observation, right.observation
        if left.codings == right.codings and not one.is_whole and not other.is_whole:
            if one.digest == other.digest:
                return
            if self._rules.body != "json":
                self._found.add(
                    "body", self._kind_by_length(left, right), _size(left), _size(right)
                )
                return
        elif left.codings == right.codings:
            self._found.add("body", "length", _size(left), _size(right))
            return
        raise NotComparable("too_large")

    def _kind_by_length(self, left: Body, right: Body) -> Kind:
        same = left.observation.body_length == right.observation.body_length
        return "value" if same else "length"

    def _compare_empty(self, left: Body, right: Body) -> None:
        if left.raw:
            self._found.add("body", "missing", _size(left), None)
        elif right.raw and self._rules.body == "json":
            # An empty body is no JSON. Some systems hide their errors behind it.
            raise Rejected("empty")
        elif right.raw:
            self._found.add("body", "extra", None, _size(right))

    def _compare_whole(self, left: Body, right: Body) -> Steps[None]:
        try:
            one = yield from decoded(left.codings, left.raw, self._rules.max_decoded_bytes)
        except Undecodable as error:
            raise Rejected(error.reason) from None
        try:
            other = yield from decoded(right.codings, right.raw, self._rules.max_decoded_bytes)
        except Undecodable as error:
            self._found.add("body", "encoding", _size(left), error.args[0])
            return
        if one == other and left.content_type == right.content_type:
            return
        if self._rules.body == "bytes":
            self._compare_bytes(one, other)
        else:
            yield from self._compare_texts(left, right, (one, other))

    def _compare_bytes(self, left: bytes, right: bytes) -> None:
        if left != right:
            is_cut = bool(right) and left.startswith(right)
            kind: Kind = "length" if is_cut else "value"
            self._found.add("body", kind, f"{len(left)} bytes", f"{len(right)} bytes")

    def _compare_texts(self, left: Body, right: Body, contents: tuple[bytes, bytes]) -> Steps[None]:
        one = _text(left, contents[0])
        other = _text(right, contents[1])
        if one is None:
            # No text, for example an image.
            self._compare_bytes(*contents)
        elif other is None:
            self._found.add("body", "encoding", _charset(left), REASONS["charset"])
        else:
            if _charset(left) != _charset(right) and not (one.isascii() and other.isascii()):
                self._found.add("body", "encoding", _charset(left), _charset(right))
            if one != other:
                yield from self._compare_unequal(one, other)

    def _compare_unequal(self, left: str, right: str) -> Steps[None]:
        if self._rules.body == "json":
            yield from self._compare_json(left, right)
        else:
            self._compare_text(left, right)

    def _compare_text(self, left: str, right: str) -> None:
        at = next(
            (at for at, (one, other) in enumerate(zip(left, right, strict=False)) if one != other),
            min(len(left), len(right)),
        )
        is_cut = bool(right) and left.startswith(right)
        start = max(at - _EXCERPT // 2, 0)
        excerpts = (shortened(text[start : at + _EXCERPT]) for text in (left, right))
        self._found.add("body", "length" if is_cut else "value", *excerpts)

    def _compare_json(self, left: str, right: str) -> Steps[None]:
        one = yield from self._read(left)
        other = yield from self._read(right)
        if isinstance(one, Unusable):
            self._reject(one, other, f"{len(left)} characters", f"{len(right)} characters")
        elif isinstance(other, Unusable):
            kind: Kind = "length" if other.reason == "truncated" else "type"
            self._found.add("body", kind, "JSON", other.args[0])
        else:
            try:
                yield from JsonDiff(self._found, self._pace).compare(one, other, (None, self._root))
            except NotJson as error:
                self._found.add("body", "type", "JSON", error.args[0])

    def _read(self, text: str) -> Steps[Json | Unusable]:
        try:
            return (yield from read_json(text, self._pace))
        except Unusable as error:
            return error

    def _reject(self, error: Unusable, other: Json | Unusable, *sizes: str) -> None:
        """Handle a baseline that is no JSON. Two such texts are compared; no example shows them, for they may hold
        secrets."""
        if isinstance(error, NotComparable):
            raise error
        if not isinstance(other, NotJson):
            raise Rejected(error.reason)
        self._found.add("body", "value", *sizes)


def _text(body: Body, content: bytes) -> str | None:
    try:
        return text_of(content, codec_of(body.content_type))
    except Undecodable:
        return None


def _charset(body: Body) -> str:
    return codec_of(body.content_type)


def _size(body: Body) -> str:
    return f"{body.observation.body_length} bytes"
