"""The options of `facade serve`. Each has an environment variable, which the option overrides."""

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from proxy.config.addresses import endpoint, read_url
from proxy.model import Endpoint
from proxy.server.settings import (
    DEFAULT_ADMIN,
    DEFAULT_LISTEN,
    Address,
    CertificateFiles,
    Settings,
    SettingsError,
    TlsFiles,
    Token,
    TracingSettings,
    parse_address,
    parse_collector,
    parse_dashboard,
    parse_networks,
    parse_ratio,
    parse_replicas,
    parse_seconds,
    parse_tier,
    parse_workers,
    read_token,
)

_Value = TypeVar("_Value")


class Option(Struct, frozen=True):
    """The option `--name`. Without a default it is optional."""

    name: str
    metavar: str
    help: str
    default: str | None = None
    repeats: bool = False
    """It may be given several times. Its variable holds all values, with the separator of PATH."""

    @property
    def variable(self) -> str:
        """Its environment variable. An empty variable counts as unset."""
        return "FACADE_" + self.name.upper().replace("-", "_")


OPTIONS = (
    Option("routes", "FILE", "the route table", "routes.yaml"),
    Option("listen", "HOST:PORT|unix:PATH", "where traffic comes in", DEFAULT_LISTEN),
    Option("proxy-protocol", "NETWORKS", "balancers that begin with a PROXY header (v1, v2)"),
    Option("admin", "HOST:PORT", "probes, metrics and the table in effect", DEFAULT_ADMIN),
    Option("admin-token-file", "FILE", "what holds the token that the admin listener asks for"),
    Option("dashboard", "edit|read-only", "whether its forms may edit the table", "edit"),
    Option("replicas", "HOST:PORT,...", "the admin listeners of all replicas, for the dashboard"),
    Option("access-log", "FILE", "- is standard output, none is nowhere", "-"),
    Option("tier", "fast|asgi", "how requests are taken from the connection", "fast"),
    Option("workers", "N", "how many processes take traffic", "1"),
    Option("drain", "DURATION", "how long requests in flight may take after SIGTERM", "30s"),
    Option("pause", "DURATION", "how long it accepts after SIGTERM, not ready any more", "0s"),
    Option(
        "tls-cert",
        "FILE",
        "a certificate with its chain: clients use TLS; several are chosen by server name",
        repeats=True,
    ),
    Option("tls-key", "FILE", "its private key", repeats=True),
    Option("tls-client-ca", "FILE", "the authorities of client certificates, which are required"),
    Option("otlp-endpoint", "URL", "the collector of spans (OTLP over HTTP)"),
    Option("trace-ratio", "R", "the part of requests that get a span, 0 to 1", "0.01"),
)


def add_options(command: Any) -> None:
    """Add the options to the parser of the command."""
    for option in OPTIONS:
        default = f", else {option.default}" if option.default is not None else ""
        help_text = f"{option.help} ({option.variable}{default})"
        action = "append" if option.repeats else "store"
        command.add_argument(
            f"--{option.name}", action=action, metavar=option.metavar, help=help_text
        )
    command.add_argument(
        "--backend",
        action="append",
        default=[],
        metavar="NAME=URL",
        help="ask this address instead of the table's; may be given for several backends",
    )


class _OptionReader:
    """Reads options and variables, and collects what is wrong with them."""

    def __init__(self, arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
        self.faults: list[str] = []
        self._texts: dict[str, tuple[str, str | None]] = {}
        self._lists: dict[str, list[str]] = {}
        for option in OPTIONS:
            argument = getattr(arguments, option.name.replace("-", "_"))
            if option.repeats:
                self._lists[option.name] = argument or _split(environ.get(option.variable, ""))
            elif argument is not None:
                self._texts[option.name] = f"--{option.name}", argument
            elif environ.get(option.variable):
                self._texts[option.name] = option.variable, environ[option.variable]
            else:
                self._texts[option.name] = f"--{option.name}", option.default

    def text(self, name: str) -> str | None:
        return self._texts[name][1]

    def texts(self, name: str) -> list[str]:
        """The values of an option that repeats."""
        return self._lists[name]

    def read(self, name: str, parse: Callable[[str], _Value], otherwise: _Value) -> _Value:
        """The parsed value of an option; `otherwise` if it is missing or wrong."""
        source, text = self._texts[name]
        if text is None:
            return otherwise
        return self.attempt(f"{source} {text}", lambda: parse(text), otherwise)

    def attempt(self, source: str, read: Callable[[], _Value], otherwise: _Value) -> _Value:
        try:
            return read()
        except SettingsError as error:
            self.faults.append(f"facade: {source}: {error}")
            return otherwise


def read_settings(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Raises SettingsError with a sentence for each fault."""
    options = _OptionReader(arguments, environ)
    placeholder = Address("localhost", 0)
    overrides = [
        options.attempt(f"--backend {text}", lambda text=text: _override(text), None)  # type: ignore[misc]
        for text in arguments.backend
    ]
    settings = Settings(
        routes=options.read("routes", Path, Path()),
        listen=options.read("listen", parse_address, placeholder),
        admin=options.read("admin", parse_address, placeholder),
        proxy_protocol=options.read("proxy-protocol", parse_networks, ()),
        access_log=options.text("access-log") or "-",
        backends=tuple(override for override in overrides if override is not None),
        drain_s=options.read("drain", lambda text: parse_seconds(text, "0s", "1h"), 0.0),
        pause_s=options.read("pause", lambda text: parse_seconds(text, "0s", "10m"), 0.0),
        tier=options.read("tier", parse_tier, "fast"),
        workers=options.read("workers", parse_workers, 1),
        admin_token=options.read("admin-token-file", _token, None),
        dashboard=options.read("dashboard", parse_dashboard, "edit"),
        replicas=options.read("replicas", parse_replicas, ()),
        tls=_tls_files(options),
        tracing=_tracing(options),
        notify_socket=environ.get("NOTIFY_SOCKET") or None,
    )
    _require_token(settings, options)
    if options.faults:
        raise SettingsError("\n".join(options.faults))
    return settings


def _token(text: str) -> Token | None:
    return read_token(Path(text))


def _tracing(options: _OptionReader) -> TracingSettings | None:
    endpoint = options.read("otlp-endpoint", _collector, None)
    ratio = options.read("trace-ratio", parse_ratio, 0.0)
    return None if endpoint is None else TracingSettings(endpoint, ratio)


def _collector(text: str) -> str | None:
    return parse_collector(text)


def _require_token(settings: Settings, options: _OptionReader) -> None:
    """The admin listener shows the whole table: off loopback it needs a token."""
    if settings.admin.path:
        options.faults.append(
            f"facade: --admin {settings.admin}: write host:port, like {DEFAULT_ADMIN}"
        )
    if not settings.admin.is_loopback and options.text("admin-token-file") is None:
        options.faults.append(
            f"facade: --admin {settings.admin}: others can reach it, so it needs a token: "
            "name a file that holds one with --admin-token-file, or stay on 127.0.0.1"
        )


def _tls_files(options: _OptionReader) -> TlsFiles | None:
    certs, keys = options.texts("tls-cert"), options.texts("tls-key")
    client_ca = options.text("tls-client-ca")
    if len(certs) != len(keys):
        missing, present = "--tls-key", "--tls-cert"
        if len(certs) < len(keys):
            missing, present = present, missing
        options.faults.append(f"facade: {present} needs {missing} beside it, or leave both out")
    elif client_ca is not None and not certs:
        options.faults.append("facade: --tls-client-ca needs --tls-cert and --tls-key beside it")
    elif certs:
        pairs = zip(certs, keys, strict=True)
        certificates = tuple(CertificateFiles(Path(cert), Path(key)) for cert, key in pairs)
        return TlsFiles(certificates, None if client_ca is None else Path(client_ca))
    return None


def _split(text: str) -> list[str]:
    return [each for each in text.split(os.pathsep) if each]


def _override(text: str) -> tuple[str, Endpoint] | None:
    name, equals, url = text.partition("=")
    if not (name and equals):
        raise SettingsError("write NAME=URL, like legacy=http://127.0.0.1:8082")
    try:
        return name, endpoint(read_url(url))
    except ValueError as error:
        raise SettingsError(str(error)) from None
