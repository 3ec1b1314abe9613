"""The stacks of deploy/aws, created in moto in the order of docs/aws.md."""

from collections.abc import Mapping
from typing import Any

import boto3
import yaml
from msgspec import Struct

from tests.deploy.rendering import TREE
from tests.support.moto_server import REGION

FOLDER = TREE / "deploy" / "aws"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
OIDC_PROVIDER = f"oidc.eks.{REGION}.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
SUBJECT = "repo:owner/m2m-flightspecial:ref:refs/heads/main"
Template = dict[str, Any]


class Stack(Struct, frozen=True):
    """A template and the name that docs/aws.md gives its stack."""

    file: str
    name: str

    @property
    def text(self) -> str:
        return (FOLDER / self.file).read_text()

    @property
    def template(self) -> Template:
        template: Template = yaml.load(self.text, _Loader)
        return template


DATABASE = Stack("database.yaml", "M2M-FlightSpecialDatabaseStack")
REGISTRY = Stack("registry.yaml", "M2M-FlightSpecialRegistryStack")
CICD = Stack("pipeline.yaml", "M2M-FlightSpecialCICDStack")
IDENTITY = Stack("identity.yaml", "M2M-FlightSpecialIdentityStack")
CI = Stack("ci.yaml", "M2M-FlightSpecialCIStack")
STACKS = (DATABASE, REGISTRY, CICD, CI, IDENTITY)
"""In the order of creation: each reads what the ones before it export."""


class _Loader(yaml.CSafeLoader):
    """YAML with the short forms of CloudFormation: `!Ref x` is `{Ref: x}`."""


def _short_form(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    name = tag if tag in ("Ref", "Condition") else f"Fn::{tag}"
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.ScalarNode)
    text = str(loader.construct_scalar(node))
    return {name: text.split(".", 1) if tag == "GetAtt" else text}


_Loader.add_multi_constructor("!", _short_form)


def client(service: str) -> Any:
    """A client for moto; the environment says where it is."""
    return boto3.client(service)  # type: ignore[call-overload]


def network() -> dict[str, str]:
    """A VPC with two subnets and the security group of the pods: the parameters of the database."""
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}"
        )["Subnet"]["SubnetId"]
        for number, zone in enumerate("ac")
    ]
    pods = ec2.create_security_group(VpcId=vpc, GroupName="pods", Description="pods")["GroupId"]
    return {"VpcId": vpc, "SubnetIds": ",".join(subnets), "ClientSecurityGroupId": pods}


def create(stack: Stack, parameters: Mapping[str, str] | None = None) -> None:
    """Create the stack."""
    client("cloudformation").create_stack(**_arguments(stack, parameters or {}))
    assert status(stack) == "CREATE_COMPLETE"


def update(stack: Stack, parameters: Mapping[str, str]) -> None:
    """Update the stack; parameters that are not named keep their value, or their default."""
    kept = {
        each["ParameterKey"]: each["ParameterValue"]
        for each in described(stack)["Parameters"]
        if "Default" not in stack.template["Parameters"][each["ParameterKey"]]
    }
    client("cloudformation").update_stack(**_arguments(stack, kept | dict(parameters)))
    assert status(stack) == "UPDATE_COMPLETE"


def delete(stack: Stack) -> None:
    """Delete the stack."""
    client("cloudformation").delete_stack(StackName=stack.name)


def create_all() -> None:
    """All stacks, with parameters where they have no default."""
    create(DATABASE, network())
    create(REGISTRY)
    create(CICD)
    create(CI, {"Subject": SUBJECT})
    create(IDENTITY, {"OidcProvider": OIDC_PROVIDER})


def described(stack: Stack) -> dict[str, Any]:
    response = client("cloudformation").describe_stacks(StackName=stack.name)
    (only,) = response["Stacks"]
    found: dict[str, Any] = only
    return found


def status(stack: Stack) -> str:
    return str(described(stack)["StackStatus"])


def outputs(stack: Stack) -> dict[str, str]:
    return {each["OutputKey"]: each["OutputValue"] for each in described(stack).get("Outputs", [])}


def resources(stack: Stack) -> dict[str, str]:
    """The physical id of each resource by its name in the template."""
    response = client("cloudformation").describe_stack_resources(StackName=stack.name)
    return {
        each["LogicalResourceId"]: each.get("PhysicalResourceId", "")
        for each in response["StackResources"]
    }


def project() -> dict[str, Any]:
    names = [resources(CICD)["Build"]]
    (found,) = client("codebuild").batch_get_projects(names=names)["projects"]
    only: dict[str, Any] = found
    return only


def pipeline() -> dict[str, Any]:
    name = outputs(CICD)["PipelineName"]
    found: dict[str, Any] = client("codepipeline").get_pipeline(name=name)["pipeline"]
    return found


def repository_names() -> set[str]:
    repositories = client("codecommit")
    names = {
        CICD.template["Parameters"][f"{each}RepositoryName"]["Default"]
        for each in ("Source", "Deploy")
    }
    return {
        repositories.get_repository(repositoryName=name)["repositoryMetadata"]["repositoryName"]
        for name in names
    }


def _arguments(stack: Stack, parameters: Mapping[str, str]) -> dict[str, Any]:
    return {
        "StackName": stack.name,
        "TemplateBody": stack.text,
        "Capabilities": CAPABILITIES,
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
    }
