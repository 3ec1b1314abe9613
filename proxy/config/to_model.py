"""Converts documents into the values of `proxy.model`."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from proxy.config import to_edits, to_error_bodies, to_mirror, to_recovery
from proxy.config.documents.backends import CohortDoc, HashKeyDoc
from proxy.config.documents.headers import MessageDoc
from proxy.config.documents.limits import LimitsDoc, ListenerDoc, TimeoutsDoc
from proxy.config.documents.migration import OverrideDoc
from proxy.config.documents.path_policy import PathPolicyDoc
from proxy.config.documents.routes import (
    BackendRefDoc,
    DirectResponseDoc,
    RedirectDoc,
    RetiredDoc,
    RouteDoc,
    UrlRewriteDoc,
)
from proxy.config.documents.table import DefaultsDoc, TestDoc
from proxy.config.path_rules import path_policy
from proxy.config.request_values import values_of
from proxy.config.to_match import matches
from proxy.config.to_rollout import rollout
from proxy.config.tree import Position
from proxy.model import (
    ALL_BP,
    NO_EDITS,
    STRICT_PATHS,
    BackendRef,
    Cohort,
    DirectResponse,
    ErrorBodies,
    Explain,
    FieldName,
    Forwarded,
    HashKey,
    HeaderEdits,
    Limits,
    Listener,
    Networks,
    Override,
    PathPolicy,
    ReadYourWrites,
    Redirect,
    Rewrite,
    Route,
    Timeouts,
    field_name,
)
from proxy.model.table_test import Expectation, Given, TableTest

_N = TypeVar("_N", int, float)

_GENERATED_TTL_S = 30 * 86_400.0
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_ROUTE_DEFAULTS = RouteDoc(name="_")
"""The blocks of a route without keys. All routes share them, so `is` finds the unchanged ones."""


def cohort(name: str, doc: CohortDoc) -> Cohort:
    """A cohort with its keys in order."""
    written = doc.read_your_writes
    return Cohort(
        name,
        doc.salt,
        tuple(_hash_key(key) for key in doc.hash_policy),
        None if written is None else ReadYourWrites(written.ttl, written.key_file),
    )


def _override(doc: OverrideDoc) -> Override:
    networks = Networks(doc.allow_from)
    if doc.header is not None:
        return Override("header", doc.header, networks, doc.token_key_file)
    return Override("cookie", doc.cookie or "", networks, doc.token_key_file)


def _hash_key(doc: HashKeyDoc) -> HashKey:
    if doc.cookie is not None:
        ttl_s = (doc.ttl or _GENERATED_TTL_S) if doc.generate else 0.0
        return HashKey("cookie", doc.cookie, doc.generate, ttl_s)
    if doc.header is not None:
        return HashKey("header", doc.header)
    if doc.path_parameter is not None:
        return HashKey("path_parameter", doc.path_parameter)
    return HashKey("source_ip")


def timeouts(doc: TimeoutsDoc, base: Timeouts) -> Timeouts:
    """`base` with the values of `doc`. A `request` that is longer than the `total` of `base` extends the total.

    An attempt gets the time of its request, or less if `backend_request` is given here or in the defaults.
    A request gets at most the total.
    """
    if doc is _ROUTE_DEFAULTS.timeouts:
        return base
    request_s = _given_or(doc.request, base.request_s)
    total_s = _given_or(doc.total, max(base.total_s, request_s))
    request_s = min(request_s, total_s)
    return Timeouts(
        _given_or(doc.connect, base.connect_s),
        request_s,
        base.backend_request_s if doc.backend_request is None else doc.backend_request,
        _given_or(doc.stream_idle, base.stream_idle_s),
        _given_or(doc.body_idle, base.body_idle_s),
        total_s,
        _given_or(doc.tunnel_idle, base.tunnel_idle_s),
    )


def limits(doc: LimitsDoc, base: Limits) -> Limits:
    """`base` with the values of `doc`."""
    if doc is _ROUTE_DEFAULTS.limits:
        return base
    return Limits(
        _given_or(doc.max_header_bytes, base.max_header_bytes),
        _given_or(doc.max_headers, base.max_headers),
        _given_or(doc.max_uri_bytes, base.max_uri_bytes),
        _given_or(doc.max_body_bytes, base.max_body_bytes),
        _given_or(doc.min_body_rate, base.min_body_rate),
    )


def errors(docs: to_error_bodies.Docs, base: to_error_bodies.Docs) -> ErrorBodies:
    """`docs`, and what it leaves of `base`."""
    return to_error_bodies.model(to_error_bodies.laid_over(docs, base))


def _given_or(given: _N | None, base: _N) -> _N:
    return base if given is None else given


def listener(doc: ListenerDoc) -> Listener:
    """The limits of client connections."""
    return Listener(
        doc.head_timeout, doc.idle_timeout, doc.max_connections, doc.max_connections_per_client
    )


def explain(doc: DefaultsDoc) -> Explain:
    """The decision header."""
    return Explain(doc.explain.response_header, tuple(doc.explain.expose_to))


def forwarded(doc: DefaultsDoc) -> Forwarded:
    """Whose forwarding headers are trusted, and what passes and is added."""
    given = doc.forwarded
    return Forwarded(
        tuple(given.trusted_proxies), frozenset(given.allow_headers), given.via == "on"
    )


def route_path_policy(doc: PathPolicyDoc, base: PathPolicy) -> PathPolicy:
    """The path policy of a route. `base` is that of the defaults."""
    return base if doc is _ROUTE_DEFAULTS.path_policy else path_policy(doc, base)


class RouteBuilder:
    """Builds the routes of one table. Equal references are shared between routes."""

    def __init__(self, defaults: DefaultsDoc, cohorts: dict[str, Cohort]) -> None:
        self.timeouts = timeouts(defaults.timeouts, Timeouts())
        self.limits = limits(defaults.limits, Limits())
        self.path_policy = path_policy(defaults.path_policy, STRICT_PATHS)
        self._errors = defaults.errors
        self._cohorts = cohorts
        self._refs: dict[BackendRef, BackendRef] = {}

    def route(self, doc: RouteDoc, line: int, places: tuple[Position, ...] = ()) -> Route:
        """The route at `line` of the file. `places` are those of its matches, if there are several."""
        refs = tuple(map(self._ref, doc.backend_refs or ()))
        return Route(
            doc.name,
            matches(doc),
            refs,
            doc.stage,
            doc.priority,
            None if doc.cohort is None else self._cohorts[doc.cohort],
            None if doc.override is None else _override(doc.override),
            None if doc.mirror is None else to_mirror.mirror(doc.mirror, doc.writes),
            _direct_response(doc),
            None if doc.redirect is None else _redirect(doc.redirect),
            _edits(doc.request),
            _edits(doc.response),
            timeouts(doc.timeouts, self.timeouts),
            limits(doc.limits, self.limits),
            doc.tunnels,
            errors(doc.errors, self._errors),
            None if doc.cors is None else to_edits.cors(doc.cors),
            line,
            _positions(places),
            path_policy=route_path_policy(doc.path_policy, self.path_policy),
            response_ok=to_recovery.response_ok(doc.response_ok),
            retry=to_recovery.retry(doc.retry),
            fallback=to_recovery.fallback(doc.fallback),
            writes=to_recovery.writes(doc.writes),
            rollout=None if doc.rollout is None else rollout(doc.rollout),
        )

    def _ref(self, doc: BackendRefDoc) -> BackendRef:
        ref = BackendRef(
            doc.name,
            ALL_BP if doc.weight is None else doc.weight,
            None if doc.url_rewrite is None else _rewrite(doc.url_rewrite),
            _edits(doc.request),
            _edits(doc.response),
        )
        return self._refs.setdefault(ref, ref)


def match_only(doc: RouteDoc, line: int, places: tuple[Position, ...] = ()) -> Route:
    """The route with its matches, without backends: enough to find unreachable ones."""
    return Route(
        doc.name,
        matches(doc),
        priority=doc.priority,
        line=line,
        match_positions=_positions(places),
    )


def _positions(places: tuple[Position, ...]) -> tuple[tuple[int, int], ...]:
    return tuple((place.line, place.column) for place in places)


def _rewrite(doc: UrlRewriteDoc) -> Rewrite:
    path, query = doc.path, to_edits.query(doc.query)
    given = doc.reverse
    reverse = None if given is None else (given.prefix, given.replace_prefix_match)
    if path is None:
        return Rewrite(hostname=doc.hostname, query=query, reverse=reverse)
    return Rewrite(
        path.replace_prefix_match,
        path.replace_full_path,
        path.template,
        doc.hostname,
        tuple(values_of(path.template or "").items()),
        query,
        reverse,
    )


def _redirect(doc: RedirectDoc) -> Redirect:
    return Redirect(
        doc.status,
        doc.scheme,
        doc.hostname,
        doc.port,
        doc.path,
        doc.replace_prefix_match,
        doc.template,
        tuple(values_of(doc.template or "").items()),
        to_edits.query(doc.query),
    )


def _direct_response(doc: RouteDoc) -> DirectResponse | None:
    given = doc.direct_response
    if given is None and doc.stage != "retired":
        return None
    given = given or DirectResponseDoc(status=410)
    headers = tuple(_pairs(given.headers))
    if given.body and all(name != b"content-type" for name, _ in headers):
        headers += ((FieldName(b"Content-Type"), b"text/plain; charset=utf-8"),)
    if doc.retired is not None:
        headers += tuple(_retired_headers(doc.retired))
    return DirectResponse(given.status, headers, given.body.encode())


def _retired_headers(doc: RetiredDoc) -> Iterable[tuple[bytes, bytes]]:
    yield FieldName(b"Sunset"), http_date(doc.sunset).encode()
    if doc.successor is not None:
        yield FieldName(b"Link"), f'<{doc.successor}>; rel="successor-version"'.encode()


def http_date(instant: datetime) -> str:
    """A point in time in UTC as an IMF-fixdate (RFC 9110 5.6.7), independent of the locale."""
    day, month = _DAYS[instant.weekday()], _MONTHS[instant.month - 1]
    return f"{day}, {instant.day:02} {month} {instant.year:04} {instant:%H:%M:%S} GMT"


def _edits(doc: MessageDoc) -> HeaderEdits:
    return NO_EDITS if doc is _ROUTE_DEFAULTS.request else to_edits.headers(doc.headers)


def _pairs(fields: dict[str, str]) -> Iterable[tuple[bytes, bytes]]:
    return ((field_name(name.encode()), value.encode()) for name, value in fields.items())


def table_test(doc: TestDoc, position: Position) -> TableTest:
    """The test at `position` of the file."""
    request, expected, given = doc.input, doc.expect, doc.given
    weights = None if given.weights is None else tuple(given.weights.items())
    return TableTest(
        doc.name,
        request.method,
        request.host,
        request.path,
        Expectation(
            expected.route,
            expected.backend,
            expected.upstream_path,
            expected.upstream_host,
            expected.reason,
            expected.status,
            expected.location,
            None if expected.mirrored_to is None else tuple(expected.mirrored_to),
        ),
        Given(given.stage, weights, given.kill_switch),
        tuple(request.headers.items()),
        tuple(request.cookies.items()),
        request.client,
        request.bucket,
        position.line,
        position.column,
        request.scheme,
        request.override,
        request.last_write,
    )
