"""The edit of values.yaml: the template of the deployment repository, rendered for one commit."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from deploy.pipeline.deployment import Edit
from deploy.pipeline.errors import PipelineError
from deploy.pipeline.git import Git
from deploy.pipeline.settings import Settings
from deploy.pipeline.template import rendered

TEMPLATE = "values-template.yaml"
VALUES = "values.yaml"
SUBJECT = "Updated image tag to "


@dataclass(frozen=True)
class Release:
    """What values.yaml deploys. `facade` is the facade's own tag, even where it is that of the service."""

    service: str = ""
    facade: str = ""
    build: str = ""


def values_edit(settings: Settings, known: Mapping[str, str], environ: Mapping[str, str]) -> Edit:
    """`known` has the variables of the database and of the registry."""

    def edit(git: Git) -> str:
        template = git.folder / TEMPLATE
        if not template.is_file():
            raise PipelineError(
                f"the deployment repository has no {TEMPLATE}: its top folder has to be the chart "
                "(deploy/codebuild/repositories)"
            )
        file = git.folder / VALUES
        before = release_of(file.read_text()) if file.is_file() else Release()
        after = next_release(settings, before)
        if after != before:
            _surely_newer(settings, before, git)
        variables = {**environ, **known, **_variables(after)}
        text = rendered(TEMPLATE, template.read_text(), variables, environ["PATH"])
        _check(text, after)
        file.write_text(text)
        return SUBJECT + settings.tag

    return edit


def next_release(settings: Settings, before: Release) -> Release:
    """The release with the tag of this commit. A program that is not deployed keeps its tag."""
    both = {"service", "facade"} <= set(settings.targets)
    if both or "service" in settings.targets:
        same = before.service == settings.tag
        facade = settings.tag if both else before.facade
        # The build number is shown for the image: it changes only with it.
        return Release(settings.tag, facade, before.build if same else settings.build)
    if not before.service:
        raise PipelineError(
            f"{VALUES} of the deployment repository has no image.tag: deploy the service first"
        )
    return Release(before.service, settings.tag, before.build)


def _surely_newer(settings: Settings, before: Release, git: Git) -> None:
    """Two builds that run at the same time may end in the wrong order."""
    newest = max(int(before.build) if before.build.isdigit() else 0, _last_build(git))
    if int(settings.build) < newest and not settings.allow_older:
        raise PipelineError(
            f"build {settings.build} is older than build {newest}, which is deployed: to go back, revert the "
            "commit in the deployment repository; after a new start of the count, set ALLOW_OLDER_BUILD=1"
        )


def _last_build(git: Git) -> int:
    """The build of the last commit of a pipeline; values.yaml has that of the service alone."""
    body = git.run("log", "-1", f"--grep=^{SUBJECT}", "--format=%b")
    found = re.search(r"^Build: (\d+)$", body, re.MULTILINE)
    return int(found[1]) if found else 0


def _variables(release: Release) -> dict[str, str]:
    return {
        "IMAGE_TAG": release.service,
        "FACADE_IMAGE_TAG": "" if release.facade == release.service else release.facade,
        "CODEBUILD_BUILD_NUMBER": release.build,
    }


def release_of(text: str) -> Release:
    """Reads values.yaml. Raises PipelineError if it is no YAML."""
    values = _loaded(text)
    service = _at(values, "image", "tag")
    facade = _at(values, "facade", "image", "tag") or service
    return Release(service, facade, _at(values, "buildNumber"))


def _loaded(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f" at line {place.line + 1}" if place else ""
        raise PipelineError(f"{VALUES} is no YAML{line}: correct {TEMPLATE}") from None


def _at(values: Any, *names: str) -> str:
    for name in names:
        values = values.get(name) if isinstance(values, dict) else None
    return "" if values is None else str(values)


def _check(text: str, wanted: Release) -> None:
    """The template may have been edited: the tags have to arrive."""
    found = release_of(text)
    if found.service != wanted.service:
        raise PipelineError(
            f"{TEMPLATE} gives image.tag {found.service!r}, not {wanted.service}: "
            'write tag: "${IMAGE_TAG}" there'
        )
    if _at(_loaded(text), "facade", "enabled") == "False":
        return
    if not wanted.facade:
        raise PipelineError(
            f"{VALUES} of the deployment repository has no tag for the facade: "
            "deploy both programs first, or set facade.enabled to false"
        )
    if found.facade != wanted.facade:
        raise PipelineError(
            f"{TEMPLATE} gives the facade the tag {found.facade!r}, not {wanted.facade}: "
            'write tag: "${FACADE_IMAGE_TAG}" at facade.image'
        )
