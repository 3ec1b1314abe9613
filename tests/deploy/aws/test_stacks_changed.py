"""The stacks are updated and deleted in moto."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.deploy.aws import stacks
from tests.deploy.aws.stacks import CI, CICD, DATABASE, IDENTITY, REGISTRY, STACKS, client, outputs

SECRET = "flightspecial_db_credentials_test"
GIT_SECRET = "flightspecial_argocd_git_credentials"


@pytest.fixture
def stacked(empty: None) -> None:
    """All stacks, for a test that changes them."""
    stacks.create_all()


@pytest.mark.usefixtures("stacked")
def test_the_secret_of_argo_cd_is_empty_until_its_credentials_are_put_there() -> None:
    secrets = client("secretsmanager")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        secrets.get_secret_value(SecretId=GIT_SECRET)
    text = json.dumps({"username": "argocd-at-123456789012", "password": "x"})
    secrets.put_secret_value(SecretId=GIT_SECRET, SecretString=text)
    assert secrets.get_secret_value(SecretId=GIT_SECRET)["SecretString"] == text


@pytest.mark.usefixtures("stacked")
def test_a_changed_parameter_changes_its_resource_and_no_other() -> None:
    before = client("secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"]
    stacks.update(DATABASE, {"RotationDays": "7", "SlowQueryMs": "250"})
    described = client("secretsmanager").describe_secret(SecretId=SECRET)
    assert described["RotationRules"] == {"AutomaticallyAfterDays": 7}
    parameter = client("ssm").get_parameter(Name="/config/flightspecials/SLOW_QUERY_MS")
    assert parameter["Parameter"]["Value"] == "250"
    assert client("secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"] == before
    stacks.update(CICD, {"Branch": "release", "BuildMinutes": "30"})
    assert stacks.pipeline()["stages"][0]["actions"][0]["configuration"]["BranchName"] == "release"
    assert stacks.project()["timeoutInMinutes"] == 30


@pytest.mark.usefixtures("stacked")
def test_a_registry_of_another_name_takes_the_place_of_the_first() -> None:
    stacks.update(REGISTRY, {"RepositoryName": "other"})
    assert outputs(REGISTRY)["ServiceRepositoryUri"].endswith("/other")


@pytest.mark.usefixtures("stacked")
def test_after_the_deletion_only_the_two_git_repositories_are_left() -> None:
    for stack in reversed(STACKS):
        stacks.delete(stack)
    left = client("cloudformation").list_stacks(StackStatusFilter=["CREATE_COMPLETE"])
    assert left["StackSummaries"] == []
    assert len(stacks.repository_names()) == 2
    assert client("rds").describe_db_instances()["DBInstances"] == []
    assert client("secretsmanager").list_secrets()["SecretList"] == []
    assert client("ecr").describe_repositories()["repositories"] == []
    assert client("ssm").describe_parameters()["Parameters"] == []
    assert client("codebuild").list_projects()["projects"] == []
    assert client("codepipeline").list_pipelines()["pipelines"] == []
    assert client("iam").list_roles()["Roles"] == []
    assert client("iam").list_users()["Users"] == []
    assert client("s3").list_buckets()["Buckets"] == []
    assert client("events").list_rules()["Rules"] == []


@pytest.mark.usefixtures("empty")
def test_without_codecommit_there_is_a_role_and_no_git_user() -> None:
    stacks.create(DATABASE, stacks.network())
    stacks.create(REGISTRY)
    stacks.create(CI, {"Subject": stacks.SUBJECT})
    stacks.create(IDENTITY, {"OidcProvider": stacks.OIDC_PROVIDER, "CicdStack": ""})
    assert set(outputs(IDENTITY)) == {"ServiceRoleArn", "ArgoCdSecretArn"}
    assert client("iam").list_users()["Users"] == []
    assert outputs(CI)["CiRoleArn"].startswith("arn:aws:iam::")


@pytest.mark.usefixtures("empty")
def test_a_stack_whose_predecessor_is_missing_is_refused_and_nothing_is_made() -> None:
    with pytest.raises(ClientError, match=r"M2M-FlightSpecialRegistryStack-\w+"):
        stacks.create(CICD)
    assert client("codebuild").list_projects()["projects"] == []
    with pytest.raises(ClientError, match="OidcProvider"):
        stacks.create(IDENTITY)
