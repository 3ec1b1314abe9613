"""Commands with a bound, and the one error of this program."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_TOLD_LINES = 25


class StepFailed(Exception):
    """A step did not see what it must; the text says what it saw."""


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
    may_fail: bool = False,
    both: bool = False,
) -> str:
    """What the command says on standard output; with `both`, on standard error too.

    Raises StepFailed with the end of its output if it fails or takes longer.
    """
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if both else subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        raise StepFailed(f"`{' '.join(argv)}` took longer than {timeout_s:g} s") from None
    except OSError as error:
        raise StepFailed(f"`{argv[0]}` cannot be run: {error.strerror}") from None
    if done.returncode and not may_fail:
        lines = (done.stdout + (done.stderr or "")).splitlines()[-_TOLD_LINES:]
        raise StepFailed(f"`{' '.join(argv)}` ended with {done.returncode}:\n" + "\n".join(lines))
    return done.stdout.strip()


def surely(holds: object, sentence: str) -> None:
    """Raise StepFailed with the sentence unless `holds`."""
    if not holds:
        raise StepFailed(sentence)


def why_no_engine() -> str:
    """Empty if Docker Engine and Compose v2 respond, else one sentence."""
    try:
        run(["docker", "info", "--format", "{{.ServerVersion}}"], timeout_s=20)
    except StepFailed:
        return "there is no Docker Engine that answers: install or start one, then run this again."
    try:
        run(["docker", "compose", "version", "--short"], timeout_s=20)
    except StepFailed:
        return "Docker has no Compose v2 here: install its plugin, then run this again."
    return ""


def plain_environment(**ours: str) -> dict[str, str]:
    """The environment without what would change compose.yaml, and with `ours`."""
    changing = ("COMPOSE_", "DB_", "FACADE_", "APP_", "LEGACY_", "ROUTES_", "SHOW_", "FEATURE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(changing)}
    return {**kept, **ours}
