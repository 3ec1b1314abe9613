"""Features that the ASGI tier does not support, and the reasons. The cases run there, too, with other expectations.

python -m tests.conformance.limits      prints the table
"""

_NO_INTERIM = "ASGI has no message for interim responses: they are dropped"
_NO_TRAILERS = "the server does not support trailers: they are dropped"

ASGI_LIMITS: dict[str, str] = {
    "early hints arrive, with their fields, before the response exists": _NO_INTERIM,
    "a 103 in one packet with the response comes before it": _NO_INTERIM,
    "a 102 is forwarded": _NO_INTERIM,
    "several interim responses come in order": _NO_INTERIM,
    "trailers of a response arrive as trailers": _NO_TRAILERS,
    "trailers of a request reach the origin as trailers": _NO_TRAILERS,
}
"""Case -> reason, for the ASGI tier. The fast tier supports every case."""


def printed() -> str:
    """The table, as Markdown."""
    lines = [
        "| not supported by the ASGI tier | reason, and what it does instead |",
        "| --- | --- |",
    ]
    lines += [f"| {name} | {why} |" for name, why in ASGI_LIMITS.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(printed())
