"""Files of a backend's `tls:` that cannot be used refuse the table."""

# ruff: noqa: E501 -- a row of a table stays on one line

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.cli import check
from proxy.control.tls_files import MAX_FILE_BYTES
from proxy.errors import TableError
from proxy.model import Endpoint
from proxy.server.app import build
from proxy.server.settings import Settings
from tests.integration.tls_site import TABLE, Site
from tests.support.facade_in_loop import LOOPBACK


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
