"""The page, rendered on the server as the original does: the script then asks for the lists by itself."""

from html import escape
from importlib.resources import files
from string import Template
from typing import Any

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


def render(flights: list[dict[str, Any]], hotels: list[dict[str, Any]]) -> str:
    """The whole page with the specials of this moment."""
    text = files(__package__).joinpath("page.html").read_text("utf-8")
    return Template(text).substitute(
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
