"""The edit of routes.yaml: the route table alone, without an image."""

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.pipeline.commands import read
from deploy.pipeline.deployment import Edit
from deploy.pipeline.errors import PipelineError
from deploy.pipeline.git import Git

ROUTES = "routes.yaml"
_SUBJECT = "Updated routes.yaml to "


def check_routes(file: Path, environ: Mapping[str, str]) -> None:
    """`facade check`. Raises PipelineError with its problems."""
    if not file.is_file():
        raise PipelineError(f"there is no {file}: ROUTES_FILE names the table that is deployed")
    done = read([sys.executable, "-m", "proxy", "check", str(file)], environ)
    if done.status:
        lines = (done.output + done.errors).strip().splitlines()
        raise PipelineError(*(lines or [f"`facade check {file}` ended with {done.status}"]))


def routes_edit(file: Path, over: str) -> Edit:
    """`over` is a commit whose edit of the table may be overwritten."""

    def edit(git: Git) -> str:
        _surely_ours(git, file, over)
        content = file.read_bytes()
        (git.folder / ROUTES).write_bytes(content)
        return _SUBJECT + hashlib.sha256(content).hexdigest()[:12]

    return edit


def _surely_ours(git: Git, file: Path, over: str) -> None:
    """Traffic is also shifted by edits in the deployment repository: they are not overwritten."""
    last = git.run("log", "-1", "--format=%H%x09%an%x09%s", "--", ROUTES)
    if not last or (git.folder / ROUTES).read_bytes() == file.read_bytes():
        return
    commit, author, subject = last.split("\t", 2)
    added = git.run("log", "-1", "--diff-filter=A", "--format=%H", "--", ROUTES)
    if subject.startswith(_SUBJECT) or commit == added or (over and commit.startswith(over)):
        return
    raise PipelineError(
        f"{ROUTES} of the deployment repository was edited there ({commit[:7]} {subject!r} of {author}): "
        f"take the edit over into {file.name}, then set ROUTES_OVER={commit[:7]}"
    )
