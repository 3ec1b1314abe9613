"""Renewed files of a backend's `tls:` take effect without an edit of the table."""

import asyncio

from tests.integration.tls_site import TABLE, Site, serial_of
from tests.support.certificates import Authority
from tests.support.facade_in_loop import RunningFacade, facade_in_loop
from tests.support.origin import origin
from tests.support.raw_response import body_of, status_of
from tests.support.waiting import eventually
from tests.support.wire import Wire


async def _await_response(facade: RunningFacade, wanted: bytes) -> None:
    async with asyncio.timeout(10):
        while body_of(await facade.get("/")) != wanted:
            await asyncio.sleep(0.05)


async def test_a_renewed_certificate_is_shown_without_an_edit_of_the_table(site: Site) -> None:
    clients = Authority("clients")
    first, second = clients.issue("facade.example"), clients.issue("facade.example")
    first.write(site.folder, "client")
    tls = "ca_file: ca.pem, cert_file: client.crt, key_file: client.key"
    async with site.facade(site.server("localhost", clients_of=clients), tls) as (facade, _):
        assert body_of(await facade.get("/")) == serial_of(first)
        second.write(site.folder, "client")
        await _await_response(facade, serial_of(second))
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
        await _await_response(facade, b"nobody")


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


async def test_a_request_that_began_before_a_renewal_gets_its_response(site: Site) -> None:
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
