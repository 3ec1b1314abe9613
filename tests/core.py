"""Where the core is, for whoever measures it: `python -m tests.core` prints its files as coverage takes them.

The core is what import-linter keeps from I/O (pyproject.toml); it is written down there and nowhere else.
"""

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_CONTRACT = "the facade: the core does no I/O, has no clock and no randomness"


def core_files() -> list[str]:
    """Paths from the root, with `*` for the files of a package."""
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = {each["name"]: each for each in settings["tool"]["importlinter"]["contracts"]}
    modules: list[str] = contracts[_CONTRACT]["source_modules"]
    paths = [module.replace(".", "/") for module in sorted(modules)]
    return [f"{path}/*" if (ROOT / path).is_dir() else f"{path}.py" for path in paths]


if __name__ == "__main__":
    print(",".join(core_files()))
