"""compose.yaml, the Dockerfile and the lock files as values, for the tests that need no engine."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "deploy/images"
_VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::-([^}]*))?\}")
_PINNED = re.compile(r"^([a-z0-9._-]+)(?:\[[a-z,-]+\])?==(\S+)")


def compose_text() -> str:
    return (ROOT / "compose.yaml").read_text()


def compose(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """compose.yaml with its variables put in after reading the YAML, as Compose does it; an empty one is unset."""

    def put_in(node: Any) -> Any:
        if isinstance(node, str):
            return _VARIABLE.sub(
                lambda found: (environ or {}).get(found[1]) or found[2] or "", node
            )
        if isinstance(node, list):
            return [put_in(one) for one in node]
        if isinstance(node, dict):
            return {key: put_in(one) for key, one in node.items()}
        return node

    read: dict[str, Any] = put_in(yaml.safe_load(compose_text()))
    return read


def variables() -> dict[str, str]:
    """Every variable that compose.yaml reads, and its default."""
    return dict(_VARIABLE.findall(compose_text()))


def seconds(duration: str) -> float:
    """`20s` and `1m` as compose.yaml writes them."""
    number, unit = duration[:-1], duration[-1]
    return float(number) * {"s": 1, "m": 60}[unit]


@dataclass(frozen=True)
class Instruction:
    """One line of a Dockerfile, continued lines joined."""

    stage: str
    word: str
    rest: str

    def words(self) -> list[str]:
        """The exec form's words. Raises ValueError for the shell form."""
        found: list[str] = json.loads(self.rest)
        return found


def dockerfile() -> list[Instruction]:
    """The Dockerfile's instructions, each with the name of its stage."""
    text = re.sub(r"(?m)^#.*\n", "", (IMAGES / "Dockerfile").read_text()).replace("\\\n", " ")
    stage, found = "", []
    for line in filter(None, map(str.strip, text.splitlines())):
        word, rest = line.split(None, 1)
        if word == "FROM":
            stage = rest.split()[-1]
        found.append(Instruction(stage, word, rest))
    return found


def lineage(target: str) -> list[str]:
    """The stages that `target` is built on, itself first, the last one on the base."""
    parents = {one.stage: shlex.split(one.rest)[0] for one in dockerfile() if one.word == "FROM"}
    found = [target]
    while (parent := parents[found[-1]]) in parents:
        found.append(parent)
    return found


def of_target(target: str, word: str) -> list[Instruction]:
    """What the result of `target` gets from instructions `word`, its own first."""
    stages = lineage(target)
    chosen = [one for one in dockerfile() if one.stage in stages and one.word == word]
    return sorted(chosen, key=lambda one: stages.index(one.stage))


def pins(path: Path) -> dict[str, str]:
    """Versions by distribution."""
    found = (_PINNED.match(line) for line in path.read_text().splitlines())
    return {one[1]: one[2] for one in found if one}


def wanted(name: str) -> set[str]:
    """What `deploy/images/NAME.in` names, some of it for certain versions of Python."""
    lines = (IMAGES / f"{name}.in").read_text().splitlines()
    return {line.partition(";")[0] for line in lines if line and not line.startswith("#")}
