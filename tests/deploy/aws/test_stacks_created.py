"""The stacks are created in moto: each resource is there, as its own service describes it."""

import json

import pytest

from tests.deploy.aws import stacks
from tests.deploy.aws.stacks import CICD, DATABASE, REGISTRY, STACKS, client, outputs

pytestmark = pytest.mark.usefixtures("made")
SECRET = "flightspecial_db_credentials_test"


def test_every_resource_of_every_template_is_created() -> None:
    for stack in STACKS:
        assert set(stacks.resources(stack)) == set(stack.template["Resources"])
        assert set(outputs(stack)) == set(stack.template["Outputs"])


def test_the_database_is_private_and_its_address_is_an_output() -> None:
    (database,) = client("rds").describe_db_instances()["DBInstances"]
    assert (
        outputs(DATABASE)["M2MFlightSpecialDatabaseStackFlightSpecialDBEndpoint"]
        == (database["Endpoint"]["Address"])
    )
    assert outputs(DATABASE)["M2MFlightSpecialDatabaseStackFlightSpecialDBPort"] == "5432"
    assert (database["DBName"], database["PubliclyAccessible"]) == ("dso", False)
    assert len(database["DBSubnetGroup"]["Subnets"]) == 2


def test_only_the_pods_and_the_rotation_reach_the_database() -> None:
    made = stacks.resources(DATABASE)
    (group,) = client("ec2").describe_security_groups(GroupIds=[made["DatabaseSecurityGroup"]])[
        "SecurityGroups"
    ]
    parameters = {
        each["ParameterKey"]: each["ParameterValue"]
        for each in stacks.described(DATABASE)["Parameters"]
    }
    opened = [
        (rule["FromPort"], rule["ToPort"], pair["GroupId"])
        for rule in group["IpPermissions"]
        for pair in rule["UserIdGroupPairs"]
    ]
    assert sorted(opened) == sorted(
        (5432, 5432, each)
        for each in (parameters["ClientSecurityGroupId"], made["RotationSecurityGroup"])
    )
    assert [rule["IpRanges"] for rule in group["IpPermissions"] if rule["IpRanges"]] == []


def test_the_secret_has_a_login_an_address_and_a_rotation() -> None:
    secrets = client("secretsmanager")
    secret = json.loads(secrets.get_secret_value(SecretId=SECRET)["SecretString"])
    assert set(secret) == {"username", "password", "engine", "host", "port", "dbname"}
    assert (secret["username"], len(secret["password"])) == ("postgres", 40)
    assert (
        secret["host"] == outputs(DATABASE)["M2MFlightSpecialDatabaseStackFlightSpecialDBEndpoint"]
    )
    described = secrets.describe_secret(SecretId=SECRET)
    assert described["RotationRules"] == {"AutomaticallyAfterDays": 30}
    assert described["RotationEnabled"]


def test_tags_of_images_are_immutable() -> None:
    repositories = client("ecr").describe_repositories()["repositories"]
    assert {each["repositoryName"] for each in repositories} == {
        "m2m-flightspecial",
        "m2m-flightspecial-facade",
    }
    for each in repositories:
        assert each["imageTagMutability"] == "IMMUTABLE"


def test_the_pipeline_takes_a_clone_of_the_source_to_the_build() -> None:
    source, build = (stage["actions"][0] for stage in stacks.pipeline()["stages"])
    assert source["configuration"]["RepositoryName"] in stacks.repository_names()
    assert source["configuration"]["BranchName"] == "main"
    assert source["configuration"]["OutputArtifactFormat"] == "CODEBUILD_CLONE_REF"
    assert build["configuration"]["ProjectName"] == stacks.project()["name"]
    assert stacks.project()["source"]["buildspec"] == "deploy/codebuild/buildspec.yml"


def test_the_pipeline_can_be_started_for_the_route_table_alone() -> None:
    (variable,) = stacks.pipeline()["variables"]
    assert (variable["name"], variable["defaultValue"]) == ("DEPLOY", "service facade")
    build = stacks.pipeline()["stages"][1]["actions"][0]["configuration"]
    assert json.loads(build["EnvironmentVariables"]) == [
        {"name": "DEPLOY", "value": "#{variables.DEPLOY}", "type": "PLAINTEXT"}
    ]
    started = client("codepipeline").start_pipeline_execution(
        name=outputs(CICD)["PipelineName"], variables=[{"name": "DEPLOY", "value": "routes"}]
    )
    execution = client("codepipeline").get_pipeline_execution(
        pipelineName=outputs(CICD)["PipelineName"],
        pipelineExecutionId=started["pipelineExecutionId"],
    )["pipelineExecution"]
    assert execution["variables"] == [{"name": "DEPLOY", "resolvedValue": "routes"}]


def test_the_build_knows_the_registry_the_deployment_repository_and_the_secrets_name() -> None:
    given = {
        each["name"]: each["value"]
        for each in stacks.project()["environment"]["environmentVariables"]
    }
    assert given == {
        "ECR_REPO_URI": outputs(REGISTRY)["ServiceRepositoryUri"],
        "DEPLOY_REPOSITORY": outputs(CICD)["DeployRepositoryUrl"].rpartition("/")[2],
        "DATABASE_STACK": DATABASE.name,
        "DATABASE_USERNAME": SECRET,
    }


def test_a_push_to_the_branch_starts_the_pipeline() -> None:
    events = client("events")
    (rule,) = events.list_rules()["Rules"]
    pattern = json.loads(rule["EventPattern"])
    assert pattern["resources"] == [
        client("codecommit").get_repository(
            repositoryName=CICD.template["Parameters"]["SourceRepositoryName"]["Default"]
        )["repositoryMetadata"]["Arn"]
    ]
    assert pattern["detail"]["referenceName"] == ["main"]
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert target["Arn"].endswith(f":{outputs(CICD)['PipelineName']}")
