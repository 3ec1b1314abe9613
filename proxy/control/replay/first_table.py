"""A first route table from a survey: one route for each seam, all of them with the monolith."""

import json
import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from proxy.control.replay.path_tree import Path
from proxy.control.replay.survey import OTHER, Seam, Shape, Survey

_REST = "everything-else"
_READ_METHODS = ("GET", "HEAD", "OPTIONS")
"""With the method of CORS preflights: they go where their GET goes."""
_SHAPES_SHOWN = 5
_HOSTS_SHOWN = 5
_NUMBER, _UUID, _HEX = "{number}", "{uuid}", "{hex}"
_REGEX = {_NUMBER: "[0-9]+", _UUID: "[0-9A-Fa-f-]{36}", _HEX: "[0-9A-Fa-f]+"}
_EXAMPLE = {_NUMBER: "1", _UUID: "00000000-0000-4000-8000-000000000000", _HEX: "00c0ffee"}
# The segment in tests for the placeholder `{text}`.
_ANY_EXAMPLE = "x"
# A plain scalar that every YAML reader takes for text.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9/_.-]*|https?://[A-Za-z0-9.:\[\]-]+")
_YAML_KEYWORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


class System(Struct, frozen=True):
    """A backend of the new table."""

    name: str
    url: str


class _Route(Struct, frozen=True):
    name: str
    path: str
    methods: tuple[str, ...]
    params: tuple[tuple[str, str], ...]
    example: str
    """A path that it matches."""
    method: str
    """A method that it matches."""
    comments: tuple[str, ...]


def first_table(survey: Survey, incumbent: System, newcomer: System | None) -> str:
    """The YAML of a table that sends everything to `incumbent`. Deterministic; passes `facade check`."""
    seams = survey.seams()
    routes = list(_routes(seams, survey.requests, incumbent.name))
    lines = [
        *_head(survey),
        "version: 1",
        "",
        "# Each gets the Host that the client sent; one that is chosen by its name needs `preserve_host: false`.",
        "backends:",
        f"  {_scalar(incumbent.name)}: {_scalar(incumbent.url)} # the monolith",
    ]
    if newcomer is not None:
        lines.append(f"  {_scalar(newcomer.name)}: {_scalar(newcomer.url)} # gets nothing yet")
    lines += ["", "routes:"]
    for route in routes:
        lines += [*_route_lines(route, incumbent, newcomer), ""]
    rest = survey.requests - sum(seam.requests for seam in seams)
    lines += [
        f"  # {_share(rest, survey.requests)}: what belongs to none of these.",
        f"  - name: {_REST}",
        f"    backend_refs: {_scalar(incumbent.name)}",
        "",
        "# Run at every load, and by `facade check`.",
        "tests:",
        *_tests(routes, _host(survey)),
        "test_policy: {min_route_coverage: 100}",
    ]
    return "\n".join(lines) + "\n"


def _head(survey: Survey) -> Iterator[str]:
    yield f"# A first table, out of {survey.requests:,} recorded requests. Every route is with the monolith."
    yield "# Merge and rename as you know the application; then move one seam at a time."
    if survey.not_found:
        yield f"# {survey.not_found:,} more were answered 404 and count for no seam."
    if survey.without_status:
        yield f"# {survey.without_status:,} have no status: they count as answered."
    hosts = survey.hosts.most_common(_HOSTS_SHOWN)
    if hosts:
        shares = ", ".join(f"{host} {_per_cent(count, survey.requests)}" for host, count in hosts)
        more = len(survey.hosts) - len(hosts)
        yield f"# Hosts: {shares}{f' and {more} more' if more else ''}."


# --- routes -----------------------------------------------------------------------------------------


def _routes(seams: Sequence[Seam], requests: int, incumbent: str) -> Iterator[_Route]:
    """One route for the reads of a seam and one for its writes: they are moved at different times."""
    names = {_REST, incumbent}
    for seam in seams:
        name = _name(seam.path, names)
        comment = f"{_share(seam.requests, requests)}: {_kinds(seam)}, {_errors(seam)}."
        reads, writes = seam.of(reads=True), seam.of(reads=False)
        if reads:
            # A template beside a prefix for writes would leave reads of other paths to the route of the writes.
            by_prefix = bool(writes) and not _has_one_template(writes)
            comments = (comment, *_listed(reads))
            yield _route(name, seam.path, reads, comments, reads=True, by_prefix=by_prefix)
        if reads and writes:
            name = _name((*seam.path[:-1], f"{name}-writes"), names)
            comment = "Writes move last, and are never mirrored by default."
        if writes:
            yield _route(name, seam.path, writes, (comment, *_listed(writes)), reads=False)


def _has_one_template(shapes: Sequence[Shape]) -> bool:
    """Whether all requests have the same path, and it has a parameter."""
    return len({shape.path for shape in shapes}) == 1 and any(
        segment.startswith("{") for segment in shapes[0].path
    )


def _route(
    name: str,
    prefix: Path,
    shapes: Sequence[Shape],
    comments: tuple[str, ...],
    *,
    reads: bool,
    by_prefix: bool = False,
) -> _Route:
    seen_methods = {"POST" if shape.method == OTHER else shape.method for shape in shapes}
    method = "GET" if reads else min(seen_methods)
    methods: tuple[str, ...] = (
        (*_READ_METHODS, *sorted(seen_methods - {*_READ_METHODS})) if reads else ()
    )
    busiest = shapes[0].path
    if by_prefix or not _has_one_template(shapes):
        path = "/" + "/".join(prefix)
        return _Route(name, path, methods, (), example_of(busiest), method, comments)
    # All requests have the same shape: nothing else below the prefix was requested.
    path, params = template_of(busiest)
    methods = methods or tuple(sorted(seen_methods))
    return _Route(name, path, methods, params, example_of(busiest), method, comments)


def template_of(path: Path) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The path as a template, and the regex of each parameter."""
    segments: list[str] = []
    params: list[tuple[str, str]] = []
    for segment in path:
        if segment.startswith("{"):
            name = "id" if segment in _REGEX else "name"
            earlier = sum(1 for each in segments if each.startswith(f"{{{name}"))
            name += str(earlier + 1) if earlier else ""
            if segment in _REGEX:
                params.append((name, _REGEX[segment]))
            segment = f"{{{name}}}"
        segments.append(segment)
    return "/" + "/".join(segments), tuple(params)


def example_of(path: Path) -> str:
    """A path with this shape. It has no recorded identifiers: they may be personal data."""
    parts = [
        _EXAMPLE.get(segment, _ANY_EXAMPLE) if segment.startswith("{") else segment
        for segment in path
    ]
    return "/" + "/".join(parts)


def _name(path: Path, used: set[str]) -> str:
    """A name from the last segment, with as many segments before it as make it unique."""
    for count in range(1, len(path) + 1):
        words = "-".join(path[-count:])
        name = re.sub(r"[^A-Za-z0-9_.-]", "-", words).lstrip("-.")[:100] or "root"
        if name not in used:
            used.add(name)
            return name
    number = 2
    while f"{name}-{number}" in used:
        number += 1
    used.add(f"{name}-{number}")
    return f"{name}-{number}"


def _route_lines(route: _Route, incumbent: System, newcomer: System | None) -> Iterator[str]:
    yield from (f"  # {line}" for line in route.comments)
    yield f"  - name: {_scalar(route.name)}"
    yield "    stage: legacy"
    path = f"prefix: {_scalar(route.path)}"
    if "{" in route.path:
        path = f"template: {json.dumps(route.path)}"
        if route.params:
            params = ", ".join(f"{name}: {json.dumps(regex)}" for name, regex in route.params)
            path += f", params: {{{params}}}"
    if route.methods:
        yield "    match:"
        yield f"      path: {{{path}}}"
        yield f"      methods: [{', '.join(map(_scalar, route.methods))}]"
    else:
        yield f"    match: {{path: {{{path}}}}}"
    if newcomer is None:
        yield f"    backend_refs: {_scalar(incumbent.name)}"
    else:
        yield f"    backend_refs: {{{_scalar(incumbent.name)}: 100, {_scalar(newcomer.name)}: 0}}"


# --- comments ---------------------------------------------------------------------------------------


def _share(requests: int, of: int) -> str:
    return f"{_per_cent(requests, of)} of the requests ({requests:,})"


def _per_cent(requests: int, of: int) -> str:
    return f"{100 * requests / of:.1f} %" if of else "0.0 %"


def _kinds(seam: Seam) -> str:
    reads = sum(shape.requests for shape in seam.of(reads=True))
    writes = seam.requests - reads
    if not writes:
        return "reads only"
    return f"{reads:,} reads, {writes:,} writes" if reads else "writes only"


def _errors(seam: Seam) -> str:
    return f"{_per_cent(seam.errors, seam.requests)} answered 5xx" if seam.errors else "no 5xx"


def _listed(shapes: Sequence[Shape]) -> Iterator[str]:
    width = max((len(f"{shape.requests:,}") for shape in shapes[:_SHAPES_SHOWN]), default=0)
    for shape in shapes[:_SHAPES_SHOWN]:
        path, _ = template_of(shape.path)
        yield f"  {shape.requests:>{width},}  {shape.method} {path}"
    if len(shapes) > _SHAPES_SHOWN:
        rest = sum(shape.requests for shape in shapes[_SHAPES_SHOWN:])
        yield f"  {rest:,} more in {len(shapes) - _SHAPES_SHOWN} other shapes"


def _host(survey: Survey) -> str:
    return survey.hosts.most_common(1)[0][0] if survey.hosts else "localhost"


def _tests(routes: Sequence[_Route], host: str) -> Iterator[str]:
    for route in routes:
        request = (route.method, host, route.example)
        yield from _test(
            f"{route.name} is taken", request, route.name, "    given: {stage: legacy}"
        )
    first = next((route for route in routes if "{" not in route.path), None)
    if first is not None:
        sibling = f"{first.path}-x"
        while any(route.path.startswith(sibling) for route in routes):
            sibling += "x"
        # A prefix ends at a segment (rule 1).
        request = (first.method, host, sibling)
        yield from _test(f"a sibling of {first.name} is not", request, _REST)
    yield from _test("the rest stays with the monolith", ("GET", host, "/"), _REST)


def _test(name: str, request: tuple[str, str, str], route: str, *given: str) -> Iterator[str]:
    method, host, path = request
    yield f"  - name: {name}"
    yield from given
    yield f"    input: {{method: {method}, host: {json.dumps(host)}, path: {_scalar(path)}}}"
    yield f"    expect: {{route: {_scalar(route)}}}"


def _scalar(text: str) -> str:
    """`text` in YAML, in quotes if it needs them."""
    return (
        text if _PLAIN.fullmatch(text) and text.lower() not in _YAML_KEYWORDS else json.dumps(text)
    )
