"""Tables that several files of tests share."""

_ONE = """
version: 1
backends: {{legacy: {url}}}
routes: [{{name: all, backend_refs: legacy}}]
"""


def one_backend(url: str, extra: str = "") -> str:
    """A table of one route to one backend. `extra` is more of the file."""
    return _ONE.format(url=url) + extra
