"""The headers, query parameters and cookies that a table reads: their values are logged."""

from collections.abc import Iterable

from msgspec import Struct

from proxy.model import RouteTable
from proxy.routing.forwarded import PROTO


class LoggedNames(Struct, frozen=True):
    """The names that a table reads. The values for cohorts are logged as hashes, because they identify people."""

    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    hashed_headers: tuple[str, ...] = ()
    hashed_cookies: tuple[str, ...] = ()


def names_that_rules_read(table: RouteTable) -> LoggedNames:
    """The names in the matches and cohorts of `table`."""
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
    """The names in the matches of `table`."""
    matches = [match for route in table.routes for match in route.matches]
    matches += [excluded for match in matches for excluded in match.excluded]
    headers = {each.name for match in matches for each in match.headers}
    if any(match.scheme is not None for match in matches):
        headers.add(PROTO.lower().decode())
    return LoggedNames(
        _names(headers),
        _names(each.name for match in matches for each in match.query),
        _names(each.name for match in matches for each in match.cookies),
    )


def _names(names: Iterable[str], but: tuple[str, ...] = ()) -> tuple[str, ...]:
    return tuple(sorted(set(names) - set(but)))
