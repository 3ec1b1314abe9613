"""What can be said of the Dockerfile and the lock files without an engine."""

import re
import tomllib
from importlib.metadata import packages_distributions

import pytest

from tests.compose.reading import IMAGES, ROOT, dockerfile, of_target, pins, wanted
from tests.support.imports import distributions, imported_packages

TARGETS = ["service", "facade", "travelbuddy"]
LOCKS = ["service", "facade", "travelbuddy", "build"]
# Parts of another distribution, which pins their version.
_COMES_WITH = {"pydantic-core", "botocore", "markupsafe"}
# uvicorn imports these by itself: its protocol and its event loop.
_USED_BY_UVICORN = {"httptools", "uvloop"}


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_runs_as_a_number_that_is_not_root(target: str) -> None:
    user = of_target(target, "USER")[0].rest
    assert re.fullmatch(r"[1-9][0-9]*:[1-9][0-9]*", user)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("word", ["ENTRYPOINT", "CMD"])
def test_signals_reach_the_program_because_no_shell_is_between(target: str, word: str) -> None:
    assert of_target(target, word)[0].words()


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_has_a_health_check_without_a_shell(target: str) -> None:
    options, _, command = of_target(target, "HEALTHCHECK")[0].rest.partition(" CMD ")
    assert command.startswith('["python", "-IS", "/opt/healthcheck.py"')
    assert all(name in options for name in ("--interval=", "--timeout=", "--retries="))


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_labelled(target: str) -> None:
    said = " ".join(one.rest for one in of_target(target, "LABEL"))
    for name in ("title", "description", "version", "revision", "licenses", "base.name"):
        assert f"org.opencontainers.image.{name}=" in said


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_run_in_what_is_shipped(target: str) -> None:
    assert not of_target(target, "RUN"), "what installs belongs into a stage that stays behind"


@pytest.mark.parametrize("target", TARGETS)
def test_no_file_keeps_the_mode_that_it_has_in_somebodys_clone(target: str) -> None:
    assert all(one.rest.startswith("--from=") for one in of_target(target, "COPY"))


def test_the_version_label_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"VERSION={project['version']}" in [
        one.rest for one in dockerfile() if one.word == "ARG"
    ]


def test_all_stages_have_one_base_that_a_digest_can_replace() -> None:
    bases = {one.rest.split()[0] for one in dockerfile() if one.word == "FROM"}
    stages = {one.stage for one in dockerfile()}
    assert bases - stages == {"${PYTHON_IMAGE}"}
    assert dockerfile()[0].rest == "PYTHON_IMAGE=python:3.13-slim-trixie"


def test_every_install_is_locked_by_hashes_or_takes_nothing_from_outside() -> None:
    installs = [
        part
        for one in dockerfile()
        if one.word == "RUN"
        for part in one.rest.split("&&")
        if "install" in part.split()
    ]
    assert len(installs) == 6
    for part in installs:
        assert "--require-hashes" in part or "--no-index" in part
        assert "--no-index" in part or "--only-binary :all:" in part
        assert "--no-deps" in part


def test_nothing_is_fetched_beside_pip() -> None:
    text = (IMAGES / "Dockerfile").read_text()
    assert not re.search(r"^ADD |curl|wget|apt-get|://", text, re.MULTILINE)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_a_hash_for_everything_and_no_address(name: str) -> None:
    text = (IMAGES / f"{name}.lock").read_text()
    assert "://" not in text
    assert "--index" not in text
    for requirement in re.split(r"\n(?=\S)", text.strip()):
        assert "==" in requirement
        assert "--hash=sha256:" in requirement


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_what_is_wanted_in_the_versions_that_are_tested(name: str) -> None:
    locked, tested = pins(IMAGES / f"{name}.lock"), pins(ROOT / "requirements.lock")
    assert wanted(name) <= set(locked), "run deploy/images/lock"
    differing = {one for one in locked if one in tested and locked[one] != tested[one]}
    assert not differing, "run deploy/images/lock"
    if name != "build":
        assert set(locked) <= set(tested)


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("facade", "proxy"),
        ("service", "flightspecial_service"),
        ("travelbuddy", "deploy/local/travelbuddy"),
    ],
)
def test_an_image_has_what_its_program_imports_and_no_more(name: str, package: str) -> None:
    imported = distributions(imported_packages(ROOT / package), packages_distributions())
    direct = imported - _COMES_WITH
    if "uvicorn" in direct:
        direct |= _USED_BY_UVICORN
    assert wanted(name) == direct, f"deploy/images/{name}.in differs from the imports"


def test_the_build_gets_only_what_is_named() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*", "data, secrets and history stay outside"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        source
        for one in dockerfile()
        if one.word == "COPY" and "--from" not in one.rest
        for source in one.rest.split()[:-1]
    }
    for source in copied:
        assert any(source == good or source.startswith(f"{good}/") for good in let_in), source
