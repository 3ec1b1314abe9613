"""The CORS policy of a route."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from proxy.config.addresses import read_host
from proxy.config.documents.base import UNIQUE_ITEMS, RuledDoc
from proxy.config.faults import Fault, checked_text, quoted, value_fault
from proxy.config.texts import choice, described, read_header_name, read_method
from proxy.config.units import Duration

_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[^/?#@]*)(?P<rest>.*)")
_PORT = re.compile(r"(?P<host>.*?)(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
ANY = "*"


def read_origin(value: Any) -> str:
    """An origin as browsers send it, `https://*.example.com` for every host below it, or `*`."""
    text = checked_text(value)
    if text == ANY:
        return text
    if text.lower() == "null":
        hint = "leave it out: every sandboxed page and local file has this origin"
        raise value_fault("`null` is no origin that can be trusted", hint)
    origin = _ORIGIN.fullmatch(text.lower())
    if origin is None:
        raise value_fault(f"{quoted(text)} is no origin", "write https://www.example.com")
    scheme, authority = origin["scheme"], origin["host"]
    if origin["rest"]:
        raise value_fault(
            f"{quoted(text)}: an origin ends after host and port", f"write {scheme}://{authority}"
        )
    parts = _PORT.fullmatch(authority)
    host, port = (authority, None) if parts is None else (parts["host"], parts["port"])
    if port is not None and not 1 <= int(port) <= 65535:
        raise value_fault(f"{quoted(text)} has no valid port", "write a port from 1 to 65535")
    if host == "*":
        hint = "write https://*.example.com, or * for all origins"
        raise value_fault(f"{quoted(text)} has no domain", hint)
    host = read_host(host)
    suffix = "" if port is None or port == _DEFAULT_PORTS.get(scheme) else f":{int(port)}"
    return f"{scheme}://{host}{suffix}"


def _any_or(read: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: ANY if value == ANY else read(value))


Origin = Annotated[
    str,
    BeforeValidator(read_origin),
    described("An origin", "https://www.example.com", "https://*.example.com", ANY),
]
AllowedMethod = Annotated[str, _any_or(read_method), described("A method, or *", "GET")]
AllowedHeader = Annotated[str, _any_or(read_header_name), described("A header name, or *", "etag")]
_LISTS = ("allow_origins", "allow_methods", "allow_headers", "expose_headers")


class CorsDoc(RuledDoc):
    """The pages of other origins that may use this route (CORS)."""

    allow_origins: Annotated[list[Origin], Field(min_length=1), UNIQUE_ITEMS] = Field(
        description="The origins; `https://*.example.com` matches every host below it, `*` all origins"
    )
    allow_methods: Annotated[list[AllowedMethod], Field(min_length=1), UNIQUE_ITEMS] = Field(
        default=["GET", "HEAD", "POST"], description="The methods; `*` is all"
    )
    allow_headers: Annotated[list[AllowedHeader], UNIQUE_ITEMS] = Field(
        default_factory=list,
        description="The request headers beside those that every page may send; `*` is all but `authorization`",
    )
    expose_headers: Annotated[list[AllowedHeader], UNIQUE_ITEMS] = Field(
        default_factory=list, description="The response headers that scripts may read; `*` is all"
    )
    allow_credentials: bool = Field(
        default=False, description="Whether browsers may send cookies and other credentials"
    )
    max_age: Annotated[float, Duration("0s", "1d")] | None = Field(
        default=None, description="How long a browser may keep the response to a preflight"
    )
    preflight: Annotated[
        Literal["respond", "forward"], choice("policy for preflights", "respond", "forward")
    ] = Field(
        default="respond",
        description="Whether the facade responds to preflights, or the backend",
    )

    def faults(self) -> Iterator[Fault]:
        for key in _LISTS:
            listed: list[str] = getattr(self, key)
            if ANY not in listed:
                continue
            at = (key, listed.index(ANY))
            if self.allow_credentials:
                text = "`*` stands beside `allow_credentials: true`"
                yield Fault(at, text, "write the list: browsers refuse `*` with credentials")
            elif len(listed) > 1 and key != "allow_headers":
                yield Fault(at, "`*` stands beside other values", "keep one of the two")
        if self.max_age is not None and self.max_age != int(self.max_age):
            yield Fault(("max_age",), "the age is not in whole seconds", "write one like 10m")
