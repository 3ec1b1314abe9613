"""Mirror and compare: copies to the other backend, and what counts as the same answer."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from proxy.config.documents.base import NO_REPEATS, Doc, RuledDoc, shared
from proxy.config.expressions import JsonPath, Redaction
from proxy.config.faults import Fault
from proxy.config.texts import Day, HeaderName, Title, Zone, choice
from proxy.config.units import Duration, Percent, Rate, Size

_FORMATS = ("epoch_s", "epoch_ms", "iso", "iso_local")
Format = Annotated[Literal["epoch_s", "epoch_ms", "iso", "iso_local"], choice("format", *_FORMATS)]


class NoiseDoc(Doc):
    """How differences are found that the baseline has with itself."""

    method: Annotated[Literal["baseline_replay"], choice("method", "baseline_replay")] = Field(
        default="baseline_replay", description="The baseline is asked a second time"
    )
    rate: Rate = Field(default=200, description="The share of compared requests, 0 to 1")


class EqualDoc(RuledDoc):
    """Two ways to write the same value."""

    as_: Annotated[Literal["instant"], choice("kind of value", "instant")] = Field(
        alias="as", description="What the value is"
    )
    left: Format = Field(description="How the incumbent writes it")
    right: Format = Field(description="How the newcomer writes it")
    tz: Zone | None = Field(default=None, description="The zone of a side that names none")

    def faults(self) -> Iterator[Fault]:
        if "iso_local" in (self.left, self.right) and self.tz is None:
            yield Fault((), "`iso_local` names no zone", "add `tz: UTC`")


class IgnoreDoc(Doc):
    """A difference that is accepted for a while."""

    path: JsonPath = Field(description="Where it is")
    reason: Title = Field(description="Why it is accepted")
    owner: Title = Field(description="Who answers for it")
    expires: Day = Field(description="From this day on it counts again")


class BodyDoc(RuledDoc):
    """What counts as the same body."""

    type: Annotated[Literal["json", "text", "bytes"], choice("type", "json", "text", "bytes")] = (
        Field(default="json", description="How bodies are read")
    )
    equal: dict[JsonPath, EqualDoc] = Field(
        default_factory=dict, description="Values that are written in two ways"
    )
    ignore: list[IgnoreDoc] = Field(
        default_factory=list, description="Differences accepted for a while"
    )

    def faults(self) -> Iterator[Fault]:
        if self.type != "json":
            for key in ("equal", "ignore"):
                if getattr(self, key):
                    yield Fault((key,), f"`{key}` is for bodies of type json", "", on_key=True)


class CompareDoc(Doc):
    """What counts as the same answer."""

    status: Annotated[Literal["exact", "class"], choice("comparison", "exact", "class")] = Field(
        default="exact", description="The same status, or the same hundred"
    )
    headers: Annotated[list[HeaderName], NO_REPEATS] = Field(
        default_factory=list, description="Headers that have to be the same"
    )
    noise: NoiseDoc | None = Field(default=None, description="Learn the baseline's own noise")
    body: BodyDoc = Field(
        default_factory=shared(BodyDoc()), description="What counts as the same body"
    )
    redact: list[Redaction] = Field(default_factory=list, description="What is never stored")
    store_mismatches: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=100, description="How many differences are kept"
    )


class MirrorDoc(Doc):
    """A copy to the other backend, whose answer no client sees."""

    percent: Percent = Field(default=10_000, description="The share that is copied")
    max_concurrency: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=20, description="Copies under way at once; more are dropped and counted"
    )
    timeout: Annotated[float, Duration("1ms", "5m")] = Field(
        default=5.0, description="How long a copy may take"
    )
    max_body_bytes: Annotated[int, Size("0B", "64MiB")] = Field(
        default=1024 * 1024, description="Larger bodies are not copied"
    )
    compare: CompareDoc | None = Field(default=None, description="Compare the two answers")
