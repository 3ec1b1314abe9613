"""The headers, query parameters and cookies that a table reads: their values are logged."""

from collections.abc import Iterable

from msgspec import Struct

from proxy.model import RouteTable
from proxy.routing.transforms.cors import PREFLIGHT_FIELDS


class LoggedNames(Struct, frozen=True):
    """The names that a table reads. The values for cohorts are logged as hashes, because they identify people."""

    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    hashed_headers: tuple[str, ...] = ()
    hashed_cookies: tuple[str, ...] = ()


def names_that_rules_read(table: RouteTable) -> LoggedNames:
    """The names in the matches and cohorts of `table`, and those of preflights, if a route has a CORS policy."""
    keys = [key for route in table.routes if route.cohort for key in route.cohort.keys]
    hashed_headers = _names(key.name for key in keys if key.kind == "header")
    hashed_cookies = _names(key.name for key in keys if key.kind == "cookie")
    matches = [route.match for route in table.routes]
    headers = {m.name for match in matches for m in match.headers}
    if any(route.cors is not None for route in table.routes):
        headers |= {*PREFLIGHT_FIELDS}
    return LoggedNames(
        _names(headers, but=hashed_headers),
        _names(m.name for match in matches for m in match.query),
        _names((m.name for match in matches for m in match.cookies), but=hashed_cookies),
        hashed_headers,
        hashed_cookies,
    )


def _names(names: Iterable[str], but: tuple[str, ...] = ()) -> tuple[str, ...]:
    return tuple(sorted(set(names) - set(but)))
