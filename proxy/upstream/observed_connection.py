"""Connections that report the outcome of each exchange, for backends with `outlier_detection`.

They are classes of their own, so that the connections of other backends have nothing to check.
"""

from proxy.errors import UpstreamError, UpstreamStale
from proxy.http1.response_parser import HEAD
from proxy.model import Timeouts
from proxy.upstream.connection import Connection
from proxy.upstream.connection_owner import ConnectionOwner
from proxy.upstream.interfaces import ExchangeSink, OnOutcome
from proxy.upstream.tls_connection import TlsConnection

NO_RESPONSE = 0
"""The outcome of a request without a complete response, in place of a status."""


class ObservedConnection(Connection):
    """Reports the status when the head of a response has come, and `NO_RESPONSE` if the exchange fails later, too.

    An exchange that its sink gives up has no outcome: the client left. Neither has one on an idle connection that the
    backend had closed, nor one that failed and began before the endpoint became available (`Pool.counts`).
    """

    __slots__ = ()

    def __init__(self, owner: ConnectionOwner, on_outcome: OnOutcome) -> None:
        super().__init__(owner)
        self.on_outcome = on_outcome
        self.is_counted = True

    def begin(
        self,
        head: bytes,
        sink: ExchangeSink,
        is_head: bool,
        timeouts: Timeouts,
        uploading: bool,
        switching: bool = False,
    ) -> None:
        super().begin(head, sink, is_head, timeouts, uploading, switching)
        self.is_counted = False
        self.period = self._owner.period

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.is_counted and self._sink is not None and self._parser.phase != HEAD:
            self._count()  # The response goes on: an event stream may last for hours.

    def close(self) -> None:
        self.on_outcome = _ignore  # The facade itself ends the exchange.
        super().close()

    def _count(self) -> None:
        self.is_counted = True
        parser = self._parser
        complete = parser.complete
        status = parser.last_status if complete is None else complete[0].status
        if status < 500 or self._owner.counts(self.period):
            self.on_outcome(status)

    def _finish(self, sink: ExchangeSink) -> None:
        if not self.is_counted:
            self._count()  # Before the next exchange may begin.
        super()._finish(sink)

    def _fail(self, error: UpstreamError) -> None:
        is_outcome = not isinstance(error, UpstreamStale) and not self._parser.switched
        if self._sink is not None and is_outcome:
            self.is_counted = True
            if self._owner.counts(self.period):
                self.on_outcome(NO_RESPONSE)
        super()._fail(error)


class ObservedTlsConnection(ObservedConnection, TlsConnection):
    """The same over TLS."""

    __slots__ = ()


def _ignore(_: int) -> None:
    """An outcome that is not the endpoint's."""
