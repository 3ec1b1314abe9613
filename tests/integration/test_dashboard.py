"""The dashboard over HTTP: login, forms, event streams, large tables; and never on the traffic listener."""

import asyncio
import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from proxy.dashboard.live import MAX_VIEWERS
from proxy.server.settings import Token
from tests.support.facade_in_loop import RunningFacade, facade_in_loop
from tests.support.waiting import eventually

TOKEN = "not-a-secret-0123456789"
WITH_TOKEN = Token(sha256(TOKEN.encode()).digest())
TABLE = """\
version: 1
backends: {legacy: http://127.0.0.1:1, new: http://127.0.0.1:2}
routes:
  - name: list
    stage: canary
    match: {path: {prefix: /list}}
    backend_refs: {legacy: 80, new: 20}
  - {name: hello, match: {path: {exact: /hello}}, direct_response: {status: 200, body: hello}}
  - name: rest
    backend_refs: legacy
"""
PAGES = ["/", "/change", "/change?route=list", "/events"]
FORM = "content-type: application/x-www-form-urlencoded"
SHIFT = {"action": "shift", "route": "list", "backend": "new", "weight": "50"}
_EVENT_BYTES = 4 * 1024 * 1024
WHY = {"who": "ada", "reason": "it works"}


class Browser:
    """Requests with a cookie. `facade` is the listener's owner."""

    def __init__(self, facade: RunningFacade) -> None:
        self.facade = facade
        self.cookie = ""
        self.writers: list[asyncio.StreamWriter] = []
        """Of event streams; closed at the end."""

    async def get(self, path: str, *headers: str) -> tuple[int, str, str]:
        """Status, head and body."""
        return await self._send(path, "GET", b"", *headers)

    async def post(self, path: str, fields: dict[str, str], *headers: str) -> tuple[int, str, str]:
        body = urlencode(fields).encode()
        return await self._send(path, "POST", body, FORM, *headers)

    async def _send(
        self, path: str, method: str, body: bytes, *headers: str
    ) -> tuple[int, str, str]:
        cookie = (f"cookie: facade_admin={self.cookie}",) if self.cookie else ()
        raw = await self.facade.send(
            "\r\n".join(
                (
                    f"{method} {path} HTTP/1.1",
                    f"host: {self.facade.admin}",
                    "connection: close",
                    *cookie,
                    *headers,
                    *((f"content-length: {len(body)}",) if body else ()),
                    "",
                    "",
                )
            ).encode()
            + body,
            admin=True,
        )
        head, _, rest = raw.partition(b"\r\n\r\n")
        if found := re.search(rb"facade_admin=([^;]+)", head):
            self.cookie = found[1].decode().strip('"')
        return int(head.split(b" ", 2)[1]), head.decode("latin-1"), rest.decode()

    async def form_token(self, path: str = "/change?route=list") -> str:
        _, _, page = await self.get(path)
        found = re.search(r'name="form_token" value="([0-9a-f]+)"', page)
        assert found is not None
        return found[1]

    async def log_in(self) -> None:
        assert (await self.post("/login", {"token": TOKEN}))[0] == 303


@asynccontextmanager
async def browsing(
    folder: Path, table: str = TABLE, token: Token | None = None, **settings: Any
) -> AsyncIterator[Browser]:
    async with facade_in_loop(table, folder, admin_token=token, **settings) as facade:
        browser = Browser(facade)
        try:
            yield browser
        finally:
            for writer in browser.writers:
                writer.close()


# --- who may look, and who may change -------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
async def test_without_a_login_no_page_shows_anything_of_the_table(
    tmp_path: Path, path: str
) -> None:
    async with browsing(tmp_path, token=WITH_TOKEN) as browser:
        status, _, body = await browser.get(path)
        assert status == 401
        assert "legacy" not in body
        status, head, _ = await browser.get(path, "accept: text/html")
        assert (status, "location: /login" in head.lower()) == (
            (303, True) if path == "/" else (401, False)
        )


@pytest.mark.parametrize("path", ["/login", "/dashboard.css", "/dashboard.js", "/icon.svg"])
async def test_the_login_page_and_its_files_are_open(tmp_path: Path, path: str) -> None:
    async with browsing(tmp_path, token=WITH_TOKEN) as browser:
        status, head, body = await browser.get(path)
        assert status == 200
        assert "default-src 'none'" in head
        assert "legacy" not in body


async def test_the_token_gives_a_cookie_that_scripts_and_other_sites_do_not_have(
    tmp_path: Path,
) -> None:
    async with browsing(tmp_path, token=WITH_TOKEN) as browser:
        status, head, _ = await browser.post("/login", {"token": TOKEN})
        field = next(line for line in head.lower().splitlines() if line.startswith("set-cookie"))
        assert status == 303
        assert "httponly" in field
        assert "samesite=strict" in field
        status, _, page = await browser.get("/")
        assert status == 200
        assert "legacy" in page


async def test_a_login_ends_with_the_log_out(tmp_path: Path) -> None:
    async with browsing(tmp_path, token=WITH_TOKEN) as browser:
        await browser.log_in()
        token = await browser.form_token()
        status, head, _ = await browser.post("/logout", {"form_token": token})
        assert status == 303
        assert "max-age=0" in head.lower()


async def test_five_tries_a_minute_are_allowed_to_log_in(tmp_path: Path) -> None:
    async with browsing(tmp_path, token=WITH_TOKEN) as browser:
        tries = [await browser.post("/login", {"token": f"guess {n}"}) for n in range(6)]
        assert [status for status, _, _ in tries] == [403] * 5 + [429]
        assert (await browser.post("/login", {"token": TOKEN}))[0] == 429
        assert not browser.cookie
        right = f"authorization: Bearer {TOKEN}"
        assert (await browser.get("/routes", right))[0] == 200


@pytest.mark.parametrize(
    "cookie",
    ["1.2.3", "9999999999.00.00", "", '"; facade_admin="', "a" * 4000, "9999999999..", "é"],
)
async def test_a_forged_cookie_is_none(tmp_path: Path, cookie: str) -> None:
    async with browsing(tmp_path, token=WITH_TOKEN) as browser:
        browser.cookie = cookie
        assert (await browser.get("/"))[0] == 401


async def test_a_session_of_another_token_is_none(tmp_path: Path) -> None:
    other, folder = Token(sha256(b"another token").digest()), tmp_path / "other"
    folder.mkdir()
    async with browsing(tmp_path, token=WITH_TOKEN) as browser:
        await browser.log_in()
        async with browsing(folder, token=other) as stranger:
            stranger.cookie = browser.cookie
            assert (await stranger.get("/"))[0] == 401


@pytest.mark.parametrize(
    "headers",
    [
        ("origin: http://evil.example",),
        ("origin: null",),
        ("sec-fetch-site: cross-site",),
        ("sec-fetch-site: same-site",),
    ],
    ids=lambda headers: headers[0],
)
@pytest.mark.parametrize("path", ["/preview", "/apply", "/login", "/logout"])
async def test_a_form_of_another_site_changes_nothing(
    tmp_path: Path, path: str, headers: tuple[str, ...]
) -> None:
    async with browsing(tmp_path, token=WITH_TOKEN) as browser:
        await browser.log_in()
        fields = {**SHIFT, **WHY, "token": TOKEN, "form_token": await browser.form_token()}
        status, _, body = await browser.post(path, fields, *headers)
        assert status == 403
        assert "sent by another site" in body
        assert browser.facade.routes.read_text() == TABLE


@pytest.mark.parametrize("token", ["", "0" * 64, "of another session", "é"])
@pytest.mark.parametrize("path", ["/preview", "/apply", "/logout"])
async def test_a_form_without_the_token_of_its_session_changes_nothing(
    tmp_path: Path, path: str, token: str
) -> None:
    async with browsing(tmp_path) as browser:
        if token == "of another session":
            token = await Browser(browser.facade).form_token()
        await browser.get("/")
        status, _, body = await browser.post(path, {**SHIFT, **WHY, "form_token": token})
        assert status == 403
        assert "no valid token" in body
        assert browser.facade.routes.read_text() == TABLE


async def test_without_a_token_a_name_that_leads_here_is_refused(tmp_path: Path) -> None:
    """DNS rebinding: a site whose name resolves to 127.0.0.1 is of the same origin as itself."""
    async with browsing(tmp_path) as browser:
        raw = b"GET / HTTP/1.1\r\nhost: evil.example:9901\r\nconnection: close\r\n\r\n"
        response = await browser.facade.send(raw, admin=True)
        assert response.startswith(b"HTTP/1.1 403 ")
        assert b"legacy" not in response


@pytest.mark.parametrize("path", [*PAGES, "/login", "/dashboard.js", "/preview"])
async def test_no_page_is_on_the_traffic_listener(tmp_path: Path, path: str) -> None:
    table = TABLE.replace("  - name: rest\n    backend_refs: legacy\n", "")
    async with browsing(tmp_path, table) as browser:
        response = await browser.facade.get(path)
        assert response.startswith(b"HTTP/1.1 404 ")
        assert b'"reason": "no_route"' in response


# --- edits ------------------------------------------------------------------------------------------


async def preview(browser: Browser, **fields: str) -> tuple[int, str]:
    values = {**SHIFT, **WHY, **fields, "form_token": await browser.form_token()}
    status, _, page = await browser.post("/preview", values)
    return status, html.unescape(page)


async def confirmed(browser: Browser, page: str) -> tuple[int, str]:
    """Send the form of a page with a diff."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    status, _, body = await browser.post("/apply", dict(found))
    return status, html.unescape(body)


async def test_a_shift_is_shown_first_then_in_the_file_and_in_the_history(tmp_path: Path) -> None:
    async with browsing(tmp_path) as browser:
        status, page = await preview(browser)
        assert status == 200
        assert "list: canary 20 % -> 50 %" in page
        assert "+     backend_refs: {legacy: 50, new: 50}" in page
        assert browser.facade.routes.read_text() == TABLE
        assert (await confirmed(browser, page))[0] == 303
        assert "{legacy: 50, new: 50}" in browser.facade.routes.read_text()
        _, _, shown = await browser.get("/")
        assert "ada (dashboard, 127.0.0.1)" in shown
        assert "it works" in shown
        assert browser.facade.app.table.current.table.routes[0].backend_refs[1].weight_bp == 5000


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"action": "stage", "stage": "live"}, "stage: live"),
        ({"action": "stage", "stage": "canary", "stage_weight": "1"}, "{legacy: 99, new: 1}"),
        ({"action": "kill switch"}, "kill_switch: true"),
    ],
    ids=["live", "canary", "kill switch"],
)
async def test_each_button_makes_its_edit(
    tmp_path: Path, fields: dict[str, str], line: str
) -> None:
    async with browsing(tmp_path) as browser:
        status, page = await preview(browser, **fields)
        assert (status, f"+ {line}" in page or line in page) == (200, True)
        assert (await confirmed(browser, page))[0] == 303
        assert line in browser.facade.routes.read_text()


async def test_a_shift_is_rolled_back_and_the_kill_switch_ended(tmp_path: Path) -> None:
    async with browsing(tmp_path) as browser:
        for fields in (
            {"weight": "60"},
            {"action": "rollback"},
            {"action": "kill switch"},
            {"action": "resume"},
        ):
            status, page = await preview(browser, **fields)
            assert status == 200
            assert (await confirmed(browser, page))[0] == 303
        text = browser.facade.routes.read_text()
        assert "{legacy: 80, new: 20}" in text
        assert "kill_switch: true" not in text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"reason": ""}, "write a reason"),
        ({"weight": "20"}, "The table is like this already"),
        ({"weight": "101"}, "is no weight"),
        ({"backend": "other"}, "route list has no backend `other`"),
        ({"route": "nothing"}, "nothing"),
        ({"action": "drop"}, "choose one of the actions"),
        ({"action": "rollback"}, "no earlier state of list is recorded"),
        ({"action": "resume"}, "The table is like this already"),
        ({"route": "rest"}, "has one backend, so there is nothing to shift"),
    ],
)
async def test_an_edit_that_cannot_be_made_is_refused_in_a_sentence(
    tmp_path: Path, fields: dict[str, str], sentence: str
) -> None:
    async with browsing(tmp_path) as browser:
        status, page = await preview(browser, **fields)
        assert status == 409
        assert sentence in page
        assert browser.facade.routes.read_text() == TABLE


async def test_a_change_in_between_makes_the_confirmation_void(tmp_path: Path) -> None:
    async with browsing(tmp_path) as browser:
        _, page = await preview(browser)
        browser.facade.routes.write_text(TABLE + "# by hand\n")
        status, body = await confirmed(browser, page)
        assert status == 409
        assert "look at what changed" in body
        assert "{legacy: 50" not in browser.facade.routes.read_text()


async def test_a_dashboard_for_reading_edits_nothing(tmp_path: Path) -> None:
    async with browsing(tmp_path, dashboard="read-only") as browser:
        for path in ("/", "/change", "/change?route=list"):
            assert "the facade runs with --dashboard read-only" in (await browser.get(path))[2]
        token = await browser.form_token()
        for path in ("/preview", "/apply"):
            fields = {**SHIFT, **WHY, "form_token": token, "version": "x"}
            status, _, body = await browser.post(path, fields)
            assert (status, "--dashboard read-only" in body) == (403, True)
        assert browser.facade.routes.read_text() == TABLE


async def test_a_form_is_bounded(tmp_path: Path) -> None:
    async with browsing(tmp_path) as browser:
        status, _, body = await browser.post("/preview", {"reason": "x" * 70_000})
        assert status == 413
        assert "larger than 64 KiB" in body


# --- many of everything -----------------------------------------------------------------------------


async def opened(browser: Browser) -> tuple[asyncio.StreamReader, bytes]:
    """An event stream, and the first line of its response."""
    admin = browser.facade.admin
    reader, writer = await asyncio.open_connection(admin.host, admin.port, limit=_EVENT_BYTES)
    browser.writers.append(writer)
    writer.write(f"GET /events HTTP/1.1\r\nhost: {admin}\r\n\r\n".encode())
    line = await asyncio.wait_for(reader.readline(), 30)
    return reader, line


async def test_a_thousand_event_streams_are_bounded_and_the_others_are_served(
    tmp_path: Path,
) -> None:
    async with browsing(tmp_path) as browser:
        lines = [(await opened(browser))[1] for _ in range(1_000)]
        statuses = [line.split(b" ", 2)[1] for line in lines]
        assert statuses == [b"200"] * MAX_VIEWERS + [b"503"] * (1_000 - MAX_VIEWERS)
        assert (await browser.facade.get("/hello")).startswith(b"HTTP/1.1 200 ")
        assert (await browser.get("/"))[0] == 200


async def test_a_stream_is_free_again_after_its_viewer_has_left(tmp_path: Path) -> None:
    async with browsing(tmp_path) as browser:
        lines = [(await opened(browser))[1] for _ in range(MAX_VIEWERS)]
        assert all(b" 200 " in line for line in lines)
        assert b" 503 " in (await opened(browser))[1]
        browser.writers[0].close()
        async with asyncio.timeout(30):
            while b" 503 " in (await opened(browser))[1]:
                await asyncio.sleep(0.02)


async def test_a_reader_that_stalls_delays_nobody(tmp_path: Path) -> None:
    async with browsing(tmp_path, large(2_000)) as browser:
        for _ in range(5):
            await opened(browser)
        reader, _ = await opened(browser)
        text = browser.facade.routes.read_text()
        for number in range(5):
            browser.facade.routes.write_text(text + f"# edit {number}\n")
            version = browser.facade.app.table.current.version
            await eventually(lambda v=version: browser.facade.app.table.current.version != v)  # type: ignore[misc]
            current = browser.facade.app.table.current.version.encode()
            async with asyncio.timeout(30):
                while current not in await reader.readline():
                    pass
        assert (await browser.facade.get("/hello")).startswith(b"HTTP/1.1 200 ")


def large(count: int) -> str:
    routes = "".join(
        f"  - {{name: r{number}, stage: canary, match: {{path: {{prefix: /p{number}}}}}, "
        "backend_refs: {legacy: 80, new: 20}}\n"
        for number in range(count)
    )
    return TABLE.replace("routes:\n", f"routes:\n{routes}")


async def test_ten_thousand_routes_are_shown_in_pages_and_searched(tmp_path: Path) -> None:
    async with browsing(tmp_path, large(10_000)) as browser:
        _, _, first = await browser.get("/")
        assert "10,003 routes, page 1 of 201" in first
        assert first.count('class="card"') == 50
        assert len(first) < 300_000
        _, _, last = await browser.get("/?page=201")
        assert last.count('class="card"') == 3
        _, _, beyond = await browser.get("/?page=9999")
        assert beyond.count('class="card"') == 0
        _, _, one = await browser.get("/?search=/P9999")
        assert "1 route for" in one
        assert one.count('class="card"') == 1


@pytest.mark.parametrize("query", ["page=0", "page=-1", "page=x", "page=1e9", "page=99999999999"])
async def test_a_page_that_is_no_number_is_the_first(tmp_path: Path, query: str) -> None:
    async with browsing(tmp_path) as browser:
        status, _, page = await browser.get(f"/?{query}")
        assert status == 200
        assert page.count('class="card"') == 3


async def test_a_broken_edit_shows_with_its_place_and_bounded(tmp_path: Path) -> None:
    async with browsing(tmp_path) as browser:
        broken = TABLE.replace("stage: canary", "stage: <b>best</b>")
        browser.facade.routes.write_text(broken)
        await eventually(lambda: not browser.facade.app.table.state.ok)
        _, _, page = await browser.get("/")
        assert "The newest edit is refused" in page
        assert "routes.yaml:5:" in page
        assert "<b>best" not in page
        browser.facade.routes.write_text(
            TABLE.replace("version: 1\n", "version: 1\n" + "bad: 1\n" * 5_000)
        )
        await eventually(lambda: "bad" in browser.facade.app.table.state.error)
        _, _, page = await browser.get("/")
        assert len(page) < 100_000
