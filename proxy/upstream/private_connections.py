"""The upstream connections that belong to one client connection, because they carry a login (RFC 4559 6).

    a request with such credentials --> its upstream connection is private --> the next request of the same client
    connection uses it again --> ... --> either connection closes, and the other stops waiting for it

A private connection never becomes idle in its pool, and no other client connection can get it. It counts against the
limits of its backend. If the backend has no other room, the oldest unused one is closed: its client logs in again.
"""

from proxy.upstream.connection import Connection
from proxy.upstream.connection_owner import ConnectionOwner


class PrivateConnections:
    """The private connections of one client connection: at most one for each pool."""

    def __init__(self) -> None:
        self._connections: dict[ConnectionOwner, Connection] = {}
        self._is_closed = False

    def keep(self, pool: ConnectionOwner, connection: Connection) -> None:
        """An exchange ended cleanly: keep its connection for the next one, or close it if there will be none."""
        if self._is_closed:
            connection.abort()
            return
        self._connections[pool] = connection
        pool.reserve(connection)

    def take(self, pool: ConnectionOwner) -> Connection | None:
        """The connection to use for the next request, if there is one."""
        connection = self._connections.pop(pool, None)
        if connection is None or not pool.take_reserved(connection):
            return None
        return connection

    def close(self) -> None:
        """The client connection has closed, or several clients share it: close what is reserved, and keep no more."""
        self._is_closed = True
        connections, self._connections = self._connections, {}
        for pool, connection in connections.items():
            if pool.take_reserved(connection):
                connection.abort()


def single_use() -> PrivateConnections:
    """An owner that keeps nothing: the connection of a login is closed after its exchange."""
    private = PrivateConnections()
    private.close()
    return private
