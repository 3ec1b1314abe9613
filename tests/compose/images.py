"""What the images must be, asked of the built ones."""

import json
from dataclasses import dataclass
from typing import Any

from tests.compose.shell import run, surely
from tests.compose.stack import Stack, wait

BASE = "python:3.13-slim-trixie"
_MAX_ABOVE_BASE_BYTES = 80_000_000
_SBOM = "/opt/sbom.cdx.json"
_STOP_WITHIN_S = 20.0


@dataclass(frozen=True)
class Program:
    """One image: the part that runs it, its title, its package, and a package that it must not have."""

    part: str
    title: str
    package: str
    foreign: str


PROGRAMS = (
    Program("facade", "facade", "proxy", "flightspecial_service"),
    Program("app", "flightspecials", "flightspecial_service", "proxy"),
    Program("travelbuddy", "travelbuddy", "deploy.local.travelbuddy", "proxy"),
)

_TOOLS = "gcc cc g++ c++ clang make ld as"
_LIST_DISTRIBUTIONS = """
import importlib.metadata as m, json
print(json.dumps(sorted(d.metadata["Name"] for d in m.distributions(path=["%s"]))))
"""
_IMPORT_ALL = """
import importlib, pkgutil
package = importlib.import_module("{package}")
names = [m.name for m in pkgutil.walk_packages(package.__path__, "{package}.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
try:
    importlib.import_module("{foreign}")
    print("has {foreign}")
except ImportError:
    print(len(names), "modules")
"""
_SITE = "import sysconfig; print(sysconfig.get_paths()['purelib'])"


def check_all(stack: Stack) -> str:
    """Every program; what was seen, in a line each."""
    if not run(["docker", "image", "ls", "--quiet", BASE]):
        run(["docker", "pull", "--quiet", BASE], timeout_s=300)  # A builder may keep it for itself.
    return "; ".join(check(stack, program) for program in PROGRAMS)


def check(stack: Stack, program: Program) -> str:
    """Raises StepFailed with the first thing that is not as it must be."""
    image = f"{stack.project}-{program.part}"
    described = _described(image)
    above = described["Size"] - _described(BASE)["Size"]
    surely(above <= _MAX_ABOVE_BASE_BYTES, f"{image} is {above / 1e6:.1f} MB above its base")
    _check_configuration(image, described["Config"], program)
    _check_contents(image, program)
    listed = _check_bom(image, program)
    return f"{program.title} {above / 1e6:.1f} MB above its base, {listed} components"


def _described(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(["docker", "image", "inspect", image]))[0]
    return found


def _check_configuration(image: str, config: dict[str, Any], program: Program) -> None:
    user = config["User"].partition(":")[0]
    surely(user.isdigit() and user != "0", f"{image} runs as {config['User']!r}, not as a number")
    surely(config.get("Healthcheck", {}).get("Test"), f"{image} has no health check")
    surely(
        config["Entrypoint"] and not config["Entrypoint"][0].endswith("sh"),
        f"{image} starts a shell: {config['Entrypoint']}",
    )
    labels = {k.removeprefix("org.opencontainers.image."): v for k, v in config["Labels"].items()}
    surely(labels.get("title") == program.title, f"{image} has the labels {labels}")
    for name in ("description", "version", "licenses", "base.name", "revision"):
        surely(name in labels, f"{image} has no label {name}: {labels}")


def _check_contents(image: str, program: Program) -> None:
    tools = _in(image, "sh", "-c", f"for t in {_TOOLS}; do command -v $t; done; true")
    surely(not tools, f"{image} has a compiler: {tools}")
    left = _traces_of_pip(image) - _traces_of_pip(BASE)
    surely(not left, f"{image} has pip or its cache: {sorted(left)[:5]}")
    program_of = {"package": program.package, "foreign": program.foreign}
    modules = _in(image, "python", "-c", _IMPORT_ALL.format(**program_of))
    surely(modules.endswith("modules"), f"{image} {modules}")


def _traces_of_pip(image: str) -> set[str]:
    looked = "find / -xdev ( -name pip -o -path */.cache/* -o -name *.whl ) -print"
    return set(_in(image, *looked.split(), user="0").splitlines())


def _check_bom(image: str, program: Program) -> int:
    bom = json.loads(_in(image, "cat", _SBOM))
    surely(bom["bomFormat"] == "CycloneDX", f"{image}: {_SBOM} is no CycloneDX document")
    site = _in(image, "python", "-c", _SITE)
    there = json.loads(_in(image, "python", "-c", _LIST_DISTRIBUTIONS % site))
    listed = sorted(component["name"] for component in bom["components"])
    surely(listed == there, f"{image}: the SBOM lists {listed}, but there is {there}")
    return len(listed)


def _in(image: str, *argv: str, user: str = "") -> str:
    entry, *rest = argv
    as_user = ["--user", user] if user else []
    alone = ["--read-only", "--tmpfs", "/tmp", "--network", "none", *as_user]
    return run(["docker", "run", "--rm", *alone, "--entrypoint", entry, image, *rest])


def check_alone(stack: Stack) -> str:
    """Each program as the first process of a read-only container: up, healthy, and ended by SIGTERM with 0."""
    return "; ".join(_alone(stack, program) for program in PROGRAMS)


def _alone(stack: Stack, program: Program) -> str:
    # Not by `compose run`: that would put init in front of it.
    name = f"{stack.project}-alone-{program.part}"
    environment = json.loads(run(["docker", "inspect", stack.container(program.part)]))[0]["Config"]
    variables = [word for each in environment["Env"] for word in ("--env", each)]
    mounts = ["--volume", f"{stack.folder}:/etc/facade:ro"] if program.part == "facade" else []
    label = ["--label", f"com.docker.compose.project={stack.project}", "--name", name]
    hardened = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--health-interval", "1s"]
    network = f"{stack.project}_{'back' if program.part == 'app' else 'front'}"
    image = f"{stack.project}-{program.part}"
    try:
        options = [*label, *hardened, *variables, *mounts, "--network", network]
        run(["docker", "run", "--detach", *options, image])
        return f"{program.title} {_start_and_stop(name)}"
    finally:
        run(["docker", "rm", "--force", name], may_fail=True)


def _start_and_stop(name: str) -> str:
    def state(field: str) -> str:
        return run(["docker", "inspect", "--format", f"{{{{.State.{field}}}}}", name])

    up = wait(lambda: state("Health.Status") == "healthy", f"{name} alone is not healthy")
    run(["docker", "kill", "--signal", "TERM", name])
    late = f"{name} runs on {_STOP_WITHIN_S:g} s after SIGTERM"
    down = wait(lambda: state("Running") == "false", late, _STOP_WITHIN_S)
    code = state("ExitCode")
    surely(code == "0", f"{name} ended with {code} after SIGTERM")
    return f"up {up:.1f} s, down {down:.1f} s"
