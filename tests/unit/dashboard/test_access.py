"""Sessions, tokens of forms, tries to log in, and the origin of a form."""

import pytest

from proxy.dashboard.access import (
    SESSION_S,
    Access,
    LoginTries,
    cookie_of,
    is_own_name,
    is_same_origin,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def access(secret: bytes = b"secret", clock: Clock | None = None) -> Access:
    return Access(secret, lambda text: text == b"token", clock or Clock())


def test_a_session_is_valid_until_it_expires() -> None:
    clock = Clock()
    of = access(clock=clock)
    session = of.new_session()
    assert of.is_session(session)
    clock.now += SESSION_S - 1
    assert of.is_session(session)
    clock.now += 2
    assert not of.is_session(session)


def test_a_session_outlives_a_restart_but_not_another_token() -> None:
    session = access().new_session()
    assert access().is_session(session)
    assert not access(b"another token").is_session(session)


def test_credentials_of_a_replica_are_valid_for_some_minutes_and_are_no_session() -> None:
    clock = Clock()
    of = access(clock=clock)
    credentials = of.replica_credentials()
    assert of.replica_fields()["authorization"].startswith("replica ")
    assert access(clock=clock).is_replica(credentials)
    assert not access(b"another token").is_replica(credentials)
    assert not of.is_session(credentials)
    assert not of.is_replica(of.new_session())
    clock.now += 601
    assert not of.is_replica(credentials)


def test_without_a_token_a_replica_sends_no_credentials() -> None:
    assert Access(b"secret", None, Clock()).replica_fields() == {}


def forged() -> list[str]:
    session = access().new_session()
    expiry, nonce, mac = session.split(".")
    return [
        "",
        ".",
        "..",
        nonce,
        f"{expiry}.{nonce}",
        f"{expiry}.{nonce}.",
        f"{int(expiry) + 1}.{nonce}.{mac}",
        f"{expiry}.{nonce[::-1]}.{mac}",
        f"{expiry}.{nonce}.{mac[:-1]}",
        f"{session}0",
        f"x.{nonce}.{mac}",
        "é.é.é",
        "\x00",
        access(b"other").new_session(),
        access().form_token(session),
    ]


@pytest.mark.parametrize("cookie", forged(), ids=range(15))
def test_a_forged_cookie_is_no_session(cookie: str) -> None:
    assert not access().is_session(cookie)


def test_the_token_of_a_form_belongs_to_one_session() -> None:
    of = access()
    mine, other = of.new_session(), of.new_session()
    assert of.is_form_token(mine, of.form_token(mine))
    assert not of.is_form_token(mine, of.form_token(other))
    assert not of.is_form_token(mine, "")
    assert not of.is_form_token(mine, "é")


def test_five_tries_a_minute_are_allowed_to_each_address() -> None:
    clock = Clock()
    tries = LoginTries(clock)
    assert [tries.take("a") for _ in range(7)] == [True] * 5 + [False] * 2
    assert tries.take("b")
    clock.now += 59.9
    assert not tries.take("a")
    clock.now += 0.2
    assert tries.take("a")


def test_all_addresses_together_are_allowed_sixty_tries() -> None:
    tries = LoginTries(Clock())
    assert sum(tries.take(f"address {number}") for number in range(5_000)) == 60


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True),
        ("localhost:9901", True),
        ("127.0.0.1:9901", True),
        ("[::1]:9901", True),
        ("[::1]", True),
        ("10.0.0.7", True),
        ("evil.example", False),
        ("evil.example:9901", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example:9901", False),
        ("", False),
    ],
)
def test_without_a_token_another_name_than_localhost_is_not_ours(host: str, own: bool) -> None:
    assert is_own_name(host) is own


@pytest.mark.parametrize(
    ("origin", "fetch_site", "same"),
    [
        (None, None, True),
        ("http://h:1", None, True),
        ("http://h:1", "same-origin", True),
        ("https://h:1", "same-origin", True),
        ("http://h:2", None, False),
        ("http://evil.example", None, False),
        ("null", None, False),
        ("http://h:1", "cross-site", False),
        (None, "same-site", False),
        (None, "cross-site", False),
    ],
)
def test_a_form_comes_from_a_page_of_the_same_origin(
    origin: str | None, fetch_site: str | None, same: bool
) -> None:
    assert is_same_origin("h:1", origin, fetch_site) is same


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("facade_admin=a.b.c", "a.b.c"),
        ("x=1; facade_admin=a; y=2", "a"),
        ("", ""),
        ("x=1", ""),
        ("facade_admin", ""),
        ("\x00;;=;", ""),
        ("(bad)=1; facade_admin=a", ""),
    ],
)
def test_the_cookie_is_read_from_a_field(field: str, value: str) -> None:
    assert cookie_of(field) == value
