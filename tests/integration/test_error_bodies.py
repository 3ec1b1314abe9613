"""The bodies of the facade's own error responses: a page for browsers, and those that the table gives."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.cli import main
from proxy.control.error_files import MAX_FILE_BYTES
from proxy.server.settings import Tier
from tests.support.facade_in_loop import TIERS, RunningFacade, facade_in_loop
from tests.support.raw_response import body_of, head_of, status_of
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
BROWSER = "accept: text/html,application/xhtml+xml,*/*;q=0.8"
SCRIPT = "accept: application/json"
TABLE = """
version: 1
backends: {gone: "http://127.0.0.1:1"}
defaults: {errors: DEFAULTS}
routes:
  - {name: plain, match: {path: {prefix: /plain}}, backend_refs: gone}
  - name: small
    match: {path: {prefix: /small}}
    limits: {max_body_bytes: 1B, max_uri_bytes: 64B}
    response: {headers: {set: {access-control-allow-origin: "*", vary: Origin}}}
    errors: {413: {body: too large}, 502: {body: ""}}
    backend_refs: gone
  - name: filed
    match: {path: {prefix: /filed}}
    errors: {5xx: {file: away.html}}
    backend_refs: gone
"""


def table(defaults: str = "{}") -> str:
    return TABLE.replace("DEFAULTS", defaults)


def field(response: bytes, name: bytes) -> list[bytes]:
    lines = head_of(response).split(b"\r\n")
    return [line[len(name) + 2 :] for line in lines if line.lower().startswith(name + b": ")]


@pytest.fixture(autouse=True)
def _page(tmp_path: Path) -> None:
    (tmp_path / "away.html").write_bytes(b"<p>away")


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(("path", "status"), [("/plain", 502), ("/plain/%41", 502), ("/no", 404)])
async def test_a_browser_gets_a_page_and_a_script_a_problem_document(
    tmp_path: Path, tier: Tier, path: str, status: int
) -> None:
    async with facade_in_loop(table(), tmp_path, tier=tier) as facade:
        page = await facade.get(path, BROWSER)
        document = await facade.get(path, SCRIPT)
        first, second = await facade.log_lines(2)
    (request_id,) = field(page, b"x-request-id")
    assert status_of(page) == status_of(document) == status
    assert field(page, b"content-type") == [b"text/html; charset=utf-8"]
    assert field(document, b"content-type") == [b"application/problem+json"]
    assert b"<code>%b</code>" % request_id in body_of(page)
    assert b"gone" not in body_of(page)
    for each in (page, document):
        assert field(each, b"vary") == [b"Accept"]
        assert field(each, b"cache-control") == [b"no-store"]
        assert field(each, b"content-length") == [b"%d" % len(body_of(each))]
    assert field(page, b"x-facade-decision") == field(document, b"x-facade-decision") != []
    same = ("route", "backend", "reason", "status", "complete", "error")
    assert {key: first.get(key) for key in same} == {key: second.get(key) for key in same}
    assert first["sent_bytes"] == len(body_of(page))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("path", ["/plain", "/no", "/small", "/filed"])
async def test_a_response_to_head_has_the_length_of_the_body_and_no_body(
    tmp_path: Path, tier: Tier, path: str
) -> None:
    async with facade_in_loop(table(), tmp_path, tier=tier) as facade:
        full = await facade.get(path, BROWSER)
        head = await facade.get(path, BROWSER, method="HEAD")
    assert body_of(head) == b""
    assert field(head, b"content-length") == field(full, b"content-length")
    assert field(head, b"content-type") == field(full, b"content-type")


@pytest.mark.parametrize("tier", TIERS)
async def test_a_client_of_http_10_gets_the_same(tmp_path: Path, tier: Tier) -> None:
    raw = f"GET /plain HTTP/1.0\r\nhost: h\r\n{BROWSER}\r\n\r\n".encode()
    async with facade_in_loop(table(), tmp_path, tier=tier) as facade:
        page = await facade.send(raw)
    assert status_of(page) == 502
    assert body_of(page).endswith(b"</html>\n")
    assert field(page, b"content-length") == [b"%d" % len(body_of(page))]


@pytest.mark.parametrize("tier", TIERS)
async def test_a_body_of_the_table_has_the_fields_of_the_route(tmp_path: Path, tier: Tier) -> None:
    async with facade_in_loop(table(), tmp_path, tier=tier) as facade:
        empty = await facade.get("/small", BROWSER)
        large = await facade.get("/small", BROWSER, method="POST", body=b"12")
        long = await facade.get("/small?" + "x" * 80, BROWSER)
        lines = await facade.log_lines(3)
    assert [status_of(each) for each in (empty, large, long)] == [502, 413, 414]
    assert [line["status"] for line in lines] == [502, 413, 414]
    assert (body_of(empty), body_of(large)) == (b"", b"too large")
    assert (field(empty, b"content-type"), field(empty, b"content-length")) == ([], [b"0"])
    assert field(large, b"content-type") == [b"text/plain; charset=utf-8"]
    for each in (empty, large, long):
        assert field(each, b"access-control-allow-origin") == [b"*"]
        assert len(field(each, b"x-facade-decision")) == len(field(each, b"x-request-id")) == 1
    assert field(large, b"vary") == [b"Origin"]
    assert field(long, b"vary") == [b"Accept", b"Origin"]


NONSENSE = b"nonsense\r\n\r\n"


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param(b"GET /no HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n", 404, id="route"),
        pytest.param(NONSENSE, 400, id="no request"),
        pytest.param(b"GET / HTTP/1.1\r\nx: " + b"x" * 70_000, 431, id="a head without end"),
    ],
)
async def test_the_defaults_are_for_what_has_no_route(
    tmp_path: Path, tier: Tier, raw: bytes, status: int
) -> None:
    errors = "{4xx: {body: ours, content_type: text/css}}"
    async with facade_in_loop(table(errors), tmp_path, tier=tier) as facade:
        got = await facade.send(raw)
        admin = await facade.send(NONSENSE, admin=True)
    assert (status_of(got), body_of(got)) == (status, b"ours")
    assert field(got, b"content-type") == [b"text/css"]
    assert b"application/problem+json" in head_of(admin)


@pytest.mark.parametrize("tier", TIERS)
async def test_what_the_server_refuses_in_the_middle_of_a_body_has_the_fields_of_the_route(
    tmp_path: Path, tier: Tier
) -> None:
    """The rest of the body is no chunk: the request is known, and its backend is waited for."""
    waiting = await asyncio.start_server(_silent, "127.0.0.1", 0)
    port = waiting.sockets[0].getsockname()[1]
    text = table("{400: {body: ours}}").replace("127.0.0.1:1", f"127.0.0.1:{port}")
    head = b"POST /small HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n"
    async with waiting, facade_in_loop(text, tmp_path, tier=tier) as facade:
        reader, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
        writer.write(head)
        await eventually(lambda: facade.app.upstream_stats()["gone"].in_flight == 1)
        writer.write(b"no chunk\r\n")
        got = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert (status_of(got), body_of(got)) == (400, b"ours")
    assert field(got, b"access-control-allow-origin") == [b"*"]
    assert len(field(got, b"x-request-id")) == len(field(got, b"x-facade-decision")) == 1


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@pytest.mark.parametrize("tier", TIERS)
async def test_an_edited_file_is_in_effect_and_one_that_is_gone_is_not_missed(
    tmp_path: Path, tier: Tier
) -> None:
    async with facade_in_loop(table(), tmp_path, tier=tier) as facade:
        assert body_of(await facade.get("/filed")) == b"<p>away"
        version = facade.app.table.current.version
        (tmp_path / "away.html").write_bytes(b"<p>back soon")
        await eventually(lambda: _file(facade) == b"<p>back soon")
        assert body_of(await facade.get("/filed")) == b"<p>back soon"
        (tmp_path / "away.html").unlink()
        await eventually(lambda: not facade.app.table.state.ok)
        assert "away.html cannot be read" in facade.app.table.state.error
        assert body_of(await facade.get("/filed")) == b"<p>back soon"
        (tmp_path / "away.html").write_bytes(b"<p>again")
        await eventually(lambda: facade.app.table.state.ok)
        assert body_of(await facade.get("/filed")) == b"<p>again"
        assert facade.app.table.current.version == version


def _file(facade: RunningFacade) -> bytes:
    return facade.app.table.current.error_bodies["away.html"]


def _missing(path: Path) -> None:
    path.unlink()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_missing, "away.html cannot be read: No such file or directory"),
        (_folder, "away.html is no file"),
        (_huge, "away.html is larger than 1 MiB"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_problem_at_its_place(
    spoil: Callable[[Path], None], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(tmp_path / "away.html")
    routes = tmp_path / "routes.yaml"
    routes.write_text(table())
    assert main(["check", str(routes)]) == 2
    assert re.match(rf"{routes}:15:26: {tmp_path}/{said}", capsys.readouterr().err)
    assert main(["check", str(routes), "--no-files"]) == 0


def test_all_files_together_are_bounded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"{status}.txt" for status in range(501, 506)]
    names += [f"a{number}.txt" for number in range(12)]
    for name in names:
        with (tmp_path / name).open("wb") as file:
            file.truncate(MAX_FILE_BYTES)
    routes = tmp_path / "routes.yaml"
    lines = [
        f"  - {{name: r{at}, match: {{path: {{exact: /{at}}}}}, redirect: {{path: /x}}, "
        f"errors: {{502: {{file: {name}}}}}}}"
        for at, name in enumerate(names)
    ]
    routes.write_text("version: 1\nroutes:\n" + "\n".join(lines) + "\n")
    assert main(["check", str(routes)]) == 2
    shown = capsys.readouterr().err
    assert "routes.yaml:19:" in shown
    assert "the files of `errors` have more than 16 MiB together" in shown


def test_explain_shows_the_bodies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(table("{404: {body: no page}}"))
    assert main(["explain", "GET", "/small", "--routes", str(routes)]) == 0
    assert "errors   404: 7 bytes, text/plain; charset=utf-8\n" in (
        shown := capsys.readouterr().out
    )
    assert "         502: empty\n" in shown
    assert main(["explain", "GET", "/nowhere", "--routes", str(routes)]) == 0
    assert "errors   404: 7 bytes, text/plain; charset=utf-8\n" in capsys.readouterr().out


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("file", ["routes.yaml", "deploy/chart/routes.yaml"])
async def test_the_lists_of_the_front_end_have_an_empty_body_where_nobody_serves_them(
    tmp_path: Path, tier: Tier, file: str
) -> None:
    """As of the original without its database: a JSON object would make the whole page of the front end blank."""
    text = re.sub(r"url: http://\S+", "url: http://127.0.0.1:1", (ROOT / file).read_text())
    async with facade_in_loop(text, tmp_path, tier=tier) as facade:
        for name in ("flightspecials", "hotelspecials", "flightspecials/", "hotelspecials/"):
            got = await facade.get(f"/travelbuddy/{name}", "accept: */*")
            assert (status_of(got), body_of(got)) == (502, b"")
            assert field(got, b"content-type") == []
        page = await facade.get("/travelbuddy/", BROWSER)
    assert (status_of(page), field(page, b"content-type")) == (502, [b"text/html; charset=utf-8"])
