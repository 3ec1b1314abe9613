"""docs/architecture.md is true: its files exist, and real requests call its functions in the order of its steps."""

import asyncio
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from proxy.server.settings import Tier
from tests.support.facade_in_loop import facade_in_loop
from tests.support.origin import ok, origin, responding

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
TABLE = """
version: 1
backends: {legacy: "URL"}
routes:
- {name: all, backend_refs: legacy}
"""
_STEP = re.compile(r"`([a-z0-9_/]+\.py):([a-z_]+)`")
_FILE = re.compile(r"`(proxy/[a-z0-9_/]+(?:\.py)?)`")
Call = tuple[str, str]


def steps(title: str) -> list[Call]:
    """The functions that the section names, in its order."""
    section = PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    return [(found[1], found[2]) for found in _STEP.finditer(section)]


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """The functions of proxy/ that are called inside, in all threads that start inside."""
    calls: list[Call] = []
    inside = f"{ROOT}/proxy/"

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(inside):
            calls.append((code.co_filename.removeprefix(inside), code.co_name))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def missing(wanted: list[Call], calls: list[Call]) -> list[Call]:
    """What of `wanted` does not come in this order."""
    at, left = 0, []
    for step in wanted:
        try:
            at = calls.index(step, at)
        except ValueError:
            left.append(step)
    return left


@pytest.mark.parametrize(
    ("title", "tier", "path"),
    [
        ("The way of a usual request, fast tier", "fast", "/a"),
        ("The way of any other request, fast tier", "fast", "/a%20b"),
        ("The way of a request, ASGI tier", "asgi", "/a%20b"),
    ],
)
async def test_a_request_goes_the_way_that_the_page_tells(
    title: str, tier: Tier, path: str, tmp_path: Path
) -> None:
    async with (
        # Each response has another length, so that its head is no repetition of the last one.
        origin(responding(lambda request: ok(request.head.target))) as legacy,
        facade_in_loop(TABLE.replace("URL", legacy.url), tmp_path, tier=tier) as up,
    ):
        await up.get("/the-first")
        with recorded() as calls:
            assert (await up.get(path)).startswith(b"HTTP/1.1 200 ")
    assert missing(steps(title), calls) == []


async def test_an_edit_goes_the_way_that_the_page_tells(tmp_path: Path) -> None:
    text = TABLE.replace("URL", "http://127.0.0.1:1")
    with recorded() as calls:
        async with facade_in_loop(text, tmp_path) as up:
            before = up.app.table.current
            del calls[:]
            up.routes.write_text(text + "# edited\n")
            async with asyncio.timeout(20):
                while up.app.table.current is before:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0)
    assert missing(steps("The way of a table edit"), calls) == []


def test_the_order_is_looked_at() -> None:
    assert missing([("a.py", "f"), ("b.py", "g")], [("b.py", "g"), ("a.py", "f")]) == [
        ("b.py", "g")
    ]


def test_the_page_names_files_that_exist() -> None:
    named = {found[1] for found in _FILE.finditer(PAGE)}
    named |= {f"proxy/{found[1]}" for found in _STEP.finditer(PAGE)}
    assert len(named) > 30
    assert sorted(name for name in named if not (ROOT / name).exists()) == []
