"""The errors that stop the pipeline, each with the exit status of the program.

PipelineError      2   bad input or a refusal; nothing was changed by the step
+-- StepFailed     1   a command of the step failed: tests, a build, a scan
"""

import sys


class PipelineError(Exception):
    """One sentence for each problem: the fault, and what to do."""

    status = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StepFailed(PipelineError):
    """The output of the command stands above the sentence."""

    status = 1


def reported(step: str, error: PipelineError) -> int:
    """Print the problems with the name of the step; returns the exit status."""
    for problem in error.problems:
        print(f"step {step} failed: {problem}", file=sys.stderr, flush=True)
    return error.status


def together(*errors: PipelineError) -> PipelineError:
    """One error with all problems, each of them once."""
    return PipelineError(*dict.fromkeys(problem for each in errors for problem in each.problems))
