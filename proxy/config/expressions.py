"""Paths, templates, regular expressions and JSON paths."""

import re
from typing import Annotated, Any
from urllib.parse import unquote

import re2
from pydantic import BeforeValidator

from proxy.config.faults import checked_text, quoted, value_fault
from proxy.config.texts import described, read_header_name

_PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PARAMETER = re.compile(rf"\{{{_PARAMETER_NAME.pattern}\}}")
# `${NAME}` of shells, `%NAME%` of Envoy, `$name` of nginx in front of a path; `\1` for a group.
_VARIABLE = re.compile(r"\$\{[^}]*\}?|%[A-Z][A-Z0-9_]*(?:\([^)%]*\))?%|\A\$[A-Za-z_][A-Za-z0-9_]*")
_GROUP = re.compile(r"\\[0-9]")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_DOT_SEGMENT = re.compile(r"/\.{1,2}(?:/|\Z)")
_JSON_PATH = re.compile(r"\$(?:\.[A-Za-z_][A-Za-z0-9_-]*|\[\*\]|\[[0-9]{1,9}\]|\['[^'\]]+'\])*")
_MAX_REGEX = 1000
_MAX_PATH = 4096
_REGEX_MEMORY = 1024 * 1024


def read_regex(value: Any) -> str:
    """An RE2 expression (ADR 4). Its size and memory are bounded."""
    text = checked_text(value)
    if not text or len(text) > _MAX_REGEX:
        raise value_fault(f"{quoted(text)} is no usable expression", "write 1 to 1,000 characters")
    options = re2.Options()
    options.max_mem = _REGEX_MEMORY
    options.log_errors = False
    try:
        re2.compile(text, options=options)
    except re2.error as error:
        message = error.args[0]
        reason = message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)
        raise value_fault(
            f"{quoted(text)} is no RE2 expression: {reason}", _regex_hint(reason)
        ) from None
    return text


def _regex_hint(reason: str) -> str:
    if "perl operator" in reason or "escape sequence" in reason:
        return "RE2 has no look-around and no back-references"
    if "too large" in reason or "repetition size" in reason:
        return "write a shorter expression"
    return "check brackets and backslashes"


def read_path(value: Any) -> str:
    """A complete path, decoded."""
    text = _clean_path(value)
    if "{" in text or "}" in text:
        raise value_fault(
            f"the path {quoted(text)} holds braces",
            "write `template:` for a path with {parameters}",
        )
    return text


def read_fixed_path(value: Any) -> str:
    """A complete path, decoded, where no template can be."""
    text = _clean_path(value)
    if "{" in text or "}" in text:
        raise value_fault(
            f"the path {quoted(text)} holds braces", "leave them out: parameters are not known here"
        )
    return text


def read_prefix(value: Any) -> str:
    """The first segments of a path, decoded."""
    text = _clean_path(value)
    if "{" in text or "}" in text:
        whole = text.removesuffix("/**").rstrip("/")
        hint = f'write `template: "{whole}/**"` for a prefix with {{parameters}}'
        raise value_fault(f"the prefix {quoted(text)} holds braces", hint)
    if text != "/" and text.endswith("/"):
        hint = f"write {text.rstrip('/')}: a prefix ends at a segment by itself"
        raise value_fault(f"the prefix {quoted(text)} ends in a slash", hint)
    return text


def read_template(value: Any) -> str:
    """A path with `{name}` in place of a segment, and perhaps `**` as the last one."""
    text = _clean_path(value)
    names: list[str] = []
    for segment in text.removesuffix("/**").split("/"):
        if "**" in segment:
            hint = "write /** at the end, or {name} for one segment"
            raise value_fault(f"{quoted(segment)} stands where no tail can be", hint)
        if "{" not in segment and "}" not in segment:
            continue
        if not _PARAMETER.fullmatch(segment):
            hint = "write a whole segment as {name}, of letters, digits and _"
            raise value_fault(f"{quoted(segment)} is no parameter", hint)
        names.append(segment)
    if len(set(names)) < len(names):
        raise value_fault(f"{quoted(text)} has a parameter twice", "give each its own name")
    return text


def read_parameter_name(value: Any) -> str:
    """The name of a path parameter, without its braces."""
    text = checked_text(value)
    if not _PARAMETER_NAME.fullmatch(text):
        raise value_fault(f"{quoted(text)} is no name of a path parameter", "write one like id")
    return text


def _clean_path(value: Any) -> str:
    text = checked_text(value)
    if not text:
        raise value_fault("the path is empty", "write /")
    _check_habits(text)
    if not text.startswith("/"):
        raise value_fault(f"the path {quoted(text)} does not start with a slash", f"write /{text}")
    if len(text) > _MAX_PATH:
        raise value_fault("a path of more than 4,096 characters", "shorten it")
    if "%" in text:
        raise value_fault(
            f"the path {quoted(text)} holds a %", f"write it decoded: {unquote(text)}"
        )
    for sign, hint in _PATH_HINTS.items():
        if sign in text:
            raise value_fault(f"the path {quoted(text)} holds {sign}", hint)
    if _DOT_SEGMENT.search(text):
        raise value_fault(
            f"the path {quoted(text)} holds a dot segment", "write the path it leads to"
        )
    return text


def _check_habits(text: str) -> None:
    """Raises a `value_fault` for what other proxies write in paths, where the hints below would mislead."""
    variable = _VARIABLE.search(text)
    if variable is not None:
        found = f"{quoted(variable[0])} in the path {quoted(text)}: variables are not read"
        raise value_fault(found, "write the path itself")
    group = _GROUP.search(text)
    if group is not None:
        found = f"{quoted(group[0])} in the path {quoted(text)}: an expression has no groups here"
        raise value_fault(found, "write {name} in the `template` of the match, and here")
    if _URL.match(text) is not None:
        raise value_fault(f"{quoted(text)} is a URL, and a path is meant", "write the path alone")


_PATH_HINTS = {
    "?": "match parameters with `query:`",
    "#": "a fragment never reaches a server: leave it out",
    ";": "path parameters are not matched: leave them out",
    "//": "write single slashes",
    "\\": "write /",
}


def read_raw_path(value: Any) -> str:
    """A request target as it is sent, query included."""
    text = checked_text(value)
    if not text.startswith("/") or " " in text or not text.isascii():
        raise value_fault(
            f"{quoted(text)} is no request target", "write it as sent: /path%20x?query"
        )
    return text


def read_json_path(value: Any) -> str:
    """A place in a JSON body."""
    text = checked_text(value)
    if not _JSON_PATH.fullmatch(text):
        raise value_fault(f"{quoted(text)} is no JSON path", "write one like $[*].expiryDate")
    return text


def read_difference(value: Any) -> str:
    """A place at which responses differ, as a report names it: `header:etag`, `status`, `body`; or a JSON path."""
    text = checked_text(value)
    kind, colon, name = text.partition(":")
    if text in ("status", "body"):
        return text
    if kind == "header" and colon:
        return f"header:{read_header_name(name).lower()}"
    if not _JSON_PATH.fullmatch(text):
        raise value_fault(
            f"{quoted(text)} is no place of a difference",
            "write a JSON path like $[*].expiryDate, header:etag, status or body",
        )
    return text


def read_redaction(value: Any) -> str:
    """A part of a message that is never stored: `header:authorization`, `body:$.id`."""
    text = checked_text(value)
    kind, colon, rest = text.partition(":")
    kinds = ("header", "cookie", "query", "body")
    if kind not in kinds or not colon:
        raise value_fault(f"{quoted(text)} names nothing to redact", "write header:authorization")
    if kind == "body":
        read_json_path(rest)
    return f"{kind}:{read_header_name(rest)}" if kind == "header" else text


Regex = Annotated[str, BeforeValidator(read_regex), described("An RE2 expression", "[0-9]+")]
FixedPath = Annotated[
    str, BeforeValidator(read_fixed_path), described("A path, decoded", "/flights")
]
Path = Annotated[str, BeforeValidator(read_path), described("A path, decoded", "/flights")]
Prefix = Annotated[
    str, BeforeValidator(read_prefix), described("A path's first segments", "/flights")
]
Template = Annotated[str, BeforeValidator(read_template), described("A template", "/flights/{id}")]
ParameterName = Annotated[
    str, BeforeValidator(read_parameter_name), described("A path parameter", "id")
]
RawPath = Annotated[str, BeforeValidator(read_raw_path), described("As sent", "/a?b=c")]
JsonPath = Annotated[str, BeforeValidator(read_json_path), described("A JSON path", "$[*].id")]
Difference = Annotated[
    str, BeforeValidator(read_difference), described("A place of a difference", "$[*].id")
]
Redaction = Annotated[str, BeforeValidator(read_redaction), described("kind:name", "header:cookie")]
