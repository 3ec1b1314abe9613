"""Where variables come from. Later ones win: Parameter Store, the environment, files in /etc/secret."""

import re
from collections.abc import Mapping
from pathlib import Path

from flightspecial_service.errors import SettingsError

FOLDER = "/etc/secret"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LARGEST_BYTES = 64 * 1024


def with_files(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, and over it every file of the folder, a name and its value each.

    One line end at a file's end is not part of the value. Raises SettingsError.
    """
    folder = Path(environ.get("SECRETS_DIR", FOLDER))
    found = dict(environ)
    problems = []
    try:
        files = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise SettingsError((f"{folder} cannot be read: {error.strerror}",)) from error
    for file in files:
        # Kubernetes keeps its own entries beside the files; their names begin with dots.
        if not _NAME.fullmatch(file.name) or not file.is_file():
            continue
        try:
            found[file.name] = _content(file)
        except OSError as error:
            problems.append(f"{file} cannot be read: {error.strerror}")
        except ValueError:
            problems.append(f"{file} must be at most 64 KiB of UTF-8")
    if problems:
        raise SettingsError(tuple(problems))
    return found


def _content(file: Path) -> str:
    with file.open("rb") as stream:
        content = stream.read(_LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise ValueError(file.name)
    return content.decode().removesuffix("\n").removesuffix("\r")
