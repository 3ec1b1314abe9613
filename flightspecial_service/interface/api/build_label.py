"""The build label in responses, which makes a canary visible. It is never stored."""

import re

from msgspec import Struct
from msgspec.structs import replace

from flightspecial_service.domain import FlightSpecial
from flightspecial_service.interface.http.messages import HeaderPairs

_NUMBER = "[1-9][0-9]{0,9}"
"""A build of CodeBuild: a whole number."""


class BuildLabel(Struct, frozen=True):
    """`build` is the build number, empty if unknown; `in_text` puts it before header texts."""

    build: str = ""
    in_text: bool = False

    @property
    def headers(self) -> HeaderPairs:
        """The header fields of every response."""
        return ((b"x-build", self.build.encode("ascii")),) if self.build else ()

    @property
    def text_headers(self) -> HeaderPairs:
        """The header fields of responses with header texts.

        Entity tags are equal on all replicas, so a cache could keep the label of another build.
        """
        return ((b"cache-control", b"no-store"),) if self.in_text else ()

    def shown(self, special: FlightSpecial) -> FlightSpecial:
        """The special as responses show it."""
        if not (self.build and self.in_text):
            return special
        return replace(special, header=f"[{self.build}] ==> {special.header}")

    def removed_from(self, text: str) -> str:
        """The header text without labels: a client that edits a text sends them back.

        The label may come from another replica, which shows its build while this one does not. So the
        labels of all numbered builds are removed, and those of the own build.
        """
        builds = f"{_NUMBER}|{re.escape(self.build)}" if self.build else _NUMBER
        return re.sub(rf"\A(?:\[(?:{builds})\] ==> )+", "", text)
