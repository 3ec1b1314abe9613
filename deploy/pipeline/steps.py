"""The steps of the pipeline, in their order.

Each can run alone: all that it needs is in the environment, in ECR and in the deployment repository.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.pipeline import images
from deploy.pipeline.aws import Account
from deploy.pipeline.codecommit import repository_url
from deploy.pipeline.commands import show
from deploy.pipeline.database import check_secret, database_variables
from deploy.pipeline.deployment import Edit, Remote, Say, publish, try_edit
from deploy.pipeline.errors import PipelineError, StepFailed, together
from deploy.pipeline.images import Image, images_of
from deploy.pipeline.registry import Registry, at_least
from deploy.pipeline.routes import check_routes, routes_edit
from deploy.pipeline.settings import SEVERITIES, Settings
from deploy.pipeline.values import values_edit

_TEST_TIMEOUT_S = 3600.0
_FINDINGS_TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Pipeline:
    """One run: its settings, the source tree, and the environment for the programs that it starts."""

    settings: Settings
    environ: Mapping[str, str]
    tree: Path
    account: Account
    say: Say

    @property
    def registry(self) -> Registry:
        return Registry(self.account)

    @property
    def routes_file(self) -> Path:
        return self.tree / (self.environ.get("ROUTES_FILE") or "deploy/chart/routes.yaml")

    def remote(self) -> Remote:
        repository = self.settings.deployment
        url = repository_url(repository, self.account)
        footer = (
            f"Commit: {self.settings.commit}\nBuild: {self.settings.build}"
            if self.settings.commit
            else ""
        )
        return Remote(repository, url, self.environ, footer)

    def edits(self) -> list[Edit]:
        """The commits that the targets need: at most one for the images, one for the routes."""
        made = []
        if images_of(self.settings):
            made.append(values_edit(self.settings, self._known(), self.environ))
        if "routes" in self.settings.targets:
            made.append(routes_edit(self.routes_file, self.environ.get("ROUTES_OVER", "")))
        return made

    def _known(self) -> dict[str, str]:
        uri = self.registry.uri(self.settings.images.repository)
        return {"ECR_REPO_URI": uri, **database_variables(self.settings.database, self.account)}


def check(pipeline: Pipeline) -> None:
    """Everything that can be known before the work begins; every problem is reported."""
    acts: list[Callable[[], object]] = [lambda: _check_edits(pipeline)]
    for image in images_of(pipeline.settings):
        acts.insert(0, lambda image=image: pipeline.registry.uri(image.repository))  # type: ignore[misc]
    if images_of(pipeline.settings):
        acts.append(lambda: images.surely_committed(pipeline.tree, pipeline.environ))
        acts.append(lambda: check_secret(pipeline.settings.database, pipeline.account))
    if "routes" in pipeline.settings.targets:
        acts.append(lambda: check_routes(pipeline.routes_file, pipeline.environ))
    failures = []
    for act in acts:
        try:
            act()
        except PipelineError as error:
            failures.append(error)
    if failures:
        raise together(*failures)
    what = " and ".join(pipeline.settings.targets)
    pipeline.say(
        f"{what} can be deployed"
        + (f" as {pipeline.settings.tag}" if pipeline.settings.tag else "")
    )


def test(pipeline: Pipeline) -> None:
    if not images_of(pipeline.settings):
        pipeline.say(
            "nothing to do: `facade check` has read the routes, and no program is deployed"
        )
        return
    command = pipeline.settings.test_command
    show(
        f"`{' '.join(command)}`",
        command,
        pipeline.environ,
        cwd=pipeline.tree,
        timeout_s=_TEST_TIMEOUT_S,
    )


def build(pipeline: Pipeline) -> None:
    new = _new_images(pipeline)
    if new:
        images.surely_committed(pipeline.tree, pipeline.environ)
    for image in new:
        images.build(image, pipeline.settings, pipeline.tree, pipeline.environ)
        pipeline.say(f"built {image.name}")


def sbom(pipeline: Pipeline) -> None:
    platform = pipeline.settings.images.platform
    for image in _new_images(pipeline):
        count = images.copy_sbom(image, platform, pipeline.tree, pipeline.environ)
        pipeline.say(f"{image.sbom} lists {count} components of {image.name}")


def scan(pipeline: Pipeline) -> None:
    for image in _new_images(pipeline):
        images.scan(image, pipeline.tree, pipeline.environ)


def push(pipeline: Pipeline) -> None:
    new = _new_images(pipeline)
    if not new:
        return
    uris = [pipeline.registry.uri(image.repository) for image in new]
    try:
        images.push(new, uris, pipeline.registry.login(), pipeline.tree, pipeline.environ)
    except StepFailed:
        # ECR refuses a tag that another build of this commit has pushed meanwhile.
        if not all(pipeline.registry.has(image.repository, image.tag) for image in new):
            raise
    for image, uri in zip(new, uris, strict=True):
        pipeline.say(f"pushed {uri}:{image.tag}")


def findings(pipeline: Pipeline) -> None:
    """What ECR finds in the pushed images, the packages of the base image too."""
    severity = pipeline.settings.images.severity
    if severity == "none":
        pipeline.say("the scan of ECR is not read: SCAN_SEVERITY is none")
        return
    for image in images_of(pipeline.settings):
        counts = pipeline.registry.findings(image.repository, image.tag, _FINDINGS_TIMEOUT_S)
        severe = at_least(severity, counts, SEVERITIES)
        if severe:
            raise StepFailed(
                f"ECR found {_counted(severe)} in {image.name}: see its findings, or set SCAN_SEVERITY"
            )
        pipeline.say(f"ECR found {_counted(counts) or 'nothing'} in {image.name}")


def deploy(pipeline: Pipeline) -> None:
    """Commit to the deployment repository; Argo CD does the rest."""
    for image in images_of(pipeline.settings):
        if not pipeline.registry.has(image.repository, image.tag):
            raise PipelineError(
                f"{image.repository} has no image {image.tag}: run the step push first"
            )
    if "routes" in pipeline.settings.targets:
        check_routes(pipeline.routes_file, pipeline.environ)
    edits, remote = pipeline.edits(), pipeline.remote()
    for edit in edits[1:]:
        try_edit(remote, edit)  # before the first one is pushed
    for edit in edits:
        publish(remote, edit, pipeline.say)


STEPS: Mapping[str, Callable[[Pipeline], None]] = {
    "check": check,
    "test": test,
    "build": build,
    "sbom": sbom,
    "scan": scan,
    "push": push,
    "findings": findings,
    "deploy": deploy,
}
"""In the order in which `run` takes them."""


def _check_edits(pipeline: Pipeline) -> None:
    remote = pipeline.remote()
    for edit in pipeline.edits():
        try_edit(remote, edit)


def _new_images(pipeline: Pipeline) -> list[Image]:
    """The images that ECR does not have: a tag names one commit, so it is built and pushed once."""
    wanted = images_of(pipeline.settings)
    if not wanted:
        pipeline.say("nothing to do: no image is deployed")
    new = [image for image in wanted if not pipeline.registry.has(image.repository, image.tag)]
    for image in wanted:
        if image not in new:
            pipeline.say(f"nothing to do: ECR has {image.name}")
    return new


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {severity}" for severity, number in counts.items())
