"""The list in docs/protocol.md, made of the suite itself: test by test, what holds on which tier.

python -m tests.conformance.sheet       writes the list into docs/protocol.md
"""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import tests.conformance
from tests.conformance.conversation import Case
from tests.conformance.limits import ASGI_LIMITS

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocol.md"
MARK = "<!-- Below: made by `python -m tests.conformance.sheet`. -->\n"
_NOT_LISTED = frozenset(("test_sheet",))
_REFERENCE = re.compile(
    r"RFC \d+(?: [\d.]*\d)?|W3C Trace Context(?: [\d.]*\d)?|HTML [\d.]*\d"
    r"|[Pp]romise \w\d|[Ff]indings? \d+(?: and \d+)?|ADR \d+|[Rr]ule \d+"
)


@dataclass(frozen=True)
class Line:
    """One test. `times` counts its rows of values."""

    what: str
    where: str
    times: int = 1
    soak: bool = False

    @property
    def asgi(self) -> str:
        return f"no: {ASGI_LIMITS[self.what]}" if self.what in ASGI_LIMITS else "yes"


def modules() -> list[ModuleType]:
    """Every file of tests that is listed, by name."""
    found = (info.name for info in pkgutil.iter_modules(tests.conformance.__path__))
    listed = sorted(name for name in found if name.startswith("test_") and name not in _NOT_LISTED)
    return [importlib.import_module(f"tests.conformance.{name}") for name in listed]


def cases() -> list[Case]:
    return [case for module in modules() for case in getattr(module, "CASES", ())]


def lines(module: ModuleType) -> Iterator[Line]:
    """Each case of a file, then each test that is no table."""
    yield from (Line(case.name, case.rfc) for case in getattr(module, "CASES", ()))
    for name, test in vars(module).items():
        if name.startswith("test_") and callable(test):
            marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
            if not any(mark.args[0] == "case" for mark in marks):
                yield _line(name, test, marks)


def _line(name: str, test: Callable[..., Any], marks: list[Any]) -> Line:
    times = 1
    for mark in marks:
        times *= len(mark.args[1])
    soak = any(mark.name == "soak" for mark in getattr(test, "pytestmark", []))
    what = name.removeprefix("test_").replace("_", " ")
    return Line(what, _references(test.__doc__ or ""), times, soak)


def _references(text: str) -> str:
    """The references in a docstring, each once, as one sentence part: `Promise U6, promise W1`."""
    listed = ", ".join(dict.fromkeys(_REFERENCE.findall(text)))
    lowered = re.sub(r"(?<=, )(Promise|Finding|Rule)", lambda word: word[0].lower(), listed)
    return lowered[:1].upper() + lowered[1:]


def listed() -> str:
    """All of it, as Markdown."""
    found: list[str] = []
    for module in modules():
        title, _, _ = (module.__doc__ or "").partition("\n")
        found += [f"## {title.partition(' (')[0].rstrip('.')}", ""]
        found += ["| what | where | ASGI | fast |", "| --- | --- | --- | --- |"]
        found += [_row(line) for line in lines(module)]
        found.append("")
    return "\n".join(found)


def _row(line: Line) -> str:
    times = f" ({line.times} rows)" if line.times > 1 else ""
    soak = " (`make soak`)" if line.soak else ""
    what = re.sub("x{99,}", "x…", line.what).replace("|", "\\|")
    return f"| {what}{times}{soak} | {line.where} | {line.asgi} | yes |"


def written() -> str:
    """The document as it has to be: what a person wrote, and the list."""
    return DOCUMENT.read_text().partition(MARK)[0] + MARK + "\n" + listed()


if __name__ == "__main__":
    DOCUMENT.write_text(written())
