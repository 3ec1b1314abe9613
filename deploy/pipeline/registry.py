"""Elastic Container Registry: where the images are, whether a tag exists, and what the scan of a pushed image found."""

import base64
import time
from contextlib import suppress
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from deploy.pipeline.aws import Account
from deploy.pipeline.errors import StepFailed

_FIRST_POLL_S, _LAST_POLL_S = 0.5, 10.0
_RUNNING = ("IN_PROGRESS", "PENDING")


@dataclass(frozen=True)
class Login:
    """Credentials of the registry for `docker login`; they are valid for 12 hours."""

    server: str
    user: str
    password: str = field(repr=False)


class Registry:
    """The repositories of one account and region."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def uri(self, name: str) -> str:
        """Raises PipelineError if there is no such repository."""
        absent = (
            f"there is no ECR repository {name} in {self._account.region}: create it (deploy/aws), "
            "or set ECR_REPO_URI"
        )
        with self._account.sentences(RepositoryNotFoundException=absent):
            (found,) = self._account.client("ecr").describe_repositories(repositoryNames=[name])[
                "repositories"
            ]
        return str(found["repositoryUri"])

    def has(self, name: str, tag: str) -> bool:
        """Whether the repository has an image with this tag."""
        with self._account.sentences():
            try:
                self._account.client("ecr").describe_images(
                    repositoryName=name, imageIds=[{"imageTag": tag}]
                )
            except ClientError as error:
                if error.response["Error"]["Code"] == "ImageNotFoundException":
                    return False
                raise
        return True

    def login(self) -> Login:
        with self._account.sentences():
            (given,) = self._account.client("ecr").get_authorization_token()["authorizationData"]
        user, _, password = base64.b64decode(given["authorizationToken"]).decode().partition(":")
        return Login(given["proxyEndpoint"].removeprefix("https://"), user, password)

    def findings(self, name: str, tag: str, timeout_s: float) -> dict[str, int]:
        """How many findings of each severity the scan has. Starts a scan where a push starts none."""
        deadline, pause_s = time.monotonic() + timeout_s, _FIRST_POLL_S
        while True:
            status, counts = self._scanned(name, tag)
            if status in ("COMPLETE", "ACTIVE"):
                return counts
            if status not in _RUNNING:
                raise StepFailed(
                    f"ECR cannot scan {name}:{tag} ({status}): set SCAN_SEVERITY=none to deploy it unscanned"
                )
            if time.monotonic() > deadline:
                raise StepFailed(
                    f"the scan of {name}:{tag} is not complete after {timeout_s:g} s: run the step again"
                )
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LAST_POLL_S)

    def _scanned(self, name: str, tag: str) -> tuple[str, dict[str, int]]:
        absent = f"{name} has no image {tag}: run the step push first"
        image = {"imageTag": tag}
        with self._account.sentences(ImageNotFoundException=absent):
            client = self._account.client("ecr")
            try:
                found = client.describe_image_scan_findings(repositoryName=name, imageId=image)
            except client.exceptions.ScanNotFoundException:
                # Refused while a scan runs, and where Inspector scans by itself.
                with suppress(
                    client.exceptions.LimitExceededException, client.exceptions.ValidationException
                ):
                    client.start_image_scan(repositoryName=name, imageId=image)
                return "IN_PROGRESS", {}
        counts = found.get("imageScanFindings", {}).get("findingSeverityCounts", {})
        return found["imageScanStatus"].get("status", "PENDING"), {
            str(k): n for k, n in counts.items()
        }


def at_least(severity: str, counts: dict[str, int], order: tuple[str, ...]) -> dict[str, int]:
    """The counts of this severity and of those above it."""
    wanted = order[: order.index(severity) + 1]
    return {each: counts[each] for each in wanted if counts.get(each)}
