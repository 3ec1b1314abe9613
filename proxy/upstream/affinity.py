"""Keeps a client with one endpoint by a cookie of the facade, whose value stands for the endpoint."""

from msgspec import Struct

from proxy.model import Backend, Endpoint, Facts
from proxy.upstream.digest import digest


class Affinity(Struct, frozen=True):
    """The cookie that keeps a client with one endpoint, and the value that stands for each endpoint."""

    cookie: bytes
    ids: dict[Endpoint, bytes]

    def known(self, facts: Facts) -> bytes | None:
        """The id in the cookie of a request, if an endpoint has it."""
        values = set(self.ids.values())
        for name, field in facts.headers:
            if name == b"cookie":
                for pair in field.split(b";"):
                    key, _, value = pair.strip().partition(b"=")
                    if key == self.cookie and value in values:
                        return value
        return None

    def set_cookie(self, endpoint: Endpoint, facts: Facts, secure: bool) -> bytes | None:
        """The value of Set-Cookie for a response of an endpoint. None if the client has the cookie already.

        `secure`: the client uses https.
        """
        identifier = self.ids[endpoint]
        if self.known(facts) == identifier:
            return None
        end = b"; Secure" if secure else b""
        return b"%b=%b; Path=/; HttpOnly; SameSite=Lax%b" % (self.cookie, identifier, end)


def endpoint_of(backend: Backend, facts: Facts) -> Endpoint | None:
    """The endpoint that the affinity cookie of a request names."""
    affinity = affinity_of(backend)
    known = None if affinity is None else affinity.known(facts)
    if affinity is None or known is None:
        return None
    return next(endpoint for endpoint, identifier in affinity.ids.items() if identifier == known)


def affinity_of(backend: Backend) -> Affinity | None:
    """The affinity of a backend, if it has one. An id is a hash of name and endpoint: the same in all workers."""
    if backend.affinity_cookie is None:
        return None
    ids = {
        endpoint: digest(backend.name, str(endpoint)).hex().encode()
        for endpoint in backend.endpoints
    }
    return Affinity(backend.affinity_cookie.encode(), ids)
