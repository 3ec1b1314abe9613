"""The options of `facade serve`, from its command line and from the environment."""

import argparse
import logging
import os
from pathlib import Path

import pytest

from proxy.cli.serve_options import OPTIONS, add_options, read_settings
from proxy.model import Endpoint
from proxy.server.settings import (
    Address,
    CertificateFiles,
    Settings,
    SettingsError,
    TlsFiles,
    read_token,
)

TOKEN = "0123456789abcdef"


def read(*arguments: str, **environ: str) -> Settings:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return read_settings(parser.parse_args(arguments), environ)


def refused(*arguments: str, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as error:
        read(*arguments, **environ)
    return str(error.value).splitlines()


@pytest.fixture
def token(tmp_path: Path) -> str:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    return str(file)


def test_without_options_the_defaults_hold() -> None:
    assert read() == Settings(
        Path("routes.yaml"), Address("127.0.0.1", 8080), Address("127.0.0.1", 9901)
    )


def test_every_option_can_be_given(token: str) -> None:
    settings = read(
        *("--routes", "r", "--listen", "0.0.0.0:1", "--admin", "0.0.0.0:2", "--access-log", "none"),
        *("--admin-token-file", token, "--tier", "asgi", "--workers", "3", "--drain", "1m"),
        *(
            "--pause",
            "250ms",
            "--tls-cert",
            "c",
            "--tls-key",
            "k",
            "--tls-client-ca",
            "a",
            "--backend",
            "a=http://h:1",
        ),
    )
    assert settings == Settings(
        Path("r"),
        Address("0.0.0.0", 1),
        Address("0.0.0.0", 2),
        "none",
        (("a", Endpoint("http", "h", 1)),),
        drain_s=60.0,
        pause_s=0.25,
        tier="asgi",
        workers=3,
        admin_token=read_token(Path(token)),
        tls=TlsFiles((CertificateFiles(Path("c"), Path("k")),), Path("a")),
    )


def test_every_option_has_a_variable() -> None:
    assert {option.name: option.variable for option in OPTIONS} == {
        "routes": "FACADE_ROUTES",
        "listen": "FACADE_LISTEN",
        "proxy-protocol": "FACADE_PROXY_PROTOCOL",
        "admin": "FACADE_ADMIN",
        "admin-token-file": "FACADE_ADMIN_TOKEN_FILE",
        "dashboard": "FACADE_DASHBOARD",
        "replicas": "FACADE_REPLICAS",
        "access-log": "FACADE_ACCESS_LOG",
        "tier": "FACADE_TIER",
        "workers": "FACADE_WORKERS",
        "drain": "FACADE_DRAIN",
        "pause": "FACADE_PAUSE",
        "tls-cert": "FACADE_TLS_CERT",
        "tls-key": "FACADE_TLS_KEY",
        "tls-client-ca": "FACADE_TLS_CLIENT_CA",
        "otlp-endpoint": "FACADE_OTLP_ENDPOINT",
        "trace-ratio": "FACADE_TRACE_RATIO",
    }


def test_variables_are_read_as_options_are(token: str) -> None:
    given = {
        "routes": "r",
        "listen": "0.0.0.0:1",
        "proxy-protocol": "10.0.0.0/8, 192.0.2.1",
        "admin": "0.0.0.0:2",
        "admin-token-file": token,
        "dashboard": "read-only",
        "replicas": "facade-admin:9901, [::1]:9901",
        "access-log": "none",
        "tier": "asgi",
        "workers": "3",
        "drain": "1m",
        "pause": "250ms",
        "tls-cert": "c",
        "tls-key": "k",
        "tls-client-ca": "a",
        "otlp-endpoint": "http://127.0.0.1:4318",
        "trace-ratio": "0.5",
    }
    by_variable = read(**{option.variable: given[option.name] for option in OPTIONS})
    assert by_variable == read(*(f"--{name}={value}" for name, value in given.items()))


def test_certificates_are_given_in_pairs() -> None:
    tls = TlsFiles(tuple(CertificateFiles(Path(f"c{n}"), Path(f"k{n}")) for n in (1, 2)))
    pairs = ("--tls-cert", "c1", "--tls-key", "k1", "--tls-cert", "c2", "--tls-key", "k2")
    assert read(*pairs).tls == tls
    assert read(FACADE_TLS_CERT=f"c1{os.pathsep}c2", FACADE_TLS_KEY=f"k1{os.pathsep}k2").tls == tls
    assert refused(*pairs[:6]) == [
        "facade: --tls-cert needs --tls-key beside it, or leave both out"
    ]


def test_an_option_overrides_its_variable_and_an_empty_variable_counts_as_unset() -> None:
    assert read(FACADE_DRAIN="5s").drain_s == 5
    assert read("--drain", "6s", FACADE_DRAIN="5s").drain_s == 6
    assert read(FACADE_DRAIN="").drain_s == 30


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--drain", "5"), "facade: --drain 5: `5` is a duration without a unit: write 5s"),
        (("--drain", "2h"), "facade: --drain 2h: `2h` is out of range: write 0s to 1h"),
        (
            ("--pause", "x"),
            "facade: --pause x: `x` is no duration: write 250ms, 5s, 1m, 24h or 30d",
        ),
        (("--workers", "0"), "facade: --workers 0: '0' is no number of workers: write 1 to 128"),
        (("--workers", "-1"), "facade: --workers -1: '-1' is no number of workers: write 1 to 128"),
        (
            ("--workers", "129"),
            "facade: --workers 129: '129' is no number of workers: write 1 to 128",
        ),
        (
            ("--dashboard", "off"),
            "facade: --dashboard off: 'off' is no use of the dashboard: write edit or read-only",
        ),
        (("--tier", "slow"), "facade: --tier slow: 'slow' is no tier: write fast or asgi"),
        (("--tls-cert", "c"), "facade: --tls-cert needs --tls-key beside it, or leave both out"),
        (
            ("--admin", "unix:/a"),
            "facade: --admin unix:/a: write host:port, like 127.0.0.1:9901",
        ),
        (
            ("--proxy-protocol", "10.0.0.0/8,x"),
            "facade: --proxy-protocol 10.0.0.0/8,x: `x` is no network: write 10.0.0.0/8 or ::1/128",
        ),
        *(
            (
                ("--replicas", f"a:1,{text}"),
                f"facade: --replicas a:1,{text}: {text!r} is no admin listener: "
                "write its host and port, like facade-admin:9901",
            )
            for text in ("", "b", "b:0", "b:99999", "https://b:1", "http://b:1/x", "u@b:1", "b c:1")
        ),
        (("--tls-key", "k"), "facade: --tls-key needs --tls-cert beside it, or leave both out"),
        (
            ("--tls-client-ca", "a"),
            "facade: --tls-client-ca needs --tls-cert and --tls-key beside it",
        ),
    ],
)
def test_an_invalid_option_gets_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    assert refused(*arguments) == [sentence]


def test_an_invalid_variable_is_named_in_the_sentence() -> None:
    assert refused(FACADE_WORKERS="many") == [
        "facade: FACADE_WORKERS many: 'many' is no number of workers: write 1 to 128"
    ]


def test_all_problems_are_reported_together() -> None:
    sentences = refused(
        "--listen", "x", "--drain", "1", "--backend", "b", FACADE_TIER="z", FACADE_ADMIN="0.0.0.0:1"
    )
    assert len(sentences) == 5


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_on_loopback_no_token_is_needed(host: str) -> None:
    assert read("--admin", f"{host}:1").admin_token is None


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "[::]", "10.0.0.1", "[fe80::1]", "admin.example", "[::ffff:10.0.0.1]"]
)
def test_on_other_addresses_a_token_is_required(host: str, token: str) -> None:
    (sentence,) = refused("--admin", f"{host}:1")
    assert sentence.startswith(
        f"facade: --admin {host}:1: others can reach it, so it needs a token"
    )
    assert read("--admin", f"{host}:1", FACADE_ADMIN_TOKEN_FILE=token).admin_token is not None


@pytest.mark.parametrize(
    "text", ["", "\n", "0123456789abcde", "0123456789 abcdef", "ä" * 20, "x" * 5000]
)
def test_a_file_without_a_token_is_refused_and_its_text_not_shown(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    (sentence,) = refused("--admin-token-file", str(file))
    assert f"{file} holds no token: write 16 to 1024 characters" in sentence
    assert not text.strip() or text not in sentence


def test_a_missing_token_file_is_reported() -> None:
    (sentence,) = refused("--admin-token-file", "/nowhere/token")
    assert (
        sentence
        == "facade: --admin-token-file /nowhere/token: /nowhere/token: No such file or directory"
    )


def test_a_token_is_not_in_the_log_of_the_settings(
    token: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = read("--admin-token-file", token)
    assert settings.admin_token is not None
    assert settings.admin_token.matches(TOKEN.encode())
    assert not settings.admin_token.matches(TOKEN.encode() + b"0")
    with caplog.at_level(logging.INFO):
        logging.info("%r", settings)
    assert TOKEN not in caplog.text
