"""Converts the documents of matches into values of `proxy.model`."""

from collections.abc import Mapping

from proxy.config.documents.matches import (
    HeaderMatchDoc,
    MatchDoc,
    MatchPartsDoc,
    PathMatchDoc,
    StringMatchDoc,
)
from proxy.config.documents.routes import RouteDoc
from proxy.model import Match, PathMatch, StringMatch
from proxy.routing.paths import TAIL

_NO_MATCHES = RouteDoc(name="_").match
"""The matches of all routes that give none."""


def matches(doc: RouteDoc) -> tuple[Match, ...]:
    """The matches of a route. At least one."""
    if doc.match is _NO_MATCHES:
        return (Match(),)
    return tuple(map(_match, doc.match))


def _match(doc: MatchPartsDoc) -> Match:
    return Match(
        tuple(doc.hosts),
        None if doc.path is None else _path(doc.path),
        tuple(doc.methods),
        _strings(doc.headers),
        _strings(doc.query),
        _strings(doc.cookies),
        doc.scheme,
        tuple(map(_match, (doc.not_ or ()) if isinstance(doc, MatchDoc) else ())),
    )


def _path(doc: PathMatchDoc) -> PathMatch:
    ignore, ignore_case = doc.trailing_slash == "ignore", doc.ignore_case
    if doc.exact is not None:
        return PathMatch("exact", doc.exact, ignore, ignore_case=ignore_case)
    if doc.prefix is not None:
        return PathMatch("prefix", doc.prefix, ignore_case=ignore_case)
    if doc.template is not None:
        value = doc.template.removesuffix(TAIL)
        tail = value != doc.template
        params = tuple(doc.params.items())
        return PathMatch("template", value, ignore, params, ignore_case, tail)
    return PathMatch("regex", doc.regex or "")


def _strings(docs: Mapping[str, StringMatchDoc]) -> tuple[StringMatch, ...]:
    return tuple(_string(name, doc) for name, doc in docs.items())


def _string(name: str, doc: StringMatchDoc) -> StringMatch:
    members = isinstance(doc, HeaderMatchDoc) and doc.members
    if doc.exact is not None:
        return StringMatch(name, "exact", doc.exact, members)
    if doc.prefix is not None:
        return StringMatch(name, "prefix", doc.prefix, members)
    if doc.regex is not None:
        return StringMatch(name, "regex", doc.regex, members)
    return StringMatch(name, "present", "true" if doc.present else "false")
