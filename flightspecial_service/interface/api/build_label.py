"""The build label in responses, which makes a canary visible. It is never stored."""

import re

from msgspec import Struct

from flightspecial_service.interface.http.messages import HeaderPairs

_LABELS = re.compile(r"(?:\[[^\[\]\r\n]{1,64}\] ==> )+")


class BuildLabel(Struct, frozen=True):
    """`build` is the build number, empty if unknown; `in_text` puts it before header texts."""

    build: str = ""
    in_text: bool = False

    @property
    def prefix(self) -> str:
        """The prefix of header texts in responses."""
        return f"[{self.build}] ==> " if self.tag else ""

    @property
    def tag(self) -> str:
        """The part of entity tags that distinguishes representations of different builds."""
        return self.build if self.in_text else ""

    @property
    def headers(self) -> HeaderPairs:
        """The header fields of every response."""
        return ((b"x-build", self.build.encode("ascii")),) if self.build else ()

    def removed_from(self, text: str) -> str:
        """The header text without labels: a client that edits a text sends our prefix back.

        Labels of all builds are removed, as the request may reach another replica than the read.
        """
        return _LABELS.sub("", text, count=1) if self.tag and _LABELS.match(text) else text
