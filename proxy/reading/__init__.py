"""Reads requests as strictly as HTTP/1.1 allows: bytes in, calls out. No I/O, so that it can be fuzzed (ADR 10)."""

from proxy.reading.head import Fields, RequestHead, read_head
from proxy.reading.requests import RequestReader, RequestSink

__all__ = ["Fields", "RequestHead", "RequestReader", "RequestSink", "read_head"]
