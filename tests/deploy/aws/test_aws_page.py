"""docs/aws.md gives commands that fit the templates, and lists every action of every policy."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.aws.stacks import CAPABILITIES, STACKS, Stack
from tests.deploy.rendering import TREE

PAGE = (TREE / "docs" / "aws.md").read_text()
_ACTION = re.compile(r"[a-z0-9]+:[A-Z][A-Za-z]+")


def commands(beginning: str) -> list[list[str]]:
    """The words of each command of the page that begins so."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith(beginning)]


def option(words: list[str], name: str) -> list[str]:
    """The values of an option."""
    if name not in words:
        return []
    rest = words[words.index(name) + 1 :]
    return rest[: next((at for at, word in enumerate(rest) if word.startswith("--")), len(rest))]


def creation(stack: Stack) -> list[str]:
    """The first command that creates the stack from its template."""
    return next(
        words
        for words in commands("aws cloudformation deploy")
        if option(words, "--template-file") == [f"deploy/aws/{stack.file}"]
    )


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.file)
def test_each_stack_is_created_with_its_template_and_every_parameter_without_a_default(
    stack: Stack,
) -> None:
    words = creation(stack)
    assert option(words, "--stack-name") == [stack.name]
    given = {each.partition("=")[0] for each in option(words, "--parameter-overrides")}
    assert given == {
        name for name, declared in stack.template["Parameters"].items() if "Default" not in declared
    }


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.file)
def test_each_stack_gets_the_capabilities_that_it_needs(stack: Stack) -> None:
    given = option(creation(stack), "--capabilities")
    makes_roles = any(
        resource["Type"].startswith("AWS::IAM::") or "HostedRotationLambda" in str(resource)
        for resource in stack.template["Resources"].values()
    )
    assert ("CAPABILITY_IAM" in given) == makes_roles
    assert ("CAPABILITY_AUTO_EXPAND" in given) == ("Transform" in stack.template)
    assert set(given) <= set(CAPABILITIES)


def test_the_stacks_are_deleted_in_the_reverse_order() -> None:
    deleted = [
        option(words, "--stack-name")[0] for words in commands("aws cloudformation delete-stack")
    ]
    assert deleted == [stack.name for stack in reversed(STACKS)]


def actions(node: Any) -> Iterator[str]:
    """Every action of every policy below this node."""
    if isinstance(node, list):
        for each in node:
            yield from actions(each)
    elif isinstance(node, dict):
        if "PolicyDocument" in node:
            for statement in node["PolicyDocument"]["Statement"]:
                value = statement["Action"]
                yield from [value] if isinstance(value, str) else value
        for each in node.values():
            yield from actions(each)


def test_the_table_of_rights_has_each_action_and_no_other() -> None:
    table = PAGE.partition("## Who may do what\n")[2].partition("\n## ")[0].split("\n\n")[0]
    assert set(_ACTION.findall(table)) == {
        action for stack in STACKS for action in actions(stack.template["Resources"])
    }


def test_every_output_that_it_reads_is_one_of_the_stack() -> None:
    read = re.findall(r"--stack-name (\S+) .*?OutputKey=='(\w+)'", PAGE.replace("\\\n", " "))
    assert len(read) == 3
    names = {stack.name: stack for stack in STACKS}
    for name, key in read:
        assert key in names[name].template["Outputs"]


def test_the_table_of_stacks_has_each_template_with_its_name() -> None:
    assert re.findall(r"^\| `(\w+\.yaml)` \| `([\w-]+)` \|", PAGE, re.MULTILINE) == [
        (stack.file, stack.name) for stack in STACKS
    ]


def test_every_parameter_and_resource_that_it_names_exists() -> None:
    known = {
        name
        for stack in STACKS
        for part in ("Parameters", "Resources")
        for name in stack.template[part]
    }
    named = {
        "RotationDays",
        "SlowQueryMs",
        "StatementTimeoutMs",
        "DeletionProtection",
        "Audience",
    }
    assert named <= known
    for name in named:
        assert f"`{name}" in PAGE
