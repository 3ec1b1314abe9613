"""Policies as IAM has them, as pairs of action and resource."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import yaml

from tests.deploy.aws.stacks import client

Statements = set[tuple[str, str]]
"""Pairs of action and resource."""


def parsed(document: Mapping[str, Any] | str) -> Mapping[str, Any]:
    """A policy. moto returns some as text, in JSON or as Python prints it; YAML reads both."""
    if not isinstance(document, str):
        return document
    policy: Mapping[str, Any] = yaml.safe_load(unquote(document))
    return policy


def pairs(document: Mapping[str, Any] | str) -> Statements:
    """The allowed pairs of a policy. All statements allow, without NotAction or NotResource."""
    found = set()
    for statement in parsed(document)["Statement"]:
        assert set(statement) == {"Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        actions, resources = (
            [value] if isinstance(value, str) else value
            for value in (statement["Action"], statement["Resource"])
        )
        found |= {(action, resource) for action in actions for resource in resources}
    return found


def of_role(name: str) -> Statements:
    iam = client("iam")
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    return pairs(iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
