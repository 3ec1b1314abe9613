"""What workers publish about copies, in memory that all processes share: a text for each worker, which it replaces."""

import mmap

from proxy.telemetry.shared_block import CHECK_BYTES, checked, with_checksum

_MAX_BYTES = 16 * 1024 * 1024
"""For each worker. Pages that are never written take no memory."""


class SharedParity:
    """The texts of all workers. Each worker is the only writer of its own."""

    def __init__(self, workers: int) -> None:
        view = memoryview(mmap.mmap(-1, workers * _MAX_BYTES))
        self._blocks = [
            view[number * _MAX_BYTES : (number + 1) * _MAX_BYTES] for number in range(workers)
        ]
        self._last: list[bytes | None] = [None] * workers

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def room(self) -> int:
        """The largest text, in bytes."""
        return _MAX_BYTES - CHECK_BYTES - 2

    def write(self, number: int, text: bytes) -> None:
        """Replace the text of a worker. It has at most `room` bytes."""
        block = with_checksum(text)
        self._blocks[number][: len(block)] = block

    def read(self, number: int) -> bytes | None:
        """The last text of a worker; while a new one is being written, the one before."""
        text = checked(self._blocks[number])
        if text is not None:
            self._last[number] = text
        return self._last[number]
