"""The paths of the dashboard, for the admin listener (ADR 35)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route as RoutePath

from proxy.control.atomic_file import check_writable, resolve_links
from proxy.control.changes import sentences
from proxy.control.edit_transaction import EditResult
from proxy.control.history.entries import version_of
from proxy.control.text_diff import changed_lines, shorten
from proxy.dashboard.access import COOKIE, Access, cookie_of, is_own_name, is_same_origin
from proxy.dashboard.forms import ROLLOUT, Form, check_edit, make_edit, read_form
from proxy.dashboard.live import MAX_VIEWERS, Live
from proxy.dashboard.pages import Pages
from proxy.dashboard.parity_reader import Reports
from proxy.dashboard.sides import is_migration
from proxy.dashboard.web import (
    HEADERS,
    STATIC,
    EventStream,
    Refused,
    body_of,
    html,
    set_cookie,
    static_route,
    too_many_viewers,
    view_of,
)
from proxy.errors import EditError, FacadeError
from proxy.model.stage import STAGES
from proxy.routing.snapshot import CurrentTable
from proxy.telemetry.shared_memory import SharedStats

if TYPE_CHECKING:
    from proxy.dashboard.replicas import Replicas

OPEN_PATHS = frozenset(("/login", *STATIC))
"""What a browser gets without a login."""
_FOR_READING = "the facade runs with --dashboard read-only"
_MAX_WAITING_EDITS = 4
_MAX_DIFF_LINES = 200
_EFFECT_POLLS, _EFFECT_POLL_S = 100, 0.02


class Dashboard:
    """The pages, and the task behind them. `replicas` are shown if they are known."""

    def __init__(
        self,
        path: Path,
        table: CurrentTable,
        stats: SharedStats,
        parity: Reports,
        access: Access,
        replicas: "Replicas | None" = None,
    ) -> None:
        self._pages = Pages(path.parent)
        self._path = path
        self._table = table
        self.live = Live(path, table, stats, self._pages, parity, replicas)
        self.access = access
        self._editing = asyncio.Lock()
        self._edits = 0

    def routes(self) -> list[RoutePath]:
        """The paths, for Starlette."""
        return [
            RoutePath("/", self._guarded(self._show)),
            RoutePath("/events", self._guarded(self._events)),
            RoutePath("/change", self._guarded(self._change)),
            RoutePath("/preview", self._guarded(self._preview), methods=["POST"]),
            RoutePath("/apply", self._guarded(self._apply), methods=["POST"]),
            RoutePath("/login", self._guarded(self._login), methods=["GET", "POST"]),
            RoutePath("/logout", self._guarded(self._logout), methods=["POST"]),
            *(static_route(path, kind) for path, kind in STATIC.items()),
        ]

    def has_session(self, cookie_field: str) -> bool:
        """Whether a request with this Cookie field is logged in."""
        return self.access.is_session(cookie_of(cookie_field))

    # --- around each page -----------------------------------------------------------------------

    def _guarded(
        self, page: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            try:
                self._check_origin(request)
                response = await page(request)
            except Refused as refused:
                response = self._refusal(request, refused)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return guarded

    def _check_origin(self, request: Request) -> None:
        host = request.headers.get("host", "")
        if not self.access.needs_login and not is_own_name(host):
            raise Refused(
                403,
                "Without an admin token the dashboard responds to localhost and to addresses only: "
                "another site could use its own name for this machine.",
            )
        fetch_site, origin = (request.headers.get(name) for name in ("sec-fetch-site", "origin"))
        if request.method == "POST" and not is_same_origin(host, origin, fetch_site):
            raise Refused(403, "This form was sent by another site: nothing was changed.")

    def _refusal(self, request: Request, refused: Refused) -> Response:
        text = self._pages.page("refused.html", text=refused.text, session=self._session(request))
        return html(text, refused.status)

    def _session(self, request: Request) -> str:
        cookie = cookie_of(request.headers.get("cookie", ""))
        return cookie if self.access.is_session(cookie) else ""

    def _with_session(self, request: Request) -> tuple[str, bool]:
        """The session of a request, and whether it is new. Only a listener without a token begins one here."""
        session = self._session(request)
        return (session, False) if session else (self.access.new_session(), True)

    def _values(self, session: str) -> dict[str, Any]:
        return {
            "form_token": self.access.form_token(session),
            "can_log_out": self.access.needs_login,
        }

    async def _form(self, request: Request) -> Form:
        """The form of a request, if this session was given it. Raises Refused."""
        form = _read(await body_of(request))
        session = self._session(request)
        if not session or not self.access.is_form_token(session, form.token):
            raise Refused(403, "This form has no valid token: open the page again, and repeat it.")
        return form

    # --- pages ----------------------------------------------------------------------------------

    async def _show(self, request: Request) -> Response:
        view = view_of(request)
        await self.live.refresh_replicas()
        content = await self.live.content(view)
        session, is_new = self._with_session(request)
        query = urlencode({"search": view.search, "page": view.page})
        text = self._pages.whole(
            content,
            view,
            events=f"/events?{query}",
            kill_switch=self._table.current.table.kill_switch,
            read_only=self._read_only(),
            **self._values(session),
        )
        response = html(text)
        if is_new:
            set_cookie(response, session)
        return response

    def _read_only(self) -> str:
        """Why this process cannot edit the table; empty if it can."""
        if not self.access.may_edit:
            return _FOR_READING
        try:
            check_writable(resolve_links(self._path))
        except EditError as error:
            return str(error)
        return ""

    async def _events(self, request: Request) -> Response:
        if self.live.viewers >= MAX_VIEWERS or request.method != "GET":
            return too_many_viewers()
        return EventStream(self.live, view_of(request))

    async def _change(self, request: Request) -> Response:
        session, is_new = self._with_session(request)
        name = request.query_params.get("route")
        values = {**self._values(session), "read_only": self._read_only(), "stages": STAGES}
        if name is None:
            on = self._table.current.table.kill_switch
            response = html(self._pages.page("kill.html", kill_switch=on, **values))
        else:
            response = html(self._pages.page("change.html", **self._route_values(name), **values))
        if is_new:
            set_cookie(response, session)
        return response

    def _route_values(self, name: str) -> dict[str, Any]:
        routes = self._table.current.table.routes
        route = next((each for each in routes if each.name == name), None)
        if route is None:
            raise Refused(404, f"The table has no route {shorten(name)}.")
        refs = [(ref.backend, f"{ref.weight_bp / 100:g}") for ref in route.backend_refs]
        return {
            "route": route.name,
            "stage": route.stage,
            "refs": refs,
            "is_migration": is_migration(route),
            "rollout_actions": () if route.rollout is None else tuple(ROLLOUT),
        }

    async def _preview(self, request: Request) -> Response:
        form = await self._form(request)
        result = await self._edit(request, form, dry_run=True)
        if not result.changed and form.action not in ROLLOUT:
            raise Refused(409, "The table is like this already: nothing to change.")
        lines = list(changed_lines(result.before, result.after))
        text = self._pages.page(
            "preview.html",
            form=form,
            summary=_summary(form, result),
            lines=lines[:_MAX_DIFF_LINES],
            more=max(0, len(lines) - _MAX_DIFF_LINES),
            version=version_of(result.before),
            **self._values(self._session(request)),
        )
        return html(text)

    async def _apply(self, request: Request) -> Response:
        form = await self._form(request)
        result = await self._edit(request, form, dry_run=False)
        await self._in_effect(version_of(result.after))
        return RedirectResponse("/", 303)

    async def _in_effect(self, version: str) -> None:
        """Wait a moment for the table watcher, so that the next page shows the new table."""
        for _ in range(_EFFECT_POLLS):
            if self._table.current.version == version:
                return
            await asyncio.sleep(_EFFECT_POLL_S)

    async def _edit(self, request: Request, form: Form, *, dry_run: bool) -> EditResult:
        """Show or make an edit in a thread, one after the other. Raises Refused."""
        if not self.access.may_edit:
            raise Refused(403, f"The table cannot be edited here: {_FOR_READING}.")
        if self._edits >= _MAX_WAITING_EDITS:
            raise Refused(503, "Other edits are under way: try again in a moment.")
        self._edits += 1
        try:
            check_edit(form, is_confirmed=not dry_run)
            async with self._editing:
                return await asyncio.to_thread(
                    make_edit, self._path, form, _client(request), time.time(), dry_run=dry_run
                )
        except (FacadeError, OSError) as error:
            raise Refused(409, str(error)) from None
        finally:
            self._edits -= 1

    # --- login ----------------------------------------------------------------------------------

    async def _login(self, request: Request) -> Response:
        if self.access.matches is None:
            return RedirectResponse("/", 303)
        if request.method != "POST":
            return html(self._pages.page("login.html", fault=""))
        form = _read(await body_of(request))
        if not self.access.tries.take(_client(request)):
            text = "Five tries a minute are allowed: wait a minute, and try again."
            return html(self._pages.page("login.html", fault=text), 429)
        if not self.access.matches(form.one("token").encode()):
            text = "This is not the admin token of this facade."
            return html(self._pages.page("login.html", fault=text), 403)
        response = RedirectResponse("/", 303)
        set_cookie(response, self.access.new_session())
        return response

    async def _logout(self, request: Request) -> Response:
        await self._form(request)
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response


def _summary(form: Form, result: EditResult) -> list[str]:
    if form.action not in ROLLOUT:
        return sentences(result.changes)
    text = f"{form.route}: {form.action}"
    if result.changed:
        return [text, *sentences(result.changes)]
    return [text, "The file stays as it is; the history gets a mark, which the rollout follows."]


def _client(request: Request) -> str:
    return request.client.host if request.client is not None else "-"


def _read(body: bytes) -> Form:
    """Raises Refused."""
    try:
        return read_form(body)
    except EditError as error:
        raise Refused(400, str(error)) from None
