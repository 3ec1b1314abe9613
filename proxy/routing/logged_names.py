"""The headers, query parameters and cookies that a table reads: their values are logged."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from proxy.model import RequestValue, RouteTable
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
    matches = [route.match for route in table.routes]
    headers = {m.name for match in matches for m in match.headers}
    if any(route.cors is not None for route in table.routes):
        headers |= {*PREFLIGHT_FIELDS}
    query = {m.name for match in matches for m in match.query}
    for value in values_in_addresses(table):
        headers |= {value.name} if value.kind == "header" else set()
        query |= {value.name} if value.kind == "query" else set()
    return LoggedNames(
        _names(headers, but=hashed_headers),
        _names(query),
        _names((m.name for match in matches for m in match.cookies), but=hashed_cookies),
        hashed_headers,
        hashed_cookies,
    )


def values_in_addresses(table: RouteTable) -> Iterator[RequestValue]:
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
