"""Writes the pages with Jinja2. Autoescape is on for all templates, and no template marks a text as safe."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from msgspec import Struct

from proxy.control.history.entries import Entry
from proxy.dashboard.migration import Extras
from proxy.dashboard.replica_rows import ReplicaRow
from proxy.dashboard.sides import Sides
from proxy.dashboard.traffic import TrafficHistory
from proxy.dashboard.view import (
    CARDS_PER_PAGE,
    Card,
    View,
    broken_edit,
    card_of,
    chart_of,
    fig_of,
    history_rows,
    worker_rows,
)
from proxy.model import Health, Route
from proxy.routing.snapshot import CurrentTable
from proxy.telemetry.shared_memory import SharedStats

_SHOWN_ENTRIES = 20
ROUTES = "routes"
"""The fragment with the list of routes, around the fragments of its cards."""


class Pages:
    """The templates. `folder` is that of the table."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = Environment(
            loader=PackageLoader("proxy.dashboard"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )

    def page(self, template: str, **values: Any) -> str:
        """A whole page."""
        return self._environment.get_template(template).render(values)

    def whole(self, content: "Content", view: View, **values: Any) -> str:
        """The dashboard. The fragments are written by templates, so they are not escaped again."""
        live = {name: Markup(text) for name, text in content.fragments.items()}
        listed = Markup(self._list(content.cards, view, content.found, live))
        return self.page("dashboard.html", live=live, routes=listed, view=view, **values)

    # --- fragments ------------------------------------------------------------------------------

    def overview(
        self,
        table: CurrentTable,
        traffic: TrafficHistory,
        sides: Sides,
        routes: Mapping[str, Route],
    ) -> dict[str, str]:
        """State of the table, the broken edit, the fig and the chart."""
        current = table.current
        return {
            "alert": self.page("alert.html", error=broken_edit(table, self._folder)),
            "table": self.page(
                "table.html",
                version=current.version,
                routes=current.index.size,
                kill_switch=current.table.kill_switch,
                ok=table.state.ok,
            ),
            "fig": self.page("fig.html", **fig_of(routes, traffic, sides)),
            "chart": self.page("chart.html", chart=chart_of(traffic)),
        }

    def lists(self, stats: SharedStats, version: str, entries: Sequence[Entry]) -> dict[str, str]:
        """The workers and the history."""
        return {
            "workers": self.page("workers.html", workers=worker_rows(stats, version)),
            "history": self.page("history.html", entries=history_rows(entries[-_SHOWN_ENTRIES:])),
        }

    def replicas(self, rows: Sequence[ReplicaRow]) -> dict[str, str]:
        """The tables of all replicas."""
        return {"replicas": self.page("replicas.html", replicas=rows)}

    def card(
        self,
        number: int,
        route: Route,
        traffic: TrafficHistory,
        health: Health,
        extras: Extras,
    ) -> tuple[Card, str]:
        """The card of a route, and its live part."""
        card = card_of(number, route, traffic, health, extras)
        return card, self.page("card.html", card=card)

    def content(
        self,
        parts: dict[str, str],
        cards: Sequence[tuple[Card, str]],
        view: View,
        found: int,
    ) -> "Content":
        """All fragments. The list of routes changes only if the page shows other routes: it has no live part."""
        shown = tuple(card for card, _ in cards)
        routes = self._list(shown, view, found, {})
        live = {card.key: text for card, text in cards}
        return Content(parts | {ROUTES: routes} | live, shown, found)

    def _list(
        self, cards: Sequence[Card], view: View, found: int, live: Mapping[str, Markup]
    ) -> str:
        pages = max(1, -(-found // CARDS_PER_PAGE))
        values = {"cards": cards, "view": view, "found": found, "pages": pages, "live": live}
        return self.page("routes.html", **values)


class Content(Struct, frozen=True):
    """The live content of a view: the fragments by the id of their element."""

    fragments: dict[str, str]
    cards: tuple[Card, ...]
    found: int
    """Routes that the search finds, on all pages."""
