"""The page, rendered on the server from the monolith's own rows. Its script fetches no list."""

from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from deploy.local.travelbuddy.database import Database
from deploy.local.travelbuddy.error_pages import LANGUAGE, database_away_report
from deploy.local.travelbuddy.framing import chunked
from deploy.local.travelbuddy.sessions import COOKIE, Session, Sessions
from deploy.local.travelbuddy.specials import Shelf
from deploy.local.travelbuddy.tomcat import URL_SESSION

_SLIDES = (
    ("sea.jpg", "A sailing boat on a calm sea at sunset", "Somewhere new is closer than you think"),
    (
        "mountains.jpg",
        "A plane over mountain ranges in the morning mist",
        "Higher, quieter, clearer",
    ),
    ("city.jpg", "A city at night, mirrored in the water", "A weekend is enough for a city"),
)
_PROMOS = (
    (
        "beach.jpg",
        "A beach from above, with three parasols by the water",
        "Sun on short notice",
        "Beaches within four hours of home.",
    ),
    (
        "dunes.jpg",
        "Sand dunes under a low sun",
        "Off the beaten track",
        "Small groups, good guides, wide skies.",
    ),
    (
        "balloons.jpg",
        "Hot-air balloons over hills",
        "Once in a lifetime",
        "Trips that you will tell of for years.",
    ),
)


class Page:
    """The handler of the page: the only one that makes a session."""

    def __init__(
        self, flights: Shelf, hotels: Shelf, sessions: Sessions, database: Database
    ) -> None:
        self._flights = flights
        self._hotels = hotels
        self._sessions = sessions
        self._database = database

    async def respond(self, request: Request) -> Response:
        """The page of this moment, or a stack trace while the database is away."""
        if self._database.away:
            return database_away_report()
        session = self._sessions.session(
            request.cookies.get(COOKIE), request.scope["state"][URL_SESSION]
        )
        return chunked(self._page(session), request)

    def _page(self, session: Session) -> Response:
        text = render(self._flights.on_sale(), self._hotels.on_sale(), session.url_suffix)
        headers = {"content-type": "text/html;charset=UTF-8", **LANGUAGE}
        if session.set_cookie is not None:
            headers["set-cookie"] = session.set_cookie
        return Response(text, headers=headers)


def render(flights: list[dict[str, Any]], hotels: list[dict[str, Any]], url_suffix: str) -> str:
    """The whole page with these specials; its style sheets and its script get the suffix."""
    text = files(__package__).joinpath("page.html").read_text("utf-8")
    return Template(text).substitute(
        session=url_suffix,
        slides="".join(_slide(*slide) for slide in _SLIDES),
        flights="".join(_box(row["header"], row["body"], row) for row in flights),
        hotels="".join(
            _box(row["hotel"], f"{row['description']} · {row['location']}", row) for row in hotels
        ),
        promos="".join(_promo(*promo) for promo in _PROMOS),
    )


def _box(name: str, description: str | None, row: dict[str, Any]) -> str:
    return (
        f'<li class="special" data-id="{row["id"]}"><div class="special-text">'
        f'<h3 class="special-name">{escape(name)}</h3>'
        f'<p class="special-body">{escape(description or "")}</p></div><div class="special-side">'
        f'<p class="special-cost">${row["cost"]}</p>'
        f'<span class="flighttime" data-expiry="{row["expiryDate"]}"></span></div></li>'
    )


def _slide(image: str, alt: str, caption: str) -> str:
    return (
        f'<figure class="slide"><img src="/travelbuddy/resources/images/{image}" alt="{escape(alt)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _promo(image: str, alt: str, title: str, text: str) -> str:
    return (
        f'<article class="promo"><img src="/travelbuddy/resources/images/{image}" alt="{escape(alt)}">'
        f"<h2>{escape(title)}</h2><p>{escape(text)}</p></article>"
    )
