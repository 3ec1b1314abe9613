"""Pushes of others, and a pipeline that is killed: the deployment repository is as it was, or has the whole commit."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.pipeline.conftest import Run
from tests.deploy.pipeline.site import Site, git
from tests.deploy.rendering import TREE
from tests.support.waiting import until

Hook = Callable[[str, str], None]


@pytest.fixture
def hook(site: Site, monkeypatch: pytest.MonkeyPatch) -> Hook:
    """Installs a hook for the git of the pipeline: (name, shell commands)."""
    folder = site.folder / "hooks"
    folder.mkdir()
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    monkeypatch.setenv("GIT_CONFIG_KEY_1", "core.hooksPath")
    monkeypatch.setenv("GIT_CONFIG_VALUE_1", str(folder))

    def install(name: str, commands: str) -> None:
        file = folder / name
        file.write_text(f"#!/bin/sh\n{commands}\n")
        file.chmod(0o755)

    return install


def _other_push(site: Site, file: str, text: str, times: int) -> str:
    """Shell commands that push another person's commit, the first `times` times."""
    other = site.folder / "other"
    git(site.folder, "clone", "--quiet", str(site.deployment), str(other))
    return f"""
        unset GIT_DIR GIT_INDEX_FILE GIT_CONFIG_COUNT
        cd {other}
        test "$(git log --oneline | wc -l)" -gt {times} && exit 0
        git pull --quiet
        printf '%s' '{text}' >> {file}
        git add --all
        git -c user.name=Dev -c user.email=d@example.com commit --quiet --message 'By hand'
        git push --quiet
    """


# `post-commit`: the other push comes before ours begins. `pre-push`: it comes between ours and its effect.
@pytest.mark.parametrize("moment", ["post-commit", "pre-push"])
def test_a_concurrent_push_is_kept_and_ours_goes_on_top(
    site: Site, run: Run, hook: Hook, moment: str
) -> None:
    site.push_image()
    hook(moment, _other_push(site, "notes.txt", "a note", 1))
    status, output, errors = run("deploy")
    assert (status, errors) == (0, "")
    assert "another push came first: the edit is made once more on top of it" in output
    assert site.subjects() == [f"Updated image tag to {site.tag()}", "By hand", "The chart"]
    assert site.deployed("notes.txt") == "a note\n"
    assert site.values()["image"]["tag"] == site.tag()


def test_a_concurrent_edit_of_the_template_is_rendered(site: Site, run: Run, hook: Hook) -> None:
    """A rebase of the lines would keep the old values."""
    site.push_image()
    hook("post-commit", _other_push(site, "values-template.yaml", "mine: ${IMAGE_TAG}", 1))
    assert run("deploy")[0] == 0
    assert site.values()["mine"] == site.tag()


def test_two_concurrent_pushes_are_too_many(site: Site, run: Run, hook: Hook) -> None:
    site.push_image()
    hook("post-commit", _other_push(site, "notes.txt", "a note", 2))
    status, _, errors = run("deploy")
    assert (status, site.subjects()) == (2, ["By hand", "By hand", "The chart"])
    assert "got other commits during two pushes: run the step again" in errors
    assert run("deploy")[0] == 0


def test_a_newer_build_that_pushes_meanwhile_is_not_replaced(
    site: Site, run: Run, hook: Hook
) -> None:
    site.push_image()
    newer = 'image: {tag: "t9999999"}\nbuildNumber: "43"\n'
    hook("post-commit", _other_push(site, "values.yaml", newer, 1).replace(">>", ">"))
    status, _, errors = run("deploy")
    assert (status, site.subjects()) == (2, ["By hand", "The chart"])
    assert "build 42 is older than build 43" in errors


def _start(site: Site, *words: str) -> "subprocess.Popen[bytes]":
    """The pipeline as a process, with all that it starts in one group."""
    program = (
        "import os, pathlib, sys; from deploy.pipeline.__main__ import main; "
        "sys.exit(main(sys.argv[2:], os.environ, pathlib.Path(sys.argv[1])))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, str(site.tree), *words],
        cwd=TREE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _killed_when_it_blocks(process: "subprocess.Popen[bytes]", flag: Path) -> None:
    try:
        until(flag.exists, 60)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


@pytest.mark.parametrize("moment", ["post-commit", "pre-push", "pre-receive"])
def test_a_pipeline_that_is_killed_leaves_the_repository_as_it_was(
    site: Site, run: Run, hook: Hook, moment: str
) -> None:
    """Before the push, in it, and while the remote accepts it."""
    site.push_image()
    head, flag = site.head(), site.folder / "flag"
    blocks = f"touch {flag}; exec sleep 120"
    if moment == "pre-receive":
        file = site.deployment / "hooks" / moment
        file.write_text(f"#!/bin/sh\n{blocks}\n")
        file.chmod(0o755)
    else:
        hook(moment, blocks)
    _killed_when_it_blocks(_start(site, "deploy"), flag)
    assert site.head() == head
    for folder in (site.folder / "hooks", site.deployment / "hooks"):
        for file in folder.glob("p*"):
            file.unlink()
    assert run("deploy")[0] == 0
    assert site.subjects() == [f"Updated image tag to {site.tag()}", "The chart"]


def test_a_pipeline_that_is_killed_while_it_pushes_images_goes_on_later(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("build")[0] == 0
    monkeypatch.setenv("DOCKER_BLOCKS", "push")
    _killed_when_it_blocks(_start(site, "push"), site.docker / "blocked")
    monkeypatch.delenv("DOCKER_BLOCKS")
    assert site.subjects() == ["The chart"]
    for step in ("build", "push", "deploy"):
        assert run(step)[0] == 0
    assert site.subjects()[0] == f"Updated image tag to {site.tag()}"


def test_an_accepted_push_whose_response_is_lost_is_a_success(site: Site, run: Run) -> None:
    site.push_image()
    file = site.deployment / "hooks" / "reference-transaction"
    # The process of the remote dies after the branch has moved, and before it reports that.
    file.write_text('#!/bin/sh\ntest "$1" = committed && kill -9 $PPID\nexit 0\n')
    file.chmod(0o755)
    status, output, errors = run("deploy")
    assert (status, errors) == (0, "")
    assert "pushed " in output
    assert site.subjects() == [f"Updated image tag to {site.tag()}", "The chart"]
