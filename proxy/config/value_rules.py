"""Rules about the edits of a route: CORS fields, and values of the request that it does not have."""

from collections.abc import Iterator

from proxy.config.documents.headers import MessageDoc
from proxy.config.documents.matches import parameters
from proxy.config.documents.routes import QueryEditsDoc, RouteDoc
from proxy.config.faults import Fault, did_you_mean
from proxy.config.request_values import parse, rewrite_parameters, values_of
from proxy.config.tree import Loc
from proxy.model.values import RequestValue
from proxy.routing.transforms.headers import is_dropped


def cors_faults(route: RouteDoc) -> Iterator[Fault]:
    """The facade writes the fields of CORS itself: an edit of one would have no effect."""
    if route.cors is None:
        return
    for at, message in _messages(route):
        if at[-1] != "response":
            continue
        for key in ("set", "add"):
            for name in getattr(message.headers, key):
                if name.lower().startswith("access-control-"):
                    text = f"`{name}` stands beside `cors`, which writes it"
                    yield Fault((*at, "headers", key, name), text, "leave it out", on_key=True)


def parameter_faults(route: RouteDoc) -> Iterator[Fault]:
    """Each parameter that a text reads has to be one of the template of every match."""
    read = [(at, each.name) for at, each in _values_in_texts(route) if each.kind == "path"]
    for at, template in _templates(route):
        read += [(at, name) for name in rewrite_parameters(template)]
    missing: set[tuple[Loc, str]] = set()
    for number, match in enumerate(route.match if read else (), 1):
        known = parameters((match.path.template if match.path is not None else None) or "")
        what = f"match {number}" if len(route.match) > 1 else "the route's match"
        for at, name in read:
            if name not in known and (at, name) not in missing:
                missing.add((at, name))
                hint = did_you_mean(name, known) or "write `match: {path: {template: …}}`"
                yield Fault(at, f"{what} has no parameter `{name}`", hint)


def value_warnings(route: RouteDoc, allowed: frozenset[str]) -> Iterator[Fault]:
    """Values that are never there, or whose absence is an error. `allowed` as in `route_warnings`."""
    in_paths = [(at, each) for at, text in _templates(route) for each in values_of(text).values()]
    for at, value in in_paths:
        if value.kind == "query" and not _always_has(route, value.name):
            text = f"a request without the query parameter `{value.name}` gets a 400"
            hint = f"write `match: {{query: {{{value.name}: {{present: true}}}}}}`"
            yield Fault(at, text, hint, "warning")
    for at, value in (*in_paths, *_values_in_texts(route)):
        name = value.name
        if value.kind == "header" and is_dropped(name, allowed):
            text = f"the header `{name}` does not pass, and its value may be anybody's"
            hint = "use another, or add it to `defaults.forwarded.allow_headers`"
            yield Fault(at, text, hint, "warning")


def _always_has(route: RouteDoc, name: str) -> bool:
    """Whether every request that the route takes has this query parameter."""
    conditions = [match.query.get(name) for match in route.match]
    return all(each is not None and each.present is not False for each in conditions)


def _messages(route: RouteDoc) -> Iterator[tuple[Loc, MessageDoc]]:
    yield ("request",), route.request
    yield ("response",), route.response
    for position, ref in enumerate(route.backend_refs or ()):
        yield ("backend_refs", position, "request"), ref.request
        yield ("backend_refs", position, "response"), ref.response


def _queries(route: RouteDoc) -> Iterator[tuple[Loc, QueryEditsDoc]]:
    for position, ref in enumerate(route.backend_refs or ()):
        if ref.url_rewrite is not None and ref.url_rewrite.query is not None:
            yield ("backend_refs", position, "url_rewrite", "query"), ref.url_rewrite.query
    if route.redirect is not None and route.redirect.query is not None:
        yield ("redirect", "query"), route.redirect.query


def _templates(route: RouteDoc) -> Iterator[tuple[Loc, str]]:
    """The paths of rewrites and redirects that may have values."""
    for position, ref in enumerate(route.backend_refs or ()):
        path = None if ref.url_rewrite is None else ref.url_rewrite.path
        if path is not None and path.template is not None:
            yield ("backend_refs", position, "url_rewrite", "path", "template"), path.template
    if route.redirect is not None and route.redirect.template is not None:
        yield ("redirect", "template"), route.redirect.template


def _values_in_texts(route: RouteDoc) -> Iterator[tuple[Loc, RequestValue]]:
    """The values in header fields and queries."""
    texts: list[tuple[Loc, str]] = []
    for at, message in _messages(route):
        for key in ("set", "add"):
            fields: dict[str, str] = getattr(message.headers, key)
            texts += [((*at, "headers", key, name), text) for name, text in fields.items()]
    for at, query in _queries(route):
        texts += [((*at, "set", name), text) for name, text in query.set.items()]
    for at, text in texts:
        if "{" in text:
            yield from ((at, part) for part in parse(text) if isinstance(part, RequestValue))
