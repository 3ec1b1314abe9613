"""Finds messages that log in a connection and not one request: NTLM, Negotiate and their relatives (RFC 4559 6).

A backend that uses such a scheme takes every later request of the connection for one of the same user. So the
connection must not be shared between clients.
"""

import re

from proxy.model import HeaderPairs

CHALLENGE_FIELDS = frozenset((b"www-authenticate", b"proxy-authenticate", b"persistent-auth"))
"""Fields of a response that may show that a connection is logged in, or about to be."""
CREDENTIALS_FIELDS = frozenset((b"authorization", b"proxy-authorization"))
# A field may list several challenges (RFC 9110 11.6.1). Quoted text that looks like one does no harm.
_SCHEME = re.compile(
    rb"(?:^|[,\s])(?:ntlm|negotiate|nego2|kerberos|credssp)(?:$|[,\s])", re.IGNORECASE
)


def is_login_challenge(name: bytes, value: bytes) -> bool:
    """Whether a field of `CHALLENGE_FIELDS` is about a login of the connection."""
    if name == b"persistent-auth":
        return value.lower() == b"true"
    return _SCHEME.search(value) is not None


def has_login_credentials(fields: HeaderPairs) -> bool:
    """Whether a request logs in its connection. Names are in lower case."""
    return any(
        name in CREDENTIALS_FIELDS and _SCHEME.match(value) is not None for name, value in fields
    )
