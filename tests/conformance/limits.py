"""What one tier cannot carry, and why. These cases run there, too, and hold it to what it does instead.

python -m tests.conformance.limits      prints the table
"""

_NO_INTERIM = "ASGI has no message for interim answers: they are left out"
_NO_TRAILERS = "the server has no trailers: they are left out"

ASGI_LIMITS: dict[str, str] = {
    "early hints arrive, with their fields, before the answer is made": _NO_INTERIM,
    "a 103 in one packet with the answer comes before it": _NO_INTERIM,
    "a 102 is passed on": _NO_INTERIM,
    "several interim answers come in order": _NO_INTERIM,
    "trailers of an answer arrive as trailers": _NO_TRAILERS,
    "trailers of a request reach the origin as trailers": _NO_TRAILERS,
}
"""Case -> reason, for the ASGI tier. The fast tier has no such table: everything holds there."""


def printed() -> str:
    """The table, as Markdown."""
    lines = [
        "| what the ASGI tier does not carry | why, and what it does instead |",
        "| --- | --- |",
    ]
    lines += [f"| {name} | {why} |" for name, why in ASGI_LIMITS.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(printed())
