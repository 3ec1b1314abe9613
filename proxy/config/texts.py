"""Texts with rules: names, header fields, methods, dates."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from proxy.config.faults import (
    checked_text,
    did_you_mean,
    misplaced,
    not_text,
    quoted,
    value_fault,
)
from proxy.config.scalars import AmbiguousScalar

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
"""RFC 9110 5.6.2."""
_MEDIA_TYPE = re.compile(
    rf"{TOKEN.pattern}/{TOKEN.pattern}"
    rf'(?:[ \t]*;[ \t]*{TOKEN.pattern}=(?:{TOKEN.pattern}|"[\x20\x21\x23-\x5b\x5d-\x7e]*"))*'
)
"""RFC 9110 8.3.1, without quoted pairs."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}")
_MAX_VALUE = 8192
_MAX_PATH = 4095
_MAX_TYPE = 256

# RFC 9110 7.6.1 and 8.6: fields of one connection, and framing fields, which the facade writes itself.
FRAMING = frozenset(
    (
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)


def read_name(value: Any) -> str:
    """The name of a route, a backend or a cohort. It is used in headers and logs without escaping."""
    text = checked_text(value)
    if not _NAME.fullmatch(text):
        hint = "use letters, digits, - _ and dots, at most 128, with a letter or digit first"
        raise value_fault(f"{quoted(text)} is no name", hint)
    return text


def read_title(value: Any) -> str:
    """A line of free text."""
    text = checked_text(value)
    if not text.strip() or len(text) > 500:
        raise value_fault(f"{quoted(text)} is no title", "write 1 to 500 characters")
    return text


def read_file_path(value: Any) -> str:
    """The path of a file, as it is passed to the operating system."""
    text = checked_text(value)
    if not text or len(text.encode()) > _MAX_PATH or not text.isprintable():
        hint = f"write a path of at most {_MAX_PATH:,} bytes, without control characters"
        raise value_fault(f"{quoted(text)} is no path of a file", hint)
    if text.endswith("/"):
        raise value_fault(f"{quoted(text)} is a folder", "write the path of a file")
    return text


def read_header_name(value: Any) -> str:
    """A header field's name, in lower case."""
    return read_written_name(value).lower()


def read_written_name(value: Any) -> str:
    """A header field's name, in the spelling in which it is sent."""
    text = checked_text(value)
    if not TOKEN.fullmatch(text):
        raise value_fault(f"{quoted(text)} is no header name", "use letters, digits and -")
    return text


def read_edited_name(value: Any) -> str:
    """The name of a header field that a table may edit, in lower case."""
    name = read_header_name(value)
    if name == "host":
        hint = "write `routes[].backend_refs[].url_rewrite.hostname`"
        raise value_fault("`host` is not edited as a header", hint)
    if name in FRAMING:
        raise value_fault(
            f"`{name}` belongs to the connection", "leave it out: the facade makes it"
        )
    return name


def read_set_name(value: Any) -> str:
    """The name of a header field that a table sets, in the spelling in which it is sent."""
    read_edited_name(value)
    return read_written_name(value)


def read_cookie_name(value: Any) -> str:
    """The name of a cookie. It is case-sensitive."""
    text = checked_text(value)
    if not TOKEN.fullmatch(text):
        raise value_fault(f"{quoted(text)} is no cookie name", "use letters, digits, - and _")
    return text


def read_query_name(value: Any) -> str:
    """A query parameter's name, decoded."""
    text = checked_text(value)
    if not text or len(text) > 256:
        raise value_fault(f"{quoted(text)} is no parameter name", "write 1 to 256 characters")
    return text


def read_value(value: Any) -> str:
    """A value that a header, parameter or cookie is compared with or set to."""
    text = checked_text(value)
    if text != text.strip() or len(text) > _MAX_VALUE:
        hint = "leave out blanks at the ends, and write at most 8,192 characters"
        raise value_fault(f"{quoted(text)} is no field value", hint)
    return text


def read_media_type(value: Any) -> str:
    """A Content-Type: a media type with its parameters."""
    text = checked_text(value)
    if not _MEDIA_TYPE.fullmatch(text) or len(text) > _MAX_TYPE:
        hint = "write one like text/html; charset=utf-8"
        raise value_fault(f"{quoted(text)} is no content type", hint)
    return text


def read_body(value: Any) -> str:
    """The body of a response: text, line ends and tabs allowed."""
    if type(value) is not str:
        raise value_fault(*not_text(value))
    if any((ord(each) < 32 and each not in "\t\r\n") or ord(each) == 127 for each in value):
        raise value_fault("a control character stands in this text", "take it out")
    return value


def read_method(value: Any) -> str:
    """An HTTP method. It is case-sensitive, and need not be a registered one."""
    text = checked_text(value)
    if not TOKEN.fullmatch(text):
        raise value_fault(f"{quoted(text)} is no HTTP method", "write a token like GET")
    return text


def read_date(value: Any) -> str:
    """A day, as YYYY-MM-DD."""
    text = checked_text(value)
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise value_fault(f"{quoted(text)} is no day", 'write one like "2027-03-31"')


def read_instant(value: Any) -> datetime:
    """A point in time with a zone, or a day, which stands for its start in UTC."""
    text = checked_text(value)
    hint = 'write one like "2026-03-01T00:00:00Z"'
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise value_fault(f"{quoted(text)} is no point in time", hint) from None
    if instant.tzinfo is None:
        if len(text) > len("2026-03-01"):
            raise value_fault(f"{quoted(text)} has no zone", hint)
        return instant.replace(tzinfo=UTC)
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise value_fault(f"{quoted(text)} is out of range", hint) from None


def read_zone(value: Any) -> str:
    """The name of a time zone."""
    text = checked_text(value)
    if not _ZONE.fullmatch(text):
        raise value_fault(f"{quoted(text)} is no time zone", "write UTC or Europe/Paris")
    return text


def choice(what: str, *words: str) -> BeforeValidator:
    """A validator for one of several words."""

    def read(value: Any) -> str:
        text = checked_text(value)
        if text not in words:
            raise value_fault(f"{quoted(text)} is no {what}", did_you_mean(text, words))
        return text

    return BeforeValidator(read)


def read_switch(value: Any) -> str:
    """`on` or `off`: the words, which YAML 1.1 reads as booleans, or the booleans themselves."""
    word = {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value).lower()
    if isinstance(value, str | bool | AmbiguousScalar) and word in ("on", "off"):
        return word
    raise value_fault(f"{misplaced(value)} where a switch is meant", "write on or off")


def described(description: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "description": description, "examples": list(examples)}
    )


Switch = Annotated[
    Literal["on", "off"],
    BeforeValidator(read_switch),
    # Editors that read YAML 1.1 take `on` and `off` for booleans.
    WithJsonSchema({"enum": ["on", "off", True, False]}),
]
Name = Annotated[str, BeforeValidator(read_name), described("A name", "legacy")]
Title = Annotated[str, BeforeValidator(read_title), described("A line for people")]
FilePath = Annotated[
    str, BeforeValidator(read_file_path), described("A file", "/etc/facade/tls/ca.crt")
]
HeaderName = Annotated[
    str, BeforeValidator(read_header_name), described("A header name", "x-user-id")
]
WrittenName = Annotated[
    str, BeforeValidator(read_written_name), described("A header name", "x-user-id")
]
EditedName = Annotated[
    str, BeforeValidator(read_edited_name), described("A header name", "x-user-id")
]
SetName = Annotated[str, BeforeValidator(read_set_name), described("A header name", "x-user-id")]
CookieName = Annotated[str, BeforeValidator(read_cookie_name), described("A cookie name", "TB_UID")]
QueryName = Annotated[str, BeforeValidator(read_query_name), described("A parameter name", "v")]
Value = Annotated[str, BeforeValidator(read_value), described("A field value")]
Body = Annotated[str, BeforeValidator(read_body), described("The text of an answer")]
MediaType = Annotated[
    str, BeforeValidator(read_media_type), described("A content type", "text/html; charset=utf-8")
]
Method = Annotated[str, BeforeValidator(read_method), described("An HTTP method", "GET")]
Day = Annotated[str, BeforeValidator(read_date), described("A day", "2027-03-31")]
Instant = Annotated[
    datetime, BeforeValidator(read_instant), described("A point in time", "2026-03-01T00:00:00Z")
]
Zone = Annotated[str, BeforeValidator(read_zone), described("A time zone", "UTC")]
