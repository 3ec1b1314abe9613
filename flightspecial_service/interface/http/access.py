"""Access to a request: switched off, open, or with the bearer token of a file."""

import hmac
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from flightspecial_service.errors import NotReleased, SettingsError, Unauthorized
from flightspecial_service.interface.http.messages import Request

log = logging.getLogger(__name__)

Access: TypeAlias = Callable[[Request], None]
"""Raises NotReleased or Unauthorized unless the request is allowed."""

_TOKEN = re.compile(rb"[!-~]{16,1024}")
_LARGEST_BYTES = 2_048
_CREDENTIALS = re.compile(r"Bearer +([!-~]+) *", re.IGNORECASE)
_CHALLENGE = 'Bearer realm="flightspecials"'


def switched_off(_request: Request) -> None:
    """Refuse every request."""
    raise NotReleased("this write is deployed, but not released")


def open_to_all(_request: Request) -> None:
    """Allow every request."""


class BearerToken:
    """Allows requests that carry the token of `file` (RFC 6750).

    The file is read again when it changes. While it cannot be read, or holds no token, the last
    token is valid. Raises SettingsError if there is none at the start.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, ...] | None = None
        self._failed = False
        try:
            self._token = self._read()
        except (OSError, ValueError) as error:
            raise SettingsError((f"API_TOKEN_FILE: {_reason(file, error)}",)) from error

    def __call__(self, request: Request) -> None:
        """Raise Unauthorized unless the request carries the token."""
        credentials = request.listed(b"authorization")
        if credentials is None:
            raise Unauthorized("this write needs a bearer token", _CHALLENGE)
        match = _CREDENTIALS.fullmatch(credentials)
        self._refresh()
        # Compared in constant time: the duration of a refusal reveals nothing about the token.
        if match is None or not hmac.compare_digest(match[1].encode(), self._token):
            challenge = f'{_CHALLENGE}, error="invalid_token"'
            raise Unauthorized("the bearer token is not valid", challenge)

    def _refresh(self) -> None:
        """Read the file if it was changed or replaced since."""
        try:
            if _state_of(self._file.stat()) != self._seen:
                self._token = self._read()
            self._failed = False
        except (OSError, ValueError) as error:
            # Logged once, not for each request.
            if not self._failed:
                log.warning("the last token stays valid: %s", _reason(self._file, error))
            self._failed = True

    def _read(self) -> bytes:
        with self._file.open("rb") as stream:
            state = _state_of(os.fstat(stream.fileno()))
            content = stream.read(_LARGEST_BYTES)
        token = content.strip()
        if _TOKEN.fullmatch(token) is None:
            raise ValueError("not a token")
        self._seen = state
        return token


def _state_of(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _reason(file: Path, error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{file} cannot be read: {error.strerror}"
    return f"{file} must hold 16 to 1024 visible ASCII characters without blanks"
