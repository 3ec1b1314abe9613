"""The policy for paths that servers read in different ways."""

from typing import Annotated, Literal

from pydantic import Field

from proxy.config.documents.base import Doc
from proxy.config.texts import choice

_Slashes = Annotated[
    Literal["refuse", "merge", "keep"], choice("path policy", "refuse", "merge", "keep")
]
_Oddity = Annotated[Literal["refuse", "keep"], choice("path policy", "refuse", "keep")]


class PathPolicyDoc(Doc):
    """Which reading of an odd path holds. A value that is not given is taken from `defaults`."""

    double_slash: _Slashes | None = Field(
        default=None,
        description="`merge`: `//` is `/`; `keep`: an empty segment; `refuse` if not given",
    )
    encoded_slash: _Oddity | None = Field(
        default=None, description="`keep`: `%2F` is data of its segment; `refuse` if not given"
    )
    backslash: _Oddity | None = Field(
        default=None,
        description="`keep`: a backslash or `%5C` is data of its segment; `refuse` if not given",
    )
    raw_bytes: _Oddity | None = Field(
        default=None,
        description="`keep`: bytes from 0x80 on need no escape; `refuse` if not given",
    )
