"""Connections that report the outcome of each exchange, for backends with `outlier_detection`.

They are classes of their own, so that the connections of other backends have nothing to check.
"""

from proxy.errors import UpstreamError, UpstreamStale
from proxy.upstream.connection import Connection
from proxy.upstream.connection_owner import ConnectionOwner
from proxy.upstream.interfaces import ExchangeSink
from proxy.upstream.outcomes import NO_RESPONSE
from proxy.upstream.tls_connection import TlsConnection


class ObservedConnection(Connection):
    """Reports the status when the head of a response has come, and `NO_RESPONSE` if the exchange fails later, too.

    An exchange that its sink gives up has no outcome: the client left. Neither has one on an idle connection that the
    backend had closed, nor one that failed and began before the endpoint became available (`Outcomes`).
    """

    __slots__ = ()

    def __init__(self, owner: ConnectionOwner) -> None:
        super().__init__(owner)
        self.is_counted = False

    def _response_goes_on(self) -> None:
        super()._response_goes_on()
        if not self.is_counted and self._sink is not None:
            self._count()  # An event stream may last for hours.

    def close(self) -> None:
        self.period = 0  # The facade itself ends the exchange: no failure of the endpoint.
        super().close()

    def _count(self) -> None:
        self.is_counted = True
        parser = self._parser
        complete = parser.complete
        status = parser.last_status if complete is None else complete[0].status
        self.outcomes.report(status, self.period)

    def _finish(self, sink: ExchangeSink) -> None:
        if not self.is_counted:
            self._count()
        self.is_counted = False  # The next exchange may begin inside `_finish`.
        super()._finish(sink)

    def _fail(self, error: UpstreamError) -> None:
        is_outcome = not isinstance(error, UpstreamStale) and not self._parser.switched
        if self._sink is not None and is_outcome:
            self.is_counted = True
            self.outcomes.report(NO_RESPONSE, self.period)
        super()._fail(error)


class ObservedTlsConnection(ObservedConnection, TlsConnection):
    """The same over TLS."""

    __slots__ = ()
