"""docs/apigw.md, and its Korean twin, are about this repository's table: each path goes where they write."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.config.load import load
from tests.deploy.rendering import CHART, TREE

PAGES = {"english": TREE / "docs" / "apigw.md", "korean": TREE / "docs" / "apigw.ko.md"}
TABLE: dict[str, Any] = yaml.safe_load((TREE / "routes.yaml").read_text())
_REQUEST = re.compile(r"`([A-Z]+) (/[^`]*)`")
every_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


def rows(page: Path) -> list[list[str]]:
    """The cells of the table of paths."""
    lines = [line for line in page.read_text().splitlines() if re.match(r"\| `[A-Z]+ /", line)]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@every_page
def test_each_request_of_the_table_takes_the_route_beside_it(page: Path) -> None:
    tests = [
        {
            "name": f"{page.name} {method} {path}",
            "input": {"method": method, "host": "localhost", "path": path},
            "expect": {"route": cells[1].strip("`")},
        }
        for cells in rows(page)
        for method, path in _REQUEST.findall(cells[0])
    ]
    assert len(tests) > 12
    # A table that fails one of its tests is refused.
    load(yaml.safe_dump({**TABLE, "tests": [*TABLE["tests"], *tests]}).encode(), "routes.yaml")


@every_page
def test_every_route_of_the_table_has_a_row(page: Path) -> None:
    named = {cells[1].strip("`") for cells in rows(page)}
    assert named == {route["name"] for route in TABLE["routes"]}


@every_page
def test_every_command_value_and_link_exists(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / target).is_file(), target
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert "scheme" in values["ingress"]
    assert "apiToken" in values["service"]
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    load(yaml.safe_dump(TABLE | yaml.safe_load(example)).encode(), "routes.yaml")


def test_both_pages_have_the_same_parts_and_the_same_names() -> None:
    english, korean = (page.read_text() for page in PAGES.values())
    assert len(re.findall(r"(?m)^#+ ", korean)) == len(re.findall(r"(?m)^#+ ", english))
    without_code = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
    names = [
        sorted(set(re.findall(r"`([^`\n]+)`", without_code.sub("", text))))
        for text in (english, korean)
    ]
    assert names[0] == names[1]
    assert [cells[:2] for cells in rows(PAGES["korean"])] == [
        cells[:2] for cells in rows(PAGES["english"])
    ]
