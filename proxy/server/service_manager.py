"""Reports the state of the facade to the service manager that started it, by the protocol of sd_notify(3)."""

import logging
import socket
import time

log = logging.getLogger(__name__)


class ServiceManager:
    """`notify_socket` is NOTIFY_SOCKET: a path, or `@` and an abstract name. Without it, nothing is sent."""

    def __init__(self, notify_socket: str | None = None) -> None:
        self._address = notify_socket

    def ready(self) -> None:
        """The listeners accept connections, or a reload has ended."""
        self._send("READY=1")

    def reloading(self) -> None:
        """A reload begins. `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The shutdown begins."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        address = self._address
        if address.startswith("@"):
            address = "\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(state.encode(), address)
        except OSError as error:
            log.warning("cannot notify the service manager: %s", error)
