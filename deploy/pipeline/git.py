"""Git as a program. It asks for no password over https, and its secrets are in no URL, no argument and no file."""

import re
from collections.abc import Mapping
from pathlib import Path

from deploy.pipeline.commands import Done, read
from deploy.pipeline.errors import PipelineError
from deploy.pipeline.settings import Repository

_NETWORK_TIMEOUT_S = 120.0
# A shell function that git runs; the token stays in the environment.
_TOKEN_HELPER = (
    '!f() { test "$1" = get && echo "username=$PIPELINE_GIT_USER" && '
    'echo "password=$PIPELINE_GIT_TOKEN"; }; f'
)
_CODECOMMIT_HELPER = "!aws codecommit credential-helper $@"
_BOUNDS = (("http.lowSpeedLimit", "1000"), ("http.lowSpeedTime", "30"))
# A hook of git sets these; they would lead git to another repository.
_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")


class GitFailed(Exception):
    """The reason that git gives, without its prefixes."""


class Git:
    """A working copy."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self._environ = environ

    def run(self, *words: str, timeout_s: float = _NETWORK_TIMEOUT_S) -> str:
        """The output. Raises GitFailed."""
        done = self.outcome(*words, timeout_s=timeout_s)
        if done.status:
            raise GitFailed(reason(done.errors))
        return done.output.strip()

    def outcome(self, *words: str, timeout_s: float = _NETWORK_TIMEOUT_S) -> Done:
        """For commands whose failure is a result."""
        return read(["git", *words], self._environ, cwd=self.folder, timeout_s=timeout_s)

    def identity(self) -> list[str]:
        """Options that name the committer, where git does not know one."""
        if self.outcome("config", "user.email").status == 0:
            return []
        return ["-c", "user.name=FlightSpecials pipeline", "-c", "user.email=pipeline@example.com"]


def environment(environ: Mapping[str, str], repository: Repository, url: str) -> dict[str, str]:
    """The environment of git for this repository."""
    kept = {name: value for name, value in environ.items() if name not in _FOREIGN}
    settings = list(_BOUNDS)
    if "git-codecommit." in url:
        settings += [
            ("credential.helper", ""),
            ("credential.helper", _CODECOMMIT_HELPER),
            ("credential.useHttpPath", "true"),
        ]
    elif repository.token:
        settings += [("credential.helper", ""), ("credential.helper", _TOKEN_HELPER)]
    first = int(environ.get("GIT_CONFIG_COUNT") or 0)
    for number, (name, value) in enumerate(settings, first):
        kept |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return kept | {
        "GIT_CONFIG_COUNT": str(first + len(settings)),
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        "PIPELINE_GIT_USER": repository.user,
        "PIPELINE_GIT_TOKEN": repository.token,
    }


def shown(url: str) -> str:
    """A URL without the user and the password that it may have."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)


def reason(errors: str) -> str:
    """One line of git's standard error: the refusal of the remote, or the last error."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    remote = [line.partition(": ")[2] for line in lines if re.match(r"remote: \S", line)]
    refused = [line for line in lines if line.startswith("! [")]
    faults = [line for line in lines if line.startswith(("fatal: ", "error: "))]
    if refused:
        found = [re.sub(r"^! (\[.*?\]) .*?(\(.*\))?$", r"\1 \2", refused[0]).strip(), *remote[:1]]
    else:
        found = [re.sub(r"^(fatal|error): ", "", (faults or lines or ["git gives no reason"])[-1])]
    return shown(": ".join(found)).rstrip(".")


def cannot(repository: Repository, url: str, act: str, failed: GitFailed) -> PipelineError:
    """The sentence for a repository that git cannot read or write."""
    text = f"the {repository.title} {shown(url)} {act}: {failed}"
    if re.search(
        r"terminal prompts disabled|Authentication failed|Permission denied|\b403\b", text
    ):
        text += f"; give git credentials, for https in {repository.setting}_TOKEN"
    elif re.search(r"does not exist|not found|does not appear to be", text):
        text += (
            f"; is {repository.setting}_URL right, and has deploy/codebuild/repositories been run?"
        )
    return PipelineError(text)
