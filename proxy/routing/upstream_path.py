"""The path of the upstream request."""

from collections.abc import Callable, Mapping

from proxy.model import Match, Rewrite
from proxy.routing.paths import NO_SEGMENTS, fill_template, prefix_replacer, to_wire


def upstream_path(
    match: Match, rewrite: Rewrite | None, path: bytes, more: Mapping[str, bytes] = NO_SEGMENTS
) -> bytes:
    """The raw path of the upstream request. `match` is the one that took the request, `path` the `onward_path`.

    `more` has segments of the template that are not in the path.
    """
    if rewrite is None:
        return path
    pattern = _pattern(match)
    if rewrite.prefix is not None:
        return prefix_replacer(pattern, rewrite.prefix)(path)
    if rewrite.full_path is not None:
        return to_wire(rewrite.full_path)
    if rewrite.template is not None:
        return fill_template(path, rewrite.template, pattern, more)
    return path


def path_rewriter(match: Match, rewrite: Rewrite | None) -> Callable[[bytes], bytes] | None:
    """`upstream_path` of the paths that `match` takes, prepared. None if they stay."""
    if rewrite is None or (rewrite.prefix is rewrite.full_path is rewrite.template is None):
        return None
    if rewrite.prefix is not None:
        return prefix_replacer(_pattern(match), rewrite.prefix)
    return lambda path: upstream_path(match, rewrite, path)


def _pattern(match: Match) -> str:
    return match.path.value if match.path is not None else "/"
