"""Which messages log in a connection and not a request (RFC 4559 6)."""

import pytest

from proxy.http1.connection_login import has_login_credentials
from proxy.http1.known_lines import STRICT, KnownLines
from proxy.http1.response_head import parse_fields
from proxy.http1.response_parser import LastResponse, ResponseParser
from tests.unit.http1.responses import RecordingSink


@pytest.mark.parametrize(
    ("name", "value", "logs_in"),
    [
        (b"authorization", b"NTLM TlRMTVNTUAAB", True),
        (b"authorization", b"ntlm", True),
        (b"authorization", b"Negotiate YII=", True),
        (b"authorization", b"Kerberos YII=", True),
        (b"proxy-authorization", b"Negotiate YII=", True),
        (b"authorization", b"Basic bnRsbTpudGxt", False),
        (b"authorization", b"NTLMish x", False),
        (b"x-authorization", b"NTLM x", False),
    ],
)
def test_credentials_of_a_connection_are_found(name: bytes, value: bytes, logs_in: bool) -> None:
    assert has_login_credentials([(b"accept", b"*/*"), (name, value)]) is logs_in


@pytest.mark.parametrize(
    ("line", "logs_in"),
    [
        (b"WWW-Authenticate: NTLM", True),
        (b"www-authenticate: Negotiate YII=", True),
        (b'WWW-Authenticate: Basic realm="a", NTLM', True),
        (b"Proxy-Authenticate: Negotiate", True),
        (b"Persistent-Auth: true", True),
        (b"Persistent-Auth: false", False),
        (b'WWW-Authenticate: Basic realm="a"', False),
    ],
)
def test_challenges_of_a_connection_are_found(line: bytes, logs_in: bool) -> None:
    lines = [b"HTTP/1.1 401 Unauthorized", b"content-length: 0", line, b"WWW-Authenticate: Digest"]
    assert parse_fields(lines).login is logs_in


def test_a_connection_that_was_challenged_stays_marked() -> None:
    parser = ResponseParser(LastResponse())
    for head in (b"HTTP/1.1 401 No\r\nwww-authenticate: NTLM", b"HTTP/1.1 200 OK"):
        parser.begin(RecordingSink(), False)
        parser.feed(head + b"\r\ncontent-length: 0\r\n\r\n")
        assert parser.has_login


@pytest.mark.parametrize(
    ("line", "strict"),
    [
        (b"Authorization: NTLM TlRM", True),
        (b"authorization: Negotiate YII=", True),
        (b"Proxy-Authorization: NTLM TlRM", True),
        (b"Authorization: Bearer x", False),
        (b"Proxy-Authorization: Basic x", False),
    ],
)
def test_a_login_of_a_connection_goes_the_general_way(line: bytes, strict: bool) -> None:
    """The quick way takes any idle connection (ADR 21)."""
    assert (KnownLines()[line][0] == STRICT) is strict
