"""Warnings for the syntax of other proxies, which has no meaning here and is taken as it is written."""

import re
from collections.abc import Iterator, Mapping

from proxy.config.documents.errors import ErrorBodyDoc
from proxy.config.documents.headers import MessageDoc
from proxy.config.documents.matches import MatchPartsDoc, PathMatchDoc, StringMatchDoc
from proxy.config.documents.routes import RouteDoc, UrlRewriteDoc
from proxy.config.faults import Fault, quoted
from proxy.config.tree import Loc

# `$name` and `${name}` of nginx and of shells, `%NAME%` and `%NAME(x)%` of Envoy.
_VARIABLE = re.compile(r"\$\{?[A-Za-z_][A-Za-z0-9_]*\}?|%[A-Z][A-Z0-9_]*(?:\([^)%]*\))?%")
_GROUP = re.compile(r"\$(?:[0-9]|\{[0-9]+\})")
# In bodies `$name` is mostly code: only what no page is likely to have.
_IN_BODIES = re.compile(
    r"\$\{?(?:remote_addr|http_host|request_uri|request_id|server_name|(?:http|arg|cookie)_[a-z0-9_]+)\b\}?"
    r"|%[A-Z][A-Z0-9_]*(?:\([^)%]*\))?%"
)
_VALUE = re.compile(r"(?<!\$)\{(?:client|request_id|(?:path|query|header)\.[A-Za-z0-9_-]+)\}")
_TAIL = "/**"
ALL_METHODS = frozenset(("*", "ANY", "ALL"))
_VALUE_HINT = "write a value in braces, such as {client}, or the value itself"
_PLAIN_HINT = "write the value itself"
# What may stand at the start of an expression for a path, beside the slash: groups, classes, anchors, any character.
_MAY_BEGIN_PATH = "/([.^\\*"


def match_habits(match: MatchPartsDoc, at: Loc) -> Iterator[Fault]:
    """The habits in a match, or in a block of its `not`."""
    if match.path is not None:
        yield from _in_path(match.path, (*at, "path"))
    for position, method in enumerate(match.methods):
        if method in ALL_METHODS:
            text = f"`{method}` is the name of a method here, and no client sends it"
            hint = "leave `methods` out: then every method matches"
            yield Fault((*at, "methods", position), text, hint, "warning")
    for key, values in (
        ("headers", match.headers),
        ("query", match.query),
        ("cookies", match.cookies),
    ):
        for name, value in values.items():
            yield from _in_value(value, (*at, key, name))


def _in_path(path: PathMatchDoc, at: Loc) -> Iterator[Fault]:
    template = (path.template or "").removesuffix(_TAIL)
    for key, value in (("prefix", path.prefix), ("exact", path.exact), ("template", template)):
        if value and "*" in value:
            text = f"`*` is a plain character in the path {quoted(value)}"
            yield Fault((*at, key), text, _instead_of_star(key, value), "warning")
        yield from _variable(value, (*at, key), "write the path itself", "matches")
    if path.regex is not None:
        yield from _in_regex(path.regex, (*at, "regex"))


def _instead_of_star(key: str, value: str) -> str:
    before = value.rstrip("/*") or "/"
    if "*" in before:
        return "write `template:` with {name} for one segment"
    if key == "prefix":
        return f"write {before}: a prefix takes everything below it by itself"
    return f"write `prefix: {before}` for everything below it" if key == "exact" else "write {name}"


def _in_regex(regex: str, at: Loc) -> Iterator[Fault]:
    if regex[0] not in _MAY_BEGIN_PATH or regex.startswith("\\."):
        text = f"no path matches {quoted(regex)}: the whole path has to match, and it begins with /"
        yield Fault(at, text, "begin it with / or with .*", "warning")
    elif regex.startswith("^/") and regex[-1] not in "$*)":
        whole = regex.removeprefix("^")
        text = f"{quoted(regex)} has to match the whole path, not its beginning"
        yield Fault(at, text, f"write {whole}.* for paths that begin so, or {whole}", "warning")


def _in_value(value: StringMatchDoc, at: Loc) -> Iterator[Fault]:
    if value.exact == "*":
        text = "`*` is a plain character, not any value"
        yield Fault((*at, "exact"), text, "write {present: true}", "warning")
    for key in ("exact", "prefix"):
        yield from _variable(getattr(value, key), (*at, key), _PLAIN_HINT, "matches")


def route_habits(route: RouteDoc) -> Iterator[Fault]:
    """The habits in the edits, rewrites and local replies of a route."""
    yield from _in_message(route.request, ("request",))
    yield from _in_message(route.response, ("response",))
    for position, ref in enumerate(route.backend_refs or ()):
        at: Loc = ("backend_refs", position)
        yield from _in_message(ref.request, (*at, "request"))
        yield from _in_message(ref.response, (*at, "response"))
        if ref.url_rewrite is not None:
            yield from _in_rewrite(ref.url_rewrite, (*at, "url_rewrite"))
    redirect, own = route.redirect, route.direct_response
    if redirect is not None:
        paths = ("path", "replace_prefix_match", "template")
        yield from _in_paths({key: getattr(redirect, key) for key in paths}, ("redirect",))
        if redirect.query is not None:
            yield from _in_values(redirect.query.set, ("redirect", "query", "set"))
    if own is not None:
        for name, value in own.headers.items():
            yield from _in_plain_text(value, ("direct_response", "headers", name), _VARIABLE)
        yield from _in_plain_text(own.body, ("direct_response", "body"), _IN_BODIES)


def _in_message(message: MessageDoc, at: Loc) -> Iterator[Fault]:
    yield from _in_values(message.headers.set, (*at, "headers", "set"))
    yield from _in_values(message.headers.add, (*at, "headers", "add"))


def _in_values(values: Mapping[str, str], at: Loc) -> Iterator[Fault]:
    for name, value in values.items():
        yield from _variable(value, (*at, name), _VALUE_HINT)


def _in_rewrite(rewrite: UrlRewriteDoc, at: Loc) -> Iterator[Fault]:
    if rewrite.path is not None:
        paths = ("replace_prefix_match", "replace_full_path", "template")
        yield from _in_paths({key: getattr(rewrite.path, key) for key in paths}, (*at, "path"))
    if rewrite.query is not None:
        yield from _in_values(rewrite.query.set, (*at, "query", "set"))


def _in_paths(paths: Mapping[str, str | None], at: Loc) -> Iterator[Fault]:
    """The habits in the paths of a rewrite or redirect."""
    for key, path in paths.items():
        if path is None:
            continue
        group = _GROUP.search(path)
        if "*" in path.removesuffix(_TAIL):
            text = f"`*` is a plain character in the path {quoted(path)}"
            yield Fault((*at, key), text, _instead_of_rest(key, path), "warning")
        if group is not None:
            text = f"`{group[0]}` is no group of a regex here: it is sent as it is written"
            yield Fault((*at, key), text, _instead_of_rest(key, path), "warning")
        hint = "write {name}, a parameter of the match" if key == "template" else "write the path"
        yield from _variable(path, (*at, key), hint)


def _instead_of_rest(key: str, path: str) -> str:
    """What to write for the part of the path that was matched."""
    if key != "replace_prefix_match":
        return "write `template:` with {name}, a parameter of a template in the match"
    kept = _GROUP.sub("", path).rstrip("/*") or "/"
    return f"write {kept}: the rest of the path follows by itself"


def body_habits(errors: Mapping[str, ErrorBodyDoc], at: Loc) -> Iterator[Fault]:
    """The habits in the bodies of error responses."""
    for status, each in errors.items():
        if each.body is not None:
            yield from _in_plain_text(each.body, (*at, status, "body"), _IN_BODIES)


def _in_plain_text(text: str, at: Loc, variables: re.Pattern[str]) -> Iterator[Fault]:
    """A text without values of the request."""
    if "$" in text or "%" in text:
        yield from _found(variables.search(text), at, _PLAIN_HINT)
    if "{" in text:
        value = _VALUE.search(text)
        if value is not None:
            plain = f"{quoted(value[0])} is plain text here: it is sent as it is written"
            yield Fault(at, plain, _PLAIN_HINT, "warning")


def _variable(text: str | None, at: Loc, hint: str, is_read: str = "is sent") -> Iterator[Fault]:
    if text and ("$" in text or "%" in text):
        yield from _found(_VARIABLE.search(text), at, hint, is_read)


def _found(
    found: re.Match[str] | None, at: Loc, hint: str, is_read: str = "is sent"
) -> Iterator[Fault]:
    if found is not None:
        text = f"{quoted(found[0])} is no variable here: it {is_read} as it is written"
        yield Fault(at, text, hint, "warning")
