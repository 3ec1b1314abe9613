"""Reads values of a request in texts of a table: `{client}`, `{path.id}`."""

import re
from typing import Annotated, Any, cast, get_args

from pydantic import BeforeValidator

from proxy.config.expressions import read_template
from proxy.config.faults import checked_text, did_you_mean, quoted, value_fault
from proxy.config.texts import FRAMING, TOKEN, described, read_value
from proxy.model.values import RequestValue, ValueKind, ValueTemplate

_WORD = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[^{}]{0,256})?"
# `${name}` is no value but a habit of other proxies: see `habits`.
_BRACES = re.compile(rf"(?<!\$)\{{\{{({_WORD})\}}\}}|(?<!\$)\{{({_WORD})\}}")
_NAMED = ("path", "query", "header")
_PLAIN = tuple(kind for kind in get_args(ValueKind) if kind not in _NAMED)
_KNOWN = (*_PLAIN, "path.NAME", "query.NAME", "header.NAME")
_MAX_VALUES = 16


def parse(text: str) -> ValueTemplate:
    """The parts of a text. Other braces than those around a word are plain. Raises a `value_fault`.

    `{{word}}` stands for the characters `{word}`.
    """
    parts: list[bytes | RequestValue] = []
    end = 0
    for braces in _BRACES.finditer(text):
        parts.append(text[end : braces.start()].encode())
        literal, word = braces.groups()
        parts.append(b"{%b}" % literal.encode() if word is None else read_word(word))
        end = braces.end()
    parts.append(text[end:].encode())
    if sum(isinstance(each, RequestValue) for each in parts) > _MAX_VALUES:
        raise value_fault(f"more than {_MAX_VALUES} values in one text", "use fewer")
    return _joined(parts)


def _joined(parts: list[bytes | RequestValue]) -> ValueTemplate:
    """The parts, without empty ones and with neighbouring texts in one."""
    joined: list[bytes | RequestValue] = []
    for part in parts:
        before = joined[-1] if joined else None
        if isinstance(part, bytes) and isinstance(before, bytes):
            joined[-1] = before + part
        elif part != b"":
            joined.append(part)
    return tuple(joined)


def read_word(word: str) -> RequestValue:
    """The value that a word in braces names. Raises a `value_fault`."""
    kind, dot, name = word.partition(".")
    if kind in _PLAIN and not dot:
        return RequestValue(cast(ValueKind, kind))
    if kind not in _NAMED:
        near = did_you_mean(kind, (*_PLAIN, *_NAMED))
        hint = near if near.startswith("did") else f"known: {', '.join(_KNOWN)}"
        text = f"`{{{word}}}` is no value of a request"
        raise value_fault(text, f"{hint}; write {{{{{word}}}}} for these characters")
    if not name:
        raise value_fault(f"`{{{word}}}` has no name", f"write {{{kind}.NAME}}")
    if kind == "header":
        name = _header(name)
    return RequestValue(cast(ValueKind, kind), name)


def _header(name: str) -> str:
    lower = name.lower()
    if not TOKEN.fullmatch(name):
        raise value_fault(f"{quoted(name)} is no header name", "use letters, digits and -")
    if lower == "host":
        raise value_fault("`{header.host}` is the host of the client", "write {host}")
    if lower == "cookie":
        hint = "leave it out: `cookies` of a backend says which it gets"
        raise value_fault("`{header.cookie}` has all cookies of the client", hint)
    if lower in FRAMING:
        raise value_fault(f"`{{header.{name}}}` belongs to the connection", "leave it out")
    return lower


def read_text(value: Any) -> str:
    """A field value or parameter with values of the request in it."""
    text = read_value(value)
    parse(text)
    return text


def read_rewrite_template(value: Any) -> str:
    """A template in which a whole segment may also be a value of the request."""
    text = checked_text(value)
    segments = text.split("/")
    for position, segment in enumerate(segments):
        braces = _BRACES.fullmatch(segment)
        if braces is not None and braces[2] is not None and "." in braces[2]:
            read_word(braces[2])
            segments[position] = "value"
    read_template("/".join(segments))
    return text


def values_of(template: str) -> dict[str, RequestValue]:
    """The segments of a rewrite's template that are values of the request, or may be.

    A segment like `{host}` is a parameter of the route's template, if that has such a parameter.
    """
    words = {each: each[1:-1] for each in template.split("/") if each.startswith("{")}
    return {each: read_word(word) for each, word in words.items() if "." in word or word in _PLAIN}


def rewrite_parameters(template: str) -> list[str]:
    """The names in a rewrite's template that have to be parameters of the route's template."""
    values = values_of(template)
    segments = [each for each in template.split("/") if each.startswith("{")]
    named = [
        values[each].name for each in segments if each in values and values[each].kind == "path"
    ]
    return [each[1:-1] for each in segments if each not in values] + named


EditedValue = Annotated[
    str,
    BeforeValidator(read_text),
    described("A field value; {client}, {path.id} and others are values of the request"),
]
RewriteTemplate = Annotated[
    str,
    BeforeValidator(read_rewrite_template),
    described("A template", "/flights/{id}", "/items/{query.item}"),
]
