"""A text in shared memory that its one writer replaces."""

from proxy.telemetry.shared_block import CHECK_BYTES, checked, with_checksum


class SharedText:
    """One text in `memory`."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._last: bytes | None = None

    @property
    def room(self) -> int:
        """The largest text, in bytes."""
        return len(self._memory) - CHECK_BYTES

    def write(self, text: bytes) -> None:
        """Replace the text. It has at most `room` bytes."""
        block = with_checksum(text)
        self._memory[: len(block)] = block

    def read(self) -> bytes | None:
        """The last text; while a new one is being written, the one before. None before the first one."""
        text = checked(self._memory)
        if text is not None:
            self._last = text
        return self._last
