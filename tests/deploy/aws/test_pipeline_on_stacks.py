"""The pipeline finds what the stacks created, with the variables of the project. The role of the build allows it."""

import re

import pytest

from deploy.pipeline.aws import Account
from deploy.pipeline.codecommit import repository_url
from deploy.pipeline.database import check_secret, database_variables
from deploy.pipeline.errors import PipelineError
from deploy.pipeline.registry import Registry
from deploy.pipeline.settings import Settings, read_settings
from tests.deploy.aws import stacks
from tests.deploy.aws.policies import of_role
from tests.deploy.aws.stacks import CICD, DATABASE, REGISTRY, outputs
from tests.deploy.rendering import TREE
from tests.support.moto_server import REGION

pytestmark = pytest.mark.usefixtures("made")


def settings(region: str = REGION) -> Settings:
    """As the build reads them: what CodeBuild sets, and what the project of the stack has."""
    project = stacks.project()["environment"]["environmentVariables"]
    codebuild = {
        "AWS_REGION": region,
        "CODEBUILD_BUILD_NUMBER": "7",
        "CODEBUILD_RESOLVED_SOURCE_VERSION": "1a2b3c4d5e6f",
    }
    return read_settings({each["name"]: each["value"] for each in project} | codebuild, (), TREE)


def test_the_build_finds_database_secret_registry_and_deployment_repository() -> None:
    read, account = settings(), Account(REGION)
    assert database_variables(read.database, account) == {
        "DATABASE_ENDPOINT": outputs(DATABASE)[
            "M2MFlightSpecialDatabaseStackFlightSpecialDBEndpoint"
        ],
        "DATABASE_PORT": "5432",
        "DATABASE_USERNAME": "flightspecial_db_credentials_test",
    }
    check_secret(read.database, account)
    uri = Registry(account).uri(read.images.repository)
    assert uri == outputs(REGISTRY)["ServiceRepositoryUri"]
    assert Registry(account).uri(f"{read.images.repository}-facade") == f"{uri}-facade"
    assert repository_url(read.deployment, account) == outputs(CICD)["DeployRepositoryUrl"]


def test_the_build_of_another_region_finds_nothing_and_says_so() -> None:
    read = settings("eu-west-1")
    with pytest.raises(PipelineError, match="there is no stack M2M-FlightSpecialDatabaseStack"):
        database_variables(read.database, Account(read.region))


def test_the_role_of_the_build_has_every_action_that_the_pages_table_lists() -> None:
    page = (TREE / "docs" / "pipeline.md").read_text()
    needed = set(re.findall(r"`((?:ecr|cloudformation|secretsmanager|codecommit):\w+)`", page))
    assert len(needed) > 12
    assert needed <= {action for action, _ in of_role(stacks.resources(CICD)["BuildRole"])}
