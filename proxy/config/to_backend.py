"""Converts the documents of backends into values of `proxy.model`."""

from collections.abc import Iterable

from msgspec.structs import replace

from proxy.config.addresses import endpoint
from proxy.config.documents.backends import BackendDoc, TlsDoc
from proxy.config.documents.headers import AllowCookiesDoc, AllowHeadersDoc
from proxy.config.to_monitoring import monitoring
from proxy.model import (
    ALL_COOKIES,
    ALLOW_ALL,
    Allow,
    Backend,
    BackendTls,
    Cohort,
    CookieRules,
    Route,
)
from proxy.routing.read_your_writes import cookie_name


def backend(name: str, doc: BackendDoc) -> Backend:
    """A backend with its endpoints in order."""
    return Backend(
        name,
        tuple(endpoint(url) for url in doc.urls()),
        doc.preserve_host,
        doc.circuit_breakers.max_connections,
        doc.circuit_breakers.max_pending_requests,
        _allow(doc.headers),
        _cookies(doc.cookies),
        None if doc.tls is None else _tls(doc.tls),
        doc.idle_timeout,
        frozenset(doc.tolerate),
        doc.circuit_breakers.max_tunnels,
        doc.max_connection_age,
        doc.load_balancing,
        None if doc.session_affinity is None else doc.session_affinity.cookie,
        *monitoring(doc),
        doc.healthy_panic_threshold,
    )


def without_foreign_cookies(backends: tuple[Backend, ...]) -> tuple[Backend, ...]:
    """The backends, none of which gets the cookies that the facade itself sets, or that another one is renamed to.

    A backend may `allow` the renamed cookie of another one.
    """
    own = {each.affinity_cookie for each in backends if each.affinity_cookie is not None}
    renamed = {name for each in backends for _, name in each.cookies.renamed}
    if not own | renamed:
        return backends
    return tuple(
        replace(each, cookies=_without(each.cookies, own, renamed - (each.cookies.only or set())))
        for each in backends
    )


def _without(cookies: CookieRules, own: set[str], renamed: set[str]) -> CookieRules:
    foreign = renamed - {name for _, name in cookies.renamed}
    return replace(cookies, remove=cookies.remove | own | foreign)


def without_facade_fields(
    backends: tuple[Backend, ...], cohorts: Iterable[Cohort], routes: Iterable[Route]
) -> tuple[Backend, ...]:
    """The backends, none of which gets the cookies of cohorts, and the fields of overrides."""
    cookies: set[str] = set()
    for each in cohorts:
        cookies |= {key.name for key in each.keys if key.generate}
        if each.read_your_writes is not None:
            cookies.add(cookie_name(each.name))
    headers: set[str] = set()
    for override in {route.override for route in routes if route.override is not None}:
        (headers if override.kind == "header" else cookies).add(override.name)
    if headers:
        backends = tuple(
            replace(each, headers=replace(each.headers, remove=each.headers.remove | headers))
            for each in backends
        )
    if cookies:
        backends = tuple(
            replace(each, cookies=_without(each.cookies, cookies, set())) for each in backends
        )
    return backends


def _tls(doc: TlsDoc) -> BackendTls:
    # An IPv6 address has brackets in a URL, and none in a certificate.
    name = None if doc.server_name is None else doc.server_name.strip("[]")
    return BackendTls(doc.ca_file, doc.cert_file, doc.key_file, name)


def _cookies(doc: AllowCookiesDoc) -> CookieRules:
    if doc.allow is None and not doc.remove and not doc.rename:
        return ALL_COOKIES
    only = None if doc.allow is None else frozenset(doc.allow)
    return CookieRules(only, frozenset(doc.remove), tuple(doc.rename.items()))


def _allow(doc: AllowHeadersDoc) -> Allow:
    if doc.allow is None and not doc.remove:
        return ALLOW_ALL
    return Allow(None if doc.allow is None else frozenset(doc.allow), frozenset(doc.remove))
