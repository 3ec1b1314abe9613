"""The two images of a commit: build, list of contents, scan, push. All of it by Docker's own program."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.pipeline.commands import read, show
from deploy.pipeline.errors import PipelineError, StepFailed
from deploy.pipeline.registry import Login
from deploy.pipeline.settings import Settings

_BUILD_TIMEOUT_S = 1800.0
_PUSH_TIMEOUT_S = 900.0
_SCAN_TIMEOUT_S = 300.0
_SBOM_IN_IMAGE = "/opt/sbom.cdx.json"
_SUFFIXES = {"service": "", "facade": "-facade"}


@dataclass(frozen=True)
class Image:
    """One image of the commit: a target of the Dockerfile, and the ECR repository that gets it."""

    target: str
    repository: str
    tag: str

    @property
    def name(self) -> str:
        return f"{self.repository}:{self.tag}"

    @property
    def sbom(self) -> Path:
        """Below the source tree; `dist` is in no commit and in no image."""
        return Path("dist") / "sbom" / f"{self.repository.replace('/', '-')}-{self.tag}.cdx.json"


def images_of(settings: Settings) -> list[Image]:
    """The images of the programs that are deployed."""
    return [
        Image(target, settings.images.repository + suffix, settings.tag)
        for target, suffix in _SUFFIXES.items()
        if target in settings.targets
    ]


def surely_committed(tree: Path, environ: Mapping[str, str]) -> None:
    """An image is named after a commit, so it must hold the commit and nothing else."""
    done = read(["git", "-c", "safe.directory=*", "status", "--porcelain"], environ, cwd=tree)
    changed = [line[3:] for line in done.output.splitlines()]
    if done.status == 0 and changed:
        raise PipelineError(
            f"{tree} has changes that are in no commit ({changed[0]}, …): commit them first"
        )


def build(image: Image, settings: Settings, tree: Path, environ: Mapping[str, str]) -> None:
    base = ["--build-arg", f"PYTHON_IMAGE={settings.images.base}"] if settings.images.base else []
    show(
        f"`docker build` of {image.name}",
        [
            *("docker", "build", "--platform", settings.images.platform),
            *("--file", "deploy/images/Dockerfile", "--target", image.target),
            *("--build-arg", f"REVISION={settings.commit}", *base, "--tag", image.name, "."),
        ],
        environ,
        cwd=tree,
        timeout_s=_BUILD_TIMEOUT_S,
    )


def copy_sbom(image: Image, platform: str, tree: Path, environ: Mapping[str, str]) -> int:
    """Copy the list of contents out of the image; returns the number of components."""

    def docker(*words: str) -> str:
        done = read(["docker", *words], environ)
        if done.status:
            raise StepFailed(f"`docker {words[0]}` failed for {image.name}: {_last(done.errors)}")
        return done.output.strip()

    file = tree / image.sbom
    file.parent.mkdir(parents=True, exist_ok=True)
    container = docker("create", "--platform", platform, image.name)
    try:
        docker("cp", f"{container}:{_SBOM_IN_IMAGE}", str(file))
    finally:
        docker("rm", container)
    return len(_components(file))


def scan(image: Image, tree: Path, environ: Mapping[str, str]) -> None:
    """Look up what the image holds in the advisory database of PyPI, before anything is pushed. Raises StepFailed."""
    file = tree / image.sbom
    if not file.is_file():
        raise PipelineError(f"there is no {image.sbom}: run the step sbom first")
    # The wheel of this project has no package URL: it is on no index.
    found = [each for each in _components(file) if each.get("purl", "").startswith("pkg:pypi/")]
    if not found:
        raise StepFailed(f"{image.sbom} lists no package of PyPI: there is nothing to scan")
    locked = "".join(f"{each['name']}=={each['version']}\n" for each in found)
    # Strict: a package that cannot be looked up is a failure, and not a line among many.
    options = ["--strict", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    options += _advisories(environ)
    with TemporaryDirectory(prefix="scan-") as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text(locked)
        show(
            f"pip-audit of {image.sbom}",
            [sys.executable, "-m", "pip_audit", *options, "--requirement", str(requirements)],
            environ,
            cwd=tree,
            timeout_s=_SCAN_TIMEOUT_S,
        )


def push(
    images: list[Image], uris: list[str], login: Login, tree: Path, environ: Mapping[str, str]
) -> None:
    """Push the images; the credentials of the registry are removed again."""
    words = ["docker", "login", "--username", login.user, "--password-stdin", login.server]
    done = read(words, environ, text=login.password)
    if done.status:
        raise StepFailed(f"`docker login {login.server}` failed: {_last(done.errors)}")
    try:
        for image, uri in zip(images, uris, strict=True):
            remote = f"{uri}:{image.tag}"
            show(
                f"`docker tag` of {remote}",
                ["docker", "tag", image.name, remote],
                environ,
                cwd=tree,
                timeout_s=60.0,
            )
            show(
                f"`docker push` of {remote}",
                ["docker", "push", remote],
                environ,
                cwd=tree,
                timeout_s=_PUSH_TIMEOUT_S,
            )
    finally:
        read(["docker", "logout", login.server], environ)


def _components(file: Path) -> list[dict[str, str]]:
    try:
        found: list[dict[str, str]] = json.loads(file.read_text())["components"]
    except (ValueError, KeyError, TypeError):
        raise StepFailed(f"{file} is no CycloneDX document") from None
    return found


def _advisories(environ: Mapping[str, str]) -> list[str]:
    """PyPI's own, or an OSV service of the network of the build."""
    url = environ.get("OSV_URL")
    return ["--vulnerability-service", "osv", "--osv-url", url] if url else []


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it gives no reason"
