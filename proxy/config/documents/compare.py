"""Mirror and compare: copies to the other backend, and the comparison of the two responses."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from proxy.comparison.instants import zone_of
from proxy.config.documents.base import UNIQUE_ITEMS, Doc, RuledDoc, shared
from proxy.config.expressions import Difference, JsonPath, Redaction
from proxy.config.faults import Fault
from proxy.config.texts import Day, HeaderName, Title, Zone, choice
from proxy.config.units import Duration, Percent, Rate, Size, Tolerance

_FORMATS = ("epoch_s", "epoch_ms", "iso", "iso_local")
_KINDS = ("instant", "set", "number", "case_insensitive")
_KIND_OF = {
    "left": "instant",
    "right": "instant",
    "tz": "instant",
    "key": "set",
    "tolerance": "number",
}
Format = Annotated[Literal["epoch_s", "epoch_ms", "iso", "iso_local"], choice("format", *_FORMATS)]


class NoiseDoc(Doc):
    """Detection of differences between two responses of the incumbent."""

    method: Annotated[Literal["baseline_replay"], choice("method", "baseline_replay")] = Field(
        default="baseline_replay", description="The incumbent gets the request a second time"
    )
    rate: Rate = Field(default=200, description="The share of compared requests, 0 to 1")


class EqualDoc(RuledDoc):
    """Two ways to write the same value."""

    as_: Annotated[
        Literal["instant", "set", "number", "case_insensitive"], choice("kind of value", *_KINDS)
    ] = Field(alias="as", description="What the value is")
    left: Format | None = Field(default=None, description="Of an instant: the incumbent's format")
    right: Format | None = Field(default=None, description="Of an instant: the newcomer's format")
    tz: Zone | None = Field(default=None, description="The zone of a format without a zone")
    key: Title | None = Field(
        default=None, description="Of a set of objects: the member that identifies one"
    )
    tolerance: Tolerance | None = Field(
        default=None, description="Of a number: the largest difference that counts as equal"
    )

    def faults(self) -> Iterator[Fault]:
        if self.as_ == "instant":
            for side in ("left", "right"):
                if getattr(self, side) is None:
                    yield Fault((), f"an instant needs `{side}`", f"add `{side}: epoch_ms`")
        if self.as_ == "number" and self.tolerance is None:
            yield Fault((), "a number needs `tolerance`", "add `tolerance: 0.01`")
        for field, kind in _KIND_OF.items():
            if getattr(self, field) is not None and self.as_ != kind:
                article = "an" if kind == "instant" else "a"
                text = f"`{field}` is for {article} {kind}"
                yield Fault((field,), text, "leave it out", on_key=True)
        if "iso_local" in (self.left, self.right) and self.tz is None:
            yield Fault((), "`iso_local` names no zone", "add `tz: UTC`")
        if self.tz is not None and zone_of(self.tz) is None:
            hint = "write UTC or Europe/Paris"
            yield Fault(("tz",), f"this machine knows no time zone `{self.tz}`", hint)


class IgnoreDoc(Doc):
    """A difference that is accepted until a date."""

    path: Difference = Field(
        description="The place of the difference: a JSON path, `header:NAME`, `status` or `body`"
    )
    reason: Title = Field(description="The reason for accepting it")
    owner: Title = Field(description="The person or team that is responsible")
    expires: Day = Field(description="The day from which it counts again")


class BodyDoc(RuledDoc):
    """How bodies are compared."""

    type: Annotated[Literal["json", "text", "bytes"], choice("type", "json", "text", "bytes")] = (
        Field(default="json", description="How bodies are parsed")
    )
    equal: dict[JsonPath, EqualDoc] = Field(
        default_factory=dict, description="Values that are written in two ways"
    )
    ignore: list[IgnoreDoc] = Field(
        default_factory=list, description="Differences accepted until a date"
    )

    def faults(self) -> Iterator[Fault]:
        if self.type == "json":
            return
        if self.equal:
            yield Fault(("equal",), "`equal` is for bodies of type json", "", on_key=True)
        for number, each in enumerate(self.ignore):
            if each.path.startswith("$"):
                text = "a JSON path is for bodies of type json"
                yield Fault(("ignore", number, "path"), text, "write header:NAME, status or body")


class CompareDoc(Doc):
    """How two responses are compared."""

    status: Annotated[Literal["exact", "class"], choice("comparison", "exact", "class")] = Field(
        default="exact", description="The same status, or the same class (2xx)"
    )
    headers: Annotated[list[HeaderName], UNIQUE_ITEMS] = Field(
        default_factory=list, description="Headers that are compared"
    )
    noise: NoiseDoc | None = Field(
        default=None, description="Detection of differences that the incumbent has with itself"
    )
    body: BodyDoc = Field(default_factory=shared(BodyDoc()), description="How bodies are compared")
    redact: list[Redaction] = Field(
        default_factory=list, description="Parts of messages that are never stored"
    )
    store_mismatches: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=100, description="The number of differences that are kept"
    )


class MirrorDoc(Doc):
    """A copy of requests to the other backend. Clients never get its response."""

    percent: Percent = Field(
        default=10_000, description="The percentage of requests that are copied"
    )
    max_concurrency: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=20, description="Concurrent copies. More wait, for up to 1 s"
    )
    timeout: Annotated[float, Duration("1ms", "5m")] = Field(
        default=5.0, description="The timeout of a copy"
    )
    max_body_bytes: Annotated[int, Size("0B", "64MiB")] = Field(
        default=1024 * 1024, description="The largest body that is copied"
    )
    forward_credentials: bool = Field(
        default=False, description="Copies have the client's `Authorization`"
    )
    compare: CompareDoc | None = Field(default=None, description="Comparison of the two responses")
