"""One commit to the deployment repository: whole, or not at all.

The edit is made in a clone of its own, which is deleted. The push is the only act that others see, and git does it
whole: a pipeline that is killed before it leaves the repository as it was. If another push came first, the edit is
made once more on top of it. That is a rebase without conflicts, because the edit is computed from the new files.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.pipeline.errors import PipelineError
from deploy.pipeline.git import Git, GitFailed, cannot, environment, shown
from deploy.pipeline.settings import Repository

Edit = Callable[[Git], str]
"""Writes files into a clone and returns the subject of the commit. Raises PipelineError."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Remote:
    """The deployment repository: its URL, the environment for git, and what stands below the subject of a commit."""

    repository: Repository
    url: str
    environ: Mapping[str, str]
    footer: str = ""

    @property
    def shown(self) -> str:
        return shown(self.url)


def try_edit(remote: Remote, edit: Edit) -> None:
    """The edit without a commit: raises what `publish` would raise before its push."""
    with _cloned(remote) as git:
        edit(git)


def publish(remote: Remote, edit: Edit, say: Say) -> bool:
    """Commit the edit and push it. False if the repository has it already."""
    with _cloned(remote) as git:
        for attempt in (1, 2):
            base = git.run("rev-parse", "HEAD")
            subject = edit(git)
            if not git.run("status", "--porcelain"):
                say(f"nothing to push: {remote.shown} has it already")
                return False
            _commit(git, subject, remote.footer)
            refused = _push(git, remote)
            tip = git.run("rev-parse", "HEAD") if refused is None else _tip(git, remote)
            # A remote may accept a commit and lose the connection before it reports that.
            if tip == git.run("rev-parse", "HEAD"):
                say(f"pushed {tip[:7]} {subject!r} to {remote.shown}")
                return True
            if refused is not None and tip == base:
                raise cannot(remote.repository, remote.url, "refuses the push", refused)
            if attempt == 1:
                say("another push came first: the edit is made once more on top of it")
                git.run("reset", "--hard", "--quiet", tip)
    raise PipelineError(
        f"the {remote.repository.title} {remote.shown} got other commits during two pushes: run the step again"
    )


@contextmanager
def _cloned(remote: Remote) -> Iterator[Git]:
    branch = remote.repository.branch
    environ = environment(remote.environ, remote.repository, remote.url)
    with TemporaryDirectory(prefix="deployment-") as folder:
        words = [
            "clone",
            "--quiet",
            "--branch",
            branch,
            "--single-branch",
            "--",
            remote.url,
            "tree",
        ]
        try:
            Git(Path(folder), environ).run(*words)
        except GitFailed as failed:
            if f"Remote branch {branch} not found" in str(failed):
                raise PipelineError(
                    f"the {remote.repository.title} {remote.shown} has no branch {branch}: "
                    "run deploy/codebuild/repositories first"
                ) from None
            raise cannot(remote.repository, remote.url, "cannot be read", failed) from None
        try:
            yield Git(Path(folder) / "tree", environ)
        except GitFailed as failed:
            raise PipelineError(f"git failed in a clone of {remote.shown}: {failed}") from None


def _commit(git: Git, subject: str, footer: str) -> None:
    git.run("add", "--all")
    message = ["--message", subject, *(["--message", footer] if footer else [])]
    git.run(*git.identity(), "commit", "--quiet", *message)


def _push(git: Git, remote: Remote) -> GitFailed | None:
    try:
        git.run("push", "--quiet", "origin", f"HEAD:refs/heads/{remote.repository.branch}")
    except GitFailed as failed:
        return failed
    return None


def _tip(git: Git, remote: Remote) -> str:
    """The newest commit of the remote's branch."""
    try:
        git.run("fetch", "--quiet", "origin", remote.repository.branch)
    except GitFailed as failed:
        raise cannot(remote.repository, remote.url, "cannot be read", failed) from None
    return git.run("rev-parse", "FETCH_HEAD")
