"""Where the core is, and its tests, for whoever measures it.

`python -m tests.core` prints the files of the core as coverage takes them, `python -m tests.core tests` the folders and
files of `tests/unit` that mirror them. The core is what import-linter keeps from I/O (pyproject.toml); it is written
down there and nowhere else.
"""

import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_CONTRACT = "the facade: the core does no I/O, has no clock and no randomness"


def core_files() -> list[str]:
    """Paths from the root, with `*` for the files of a package."""
    paths = [module.replace(".", "/") for module in _modules()]
    return [f"{path}/*" if (ROOT / path).is_dir() else f"{path}.py" for path in paths]


def core_tests() -> list[str]:
    """Paths from the root. A folder has the tests of a whole package of `proxy`, also if only a part of it is core."""
    names = sorted({module.split(".")[1] for module in _modules()})
    paths = [
        path for name in names for path in (f"tests/unit/{name}", f"tests/unit/test_{name}.py")
    ]
    return [path for path in paths if (ROOT / path).exists()]


def _modules() -> list[str]:
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = {each["name"]: each for each in settings["tool"]["importlinter"]["contracts"]}
    return sorted(contracts[_CONTRACT]["source_modules"])


if __name__ == "__main__":
    print(" ".join(core_tests()) if sys.argv[1:] == ["tests"] else ",".join(core_files()))
