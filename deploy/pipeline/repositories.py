"""`python -m deploy.pipeline.repositories`: the two repositories of the guide as remotes `ccorigin`, `main` pushed.

The source repository gets this clone, the deployment repository a copy of deploy/chart. Both are found or created.
Nothing is created or pushed before every problem is known. A second run does what is left; after that, nothing.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.pipeline.aws import Account
from deploy.pipeline.codecommit import created_url, found_url
from deploy.pipeline.errors import PipelineError, reported, together
from deploy.pipeline.git import Git, GitFailed, cannot, environment, shown
from deploy.pipeline.settings import (
    Repository,
    deployment_repository,
    region_of,
    source_repository,
)

REMOTE = "ccorigin"
_TREE = Path(__file__).parents[2]
_SUBJECT = "The chart of the FlightSpecials service and the facade"


@dataclass(frozen=True)
class Connection:
    """A working copy and the repository that it is pushed to. `url` is empty until the repository is created."""

    repository: Repository
    folder: Path
    url: str


def main(environ: Mapping[str, str], tree: Path = _TREE) -> int:
    """Returns the exit status: 2 for bad input and for what AWS or Git refuses."""
    try:
        connect(environ, tree)
    except PipelineError as error:
        return reported("repositories", error)
    return 0


def connect(environ: Mapping[str, str], tree: Path) -> None:
    """Raises PipelineError."""
    account = Account(region_of(environ))
    folder = Path(environ.get("DEPLOY_FOLDER") or tree.parent / "m2m-flightspecial-helm")
    connections, failures = [], []
    for repository, place in (
        (deployment_repository(environ), folder),
        (source_repository(environ), tree),
    ):
        try:
            connection = Connection(
                repository, place, repository.url or found_url(repository, account) or ""
            )
            _check(connection, environ, may_be_absent=place == folder)
            connections.append(connection)
        except PipelineError as error:
            failures.append(error)
    if failures:
        raise together(*failures)
    for connection in connections:
        _connect(connection, account, environ, tree)


def _check(connection: Connection, environ: Mapping[str, str], *, may_be_absent: bool) -> None:
    """The working copy can be pushed, and its remote is this repository or none."""
    folder, branch = connection.folder, connection.repository.branch
    if not folder.exists() and may_be_absent:
        return
    git = Git(folder, environ)
    if not (folder / ".git").exists():
        raise PipelineError(
            f"{folder} is no working copy of Git: it has to become the {connection.repository.title}"
        )
    if git.outcome("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}").status:
        raise PipelineError(
            f"{folder} has no branch {branch}: create it with `git branch {branch}`"
        )
    remote = _remote(git)
    if remote and remote != connection.url:
        wanted = shown(connection.url) if connection.url else "a repository that does not exist yet"
        raise PipelineError(
            f"the remote {REMOTE} of {folder} is {shown(remote)}, not {wanted}: "
            f"remove it with `git remote remove {REMOTE}`"
        )


def _connect(
    connection: Connection, account: Account, environ: Mapping[str, str], tree: Path
) -> None:
    repository = connection.repository
    url = connection.url or created_url(repository, account)
    print(
        f"{repository.title}: {'found' if connection.url else 'created'} {shown(url)}", flush=True
    )
    branch = repository.branch
    environ = environment(environ, repository, url)
    try:
        if not connection.folder.exists():
            _make_working_copy(connection, url, environ, tree)
        git = Git(connection.folder, environ)
        if not _remote(git):
            git.run("remote", "add", REMOTE, url)
        git.run("push", "--quiet", "--set-upstream", REMOTE, branch)
        commit = git.run("rev-parse", "--short", branch)
    except GitFailed as error:
        raise cannot(
            repository, url, f"cannot be connected to {connection.folder}", error
        ) from None
    print(f"{repository.title}: {branch} of {connection.folder} is pushed ({commit})", flush=True)


def _make_working_copy(
    connection: Connection, url: str, environ: Mapping[str, str], tree: Path
) -> None:
    """A clone, or a copy of the chart where the repository is empty. The folder appears whole."""
    folder, branch = connection.folder, connection.repository.branch
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".deployment-", dir=folder.parent) as temporary:
        git = Git(Path(temporary) / "tree", environ)
        if Git(folder.parent, environ).run("ls-remote", "--heads", url, branch):
            words = ["clone", "--quiet", "--origin", REMOTE, "--branch", branch, "--", url, "tree"]
            Git(Path(temporary), environ).run(*words)
        else:
            shutil.copytree(tree / "deploy" / "chart", git.folder)
            git.run("init", "--quiet", "--initial-branch", branch)
            git.run("add", "--all")
            git.run(*git.identity(), "commit", "--quiet", "--message", _SUBJECT)
        git.folder.rename(folder)


def _remote(git: Git) -> str:
    """The URL of the remote, as it was configured; empty if there is none."""
    return git.outcome("config", f"remote.{REMOTE}.url").output.strip()


if __name__ == "__main__":
    sys.exit(main(os.environ))
