"""Citations in code, tests and documents lead to something that is in the repository."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_repository import ROOT, kept

SUFFIXES = {".css", ".html", ".js", ".json", ".md", ".py", ".sql", ".toml", ".tpl", ".yaml"}
WORDS = {"rule": "rule", "finding": "finding", "promise": "promise", "adr": "ADR"}
_ITEM = r"(?:[A-Z]\d+|\d+)\b"
_CITATION = re.compile(
    rf"\b(rule|finding|promise|ADR)s?[ \n#]+({_ITEM}(?:(?:, | and | to | or ){_ITEM})*)",
    re.IGNORECASE,
)
_PAGE = re.compile(r"\bdocs/[\w./-]+\.md\b")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(r"(?<![\w./-])(?:proxy|flightspecial_service|tests|deploy|docs|\.ci)/[\w./*-]+")
_OLD_FORMS = re.compile(r"\b(?:findings?, \d|rows? [UCRPDSIWMKTX]\d|style, \d)", re.IGNORECASE)


def texts() -> dict[Path, str]:
    """The text files of the repository, by path from its root; without this one, which holds wrong citations."""
    named = [path for path in kept() if path.suffix in SUFFIXES or path.name == "Makefile"]
    here = Path(__file__).relative_to(ROOT)
    return {path: (ROOT / path).read_text() for path in named if path != here}


def items() -> set[tuple[str, str]]:
    """Everything that can be cited: (word, number)."""
    docs = ROOT / "docs"
    rules = re.findall(r"^## Rule (\d+): ", (docs / "rules.md").read_text(), re.MULTILINE)
    findings = re.findall(r"^## Finding (\d+): ", (docs / "findings.md").read_text(), re.MULTILINE)
    promises = re.findall(r"^\| ([A-Z]\d) \| ", (docs / "promises.md").read_text(), re.MULTILINE)
    records = [str(int(path.name[:4])) for path in (docs / "adr").glob("*.md")]
    named = {"rule": rules, "finding": findings, "promise": promises, "ADR": records}
    return {(word, number) for word, numbers in named.items() for number in numbers}


ITEMS = items()


def cited(text: str) -> Iterator[tuple[str, str]]:
    """Each (word, number) that a text cites; `U1 to U4` cites four."""
    for word, numbers in _CITATION.findall(text):
        found = re.findall(rf"(to )?({_ITEM})", numbers)
        last = ""
        for ranged, number in found:
            if ranged:
                letter = number.rstrip("0123456789")
                between = range(int(last[len(letter) :]) + 1, int(number[len(letter) :]))
                yield from ((WORDS[word.lower()], f"{letter}{each}") for each in between)
            yield WORDS[word.lower()], number
            last = number


def wrong_citations(text: str) -> list[str]:
    return [f"{word} {number}" for word, number in cited(text) if (word, number) not in ITEMS]


def anchors(page: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def wrong_links(path: Path, text: str) -> list[str]:
    """The relative links of a page that lead to no file, or to no heading of it."""
    wrong = []
    for link in _LINK.findall(text):
        target, _, anchor = link.partition("#")
        if "://" in link:
            continue
        file = (ROOT / path.parent / target) if target else ROOT / path
        if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
            wrong.append(link)
    return wrong


def wrong_paths(text: str) -> list[str]:
    """The repository paths in a text that do not exist. An ADR may name the old path of a file: its line
    "Today:" then says where the file is.
    """
    today = re.search(r"^Today: .*(?:\n.+)*", text, re.MULTILINE)
    moved = re.findall(r"`([^`]+)` is ", today[0]) if today else []
    # `kubectl exec deploy/facade` names an object of the cluster.
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("kubectl "))
    paths = (path.rstrip("./") for path in _PATH.findall(lines))
    return [path for path in paths if path not in moved and not any(ROOT.glob(path))]


def test_every_cited_number_exists() -> None:
    wrong = {str(path): wrong_citations(text) for path, text in texts().items()}
    assert {path: numbers for path, numbers in wrong.items() if numbers} == {}


def test_every_page_that_is_named_exists() -> None:
    wrong = {
        str(path): [page for page in _PAGE.findall(text) if not (ROOT / page).is_file()]
        for path, text in texts().items()
    }
    assert {path: pages for path, pages in wrong.items() if pages} == {}


def test_every_link_of_a_page_leads_somewhere() -> None:
    pages = {path: text for path, text in texts().items() if path.suffix == ".md"}
    wrong = {str(path): wrong_links(path, text) for path, text in pages.items()}
    assert {path: links for path, links in wrong.items() if links} == {}


def test_every_path_in_the_documents_exists() -> None:
    pages = {path: text for path, text in texts().items() if path.parts[0] == "docs"}
    wrong = {str(path): wrong_paths(text) for path, text in pages.items() if path.suffix == ".md"}
    assert {path: paths for path, paths in wrong.items() if paths} == {}


def test_no_citation_has_the_form_that_led_nowhere() -> None:
    wrong = {str(path): _OLD_FORMS.findall(text) for path, text in texts().items()}
    assert {path: forms for path, forms in wrong.items() if forms} == {}


def test_all_rules_are_listed_and_every_promise_names_its_tests() -> None:
    assert {number for word, number in ITEMS if word == "rule"} == {str(n) for n in range(1, 19)}
    page = (ROOT / "docs" / "promises.md").read_text()
    rows = [line for line in page.splitlines() if re.match(r"\| [A-Z]\d \| ", line)]
    assert [row for row in rows if "`tests/" not in row.rsplit(" | ", 1)[1]] == []


def test_only_findings_that_are_cited_are_listed() -> None:
    findings = {item for item in ITEMS if item[0] == "finding"}
    elsewhere = (text for path, text in texts().items() if path.name != "findings.md")
    assert findings - {citation for text in elsewhere for citation in cited(text)} == set()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_pages_are_linked(page: str) -> None:
    links = set(_LINK.findall((ROOT / page).read_text()))
    assert {"docs/rules.md", "docs/promises.md", "docs/findings.md"} <= links


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("rule 12, finding 3, promise W1, ADR 7", []),
        ("rule 19", ["rule 19"]),
        ("Rules 2 and 99.", ["rule 99"]),
        ("findings 8 and 4", ["finding 4"]),
        ("promises U1, U2 and U90", ["promise U90"]),
        ("promises R5 to R8", ["promise R7", "promise R8"]),
        ("(ADR 11, 404)", ["ADR 404"]),
        ("wrapped: rule\n# 77", ["rule 77"]),
    ],
)
def test_a_citation_that_leads_nowhere_is_noticed(text: str, wrong: list[str]) -> None:
    assert wrong_citations(text) == wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("`proxy/errors.py`, deploy/images/*.lock and tests/unit.", []),
        ("`proxy/edit.py`", ["proxy/edit.py"]),
        ("Today: `proxy/edit.py` is `proxy/control/edits`.\n\n`proxy/edit.py`", []),
        ("Today: `proxy/edit.py` is `proxy/nowhere`.", ["proxy/nowhere"]),
        ("kubectl exec deploy/facade", []),
    ],
)
def test_a_path_that_leads_nowhere_is_noticed(text: str, wrong: list[str]) -> None:
    assert wrong_paths(text) == wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[a](rules.md#rule-12-the-path-that-is-matched-is-the-path-that-is-sent)", []),
        ("[a](nowhere.md), [b](https://example.com)", ["nowhere.md"]),
        ("[a](rules.md#rule-99)", ["rules.md#rule-99"]),
        ("[a](#nowhere)", ["#nowhere"]),
    ],
)
def test_a_link_that_leads_nowhere_is_noticed(text: str, wrong: list[str]) -> None:
    assert wrong_links(Path("docs/findings.md"), text) == wrong
