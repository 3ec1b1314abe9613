"""Variables from the environment and from files in /etc/secret. Files override the environment."""

import re
from collections.abc import Mapping
from pathlib import Path

from flightspecial_service.errors import SettingsError
from flightspecial_service.settings import without_empty

FOLDER = "/etc/secret"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LARGEST_BYTES = 64 * 1024


def with_files(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, overridden by the files of the folder: file name and content are name and value.

    One line end at the end of a file is not part of the value. An empty variable or file counts as
    unset. Raises SettingsError.
    """
    variables = without_empty(environ)
    folder = Path(variables.get("SECRETS_DIR", FOLDER))
    contents = {}
    problems = []
    try:
        files = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise SettingsError((f"{folder} cannot be read: {error.strerror}",)) from error
    for file in files:
        # A mounted Secret also has entries of Kubernetes, whose names begin with dots.
        if not _NAME.fullmatch(file.name) or not file.is_file():
            continue
        try:
            contents[file.name] = _content(file)
        except OSError as error:
            problems.append(f"{file} cannot be read: {error.strerror}")
        except ValueError:
            problems.append(f"{file} must be at most 64 KiB of UTF-8")
    if problems:
        raise SettingsError(tuple(problems))
    return variables | without_empty(contents)


def _content(file: Path) -> str:
    with file.open("rb") as stream:
        content = stream.read(_LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise ValueError(file.name)
    return content.decode().removesuffix("\n").removesuffix("\r")
