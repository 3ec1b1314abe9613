"""The build that is shown in answers, so that people see a canary. It never reaches the store."""

import re

from msgspec import Struct

from flightspecial_service.interface.http.messages import HeaderPairs

_SHOWN = re.compile(r"(?:\[[^\[\]\r\n]{1,64}\] ==> )+")


class BuildLabel(Struct, frozen=True):
    """`build` is the build's number, empty if it is unknown; `in_text` shows it before header texts."""

    build: str = ""
    in_text: bool = False

    @property
    def prefix(self) -> str:
        """What goes before the header text of every answer."""
        return f"[{self.build}] ==> " if self.tag else ""

    @property
    def tag(self) -> str:
        """What tells our representations from those of another build."""
        return self.build if self.in_text else ""

    @property
    def headers(self) -> HeaderPairs:
        """What goes with every answer."""
        return ((b"x-build", self.build.encode("ascii")),) if self.build else ()

    def removed_from(self, text: str) -> str:
        """A header text as it was meant: a client that read ours sends the prefix back.

        While builds are shown, that of any build: the next request may meet another replica.
        """
        return _SHOWN.sub("", text, count=1) if self.tag and _SHOWN.match(text) else text
