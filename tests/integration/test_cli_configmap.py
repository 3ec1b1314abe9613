"""`facade configmap`, against a server that speaks as the API of Kubernetes does for one ConfigMap."""

import asyncio
import io
import json
from pathlib import Path

import pytest

from proxy import cli
from tests.support.certificates import Authority, server_context
from tests.support.origin import origin
from tests.support.wire import Message, Wire

TABLE = "version: 1 # ü\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "namespace").write_text("shop")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TABLE.encode())))
    return tmp_path


def put(folder: Path) -> int:
    return cli.main(["configmap", "facade-routes", "--credentials", str(folder)])


@pytest.mark.parametrize(("status", "result"), [(200, 0), (403, 2)])
async def test_the_table_is_patched_into_the_config_map(
    status: int,
    result: int,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    authority = Authority()
    received: list[Message] = []

    async def script(wire: Wire) -> None:
        received.append(await wire.request())
        wire.send(f"HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\n{{}}".encode())
        await wire.flush()

    (folder / "ca.crt").write_bytes(authority.chain())
    tls = server_context(folder, authority.issue("127.0.0.1"))
    async with origin(script, tls=tls) as api:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api.port))
        assert await asyncio.to_thread(put, folder) == result
    (message,) = received
    assert message.head.line.startswith(b"PATCH /api/v1/namespaces/shop/configmaps/facade-routes ")
    assert message.head.one(b"authorization") == b"Bearer secret"
    assert message.head.one(b"content-type") == b"application/merge-patch+json"
    assert json.loads(message.body) == {"data": {"routes.yaml": TABLE}}
    shown = capsys.readouterr()
    assert ("has the table" in shown.out) == (result == 0)
    assert ("answered 403" in shown.err) == (result == 2)


def test_outside_a_pod_it_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert put(folder) == 2
    assert capsys.readouterr().err.startswith("KUBERNETES_SERVICE_HOST is not set")


def test_without_a_service_account_it_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "namespace").unlink()
    assert put(folder) == 2
    assert "is this a pod with a service account?" in capsys.readouterr().err


def test_an_empty_table_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert put(folder) == 2
