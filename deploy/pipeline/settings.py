"""The settings of the pipeline, from the environment. All problems are reported together."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.pipeline.commands import read
from deploy.pipeline.errors import PipelineError

TARGETS = ("service", "facade", "routes")
SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "none")
_COMMITS = ("CODEBUILD_RESOLVED_SOURCE_VERSION", "GITHUB_SHA", "CI_COMMIT_SHA")
_BUILDS = ("CODEBUILD_BUILD_NUMBER", "GITHUB_RUN_NUMBER", "CI_PIPELINE_IID")
_STACK = "M2M-FlightSpecialDatabaseStack"
_SECRET = "flightspecial_db_credentials_test"
_SOURCE = "M2M-FlightSpecialCICDStack-SourceRepository"
_DEPLOYMENT = "M2M-FlightSpecialCICDStack-DeployStack-DeploySourceRepository"


@dataclass(frozen=True)
class Repository:
    """A Git repository: a URL, or a name in CodeCommit if the URL is empty."""

    title: str
    name: str
    url: str
    setting: str
    branch: str = "main"
    user: str = ""
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Database:
    """Where the service finds its database. None: the endpoint and the port are outputs of the stack."""

    stack: str
    secret: str
    endpoint: str | None
    port: str | None


@dataclass(frozen=True)
class Images:
    """The images of the commit, and what makes them."""

    repository: str
    platform: str
    base: str
    severity: str


@dataclass(frozen=True)
class Settings:
    """Everything that the steps read from the environment."""

    targets: tuple[str, ...]
    region: str
    commit: str
    tag: str
    build: str
    allow_older: bool
    images: Images
    database: Database
    deployment: Repository
    test_command: tuple[str, ...]


def read_settings(environ: Mapping[str, str], targets: tuple[str, ...], tree: Path) -> Settings:
    """`targets` overrides `DEPLOY`. Raises PipelineError with every problem."""
    problems: list[str] = []
    targets = targets or tuple(environ.get("DEPLOY", "service facade").split())
    problems += _wrong_targets(targets)
    programs = bool({"service", "facade"} & set(targets))
    commit = _commit(environ, tree) if programs else ""
    tag = f"t{commit[:7]}" if commit else ""
    build = _first(environ, _BUILDS)
    if programs:
        problems += _wrong_commit(environ, commit, tag)
        problems += _wrong_build(build)
    problems += _empty(environ, "DATABASE_ENDPOINT", "DATABASE_PORT", "DATABASE_USERNAME")
    severity = environ.get("SCAN_SEVERITY", "CRITICAL")
    if severity not in SEVERITIES:
        problems.append(f"SCAN_SEVERITY is {severity!r}: write one of {', '.join(SEVERITIES)}")
    if problems:
        raise PipelineError(*problems)
    return Settings(
        targets=targets,
        region=region_of(environ),
        commit=commit,
        tag=tag,
        build=build,
        allow_older=environ.get("ALLOW_OLDER_BUILD", "") not in ("", "0"),
        images=_images(environ, severity),
        database=_database(environ),
        deployment=deployment_repository(environ),
        test_command=tuple(shlex.split(environ.get("TEST_COMMAND") or "make test")),
    )


def _images(environ: Mapping[str, str], severity: str) -> Images:
    uri = environ.get("ECR_REPO_URI", "")
    name = uri.partition("/")[2] or environ.get("ECR_REPOSITORY") or "m2m-flightspecial"
    platform = environ.get("IMAGE_PLATFORM") or "linux/amd64"
    return Images(name, platform, environ.get("PYTHON_IMAGE", ""), severity)


def _database(environ: Mapping[str, str]) -> Database:
    return Database(
        stack=environ.get("DATABASE_STACK") or _STACK,
        secret=environ.get("DATABASE_USERNAME", _SECRET),
        endpoint=environ.get("DATABASE_ENDPOINT"),
        port=environ.get("DATABASE_PORT"),
    )


def region_of(environ: Mapping[str, str]) -> str:
    """Empty if none is set; only what needs AWS refuses that."""
    return _first(environ, ("AWS_REGION", "AWS_DEFAULT_REGION"))


def deployment_repository(environ: Mapping[str, str]) -> Repository:
    """What Argo CD follows: the chart with rendered values."""
    return Repository(
        title="deployment repository",
        name=environ.get("DEPLOY_REPOSITORY") or _DEPLOYMENT,
        url=environ.get("DEPLOY_REPOSITORY_URL", ""),
        setting="DEPLOY_REPOSITORY",
        branch=environ.get("DEPLOY_BRANCH") or "main",
        user=environ.get("DEPLOY_REPOSITORY_USER") or "oauth2",
        token=environ.get("DEPLOY_REPOSITORY_TOKEN", ""),
    )


def source_repository(environ: Mapping[str, str]) -> Repository:
    """This project, where the CI system looks for commits."""
    return Repository(
        title="source repository",
        name=environ.get("SOURCE_REPOSITORY") or _SOURCE,
        url=environ.get("SOURCE_REPOSITORY_URL", ""),
        setting="SOURCE_REPOSITORY",
        user=environ.get("SOURCE_REPOSITORY_USER") or "oauth2",
        token=environ.get("SOURCE_REPOSITORY_TOKEN", ""),
    )


def _wrong_targets(targets: tuple[str, ...]) -> list[str]:
    known = ", ".join(TARGETS)
    wrong = [
        f"DEPLOY has {each!r}: write some of {known}" for each in targets if each not in TARGETS
    ]
    return wrong or ([] if targets else [f"DEPLOY is empty: write some of {known}"])


def _wrong_commit(environ: Mapping[str, str], commit: str, tag: str) -> list[str]:
    if not commit:
        return [f"the commit is not known: set {_COMMITS[0]}, or run the pipeline in a clone"]
    if not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        return [
            f"the commit is {commit!r}, which is no hash: the image tag is made of its first 7 digits"
        ]
    given = environ.get("IMAGE_TAG", tag)
    if not given:
        return [f"IMAGE_TAG is empty: unset it, the tag of this commit is {tag}"]
    if given != tag:
        return [f"IMAGE_TAG is {given}, but the tag of this commit is {tag}: unset IMAGE_TAG"]
    return []


def _wrong_build(build: str) -> list[str]:
    if re.fullmatch(r"[0-9]{1,18}", build):
        return []
    names = ", ".join(_BUILDS[1:])
    what = f"is {build!r}" if build else "is not set"
    return [
        f"CODEBUILD_BUILD_NUMBER (or {names}) {what}: write a number that grows with each build"
    ]


def _empty(environ: Mapping[str, str], *names: str) -> list[str]:
    return [
        f"{name} is empty: give it a value, or unset it"
        for name in names
        if not environ.get(name, "set").strip()
    ]


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((environ[name] for name in names if environ.get(name)), "")


def _commit(environ: Mapping[str, str], tree: Path) -> str:
    """Of the CI system, or of the clone. CodePipeline hands on the files without a clone."""
    given = _first(environ, _COMMITS)
    if given:
        return given
    done = read(["git", "-c", "safe.directory=*", "rev-parse", "HEAD"], environ, cwd=tree)
    return done.output.strip() if done.status == 0 else ""
