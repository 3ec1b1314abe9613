"""docs/guide.md has every chapter, step and page of the guide, and each command, file and page that it names exists."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.deploy.rendering import TREE

DOCS = TREE / "docs"
PAGE = DOCS / "guide.md"
CHAPTERS = {
    "1": ("1.1", "1.2", "1.3", "1.4", "1.A1", "1.A2", "1.B1", "1.B2", "1.B3", "1.B4", "1.C"),
    "2": ("2.1", "2.2"),
    "3": ("3.1", "3.2", "3.3", "3.4"),
    "4": ("4.1", "4.2", "4.3"),
    "5": tuple(f"5.{number}" for number in range(1, 12)),
    "6": ("6.1", "6.2", "6.3", "6.4", "6.5"),
}
"""The chapters of the guide with their steps, as it numbers them. Chapter 1 has the database, A (Gradle),
B (containers), and the clean-up (C). Two steps of chapter 6 have the number 4."""
PAGES = ("strangler-fig.md", "compose.md", "package.md", "apigw.md", "cqrs.md")
"""The pages that the guide links to."""
_PROGRAMS = ("docker", "kubectl", "argocd", "aws", "git", "cp", "curl", "envsubst")


def rows() -> list[list[str]]:
    """The cells of each row that begins with the number of a step."""
    lines = [line for line in PAGE.read_text().splitlines() if re.match(r"\| \d\.", line)]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def linked(text: str) -> list[tuple[str, str]]:
    """Each link as file and anchor."""
    return [
        (target, anchor) for target, anchor in re.findall(r"\]\(([^)#:]+)(?:#([^)]*))?\)", text)
    ]


@cache
def anchors(file: Path) -> set[str]:
    """The anchors of the headings, as GitHub forms them."""
    titles = re.findall(r"(?m)^#+ (.*)$", file.read_text())
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_every_chapter_of_the_guide_is_a_part_of_the_page() -> None:
    assert re.findall(r"(?m)^## (\d)\.", PAGE.read_text()) == list(CHAPTERS)


@pytest.mark.parametrize(("chapter", "steps"), CHAPTERS.items())
def test_every_step_of_a_chapter_has_a_row(chapter: str, steps: tuple[str, ...]) -> None:
    assert tuple(cells[0] for cells in rows() if cells[0].startswith(f"{chapter}.")) == steps


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_the_guide_has_its_page(page: str) -> None:
    assert (DOCS / page).is_file()
    assert page in [target for target, _ in linked(PAGE.read_text())]


def test_every_link_leads_to_a_heading_that_exists() -> None:
    links = linked(PAGE.read_text())
    assert len(links) > 40
    for target, anchor in links:
        file = (DOCS / target).resolve()
        assert file.is_file(), target
        if anchor:
            assert anchor in anchors(file), f"{target}#{anchor}"


@pytest.mark.parametrize("cells", rows(), ids=lambda cells: cells[0])
def test_a_step_has_something_and_its_page_shows_the_command(cells: list[str]) -> None:
    _, guide, here, page = cells
    assert guide
    assert here
    pages = "".join((DOCS / target).read_text() for target, _ in linked(page))
    for each in code(here):
        if each.split()[0] in _PROGRAMS:
            assert each in pages, each


@pytest.mark.parametrize(
    "path",
    sorted(
        {
            each
            for each in code(PAGE.read_text())
            if re.match(r"(deploy|flightspecial_service)/", each)
        }
    ),
)
def test_every_file_that_it_names_exists(path: str) -> None:
    assert (TREE / path.split()[0]).exists()


def test_every_target_of_make_exists() -> None:
    targets = re.findall(r"(?m)^([a-z-]+):.*##", (TREE / "Makefile").read_text())
    named = [each.split()[1] for each in code(PAGE.read_text()) if each.startswith("make ")]
    assert named
    assert set(named) <= set(targets)


def test_every_part_of_compose_and_every_variable_of_it_exists() -> None:
    compose = (TREE / "compose.yaml").read_text()
    services = set(yaml.safe_load(compose)["services"])
    text = PAGE.read_text()
    commands = [each for each in code(text) if re.match(r"docker compose (up|run|rm|logs)", each)]
    assert {each.split()[-1] for each in commands} <= services
    for variable in ("APP_PORT", "DB_VOLUME", "FEATURE_HEADER_UPDATE"):
        assert f"`{variable}`" in text
        assert variable in compose


@pytest.mark.parametrize(
    ("program", "module"), [("facade", "proxy"), ("flightspecials", "flightspecial_service")]
)
def test_every_command_of_our_programs_exists(program: str, module: str) -> None:
    named = {each.split()[1] for each in code(PAGE.read_text()) if each.startswith(f"{program} ")}
    assert named
    for command in named:
        done = subprocess.run(
            [sys.executable, "-m", module, command, "--help"],
            cwd=TREE,
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, command


def test_every_value_of_the_chart_exists() -> None:
    values = yaml.safe_load((TREE / "deploy" / "chart" / "values.yaml").read_text())
    assert values["service"]["kind"] == "Rollout"
    assert values["facade"]["ingress"]["enabled"] is False


def test_readme_links_to_it() -> None:
    for readme in ("README.md", "README.ko.md"):
        assert "(docs/guide.md)" in (TREE / readme).read_text()
