"""Dot segments in paths that are rewritten, or whose parameters are read (rule 12).

All readings of such a path lead to the same route: else it is ambiguous. The path goes on as it was sent, and a backend
may resolve its dot segments after the rewrite: `/api/x/../../api/y`, rewritten from `/api` to `/svc`, is `/api/y` for
it, although a request for `/api/y` is sent as `/svc/y`. And a parameter may have two values: that of the path as it
was sent is in a field, and the backend reads the other one.
"""

from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from proxy.errors import BadRequest
from proxy.model import BackendRef, MatchedRoute, RequestValue, Route, ValueTemplate
from proxy.routing.paths import (
    has_dot_segments,
    is_parameter,
    is_plain,
    path_variants,
    segments_of,
)
from proxy.routing.upstream_path import upstream_path


def check_dot_segments(
    matched: MatchedRoute, ref: BackendRef, path: bytes, sent: bytes, more: Mapping[str, bytes]
) -> None:
    """Raises BadRequest for the cases above. `sent` is the upstream path for `path`, `more` as in `upstream_path`."""
    if is_plain(path) or not has_dot_segments(path):
        return
    readings = path_variants(path)
    if ref.rewrite is not None:
        rewritten = {upstream_path(matched.match, ref.rewrite, each, more) for each in readings}
        allowed = set(map(_decoded, rewritten))
        if not all(_decoded(each) in allowed for each in path_variants(sent)):
            raise BadRequest("dot segments in the path lead out of the part that is rewritten")
    pattern = "/" if matched.match.path is None else matched.match.path.value
    values = {_parameters(pattern, each) for each in readings}
    if len(values) > 1 and _reads_parameters(matched.route, ref):
        raise BadRequest("dot segments in the path lead to another value of a path parameter")


def _decoded(path: bytes) -> bytes:
    return unquote_to_bytes(unquote_to_bytes(path))


def _parameters(pattern: str, path: bytes) -> tuple[bytes, ...]:
    parts = path.split(b"/")[1:]
    return tuple(
        _decoded(part).partition(b";")[0]
        for part, segment in zip(parts, segments_of(pattern), strict=False)
        if is_parameter(segment)
    )


def _reads_parameters(route: Route, ref: BackendRef) -> bool:
    """Whether a field or the query for the backend, or a field of its response, has a parameter of the path."""
    templates: list[ValueTemplate] = []
    for edits in (route.request, ref.request, route.response, ref.response):
        templates += [template for _, template in (*edits.set_values, *edits.add_values)]
    if ref.rewrite is not None and ref.rewrite.query is not None:
        templates += [template for _, template in ref.rewrite.query.set]
    parts = [part for template in templates for part in template]
    return any(isinstance(part, RequestValue) and part.kind == "path" for part in parts)
