"""`tls:` of a backend, from the table to the wire: who is trusted, and who the facade is."""

import ssl
import warnings

import pytest

from tests.integration.tls_site import Site, serial_of
from tests.support.certificates import Authority
from tests.support.raw_response import body_of, status_of


async def test_a_backend_of_the_table_s_own_authority_is_trusted(site: Site) -> None:
    async with site.facade(site.server("localhost")) as (facade, backend):
        for _ in range(3):
            assert body_of(await facade.get("/")) == b"nobody"
        assert backend.accepted == 1


async def test_without_the_authority_nobody_is_trusted(site: Site) -> None:
    async with site.facade(site.server("localhost"), "") as (facade, _):
        response = await facade.get("/")
        assert status_of(response) == 502
        assert b"certificate that is not valid" in response


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
        response = await facade.get("/")
        assert status_of(response) == 502
        assert b"certificate that is not valid" in response


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


async def test_the_certificate_that_the_backend_demands_is_shown(site: Site) -> None:
    clients = Authority("clients")
    facade_s = clients.issue("facade.example")
    facade_s.write(site.folder, "client")
    tls = "ca_file: ca.pem, cert_file: client.crt, key_file: client.key"
    async with site.facade(site.server("localhost", clients_of=clients), tls) as (facade, _):
        assert body_of(await facade.get("/")) == serial_of(facade_s)


async def test_key_and_certificate_may_stand_in_one_file(site: Site) -> None:
    clients = Authority("clients")
    facade_s = clients.issue("facade.example")
    (site.folder / "both.pem").write_bytes(facade_s.private() + facade_s.chain())
    tls = f"ca_file: ca.pem, cert_file: {site.folder / 'both.pem'}"
    async with site.facade(site.server("localhost", clients_of=clients), tls) as (facade, _):
        assert body_of(await facade.get("/")) == serial_of(facade_s)


@pytest.mark.parametrize("shown", [False, True], ids=["none", "one of another authority"])
async def test_a_demanded_certificate_that_is_not_there_is_a_502(shown: bool, site: Site) -> None:
    Authority("strangers").issue("facade.example").write(site.folder, "client")
    mine = ", cert_file: client.crt, key_file: client.key" if shown else ""
    server = site.server("localhost", clients_of=Authority("clients"))
    async with site.facade(server, f"ca_file: ca.pem{mine}") as (facade, _):
        assert status_of(await facade.get("/")) == 502
