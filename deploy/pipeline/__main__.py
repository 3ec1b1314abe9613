"""`python -m deploy.pipeline STEP [TARGET ...]`: a step of the pipeline, or all of them with `run`.

Exit 0 when the step is done or there is nothing to do, 1 when a command of the step failed (tests, a build, a scan),
2 for bad input and for what AWS or Git refuses, 130 after Ctrl-C.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.pipeline.aws import Account
from deploy.pipeline.errors import PipelineError, reported
from deploy.pipeline.settings import TARGETS, read_settings
from deploy.pipeline.steps import STEPS, Pipeline

_TREE = Path(__file__).parents[2]


def main(argv: Sequence[str], environ: Mapping[str, str], tree: Path = _TREE) -> int:
    """Run one step, or all; returns the exit status."""
    options = _parser().parse_args(argv)
    step: str = options.step
    try:
        settings = read_settings(environ, tuple(options.targets), tree)
        pipeline = Pipeline(settings, environ, tree, Account(settings.region), _say)
        for step in STEPS if options.step == "run" else [options.step]:
            _say(f"--- {step}")
            STEPS[step](pipeline)
    except PipelineError as error:
        return reported(step, error)
    except KeyboardInterrupt:
        return 130
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deploy/pipeline/step",
        description="From a commit to the deployment repository (docs/pipeline.md).",
    )
    parser.add_argument(
        "step", choices=[*STEPS, "run"], help="a step, or all of them in this order"
    )
    targets = f"what is deployed: {', '.join(TARGETS)}; without it, what DEPLOY names"
    parser.add_argument("targets", nargs="*", metavar="target", help=targets)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
