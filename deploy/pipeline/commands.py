"""Runs programs, each with a bound of time."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.pipeline.errors import PipelineError, StepFailed


@dataclass(frozen=True)
class Done:
    """A program that has ended."""

    status: int
    output: str
    errors: str


def read(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    cwd: Path | None = None,
    text: str = "",
    timeout_s: float = 60.0,
) -> Done:
    """Run a program with `text` on its standard input. Its status may be any; its output is not shown."""
    done = _run(argv, environ, cwd, timeout_s, text)
    return Done(done.returncode, done.stdout or "", done.stderr or "")


def show(
    name: str, argv: Sequence[str], environ: Mapping[str, str], *, cwd: Path, timeout_s: float
) -> None:
    """Run a program whose output belongs to the output of the step. Raises StepFailed with the name."""
    status = _run(argv, environ, cwd, timeout_s, None).returncode
    if status:
        raise StepFailed(f"{name} ended with {status}; its output is above")


def _run(
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: Path | None,
    timeout_s: float,
    text: str | None,
) -> "subprocess.CompletedProcess[str]":
    """With a text the output is captured, without one it is shown."""
    pipe = None if text is None else subprocess.PIPE
    try:
        return subprocess.run(
            argv,
            cwd=cwd,
            env=dict(environ),
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            stdout=pipe,
            stderr=pipe,
            text=True,
            errors="replace",
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        raise StepFailed(f"`{argv[0]}` took longer than {timeout_s:g} s") from None
    except OSError as error:
        raise PipelineError(f"`{argv[0]}` cannot be run: {error.strerror}") from None
