"""What each role and user may do, as IAM has it: these statements, and no others."""

from fnmatch import fnmatchcase

import pytest

from tests.deploy.aws import stacks
from tests.deploy.aws.policies import Statements, of_role, pairs, parsed
from tests.deploy.aws.stacks import CI, CICD, DATABASE, IDENTITY, OIDC_PROVIDER, SUBJECT, client
from tests.support.moto_server import REGION

pytestmark = pytest.mark.usefixtures("made")
ACCOUNT = "123456789012"
PARAMETERS = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/config"


def allows(statements: Statements, action: str, resource: str) -> bool:
    return any(
        fnmatchcase(action, allowed) and fnmatchcase(resource, place)
        for allowed, place in statements
    )


def service_role() -> str:
    return stacks.resources(IDENTITY)["ServiceRole"]


def secret_arn() -> str:
    return stacks.outputs(DATABASE)["SecretArn"]


def test_the_service_reads_one_secret_and_its_parameter_path_and_nothing_more() -> None:
    path = "ssm:GetParametersByPath"
    assert of_role(service_role()) == {
        ("secretsmanager:GetSecretValue", secret_arn()),
        (path, f"{PARAMETERS}/flightspecials"),
        (path, f"{PARAMETERS}/flightspecials/*"),
        (path, f"{PARAMETERS}/flightspecials_test"),
        (path, f"{PARAMETERS}/flightspecials_test/*"),
    }


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        # What read_parameters asks for, with and without the slash at its end.
        ("ssm:GetParametersByPath", f"{PARAMETERS}/flightspecials/", True),
        ("ssm:GetParametersByPath", f"{PARAMETERS}/flightspecials_test/", True),
        ("ssm:GetParametersByPath", f"{PARAMETERS}/flightspecials_prod/", False),
        ("ssm:GetParametersByPath", f"{PARAMETERS}/", False),
        ("ssm:GetParameter", f"{PARAMETERS}/flightspecials/SLOW_QUERY_MS", False),
        ("ssm:PutParameter", f"{PARAMETERS}/flightspecials/SLOW_QUERY_MS", False),
        ("secretsmanager:GetSecretValue", "SECRET", True),
        ("secretsmanager:PutSecretValue", "SECRET", False),
        ("secretsmanager:GetSecretValue", "GIT", False),
        ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin", False),
    ],
)
def test_a_request_of_the_service_is(action: str, resource: str, allowed: bool) -> None:
    arn = {
        "SECRET": secret_arn(),
        "GIT": stacks.outputs(IDENTITY)["ArgoCdSecretArn"],
    }.get(resource, resource)
    assert allows(of_role(service_role()), action, arn) is allowed


def test_only_the_service_account_of_the_chart_takes_the_role_of_the_service() -> None:
    role = client("iam").get_role(RoleName=service_role())["Role"]
    (statement,) = parsed(role["AssumeRolePolicyDocument"])["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{OIDC_PROVIDER}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{OIDC_PROVIDER}:aud": "sts.amazonaws.com",
                f"{OIDC_PROVIDER}:sub": (
                    "system:serviceaccount:flightspecials:flightspecials-service-account"
                ),
            }
        },
    }


def test_argo_cd_pulls_one_repository() -> None:
    iam, name = client("iam"), stacks.outputs(IDENTITY)["ArgoCdUserName"]
    (policy,) = iam.list_user_policies(UserName=name)["PolicyNames"]
    document = iam.get_user_policy(UserName=name, PolicyName=policy)["PolicyDocument"]
    assert pairs(document) == {("codecommit:GitPull", stacks.outputs(CICD)["DeployRepositoryArn"])}
    assert iam.list_attached_user_policies(UserName=name)["AttachedPolicies"] == []


def test_the_build_pushes_images_and_the_deployment_repository_and_reads_no_secret() -> None:
    made = stacks.resources(CICD)
    deploy, bucket = (
        stacks.outputs(CICD)["DeployRepositoryArn"],
        f"arn:aws:s3:::{made['Artifacts']}",
    )
    source = deploy.replace("DeployStack-DeploySourceRepository", "SourceRepository")
    logs = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{made['BuildLogs']}:*"
    database = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{DATABASE.name}/*"
    images = [
        f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/m2m-flightspecial{suffix}"
        for suffix in ("", "-facade")
    ]
    ecr = (
        *("BatchCheckLayerAvailability", "BatchGetImage", "CompleteLayerUpload", "DescribeImages"),
        *(
            "DescribeImageScanFindings",
            "DescribeRepositories",
            "GetDownloadUrlForLayer",
            "InitiateLayerUpload",
        ),
        *("PutImage", "StartImageScan", "UploadLayerPart"),
    )
    assert of_role(made["BuildRole"]) == {
        ("logs:CreateLogStream", logs),
        ("logs:PutLogEvents", logs),
        *(
            (f"s3:{action}", f"{bucket}/*")
            for action in ("GetObject", "GetObjectVersion", "PutObject")
        ),
        ("codecommit:GitPull", source),
        *((f"codecommit:{action}", deploy) for action in ("GitPull", "GitPush", "GetRepository")),
        ("ecr:GetAuthorizationToken", "*"),
        *((f"ecr:{action}", image) for action in ecr for image in images),
        ("cloudformation:DescribeStacks", database),
        ("secretsmanager:DescribeSecret", secret_arn()),
    }


def test_a_build_outside_of_aws_has_the_rights_of_the_build_without_its_repositories() -> None:
    inside = of_role(stacks.resources(CICD)["BuildRole"])
    services = ("ecr:", "cloudformation:", "secretsmanager:")
    assert of_role(stacks.resources(CI)["CiRole"]) == {
        pair for pair in inside if pair[0].startswith(services)
    }


def test_only_one_branch_of_one_repository_takes_the_role_of_the_build() -> None:
    role = client("iam").get_role(RoleName=stacks.resources(CI)["CiRole"])["Role"]
    (statement,) = parsed(role["AssumeRolePolicyDocument"])["Statement"]
    provider = "token.actions.githubusercontent.com"
    assert statement["Principal"] == {
        "Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{provider}"
    }
    assert statement["Condition"] == {
        "StringEquals": {f"{provider}:aud": "sts.amazonaws.com", f"{provider}:sub": SUBJECT}
    }


def test_the_pipeline_reads_the_source_and_starts_the_build() -> None:
    made = stacks.resources(CICD)
    bucket = f"arn:aws:s3:::{made['Artifacts']}"
    source = stacks.outputs(CICD)["DeployRepositoryArn"].replace(
        "DeployStack-DeploySourceRepository", "SourceRepository"
    )
    build = f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/{made['Build']}"
    read = (
        *("CancelUploadArchive", "GetBranch", "GetCommit", "GetRepository"),
        *("GetUploadArchiveStatus", "UploadArchive"),
    )
    assert of_role(made["PipelineRole"]) == {
        *((f"codecommit:{action}", source) for action in read),
        ("codebuild:BatchGetBuilds", build),
        ("codebuild:StartBuild", build),
        ("s3:GetBucketVersioning", bucket),
        *(
            (f"s3:{action}", f"{bucket}/*")
            for action in ("GetObject", "GetObjectVersion", "PutObject")
        ),
    }
    assert of_role(made["StartRole"]) == {
        (
            "codepipeline:StartPipelineExecution",
            f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:{made['Pipeline']}",
        )
    }


@pytest.mark.parametrize(
    ("role", "service"),
    [
        ("BuildRole", "codebuild.amazonaws.com"),
        ("PipelineRole", "codepipeline.amazonaws.com"),
        ("StartRole", "events.amazonaws.com"),
    ],
)
def test_only_its_service_takes_a_role_of_the_pipeline(role: str, service: str) -> None:
    found = client("iam").get_role(RoleName=stacks.resources(CICD)[role])["Role"]
    assert parsed(found["AssumeRolePolicyDocument"])["Statement"] == [
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    ]


def test_no_role_is_forgotten_here() -> None:
    roles = {each["RoleName"] for each in client("iam").list_roles()["Roles"]}
    made = stacks.resources(CICD)
    assert roles == {
        service_role(),
        stacks.resources(CI)["CiRole"],
        *(made[name] for name in ("BuildRole", "PipelineRole", "StartRole")),
    }
