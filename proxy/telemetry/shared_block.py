"""A text in shared memory that one process replaces while others read it."""

import zlib

CHECK_BYTES = 8
"""Length and checksum before the text."""


def with_checksum(text: bytes) -> bytes:
    """`text` after its length and CRC: a reader recognizes text that is only partly written."""
    return len(text).to_bytes(4, "little") + zlib.crc32(text).to_bytes(4, "little") + text


def checked(memory: memoryview) -> bytes | None:
    """The text that `memory` begins with; None if it is only partly written."""
    length = int.from_bytes(memory[:4], "little")
    if length > len(memory) - CHECK_BYTES:
        return None
    text = bytes(memory[CHECK_BYTES : CHECK_BYTES + length])
    return text if text and zlib.crc32(text) == int.from_bytes(memory[4:8], "little") else None
