"""Addresses on the command line."""

import pytest

from proxy.server.settings import Address, SettingsError, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("localhost:0", Address("localhost", 0)),
        ("[::1]:9901", Address("::1", 9901)),
    ],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "8080", ":8080", "a:", "a:x", "a:70000", "a:-1", "::1:80", "a:٣"]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="is no address"):
        parse_address(text)
