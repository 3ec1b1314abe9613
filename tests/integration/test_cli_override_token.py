"""`facade override-token`: the token, and why there is none."""

import time
from pathlib import Path

import pytest

from proxy.cli import main
from proxy.control.key_files import MAX_FILE_BYTES

TABLE = """
version: 1
backends: {legacy: "http://127.0.0.1:1", new: "http://127.0.0.1:2"}
routes:
- name: list
  match: {path: {exact: /list}}
  stage: legacy
  backend_refs: [legacy, new]
  override: {header: x-choice, token_key_file: secret/key}
- name: networks
  match: {path: {exact: /networks}}
  backend_refs: {legacy: 50, new: 50}
  override: {header: x-choice, allow_from: [10.0.0.0/8]}
- {name: rest, backend_refs: legacy}
"""


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("k" * 64 + "\n")
    path = tmp_path / "routes.yaml"
    path.write_text(TABLE)
    return path


def test_the_token_chooses_the_backend(routes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = int(time.time())
    assert main(["override-token", "list", "new", "--ttl", "90s", "--routes", str(routes)]) == 0
    out, err = capsys.readouterr()
    backend, expires, _ = out.strip().split(":")
    assert backend == "new"
    assert before + 90 <= int(expires) <= int(time.time()) + 90
    assert "header x-choice, until 20" in err
    explain = ("explain", "GET", "/list", "-H", f"x-choice: {out.strip()}", "--client", "192.0.2.1")
    assert main([*explain, "--routes", str(routes)]) == 0
    assert "new (override)" in capsys.readouterr().out
    (routes.parent / "secret" / "key").unlink()
    assert main([*explain, "--routes", str(routes)]) == 0
    out, err = capsys.readouterr()
    assert "legacy (stage)" in out
    assert "no token or signed cookie is valid here" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["lists", "new"], "there is no route 'lists'"),
        (["list", "old"], "list has no backend 'old': it has legacy, new"),
        (["networks", "new"], "takes no tokens: add a `token_key_file`"),
        (["rest", "legacy"], "has no `override`"),
        (["list", "new", "--ttl", "1"], "--ttl: `1` is a duration without a unit"),
        (["list", "new", "--ttl", "31d"], "--ttl: `31d` is out of range: write 1s to 30d"),
    ],
)
def test_a_mistake_gets_a_sentence(
    routes: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert main(["override-token", *words, "--routes", str(routes)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"k" * 31 + b"\r\n", "shorter than 32 bytes"),
        (b"k" * (MAX_FILE_BYTES + 1), "longer than 4 KiB"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_key_that_cannot_be_used_refuses_the_table_with_its_place(
    routes: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, sentence: str
) -> None:
    key = routes.parent / "secret" / "key"
    key.unlink() if content is None else key.write_bytes(content)
    assert main(["override-token", "list", "new", "--routes", str(routes)]) == 2
    assert sentence in capsys.readouterr().err
    assert main(["check", str(routes)]) == 2
    err = capsys.readouterr().err
    assert f"{routes}:9:48: " in err
    assert sentence in err
    assert main(["check", "--no-files", str(routes)]) == 0


def test_a_folder_is_no_key(routes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = routes.parent / "secret" / "key"
    key.unlink()
    key.mkdir()
    assert main(["check", str(routes)]) == 2
    assert "is no file" in capsys.readouterr().err
