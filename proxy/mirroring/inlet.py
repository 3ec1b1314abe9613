"""The mirror process's end of the way of copied requests: reads what workers send, no faster than its share of CPU."""

import asyncio
import logging
import socket
import time
from collections.abc import Iterable

import msgspec

from proxy.mirroring.cpu_share import CpuShare
from proxy.mirroring.outlet import MAX_MESSAGE, Texts
from proxy.mirroring.sender import Receiver

log = logging.getLogger(__name__)

_SHARE = 0.5
"""Of one core. Copies beyond it wait in the sockets, and are dropped by the workers once those are full."""
_BURST_S = 0.25
_MESSAGES_IN_TURN = 32
_MOST_PAUSE_S = 1.0


class Inlet:
    """Reads the sockets of all workers, and gives the requests to `receiver`."""

    def __init__(self, ends: Iterable[socket.socket], receiver: Receiver) -> None:
        self._texts = {end: Texts() for end in ends}
        self._receiver = receiver
        self._share = CpuShare(_SHARE, _BURST_S, time.process_time, time.monotonic)

    def start(self) -> None:
        """Read, until `stop`."""
        loop = asyncio.get_running_loop()
        for end in self._texts:
            loop.add_reader(end, self._read, end)

    def stop(self) -> None:
        """Read nothing more, until `start`."""
        loop = asyncio.get_running_loop()
        for end in self._texts:
            loop.remove_reader(end)

    def _read(self, end: socket.socket) -> None:
        texts = self._texts[end]
        for _ in range(_MESSAGES_IN_TURN):
            try:
                message = end.recv(MAX_MESSAGE)
            except BlockingIOError:
                break
            try:
                batch = texts.add(message)
            except msgspec.DecodeError:
                # A worker and this process are of one program, so this is a bug of ours.
                log.exception("a message of a worker is lost")
                continue
            if batch is not None:
                self._receiver.receive(batch)
        pause_s = self._share.pause_s()
        if pause_s:
            self.stop()
            asyncio.get_running_loop().call_later(min(pause_s, _MOST_PAUSE_S), self._go_on)

    def _go_on(self) -> None:
        pause_s = self._share.pause_s()
        if pause_s:
            asyncio.get_running_loop().call_later(min(pause_s, _MOST_PAUSE_S), self._go_on)
        else:
            self.start()
