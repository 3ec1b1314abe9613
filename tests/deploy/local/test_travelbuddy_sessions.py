"""JSESSIONID: on the page alone, as a cookie, and in four URLs before the browser has sent it."""

import re

import pytest

from tests.deploy.local.standin import Reply, StandIn

COOKIE = re.compile(r"JSESSIONID=([0-9A-F]{32}); Path=/travelbuddy; HttpOnly")
PAGE = "/travelbuddy/"


def session_of(reply: Reply) -> str:
    """The id that the page sets."""
    cookie = COOKIE.fullmatch(reply.field("set-cookie") or "")
    assert cookie is not None
    return cookie[1]


def urls_with_an_id(reply: Reply) -> list[tuple[str, str]]:
    return re.findall(r'(?:href|src)="([^";]+);jsessionid=([^"]+)"', reply.body.decode())


def test_the_first_page_sets_a_cookie_and_has_its_id_in_four_urls(standin: StandIn) -> None:
    reply = standin.get(PAGE)
    session = session_of(reply)
    urls = urls_with_an_id(reply)
    assert sorted(url.rpartition(".")[2] for url, _ in urls) == ["css", "css", "css", "js"]
    assert {id_ for _, id_ in urls} == {session}
    for url, id_ in urls:
        file = standin.get(f"{url};jsessionid={id_}")
        assert file.status == 200
        assert file.body == standin.get(url).body


def test_the_page_behind_the_cookie_has_no_id_and_sets_none(standin: StandIn) -> None:
    session = session_of(standin.get(PAGE))
    reply = standin.get(PAGE, f"Cookie: a=b; JSESSIONID={session}")
    assert reply.field("set-cookie") is None
    assert urls_with_an_id(reply) == []


def test_a_session_in_the_url_is_kept_there(standin: StandIn) -> None:
    session = session_of(standin.get(PAGE))
    reply = standin.get(f"{PAGE};jsessionid={session}")
    assert reply.field("set-cookie") is None
    assert {id_ for _, id_ in urls_with_an_id(reply)} == {session}


def test_a_stale_cookie_gets_a_new_session_and_no_id_in_urls(standin: StandIn) -> None:
    stale = "A" * 32
    reply = standin.get(PAGE, f"Cookie: JSESSIONID={stale}")
    assert session_of(reply) != stale
    assert urls_with_an_id(reply) == []


def test_an_unknown_id_in_the_url_is_not_taken_over(standin: StandIn) -> None:
    reply = standin.get(f'{PAGE};jsessionid="><script>')
    session = session_of(reply)
    assert {id_ for _, id_ in urls_with_an_id(reply)} == {session}
    assert b'"><script>' not in reply.body


@pytest.mark.parametrize(
    "path",
    [
        "flightspecials",
        "hotelspecials",
        "health",
        "qrcodegen/100/x",
        "qrcode/100/x",
        "resources/icon.svg",
        "app/",
        "nope",
    ],
)
def test_nothing_but_the_page_makes_a_session(standin: StandIn, path: str) -> None:
    assert standin.get(f"/travelbuddy/{path}").field("set-cookie") is None
