"""docs/kubernetes.md, and its Korean twin, name what there is, and give the same commands."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.reading import container, named
from tests.deploy.rendering import CHART, TREE, Helm, Refused, Values, changed

PAGES = {
    "english": TREE / "docs" / "kubernetes.md",
    "korean": TREE / "docs" / "kubernetes.ko.md",
}
every_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


def blocks(page: Path, language: str) -> list[str]:
    """The code in this language, without its comments."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return [re.sub(r"(?m)\s+# .*$", "", block) for block in found]


def test_both_pages_give_the_same_commands_and_the_same_values() -> None:
    english, korean = PAGES.values()
    assert len(blocks(english, "bash")) > 10
    for language in ("bash", "yaml"):
        assert blocks(korean, language) == blocks(english, language)


def test_both_pages_have_the_same_parts_and_the_same_names() -> None:
    english, korean = (page.read_text() for page in PAGES.values())
    assert len(re.findall(r"(?m)^#+ ", korean)) == len(re.findall(r"(?m)^#+ ", english))
    names = re.compile(r"`([^`\n]+)`")
    without_code = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
    assert set(names.findall(without_code.sub("", korean))) == set(
        names.findall(without_code.sub("", english))
    )


@every_page
def test_the_chapters_are_those_of_the_guide(page: Path) -> None:
    assert re.findall(r"(?m)^## (\d)\.", page.read_text()) == ["1", "2", "3", "4", "5", "6"]


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).is_file(), target


def _has(values: Any, place: str) -> bool:
    for name in place.split("."):
        if not isinstance(values, dict) or name not in values:
            return False
        values = values[name]
    return True


@every_page
def test_every_value_that_it_names_is_one_of_the_chart(page: Path) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    named = set(
        re.findall(
            r"\b((?:service|facade|image|networkPolicy|analysis)(?:\.[a-zA-Z]+)+)\b(?=[=:` ])",
            page.read_text(),
        )
    )
    assert {"service.kind", "facade.admin.existingSecret", "image.tag"} <= named
    assert {place for place in named if not _has(values, place)} == set()


def _merged(values: Any, more: Any) -> Any:
    if not isinstance(more, dict):
        return more
    return {**values, **{name: _merged(values.get(name, {}), more[name]) for name in more}}


@pytest.mark.parametrize("number", range(5))
def test_every_example_of_values_renders(helm: Helm, values: Values, number: int) -> None:
    example = yaml.safe_load(blocks(PAGES["english"], "yaml")[number])
    assert helm.files(_merged(values, example)) != helm.files(values)


def test_there_are_no_more_examples() -> None:
    assert len(blocks(PAGES["english"], "yaml")) == 5


@every_page
def test_the_sentence_that_it_quotes_is_the_one_of_the_chart(
    helm: Helm, values: Values, page: Path
) -> None:
    (sentence,) = re.findall(r"\*(image\.tag is empty: [^*]+)\*", page.read_text())
    with pytest.raises(Refused) as refused:
        helm.files(changed(values, image__tag=""))
    assert sentence in str(refused.value)


@every_page
def test_every_object_that_it_asks_for_is_made(helm: Helm, values: Values, page: Path) -> None:
    text = page.read_text()
    made = {(m["kind"].lower(), m["metadata"]["name"]) for m in helm.manifests(values)}
    asked = re.findall(
        r"(?:exec|logs|restart|port-forward) (deployment|deploy|job)/([a-z-]+)", text
    )
    asked += re.findall(r"--resource :(ConfigMap):([a-z-]+)", text)
    asked += re.findall(r"get (ingress) (flightspecials-[a-z]+)", text)
    assert len(asked) >= 5
    assert {
        (kind.lower().replace("deployment", "deploy").replace("deploy", "deployment"), name)
        for kind, name in asked
    } <= made


@every_page
def test_the_steps_of_a_canary_name_the_rollout_and_its_container(
    helm: Helm, values: Values, page: Path
) -> None:
    text = page.read_text()
    manifests = helm.manifests(values)
    for verb in ("set image", "promote", "abort", "retry rollout", "undo"):
        (name,) = re.findall(rf"`kubectl argo rollouts {verb} (\S+)[^`]* -n flightspecials`", text)
        rollout = named(manifests, "Rollout", name)
    (container_name,) = re.findall(r"set image flightspecials (\S+)=", text)
    assert container(rollout)["name"] == container_name
