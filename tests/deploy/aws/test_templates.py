"""The templates of deploy/aws as text: valid, named as the guide has it, and in agreement with the chart."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from flightspecial_service.settings import read_settings
from tests.deploy.aws.stacks import CI, CICD, DATABASE, FOLDER, IDENTITY, REGISTRY, STACKS, Stack
from tests.deploy.reading import container, named, workloads
from tests.deploy.rendering import BUILD, Helm, Values
from tests.support.moto_server import REGION


def parameter(stack: Stack, name: str) -> dict[str, Any]:
    found: dict[str, Any] = stack.template["Parameters"][name]
    return found


def default(stack: Stack, name: str) -> str:
    return str(parameter(stack, name)["Default"])


def test_cfn_lint_reports_nothing() -> None:
    files = sorted(map(str, FOLDER.glob("*.yaml")))
    assert len(files) == len(STACKS)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("cfn-lint")), "-r", REGION, "-c", "I", "--", *files],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_outputs_that_the_build_reads_are_named_as_in_the_guide() -> None:
    prefix = "M2MFlightSpecialDatabaseStackFlightSpecialDB"
    assert set(DATABASE.template["Outputs"]) == {f"{prefix}Endpoint", f"{prefix}Port", "SecretArn"}
    assert DATABASE.name == "M2M-FlightSpecialDatabaseStack"


@pytest.mark.parametrize(
    ("stack", "name", "value"),
    [
        (DATABASE, "SecretName", BUILD["DATABASE_USERNAME"]),
        (CICD, "SecretName", BUILD["DATABASE_USERNAME"]),
        (REGISTRY, "RepositoryName", BUILD["ECR_REPO_URI"].rpartition("/")[2]),
        (CICD, "SourceRepositoryName", "M2M-FlightSpecialCICDStack-SourceRepository"),
        (
            CICD,
            "DeployRepositoryName",
            "M2M-FlightSpecialCICDStack-DeployStack-DeploySourceRepository",
        ),
        (CICD, "DatabaseStack", DATABASE.name),
        (CICD, "RegistryStack", REGISTRY.name),
        (IDENTITY, "DatabaseStack", DATABASE.name),
        (IDENTITY, "CicdStack", CICD.name),
        (CI, "DatabaseStack", DATABASE.name),
        (CI, "RegistryStack", REGISTRY.name),
    ],
    ids=lambda value: value.file if isinstance(value, Stack) else value,
)
def test_the_defaults_are_the_names_of_the_guide_and_of_the_other_stacks(
    stack: Stack, name: str, value: str
) -> None:
    assert default(stack, name) == value


def test_the_role_is_for_the_service_account_of_the_chart(helm: Helm, values: Values) -> None:
    manifests = helm.manifests(values)
    users = {
        name
        for name, workload in workloads(manifests).items()
        if workload["spec"]["template"]["spec"].get("serviceAccountName")
        == default(IDENTITY, "ServiceAccount")
    }
    assert users == {"flightspecials", "flightspecials-migration"}
    account = named(manifests, "ServiceAccount", default(IDENTITY, "ServiceAccount"))
    assert account["metadata"].get("namespace", "flightspecials") == default(IDENTITY, "Namespace")


def test_the_database_is_the_one_of_the_chart(values: Values) -> None:
    database = DATABASE.template["Resources"]["Database"]["Properties"]
    assert database["DBName"] == values["database"]["name"]
    assert database["Port"] == BUILD["DATABASE_PORT"]
    assert (database["PubliclyAccessible"], database["StorageEncrypted"]) == (False, True)


def test_a_deletion_keeps_the_data_and_the_history() -> None:
    kept = {
        name: resource["DeletionPolicy"]
        for stack in STACKS
        for name, resource in stack.template["Resources"].items()
        if resource.get("DeletionPolicy", "Delete") != "Delete"
    }
    assert kept == {
        "Database": "Snapshot",
        "SourceRepository": "Retain",
        "DeployRepository": "Retain",
    }
    assert default(DATABASE, "DeletionProtection") == "true"


def test_images_are_scanned_when_they_are_pushed() -> None:
    # moto keeps this property under a name that its API does not read.
    for repository in REGISTRY.template["Resources"].values():
        assert repository["Properties"]["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_the_properties_are_known_to_the_service_and_not_overridden_by_the_chart(
    helm: Helm, values: Values
) -> None:
    entries = {
        resource["Properties"]["Name"].rpartition("/")[2]: default(
            DATABASE, resource["Properties"]["Value"]["Ref"]
        )
        for resource in DATABASE.template["Resources"].values()
        if resource["Type"] == "AWS::SSM::Parameter"
    }
    assert len(entries) == 2
    # The defaults are those of the service, so an unchanged stack changes nothing.
    assert str(read_settings(entries)) == str(read_settings({}))
    assert str(read_settings(dict.fromkeys(entries, "77"))) != str(read_settings({}))
    environment = container(workloads(helm.manifests(values))["flightspecials"])["env"]
    assert {each["name"] for each in environment}.isdisjoint(entries)


@pytest.mark.parametrize(
    ("stack", "name", "good", "bad"),
    [
        (DATABASE, "SecretName", "a/b_c-d", "with blank"),
        (DATABASE, "EngineVersion", "17.12", "16.4"),
        (DATABASE, "InstanceClass", "db.r7g.large", "t4g.micro"),
        (DATABASE, "SlowQueryMs", "250", "0"),
        (DATABASE, "StatementTimeoutMs", "99999", "fast"),
        (REGISTRY, "RepositoryName", "team/m2m-flightspecial", "M2M"),
        (CICD, "SourceRepositoryName", "source", "a/b"),
        (CICD, "DeployRepositoryName", "deploy", ""),
        (CICD, "Branch", "release/1", "two words"),
        (
            IDENTITY,
            "OidcProvider",
            "oidc.eks.eu-west-1.amazonaws.com/id/0A1B",
            "https://oidc.eks.eu-west-1.amazonaws.com/id/0A1B",
        ),
        (IDENTITY, "Namespace", "flightspecials-2", "Flights"),
        (IDENTITY, "ServiceAccount", "pods", "-pods"),
        (IDENTITY, "ArgoCdSecretName", "argocd", "?"),
        (CI, "OidcProvider", "gitlab.com", "https://gitlab.com"),
        (CI, "Audience", "https://gitlab.com", "*"),
        (CI, "Subject", "repo:owner/name:ref:refs/heads/main", "repo:owner/*"),
    ],
    ids=lambda value: value.file if isinstance(value, Stack) else value,
)
def test_a_wrong_parameter_is_refused_with_a_sentence_before_anything_is_made(
    stack: Stack, name: str, good: str, bad: str
) -> None:
    declared = parameter(stack, name)
    assert re.fullmatch(declared["AllowedPattern"], good)
    assert not re.fullmatch(declared["AllowedPattern"], bad)
    assert declared["ConstraintDescription"]


def test_every_text_parameter_has_a_pattern_values_or_the_type_of_a_resource() -> None:
    free = {
        (stack.file, name)
        for stack in STACKS
        for name, declared in stack.template["Parameters"].items()
        if declared["Type"] == "String" and not {"AllowedPattern", "AllowedValues"} & set(declared)
    }
    # Names of other stacks and of the secret: CloudFormation itself refuses an export that is not there.
    assert free == {
        ("pipeline.yaml", "DatabaseStack"),
        ("pipeline.yaml", "RegistryStack"),
        ("pipeline.yaml", "SecretName"),
        ("identity.yaml", "DatabaseStack"),
        ("identity.yaml", "CicdStack"),
        ("ci.yaml", "DatabaseStack"),
        ("ci.yaml", "RegistryStack"),
    }


def test_no_template_contains_a_password() -> None:
    text = "".join(stack.text for stack in STACKS)
    assert not re.search(r"(?i)password: *[\"']?[a-z0-9]{6,}", text.replace("password\n", ""))
    database = DATABASE.template["Resources"]["Database"]["Properties"]
    for name in ("MasterUsername", "MasterUserPassword"):
        assert database[name]["Fn::Sub"].startswith("{{resolve:secretsmanager:${Secret}:")


def test_the_rotation_and_the_first_password_leave_out_the_same_characters() -> None:
    parts = DATABASE.template["Resources"]
    generated = parts["Secret"]["Properties"]["GenerateSecretString"]["ExcludeCharacters"]
    hosted = parts["SecretRotation"]["Properties"]["HostedRotationLambda"]
    assert hosted["ExcludeCharacters"] == generated
    # https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html
    assert set('/@" ') <= set(generated)
    assert yaml.safe_load(
        parts["Secret"]["Properties"]["GenerateSecretString"]["SecretStringTemplate"]
    ) == {"username": "postgres"}
