"""Converts `mirror` of a route, and the sandbox of its writes, into a value of `proxy.model`; and their rules."""

from collections.abc import Iterator

from proxy.config.addresses import endpoint
from proxy.config.documents.compare import CompareDoc, EqualDoc, MirrorDoc
from proxy.config.documents.migration import WritesDoc
from proxy.config.documents.routes import RouteDoc
from proxy.config.faults import Fault
from proxy.model import (
    ALL_BP,
    SAFE_METHODS,
    CompareRules,
    DeclaredDifference,
    Equivalence,
    Mirror,
)


def mirror(doc: MirrorDoc, writes: WritesDoc | None) -> Mirror:
    """The copies of a route."""
    sandbox = None if writes is None else writes.shadow_url
    return Mirror(
        doc.percent,
        doc.max_concurrency,
        doc.timeout,
        doc.max_body_bytes,
        doc.forward_credentials,
        None if sandbox is None else endpoint(sandbox),
        None if doc.compare is None else compare_rules(doc.compare),
    )


def compare_rules(doc: CompareDoc) -> CompareRules:
    """How the two responses are compared."""
    body = doc.body
    return CompareRules(
        doc.status,
        tuple(name.lower() for name in doc.headers),
        body.type,
        tuple(_equivalence(path, each) for path, each in body.equal.items()),
        tuple(
            DeclaredDifference(each.path, each.reason, each.owner, each.expires)
            for each in body.ignore
        ),
        0.0 if doc.noise is None else doc.noise.rate / ALL_BP,
        tuple(doc.redact),
        doc.store_mismatches,
    )


def _equivalence(path: str, doc: EqualDoc) -> Equivalence:
    return Equivalence(
        path, doc.as_, doc.left, doc.right, doc.tz or "UTC", doc.key or "", doc.tolerance or 0.0
    )


def mirror_faults(route: RouteDoc) -> Iterator[Fault]:
    """Writes are copied to a sandbox only (rule 5). A mirror that can copy nothing is refused."""
    has_sandbox = route.writes is not None and route.writes.shadow_url is not None
    if route.mirror is None:
        if has_sandbox:
            hint = "add `mirror: {}`, or leave `writes` out"
            yield Fault(("writes",), "a sandbox, and no copies to send to it", hint, on_key=True)
    elif not has_sandbox and all(_takes_writes_only(each.methods) for each in route.match):
        text = "`mirror` copies safe methods only, and the route takes none of them"
        hint = "leave it out, or write `writes: {policy: shadow_sandbox, shadow_url: …}`"
        yield Fault(("mirror",), text, hint, on_key=True)


def _takes_writes_only(methods: list[str]) -> bool:
    return bool(methods) and SAFE_METHODS.isdisjoint(methods)
