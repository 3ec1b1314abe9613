"""The resource types of our templates that moto's CloudFormation lacks, on moto's own services.

moto has Secrets Manager, CodeCommit, CodeBuild and CodePipeline, but creates their resources only
through their APIs. Its CloudFormation finds a type among the subclasses of CloudFormationModel.
"""

import json
from abc import abstractmethod
from operator import attrgetter
from typing import Any, Self
from uuid import uuid4

from moto.cloudformation.parsing import get_model_list, get_model_map, get_name_type_map
from moto.codebuild.models import codebuild_backends
from moto.codecommit.models import codecommit_backends
from moto.codepipeline.models import codepipeline_backends
from moto.core.common_models import CloudFormationModel
from moto.rds.models import DBParameterGroup, rds_backends
from moto.secretsmanager.models import FakeSecret, secretsmanager_backends

Properties = dict[str, Any]
_KEPT = ("Configuration",)
"""Its keys are names of the action, not of CloudFormation."""


class _Resource:
    """What `Ref` gives, and what `Fn::GetAtt` gives."""

    type_name = ""

    def __init__(self, ref: str, attributes: dict[str, str] | None = None) -> None:
        self.physical_resource_id = ref
        self._attributes = attributes or {}

    @classmethod
    def cloudformation_type(cls) -> str:
        return cls.type_name

    @staticmethod
    def cloudformation_name_type() -> str:
        return "Name"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def is_created(self) -> bool:
        return True

    def get_cfn_attribute(self, name: str) -> str:
        return self._attributes[name]

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **kwargs: Any,
    ) -> Self:
        return cls.made(cloudformation_json["Properties"], account_id, region_name)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> Self:
        original_resource.delete(account_id, region_name)
        return cls.made(cloudformation_json["Properties"], account_id, region_name)

    @classmethod
    @abstractmethod
    def made(cls, properties: Properties, account: str, region: str) -> Self:
        """The resource with these properties."""

    def delete(self, account: str, region: str) -> None:
        """Nothing, where the resource is a property of another one."""


class SecretResource(_Resource, CloudFormationModel):
    type_name = "AWS::SecretsManager::Secret"

    @classmethod
    def made(cls, properties: Properties, account: str, region: str) -> Self:
        backend = secretsmanager_backends[account][region]
        generated, text = properties.get("GenerateSecretString"), None
        if generated is not None:
            password = backend.get_random_password(
                generated["PasswordLength"],
                generated["ExcludeCharacters"],
                exclude_numbers=False,
                exclude_punctuation=False,
                exclude_uppercase=False,
                exclude_lowercase=False,
                include_space=False,
                require_each_included_type=True,
            )
            text = json.dumps(
                json.loads(generated["SecretStringTemplate"])
                | {generated["GenerateStringKey"]: json.loads(password)["RandomPassword"]}
            )
        created = backend.create_secret(
            properties["Name"],
            text,
            None,
            properties["Description"],
            [],
            None,
            str(uuid4()),
            [],
            False,
        )
        return cls(json.loads(created)["ARN"])

    def delete(self, account: str, region: str) -> None:
        secretsmanager_backends[account][region].delete_secret(
            self.physical_resource_id, None, force_delete_without_recovery=True
        )


class AttachmentResource(_Resource, CloudFormationModel):
    type_name = "AWS::SecretsManager::SecretTargetAttachment"

    @classmethod
    def made(cls, properties: Properties, account: str, region: str) -> Self:
        backend = secretsmanager_backends[account][region]
        (database,) = rds_backends[account][region].describe_db_instances(properties["TargetId"])
        arn = properties["SecretId"]
        secret = json.loads(backend.get_secret_value(arn, "", "")["SecretString"])
        secret |= {
            "engine": database.engine,
            "host": database.address,
            "port": int(str(database.port)),
            "dbname": database.db_name,
        }
        backend.put_secret_value(arn, json.dumps(secret), "", str(uuid4()), ["AWSCURRENT"])
        return cls(arn)


class RotationResource(_Resource, CloudFormationModel):
    """Only the schedule: AWS replaces HostedRotationLambda by a nested stack with the function.

    Not by moto's rotate_secret, which without a function moves an old value to AWSCURRENT.
    """

    type_name = "AWS::SecretsManager::RotationSchedule"

    @classmethod
    def made(cls, properties: Properties, account: str, region: str) -> Self:
        arn = properties["SecretId"]
        secret = secretsmanager_backends[account][region].secrets[arn]
        assert isinstance(secret, FakeSecret)
        secret.rotation_requested = secret.rotation_enabled = True
        secret.auto_rotate_after_days = properties["RotationRules"]["AutomaticallyAfterDays"]
        return cls(arn)


class RepositoryResource(_Resource, CloudFormationModel):
    type_name = "AWS::CodeCommit::Repository"

    @classmethod
    def made(cls, properties: Properties, account: str, region: str) -> Self:
        data = codecommit_backends[account][region].create_repository(
            properties["RepositoryName"], properties["RepositoryDescription"]
        )
        return cls(
            data["repositoryId"],
            {
                "Arn": data["Arn"],
                "CloneUrlHttp": data["cloneUrlHttp"],
                "Name": data["repositoryName"],
            },
        )


class ProjectResource(_Resource, CloudFormationModel):
    type_name = "AWS::CodeBuild::Project"

    @classmethod
    def made(cls, properties: Properties, account: str, region: str) -> Self:
        given = in_camel_case(properties)
        source = given["source"]
        source["buildspec"] = source.pop("buildSpec")
        data = codebuild_backends[account][region].create_project(
            given["name"],
            given["description"],
            source,
            given["artifacts"],
            given["environment"],
            given["serviceRole"],
            None,
            None,
            given["timeoutInMinutes"],
            None,
            None,
            given["logsConfig"],
            None,
        )
        return cls(given["name"], {"Arn": data["arn"]})

    def delete(self, account: str, region: str) -> None:
        codebuild_backends[account][region].delete_project(self.physical_resource_id)


class PipelineResource(_Resource, CloudFormationModel):
    type_name = "AWS::CodePipeline::Pipeline"

    @classmethod
    def made(cls, properties: Properties, account: str, region: str) -> Self:
        pipeline, _ = codepipeline_backends[account][region].create_pipeline(
            in_camel_case(properties), []
        )
        return cls(pipeline["name"])

    def delete(self, account: str, region: str) -> None:
        codepipeline_backends[account][region].delete_pipeline(self.physical_resource_id)


def in_camel_case(value: Any) -> Any:
    """Properties of CloudFormation as the API of the service spells them."""
    if isinstance(value, list):
        return [in_camel_case(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name[0].lower() + name[1:]: each if name in _KEPT else in_camel_case(each)
        for name, each in value.items()
    }


def make_known() -> None:
    """moto reads its list of types once; this makes it read the list again, with those above."""
    for cached in (get_model_list, get_model_map, get_name_type_map):
        cached.cache_clear()
    # A Ref to a parameter group is its name. moto 5.2 gives the object, which its database refuses.
    setattr(DBParameterGroup, "physical_resource_id", property(attrgetter("name")))  # noqa: B010
