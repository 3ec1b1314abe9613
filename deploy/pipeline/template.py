"""values-template.yaml, rendered by the real `envsubst`."""

from collections.abc import Mapping

from deploy.pipeline.commands import read
from deploy.pipeline.errors import PipelineError


def rendered(name: str, template: str, variables: Mapping[str, str], path: str) -> str:
    """Raises PipelineError for each variable of the template that is not set: envsubst would write nothing for it."""
    environ = {"PATH": path}
    named = _envsubst(["--variables", template], environ).split()
    missing = sorted(set(named) - variables.keys())
    if missing:
        raise PipelineError(
            *(f"{name} names ${{{each}}}, which is not set: export {each}" for each in missing)
        )
    return _envsubst([], {**variables, **environ}, template)


def _envsubst(options: list[str], environ: Mapping[str, str], text: str = "") -> str:
    done = read(["envsubst", *options], environ, text=text)
    if done.status:
        raise PipelineError(f"envsubst failed: {done.errors.strip()}")
    return done.output
