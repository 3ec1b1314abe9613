"""Reading access logs: several files, compressed or not, with progress, and notes on what could not be read."""

import argparse
import gzip
import os
import stat
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from io import BufferedReader
from typing import Any, cast

from proxy.cli.files import unreadable
from proxy.cli.output import Screen, safe
from proxy.control.replay.log_reader import FORMAT_NAMES, KNOWN_FORMATS, LogReader
from proxy.errors import FacadeError

_BLOCK_BYTES = 256 * 1024
_GZIP = b"\x1f\x8b"
_NOT_READ = {
    b"BZh": ("compressed with bzip2", "bzcat"),
    b"\xfd7zXZ": ("compressed with xz", "xzcat"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "zstdcat"),
    b"PK\x03\x04": ("a zip archive", "unzip -p"),
    b"\xff\xfe": ("UTF-16 text", "iconv -f UTF-16 -t UTF-8"),
    b"\xfe\xff": ("UTF-16 text", "iconv -f UTF-16 -t UTF-8"),
}
"""The first bytes of other files, with the program that makes a log of them."""
_HINT = "name an access log"
_TERMINAL_INTERVAL_S = 0.2
_PLAIN_INTERVAL_S = 10.0


def add_log_files(command: argparse.ArgumentParser, option: str) -> None:
    """Add the option that names the logs."""
    command.add_argument(
        option,
        dest="logs",
        required=True,
        nargs="+",
        action="extend",
        metavar="FILE",
        help="access logs, also compressed with gzip, in any order; - is standard input",
    )


def read_logs(reader: LogReader, files: Sequence[str]) -> None:
    """Read all files. Raises FacadeError for one that cannot be read."""
    if files.count("-") > 1:
        raise FacadeError("facade: - is standard input: name it once")
    total = sum(_size_of(file) for file in files if file != "-")
    progress = Progress(Screen(sys.stderr), total)
    try:
        for file in files:
            reader.begin_file("standard input" if file == "-" else file)
            try:
                _read_log(reader, file, progress)
            except OSError as error:
                raise unreadable(file, error, _HINT) from None
            reader.end_file()
    finally:
        progress.end()


def _size_of(file: str) -> int:
    """The size of a file. Checks early that it can be read: files before it may be large. Raises FacadeError."""
    try:
        status = os.stat(file)
        if stat.S_ISFIFO(status.st_mode):
            # To open it would take its content.
            return 0
        with open(file, "rb") as stream:
            _check_start(file, stream)
        return status.st_size
    except OSError as error:
        raise unreadable(file, error, _HINT) from None


def _check_start(file: str, stream: BufferedReader) -> None:
    start = stream.peek(8)[:8]
    for magic, (what, program) in _NOT_READ.items():
        if start.startswith(magic):
            hint = f"pass its text, as in `{program} FILE | facade … -`"
            raise FacadeError(f"facade: {safe(file)} is {what}, which is not read: {hint}")


def _read_log(reader: LogReader, file: str, progress: "Progress") -> None:
    if file != "-":
        with open(file, "rb") as stream:
            _read_stream(reader, file, stream, progress)
            progress.end_file(stream.tell() if stream.seekable() else 0)
    elif sys.stdin is None:
        raise FacadeError("facade: standard input is closed: name a file")
    else:
        _read_stream(reader, file, cast(BufferedReader, sys.stdin.buffer), progress)


def _read_stream(
    reader: LogReader, file: str, stream: BufferedReader, progress: "Progress"
) -> None:
    _check_start(file, stream)
    position = stream.tell if stream.seekable() else lambda: 0
    if not stream.peek(2).startswith(_GZIP):
        _read_blocks(reader, stream, position, progress)
        return
    try:
        with gzip.GzipFile(fileobj=stream) as text:
            _read_blocks(reader, text, position, progress)
    except EOFError:
        reader.report_damage("its compressed data ends early")
    except (gzip.BadGzipFile, zlib.error) as error:
        reader.report_damage(f"its compressed data is damaged: {error}")


def _read_blocks(
    reader: LogReader,
    stream: BufferedReader | gzip.GzipFile,
    position: Callable[[], int],
    progress: "Progress",
) -> None:
    while block := stream.read1(_BLOCK_BYTES):
        reader.feed(block)
        progress.show(reader.lines, position)


class Progress:
    """How much has been read, on standard error: one line that changes on a terminal, else a line every ten seconds."""

    def __init__(
        self, screen: Screen, total_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._screen = screen
        self._total_bytes = total_bytes
        self._clock = clock
        self._interval_s = _TERMINAL_INTERVAL_S if screen.is_terminal else _PLAIN_INTERVAL_S
        self._next = clock() + self._interval_s
        self._earlier_bytes = 0
        self._shown = False

    def show(self, lines: int, position: Callable[[], int]) -> None:
        """Show the progress, if it is time. `position` gives the bytes of the current file that were read."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + self._interval_s
        text = f"{lines:,} lines read"
        if self._total_bytes:
            done = self._earlier_bytes + position()
            text += f", {min(100 * done // self._total_bytes, 100)} %"
        if self._screen.is_terminal:
            self._screen.write(f"\r\x1b[K{text}")
            self._shown = True
        else:
            self._screen.line(text)

    def end_file(self, size: int) -> None:
        """A file has been read."""
        self._earlier_bytes += size

    def end(self) -> None:
        """Clear the line on the terminal."""
        if self._shown:
            self._screen.write("\r\x1b[K")


def log_members(reader: LogReader) -> dict[str, Any]:
    """What JSON output has about the logs."""
    return {
        "lines": reader.lines,
        "formats": dict(reader.formats.most_common()),
        "without_path": reader.without_path,
        "unusable_lines": reader.rejected,
        "first_unusable": [
            {"file": each.file, "line": each.line, "why": each.why}
            for each in reader.first_rejected
        ],
        "damaged_files": [{"file": file, "why": why} for file, why in reader.damaged],
    }


def formats_read(reader: LogReader) -> str:
    """The formats of the lines, the most frequent one first."""
    return ", ".join(FORMAT_NAMES[name] for name, _ in reader.formats.most_common())


def print_log_notes(screen: Screen, reader: LogReader) -> None:
    """What of the logs was not used, on standard error."""
    for file, why in reader.damaged:
        screen.note(f"{file}: {why}; the lines before that were read")
    if reader.without_path:
        what = "refused before they were parsed, CONNECT, or `OPTIONS *`"
        screen.note(f"requests without a path: {reader.without_path:,} ({what})")
    if reader.rejected:
        screen.note(f"lines that cannot be read: {reader.rejected:,}; {KNOWN_FORMATS}")
        for each in reader.first_rejected:
            screen.line(f"  {safe(each.file)}, line {each.line:,}: {safe(each.why)}")


def no_request(files: Sequence[str], reader: LogReader, not_found: int = 0) -> FacadeError:
    """The error for logs that hold no request. `not_found` requests were left out."""
    what = safe(files[0]) + (f" and {len(files) - 1} more" if len(files) > 1 else "")
    holds = "hold" if len(files) > 1 else "holds"
    if reader.first_rejected:
        first = reader.first_rejected[0]
        why = f"line {first.line:,} of {safe(first.file)} cannot be read, because {safe(first.why)}"
    elif not_found:
        why = f"the responses to all {not_found:,} were 404"
    else:
        why = f"of {reader.lines:,} lines none has one"
    return FacadeError(f"facade: {what} {holds} no request to go by ({why}): {KNOWN_FORMATS}")
