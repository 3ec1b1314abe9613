"""The headers, query parameters and cookies that a table reads: their values are logged."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from proxy.model import RequestValue, RouteTable
from proxy.routing.forwarded import PROTO
from proxy.routing.transforms.cors import PREFLIGHT_FIELDS


class LoggedNames(Struct, frozen=True):
    """The names that a table reads. The values for cohorts are logged as hashes, because they identify people."""

    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    hashed_headers: tuple[str, ...] = ()
    hashed_cookies: tuple[str, ...] = ()


def names_that_rules_read(table: RouteTable) -> LoggedNames:
    """The names in matches, cohorts, rewrites and redirects of `table`; with a CORS policy, those of preflights."""
    keys = [key for route in table.routes if route.cohort for key in route.cohort.keys]
    hashed_headers = _names(key.name for key in keys if key.kind == "header")
    hashed_cookies = _names(key.name for key in keys if key.kind == "cookie")
    matched = names_of_matches(table)
    return LoggedNames(
        _names(matched.headers, but=hashed_headers),
        matched.query,
        _names(matched.cookies, but=hashed_cookies),
        hashed_headers,
        hashed_cookies,
    )


def names_of_matches(table: RouteTable) -> LoggedNames:
    """The names by which routes are found, and addresses of upstream requests made."""
    matches = [match for route in table.routes for match in route.matches]
    matches += [excluded for match in matches for excluded in match.excluded]
    headers = {each.name for match in matches for each in match.headers}
    query = {each.name for match in matches for each in match.query}
    if any(match.scheme is not None for match in matches):
        headers.add(PROTO.lower().decode())
    if any(route.cors is not None for route in table.routes):
        headers |= {*PREFLIGHT_FIELDS}
    values = [*_values_in_addresses(table)]
    headers |= {value.name for value in values if value.kind == "header"}
    query |= {value.name for value in values if value.kind == "query"}
    return LoggedNames(
        _names(headers),
        _names(query),
        _names(each.name for match in matches for each in match.cookies),
    )


def _values_in_addresses(table: RouteTable) -> Iterator[RequestValue]:
    """The values that are written into paths and queries: the log shows where a request went."""
    for route in table.routes:
        rewrites = [ref.rewrite for ref in route.backend_refs if ref.rewrite is not None]
        for rewrite in (*rewrites, route.redirect):
            if rewrite is None:
                continue
            yield from (value for _, value in rewrite.values)
            edits = () if rewrite.query is None else rewrite.query.set
            yield from (
                part for _, parts in edits for part in parts if isinstance(part, RequestValue)
            )


def _names(names: Iterable[str], but: tuple[str, ...] = ()) -> tuple[str, ...]:
    return tuple(sorted(set(names) - set(but)))
