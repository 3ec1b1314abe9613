"""`tls:` of a backend, from the table to the wire: who is trusted, who the facade is, and renewal."""

# ruff: noqa: E501 -- a row of a table stays on one line

import argparse
import asyncio
import contextlib
import os
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from proxy.cli import check
from proxy.control.tls_files import MAX_FILE_BYTES
from proxy.errors import TableError
from proxy.model import Endpoint
from proxy.server.app import build
from proxy.server.settings import Settings
from tests.support.certificates import Authority, Issued, server_context
from tests.support.facade_in_loop import LOOPBACK, RunningFacade, facade_in_loop
from tests.support.origin import Origin, origin
from tests.support.raw_response import body_of, status_of
from tests.support.waiting import eventually
from tests.support.wire import Wire

TABLE = """\
version: 1
backends:
  legacy:
    url: https://localhost:{port}
    tls: {{{tls}}}
routes: [{{name: all, backend_refs: legacy}}]
"""


async def _who_asks(wire: Wire) -> None:
    """Answers each request with the serial number of the client's certificate."""
    while True:
        shown = wire.peer_certificate
        await wire.respond(str(shown["serialNumber"]).encode() if shown else b"nobody")


def _serial(issued: Issued) -> bytes:
    number = f"{issued.certificate.serial_number:X}"
    return number.zfill(len(number) + len(number) % 2).encode()


class Site:
    """A folder with the files of a table, and the authority of the backend."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority()
        (folder / "ca.pem").write_bytes(self.authority.chain())

    def server(
        self, *names: str, expired: bool = False, clients_of: Authority | None = None
    ) -> ssl.SSLContext:
        issued = self.authority.issue(*names, expired=expired)
        return server_context(self.folder, issued, clients_of=clients_of, alpn=("h2", "http/1.1"))

    @contextlib.asynccontextmanager
    async def facade(
        self, server: ssl.SSLContext, tls: str = "ca_file: ca.pem"
    ) -> AsyncIterator[tuple[RunningFacade, Origin]]:
        """A facade whose one backend speaks TLS."""
        async with origin(_who_asks, tls=server) as backend:
            table = TABLE.format(port=backend.port, tls=tls)
            async with facade_in_loop(table, self.folder) as facade:
                yield facade, backend


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


async def test_a_backend_of_the_table_s_own_authority_is_trusted(site: Site) -> None:
    async with site.facade(site.server("localhost")) as (facade, backend):
        for _ in range(3):
            assert body_of(await facade.get("/")) == b"nobody"
        assert backend.accepted == 1


async def test_without_the_authority_nobody_is_trusted(site: Site) -> None:
    async with site.facade(site.server("localhost"), "") as (facade, _):
        answer = await facade.get("/")
        assert status_of(answer) == 502
        assert b"certificate that is not valid" in answer


async def test_with_an_authority_of_one_s_own_no_other_is_trusted(site: Site) -> None:
    (site.folder / "other.pem").write_bytes(Authority("another").chain())
    async with site.facade(site.server("localhost"), "ca_file: other.pem") as (facade, _):
        assert status_of(await facade.get("/")) == 502


@pytest.mark.parametrize(
    ("names", "expired"),
    [(("old.example",), False), (("127.0.0.1",), False), (("localhost",), True)],
    ids=["another name", "the address, not the name", "expired"],
)
async def test_a_certificate_that_does_not_fit_is_a_502(
    names: tuple[str, ...], expired: bool, site: Site
) -> None:
    async with site.facade(site.server(*names, expired=expired)) as (facade, _):
        answer = await facade.get("/")
        assert status_of(answer) == 502
        assert b"certificate that is not valid" in answer


async def test_the_server_name_is_what_is_asked_for_and_checked(site: Site) -> None:
    asked: list[str | None] = []

    def note(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        asked.append(name)

    server = site.server("old.example")
    server.sni_callback = note
    tls = "ca_file: ca.pem, server_name: old.example"
    async with site.facade(server, tls) as (facade, _):
        assert body_of(await facade.get("/")) == b"nobody"
        assert asked == ["old.example"]


async def test_a_server_name_that_the_certificate_lacks_is_a_502(site: Site) -> None:
    tls = "ca_file: ca.pem, server_name: old.example"
    async with site.facade(site.server("localhost"), tls) as (facade, _):
        assert status_of(await facade.get("/")) == 502


@pytest.mark.parametrize(
    ("highest", "status"), [(ssl.TLSVersion.TLSv1_1, 502), (ssl.TLSVersion.TLSv1_2, 200)]
)
async def test_nothing_older_than_tls_1_2_is_spoken(
    highest: ssl.TLSVersion, status: int, site: Site
) -> None:
    server = site.server("localhost")
    server.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        server.minimum_version = ssl.TLSVersion.TLSv1
        server.maximum_version = highest
    async with site.facade(server) as (facade, _):
        assert status_of(await facade.get("/")) == status


# --- the client's certificate ---------------------------------------------------------------


async def test_the_certificate_that_the_backend_demands_is_shown(site: Site) -> None:
    clients = Authority("clients")
    facade_s = clients.issue("facade.example")
    facade_s.write(site.folder, "client")
    tls = "ca_file: ca.pem, cert_file: client.crt, key_file: client.key"
    async with site.facade(site.server("localhost", clients_of=clients), tls) as (facade, _):
        assert body_of(await facade.get("/")) == _serial(facade_s)


async def test_key_and_certificate_may_stand_in_one_file(site: Site) -> None:
    clients = Authority("clients")
    facade_s = clients.issue("facade.example")
    (site.folder / "both.pem").write_bytes(facade_s.private() + facade_s.chain())
    tls = f"ca_file: ca.pem, cert_file: {site.folder / 'both.pem'}"
    async with site.facade(site.server("localhost", clients_of=clients), tls) as (facade, _):
        assert body_of(await facade.get("/")) == _serial(facade_s)


@pytest.mark.parametrize("shown", [False, True], ids=["none", "one of another authority"])
async def test_a_demanded_certificate_that_is_not_there_is_a_502(shown: bool, site: Site) -> None:
    Authority("strangers").issue("facade.example").write(site.folder, "client")
    mine = ", cert_file: client.crt, key_file: client.key" if shown else ""
    server = site.server("localhost", clients_of=Authority("clients"))
    async with site.facade(server, f"ca_file: ca.pem{mine}") as (facade, _):
        assert status_of(await facade.get("/")) == 502


# --- renewal --------------------------------------------------------------------------------


async def _answered(facade: RunningFacade, wanted: bytes) -> None:
    async with asyncio.timeout(10):
        while body_of(await facade.get("/")) != wanted:
            await asyncio.sleep(0.05)


async def test_a_renewed_certificate_is_shown_without_an_edit_of_the_table(site: Site) -> None:
    clients = Authority("clients")
    first, second = clients.issue("facade.example"), clients.issue("facade.example")
    first.write(site.folder, "client")
    tls = "ca_file: ca.pem, cert_file: client.crt, key_file: client.key"
    async with site.facade(site.server("localhost", clients_of=clients), tls) as (facade, _):
        assert body_of(await facade.get("/")) == _serial(first)
        second.write(site.folder, "client")
        await _answered(facade, _serial(second))
        assert facade.app.table.state.reloads == 1


async def test_a_mounted_secret_that_is_swapped_takes_effect(site: Site) -> None:
    """As the kubelet does it: ca.crt -> ..data/ca.crt, ..data -> ..N, and ..data is renamed over."""
    mount = site.folder / "secret"
    mount.mkdir()

    def publish(number: int, authority: Authority) -> None:
        made = mount / f"..{number}"
        made.mkdir()
        (made / "ca.crt").write_bytes(authority.chain())
        link = mount / "..data_tmp"
        link.symlink_to(made.name)
        link.replace(mount / "..data")

    publish(0, Authority("another"))
    (mount / "ca.crt").symlink_to("..data/ca.crt")
    async with site.facade(site.server("localhost"), "ca_file: secret/ca.crt") as (facade, _):
        assert status_of(await facade.get("/")) == 502
        publish(1, site.authority)
        await _answered(facade, b"nobody")


async def test_with_a_bad_file_the_last_good_ones_serve_on_and_it_is_said(site: Site) -> None:
    async with site.facade(site.server("localhost")) as (facade, backend):
        tables = facade.app.table
        assert body_of(await facade.get("/")) == b"nobody"
        for spoil in (
            lambda: (site.folder / "ca.pem").write_bytes(b"half of it"),
            lambda: (site.folder / "ca.pem").unlink(),
        ):
            failures = tables.state.failures
            spoil()
            await eventually(lambda: tables.state.failures > failures)  # noqa: B023
            assert not tables.state.ok
            assert f"{facade.routes}:5:20: `ca_file`" in tables.state.error
            assert body_of(await facade.get("/")) == b"nobody"
        (site.folder / "ca.pem").write_bytes(site.authority.chain())
        await eventually(lambda: tables.state.ok)
        assert tables.state.error == ""
        # The same authority: nothing was swapped, and no connection had to be given up.
        assert tables.state.reloads == 0
        assert body_of(await facade.get("/")) == b"nobody"
        assert backend.accepted == 1


async def test_an_edit_that_names_a_missing_file_is_refused_as_a_whole(site: Site) -> None:
    async with site.facade(site.server("localhost")) as (facade, _):
        tables, before = facade.app.table, facade.app.table.current
        text = facade.routes.read_text()
        facade.routes.write_text(text.replace("ca.pem", "new.pem"))
        await eventually(lambda: not tables.state.ok)
        assert "new.pem cannot be read: No such file or directory" in tables.state.error
        assert tables.current is before
        (site.folder / "new.pem").write_bytes(site.authority.chain())
        await eventually(lambda: tables.state.ok)
        assert tables.current is not before
        assert body_of(await facade.get("/")) == b"nobody"


async def test_a_request_that_began_before_a_renewal_has_its_answer(site: Site) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(wire: Wire) -> None:
        await wire.request_head()
        begun.set()
        await go_on.wait()
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nat last")
        await wire.flush()

    server = site.server("localhost")
    async with origin(slow, tls=server) as backend:
        table = TABLE.format(port=backend.port, tls="ca_file: ca.pem")
        async with facade_in_loop(table, site.folder) as facade:
            asked = asyncio.create_task(facade.get("/"))
            await begun.wait()
            more = site.authority.chain() + Authority("another").chain()
            (site.folder / "ca.pem").write_bytes(more)
            await eventually(lambda: facade.app.table.state.reloads == 1)
            go_on.set()
            assert body_of(await asked) == b"at last"


# --- what a table may not name --------------------------------------------------------------


def _no_change(_: Site) -> None:
    """Nothing is spoilt."""


def _with_passphrase(site: Site) -> None:
    issued = site.authority.issue("a.example")
    (site.folder / "a.crt").write_bytes(issued.chain())
    (site.folder / "a.key").write_bytes(issued.private(b"secret"))


def _of_two(site: Site) -> None:
    site.authority.issue("a.example").write(site.folder, "a")
    (site.folder / "a.key").write_bytes(site.authority.issue("b.example").private())


def _broken_inside(site: Site) -> None:
    issued = site.authority.issue("a.example")
    (site.folder / "a.crt").write_bytes(issued.chain()[:80] + b"\n-----END CERTIFICATE-----\n")
    (site.folder / "a.key").write_bytes(issued.private())


def _huge(site: Site) -> None:
    with (site.folder / "a.pem").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)


def _text(name: str, text: bytes) -> Callable[[Site], None]:
    def write(site: Site) -> None:
        (site.folder / name).write_bytes(text)

    return write


def _fifo(site: Site) -> None:
    os.mkfifo(site.folder / "a.pem")


CERT_AND_KEY = "cert_file: a.crt, key_file: a.key"
UNUSABLE = [
    pytest.param("ca_file: a.pem", _no_change, "20: `ca_file` {folder}/a.pem cannot be read: No such file or directory", id="missing"),
    pytest.param("ca_file: ca.pem/x", _no_change, "20: `ca_file` {folder}/ca.pem/x cannot be read: Not a directory", id="below a file"),
    pytest.param("ca_file: .", _no_change, "20: `ca_file` {folder} is no file", id="a folder"),
    pytest.param("ca_file: a.pem", _fifo, "20: `ca_file` {folder}/a.pem is no file", id="a pipe"),
    pytest.param("ca_file: a.pem", _huge, "20: `ca_file` {folder}/a.pem is larger than 4 MiB", id="huge"),
    pytest.param("ca_file: a.pem", _text("a.pem", b""), "20: `ca_file` holds no certificate in PEM", id="empty"),
    pytest.param("ca_file: a.pem", _text("a.pem", bytes(range(256))), "20: `ca_file` holds no certificate in PEM", id="binary"),
    pytest.param("cert_file: ca.pem", _no_change, "22: `cert_file` holds no private key", id="no key"),
    pytest.param(CERT_AND_KEY, _of_two, "39: the private key does not belong to the certificate", id="a key of another"),
    pytest.param(CERT_AND_KEY, _with_passphrase, "39: the private key asks for a passphrase", id="a passphrase"),
    pytest.param(CERT_AND_KEY, _broken_inside, "22: certificate and private key cannot be read", id="half a certificate"),
    pytest.param("cert_file: ca.pem, key_file: ca.pem", _no_change, "40: `key_file` holds no private key in PEM", id="no key in the key"),
    pytest.param("cert_file: routes.yaml, key_file: ca.pem", _no_change, "22: `cert_file` holds no certificate in PEM", id="no certificate"),
]  # fmt: skip


@pytest.mark.parametrize(("tls", "prepare", "said"), UNUSABLE)
def test_a_file_that_cannot_be_used_refuses_the_table_at_its_place(
    tls: str,
    prepare: Callable[[Site], None],
    said: str,
    site: Site,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prepare(site)
    routes = site.folder / "routes.yaml"
    routes.write_text(TABLE.format(port=1, tls=tls))
    wanted = f"{routes}:5:{said.format(folder=site.folder)}"
    with pytest.raises(TableError) as refused:
        build(Settings(routes, LOOPBACK, LOOPBACK, "none"))
    assert str(refused.value).startswith(wanted)
    assert _check(routes) == 2
    assert wanted in capsys.readouterr().err
    assert _check(routes, "--no-files") == 0


def test_every_file_that_cannot_be_used_is_told_at_once(site: Site) -> None:
    routes = site.folder / "routes.yaml"
    routes.write_text(
        "version: 1\nroutes: [{name: r, backend_refs: a}]\nbackends:\n"
        "  b: {url: https://b, tls: {ca_file: no.pem}}\n  a: {url: https://a, tls: {ca_file: nor.pem}}\n"
    )
    with pytest.raises(TableError) as refused:
        build(Settings(routes, LOOPBACK, LOOPBACK, "none"))
    assert [problem.line for problem in refused.value.problems] == [4, 5]


async def test_an_address_of_http_on_the_command_line_needs_no_files(site: Site) -> None:
    routes = site.folder / "routes.yaml"
    routes.write_text(TABLE.format(port=1, tls="ca_file: nowhere.pem"))
    overrides = (("legacy", Endpoint("http", "127.0.0.1", 1)),)
    facade = build(Settings(routes, LOOPBACK, LOOPBACK, "none", backends=overrides))
    assert facade.table.current.backends["legacy"].tls is None


def _check(routes: Path, *options: str) -> int:
    parser = argparse.ArgumentParser()
    check.register(parser)
    return check.run(parser.parse_args([str(routes), *options]))
