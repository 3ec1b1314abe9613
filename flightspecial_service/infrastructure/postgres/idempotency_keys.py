"""Idempotency keys in PostgreSQL. Their age is told by the database's clock alone."""

from flightspecial_service.errors import KeyReused
from flightspecial_service.infrastructure.postgres.database import Connection

# A key that is too old counts as free: its row is taken over.
_CLAIM = """
INSERT INTO {table} AS kept (key, fingerprint) VALUES ($1, $2)
ON CONFLICT (key) DO UPDATE
    SET fingerprint = excluded.fingerprint, outcome = NULL, taken_at = now()
    WHERE kept.taken_at < now() - make_interval(secs => $3)
"""


class KeyTable:
    """The statements for the table of `schema`; keys live for `ttl_s` seconds."""

    def __init__(self, schema: str, ttl_s: float) -> None:
        table = f'"{schema}".idempotency_key'
        self._ttl_s = ttl_s
        self._claim = _CLAIM.format(table=table)
        self._kept = f"SELECT fingerprint, outcome FROM {table} WHERE key = $1"
        self._keep = f"UPDATE {table} SET outcome = $2 WHERE key = $1"
        self._expire = f"DELETE FROM {table} WHERE taken_at < now() - make_interval(secs => $1)"

    async def claim(self, connection: Connection, key: str, fingerprint: bytes) -> str | None:
        """None if the key is ours now, else its outcome.

        The insert waits for another transaction that has the key: whether it is free is known only
        at that one's end. Raises KeyReused.
        """
        done = await connection.execute(self._claim, key, fingerprint, self._ttl_s)
        if done == "INSERT 0 1":
            return None
        row = await connection.fetchrow(self._kept, key)
        if row is None:
            # It was removed as too old between the two statements: the next try finds it free.
            raise KeyReused("this idempotency key has just expired; send the request again")
        if row[0] != fingerprint:
            raise KeyReused("this idempotency key was used for another request")
        outcome: str = row[1]
        return outcome

    async def keep(self, connection: Connection, key: str, outcome: str) -> None:
        """Keep the outcome of the request that has the key."""
        await connection.execute(self._keep, key, outcome)

    async def remove_expired(self, connection: Connection) -> None:
        """Remove what `claim` would take over."""
        await connection.execute(self._expire, self._ttl_s)
