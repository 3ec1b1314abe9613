"""Everything around the pipeline: AWS by moto, the two repositories as bare ones, the source tree, and `docker`."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import yaml

from deploy.pipeline.database import ENDPOINT, PORT
from tests.deploy.rendering import CHART
from tests.support.moto_server import REGION

STACK = "M2M-FlightSpecialDatabaseStack"
SECRET = "flightspecial_db_credentials_test"
HOST = "flightspecial.example.ap-northeast-2.rds.amazonaws.com"
DEPLOYMENT = "M2M-FlightSpecialCICDStack-DeployStack-DeploySourceRepository"
SOURCE = "M2M-FlightSpecialCICDStack-SourceRepository"
IMAGES = ("m2m-flightspecial", "m2m-flightspecial-facade")
CODECOMMIT = f"https://git-codecommit.{REGION}.amazonaws.com/v1/repos/"
OCI = "application/vnd.oci.image.manifest.v1+json"
_STANDIN = Path(__file__).with_name("docker_program.py")


def git(folder: Path, *words: str) -> str:
    """Git without the hooks of a test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-c", "user.name=Dev", "-c", "user.email=dev@example.com", *words],
        cwd=folder,
        env=kept | {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def manifest(repository: str, tag: str) -> str:
    """Of an image, as far as ECR reads it."""
    config = {"digest": f"sha256:{repository}:{tag}"}
    return json.dumps({"schemaVersion": 2, "mediaType": OCI, "config": config, "layers": []})


@dataclass(frozen=True)
class Site:
    """Folders below one folder; the bare repositories have the names of the guide."""

    folder: Path
    tree: Path = field(init=False)
    deployment: Path = field(init=False)
    docker: Path = field(init=False)
    programs: Path = field(init=False)

    def __post_init__(self) -> None:
        for name, path in (
            ("tree", "m2m-flightspecial"),
            ("deployment", f"remote/{DEPLOYMENT}"),
            ("docker", "docker"),
            ("programs", "bin"),
        ):
            object.__setattr__(self, name, self.folder / path)

    def head(self) -> str:
        """The newest commit of the deployment repository."""
        return git(self.deployment, "rev-parse", "main")

    def subjects(self) -> list[str]:
        """Of its commits, newest first."""
        return git(self.deployment, "log", "--format=%s", "main").splitlines()

    def deployed(self, file: str = "values.yaml") -> str:
        return git(self.deployment, "show", f"main:{file}") + "\n"

    def values(self) -> dict[str, Any]:
        values: dict[str, Any] = yaml.safe_load(self.deployed())
        return values

    def tag(self) -> str:
        return "t" + git(self.tree, "rev-parse", "HEAD")[:7]

    def commit(self, text: str = "changed") -> str:
        """A new commit of the source; returns its tag."""
        with (self.tree / "README.md").open("a") as file:
            file.write(f"{text}\n")
        git(self.tree, "commit", "--quiet", "--all", "--message", text)
        return self.tag()

    def edit_deployment(self, file: str, text: str, subject: str = "By hand") -> None:
        """Another person's commit to the deployment repository."""
        other = self.folder / "other"
        if not other.exists():
            git(self.folder, "clone", "--quiet", str(self.deployment), str(other))
        git(other, "pull", "--quiet")
        (other / file).write_text(text)
        git(other, "add", "--all")
        git(other, "commit", "--quiet", "--message", subject)
        git(other, "push", "--quiet")

    def push_image(self, *names: str) -> None:
        """The images of the newest commit are in ECR."""
        for name in names or IMAGES:
            client: Any = boto3.client("ecr", REGION)
            client.put_image(
                repositoryName=name, imageManifest=manifest(name, self.tag()), imageTag=self.tag()
            )

    def docker_log(self) -> list[str]:
        log = self.docker / "log"
        return log.read_text().splitlines() if log.exists() else []


def make_site(folder: Path) -> Site:
    """The repositories and the programs; AWS is made by `make_account`."""
    site = Site(folder)
    site.docker.mkdir()
    site.programs.mkdir()
    docker = site.programs / "docker"
    docker.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{_STANDIN}" "{site.docker}" "$@"\n')
    docker.chmod(0o755)
    site.tree.mkdir()
    (site.tree / "README.md").write_text("The service and the facade\n")
    (site.tree / ".gitignore").write_text("dist/\n")
    chart = site.tree / "deploy" / "chart"
    chart.mkdir(parents=True)
    for name in ("Chart.yaml", "values-template.yaml", "values.yaml", "routes.yaml"):
        (chart / name).write_bytes((CHART / name).read_bytes())
    _committed(site.tree, "The source")
    seed = folder / "seed"
    seed.mkdir()
    for file in chart.iterdir():
        (seed / file.name).write_bytes(file.read_bytes())
    _committed(seed, "The chart")
    git(folder, "clone", "--quiet", "--bare", str(seed), str(site.deployment))
    return site


def _committed(folder: Path, subject: str) -> None:
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", subject)


def make_account(outputs: dict[str, str] | None = None) -> None:
    """The stack, the secret and the repositories of images and of Git, as deploy/aws makes them."""
    make_stack({ENDPOINT: HOST, PORT: "5432"} if outputs is None else outputs)
    boto3.client("secretsmanager", REGION).create_secret(Name=SECRET, SecretString="{}")
    boto3.client("codecommit", REGION).create_repository(repositoryName=DEPLOYMENT)
    for name in IMAGES:
        boto3.client("ecr", REGION).create_repository(
            repositoryName=name, imageTagMutability="IMMUTABLE"
        )


def make_stack(outputs: dict[str, str]) -> None:
    """A stack whose outputs are these."""
    template: dict[str, Any] = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    if not outputs:
        del template["Outputs"]
    boto3.client("cloudformation", REGION).create_stack(
        StackName=STACK, TemplateBody=yaml.safe_dump(template)
    )
