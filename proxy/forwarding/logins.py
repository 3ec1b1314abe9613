"""Upstream connections of backends that log in a connection and not each request (RFC 4559 6)."""

from proxy.downstream.interfaces import ClientConnection
from proxy.model import Facts
from proxy.upstream import Connection, HttpUpstream, Pool, PrivateConnections, single_use

_PROXY_FIELDS = frozenset((b"via", b"forwarded", b"x-forwarded-for"))


def private_connection(
    client: ClientConnection | None, facts: Facts, upstream: HttpUpstream, logs_in: bool
) -> tuple[PrivateConnections | None, tuple[Pool, Connection] | None]:
    """The owner of the request's upstream connection; and the connection that this client has logged in before.

    Each is None if there is none. `logs_in`: the request has credentials for a connection. A proxy in front of the
    facade may send requests of several clients over one connection: a login of such a request is closed after it.
    """
    if client is None or _is_shared(facts):
        return single_use() if logs_in else None, None
    private = client.private
    if not isinstance(private, PrivateConnections):
        if not logs_in:
            return None, None
        private = client.private = PrivateConnections()
    return private if logs_in else None, upstream.take_private(private)


def _is_shared(facts: Facts) -> bool:
    return facts.peer_trusted or any(name in _PROXY_FIELDS for name, _ in facts.headers)
