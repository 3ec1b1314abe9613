"""Reads the lines of access logs, and counts those that hold no request to replay.

Each line is read by its own format: a log may change its format at any line, and several logs may differ.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct

from proxy.control.replay.recorded_requests import LoggedRequest, Unreadable, read_json_line
from proxy.control.replay.text_lines import (
    balancer_fields,
    odd_fields,
    request_of,
    usual_fields,
)

FACADE, COMMON, BALANCER = "facade", "common", "alb"
FORMAT_NAMES = {
    FACADE: "the log of `facade serve`",
    COMMON: "Common or Combined Log Format",
    BALANCER: "the log of an AWS load balancer",
}
KNOWN_FORMATS = (
    "a log may be in Common or Combined Log Format, of an AWS load balancer, or of `facade serve`"
)
MAX_LINE_BYTES = 1024 * 1024
_SHOWN = 3
# A byte order mark, and the NUL bytes in front of a log that was truncated while a server wrote it.
_BEFORE_LINE = b"\0 \t\xef\xbb\xbf"


class Rejected(Struct, frozen=True):
    """A line that cannot be read."""

    file: str
    line: int
    why: str


def read_line(line: bytes) -> tuple[str, LoggedRequest | None]:
    """Format and request of a line; None for a request that has no path. Raises Unreadable."""
    if line.startswith(b"{"):
        return FACADE, read_json_line(line)
    fields = usual_fields(line)
    if fields is not None:
        return COMMON, request_of(fields)
    fields = balancer_fields(line)
    if fields is not None:
        return BALANCER, request_of(fields)
    stripped = line.lstrip(_BEFORE_LINE)
    if stripped != line:
        return read_line(stripped)
    fields = odd_fields(line)
    if fields is not None:
        return COMMON, request_of(fields)
    raise Unreadable("it is in no known format")


class LogReader:
    """Gives each request of a log to `take`, with the number of its line in all logs.

    `take` may raise Unreadable, too. Memory does not grow with the log.
    """

    def __init__(self, take: Callable[[LoggedRequest, int], None]) -> None:
        self._take = take
        self._file = ""
        self._before_file = 0
        self._rest = b""
        """The beginning of a line that has no end yet."""
        self._skips = False
        """The current line is too long."""
        self.lines = 0
        self.formats: Counter[str] = Counter()
        """The lines of each format."""
        self.without_path = 0
        """Requests that were refused before they were parsed, CONNECT, and `OPTIONS *`."""
        self.rejected = 0
        self.first_rejected: list[Rejected] = []
        self.damaged: list[tuple[str, str]] = []
        """Files that could not be read to their end, with the reason."""

    def begin_file(self, name: str) -> None:
        """The blocks that follow are of this file."""
        self._file, self._before_file = name, self.lines

    def feed(self, block: bytes) -> None:
        """Read a part of a file, whatever it contains."""
        lines = (self._rest + block).split(b"\n")
        self._rest = lines.pop()
        if self._skips and lines:
            del lines[0]
            self._skips = False
        self._read(lines)
        if self._skips:
            self._rest = b""
        elif len(self._rest) > MAX_LINE_BYTES:
            self.lines += 1
            self._reject("it is longer than 1 MiB")
            self._rest, self._skips = b"", True

    def end_file(self) -> None:
        """Read the last line, if the file ends without a line end."""
        if self._rest:
            self._read([self._rest])
        self._rest, self._skips = b"", False

    def report_damage(self, why: str) -> None:
        """The current file cannot be read further."""
        self.damaged.append((self._file, why))

    def _read(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            self.lines += 1
            try:
                name, logged = read_line(line)
                self.formats[name] += 1
                if logged is None:
                    self.without_path += 1
                else:
                    self._take(logged, self.lines)
            except Unreadable as fault:
                if line.strip():
                    self._reject(str(fault))

    def _reject(self, why: str) -> None:
        self.rejected += 1
        if len(self.first_rejected) < _SHOWN:
            number = self.lines - self._before_file
            self.first_rejected.append(Rejected(self._file, number, why))
