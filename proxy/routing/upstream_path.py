"""The path of the upstream request."""

from collections.abc import Mapping

from proxy.model import Match, Rewrite
from proxy.routing.paths import NO_SEGMENTS, fill_template, replace_prefix, to_wire


def upstream_path(
    match: Match, rewrite: Rewrite | None, path: bytes, more: Mapping[str, bytes] = NO_SEGMENTS
) -> bytes:
    """The raw path of the upstream request. `match` is the one that took the request, `path` the `onward_path`.

    `more` has segments of the template that are not in the path.
    """
    if rewrite is None:
        return path
    pattern = match.path.value if match.path is not None else "/"
    if rewrite.prefix is not None:
        return replace_prefix(path, pattern, rewrite.prefix)
    if rewrite.full_path is not None:
        return to_wire(rewrite.full_path)
    if rewrite.template is not None:
        return fill_template(path, rewrite.template, pattern, more)
    return path
