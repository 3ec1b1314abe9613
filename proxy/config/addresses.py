"""Addresses in a table: URLs of backends, hosts, networks."""

import re
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
)
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from proxy.config.faults import checked_text, quoted, value_fault
from proxy.model import Endpoint

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_NUMERIC = re.compile(r"[0-9.]+")
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)")
_URL_HOST = re.compile(r"\A[^/]*://|/.*")
_UNIX_PATH_MAX = 107
_LINK = re.compile(r"(?:https?:/)?/[!#-;=?-~]{0,2000}")
_PORTS = {"http": 80, "https": 443}
_EXAMPLE = "write http://host:8080"


def read_url(value: Any) -> str:
    """A backend's address. Scheme and host become lower case."""
    text = checked_text(value)
    if text.startswith("unix:"):
        return _unix(text)
    url = _URL.fullmatch(text)
    if "$" in text:
        text = f"{quoted(text)} is no URL: variables are not read"
        hint = f"{_EXAMPLE}, and another address at the start: `facade serve --backend NAME=URL`"
        raise value_fault(text, hint)
    if url is None:
        raise value_fault(f"{quoted(text)} is no URL", f"{_EXAMPLE} or unix:/path/to.sock")
    scheme, authority, rest = url["scheme"].lower(), url["authority"], url["rest"]
    if scheme not in _PORTS:
        raise value_fault(f"the scheme `{scheme}` is not spoken", "write http:// or https://")
    if "@" in authority:
        raise value_fault("a URL with a user name or password", "leave out all before the @")
    if rest:
        hint = (
            f"write {scheme}://{authority}, "
            "and another path in `routes[].backend_refs[].url_rewrite.path`"
        )
        raise value_fault(
            f"a backend's URL ends after host and port: {quoted(rest)} is too much", hint
        )
    host, port = _split(authority)
    return f"{scheme}://{host}" if port in (None, _PORTS[scheme]) else f"{scheme}://{host}:{port}"


def _unix(text: str) -> str:
    path = text.removeprefix("unix:")
    if not path.startswith("/") or path.startswith("//"):
        raise value_fault(f"{quoted(text)} has no absolute path", "write unix:/path/to.sock")
    if len(path.encode()) > _UNIX_PATH_MAX:
        raise value_fault("the path of a Unix socket is longer than 107 bytes", "use a shorter one")
    return text


def _split(authority: str) -> tuple[str, int | None]:
    closing = authority.find("]") + 1 if authority.startswith("[") else 0
    host, colon, port = authority[closing:].partition(":")
    if closing and not host:
        host = authority[:closing]
    elif ":" in port or closing:
        raise value_fault(
            f"{quoted(authority)} is no host", "write an IPv6 address in brackets: [::1]"
        )
    return _host(host), _port(port) if colon else None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise value_fault(f"{quoted(text)} is no port", "write a port from 1 to 65535, or none")
    return int(text)


def _host(text: str) -> str:
    """A host name or address in lower case, IPv6 in brackets. Raises a `value_fault`."""
    host = text.lower()
    if host.startswith("["):
        return f"[{_address(host[1:-1], 6)}]"
    if not host.isascii():
        raise value_fault(f"{quoted(text)} is not ASCII", _punycode(host))
    if _NUMERIC.fullmatch(host):
        return _address(host, 4)
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise value_fault(f"{quoted(text)} is no host name", "write letters, digits, - and dots")
    return host


def _address(text: str, version: int) -> str:
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        address = IPv4Address(0) if version == 6 else IPv6Address(0)
    if address.version != version or "%" in text:
        raise value_fault(f"{quoted(text)} is no IPv{version} address", "check the address")
    return str(address)


def _punycode(host: str) -> str:
    try:
        return f"write {host.encode('idna').decode('ascii')}"
    except UnicodeError:
        return "write its ASCII form (xn--…)"


def read_host(value: Any) -> str:
    """A host to match: `www.example.com`, or `*.example.com` for every host below it."""
    text = checked_text(value)
    if text == "*":
        raise value_fault("`*` takes every host", "leave `hosts` out")
    if "$" in text or "%" in text or "{" in text:
        text = f"{quoted(text)} is no host name: variables are not read"
        raise value_fault(text, "write the name itself")
    if text.startswith(("~", "^", "(")) or "\\" in text:
        text = f"{quoted(text)} is no host name: expressions are not read"
        raise value_fault(text, "write names, or *.example.com for all below one")
    if "://" in text:
        raise value_fault(
            f"{quoted(text)} is a URL", f"write {_URL_HOST.sub('', text) or 'the host'}"
        )
    if "/" in text:
        raise value_fault(f"{quoted(text)} holds a path", "write the host alone")
    name = text.removeprefix("*.")
    if "*" in name:
        raise value_fault(
            f"{quoted(text)}: `*` stands for whole labels in front", "write *.example.com"
        )
    host, port = _split(name)
    if port is not None:
        prefix = text[: len(text) - len(name)]
        raise value_fault(
            f"{quoted(text)} holds a port", f"write {prefix}{host}: any port is taken"
        )
    if name != text and (host.startswith("[") or _NUMERIC.fullmatch(host)):
        raise value_fault(f"{quoted(text)}: an address has no labels", "write a name after the *.")
    return text[: len(text) - len(name)] + host.removesuffix(".")


def read_hostname(value: Any) -> str:
    """One host for a Host header or a Location, without port."""
    host = "*" if value == "*" else read_host(value)
    if host.startswith("*"):
        raise value_fault(f"{quoted(value)} is a pattern", "write one host name")
    return host


def read_link(value: Any) -> str:
    """A path or a URL for a Link header."""
    text = checked_text(value)
    if not _LINK.fullmatch(text):
        raise value_fault(f"{quoted(text)} is no address", "write a path or a URL")
    return text


def read_network(value: Any) -> str:
    """A network in CIDR form. A single address is a network of one."""
    text = checked_text(value)
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise value_fault(f"{quoted(text)} is no network", "write 10.0.0.0/8 or ::1/128") from None
    if "/" in text and str(network.network_address) != str(ip_address(text.split("/")[0])):
        raise value_fault(f"{quoted(text)} is an address within a network", f"write {network}")
    return str(network)


def read_address(value: Any) -> str:
    """One IP address."""
    text = checked_text(value)
    try:
        return str(ip_address(text))
    except ValueError:
        raise value_fault(
            f"{quoted(text)} is no IP address", "write 192.0.2.1 or 2001:db8::1"
        ) from None


def endpoint(url: str) -> Endpoint:
    """The endpoint for a URL that `read_url` returned."""
    if url.startswith("unix:"):
        return Endpoint("http", "localhost", 80, url.removeprefix("unix:"))
    scheme, _, authority = url.partition("://")
    host, port = _split(authority)
    name = host.strip("[]")
    return Endpoint("https" if scheme == "https" else "http", name, port or _PORTS[scheme])


def _text(description: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "description": description, "examples": list(examples)}
    )


Url = Annotated[
    str,
    BeforeValidator(read_url),
    _text("A backend's address, without a path", "http://host:8080", "unix:/run/app.sock"),
]
Host = Annotated[
    str,
    BeforeValidator(read_host),
    _text("A host without port; *.example.com for all below", "www.example.com"),
]
Hostname = Annotated[
    str, BeforeValidator(read_hostname), _text("A host without port", "www.example.com")
]
Link = Annotated[str, BeforeValidator(read_link), _text("A path or a URL", "/flights")]
Network = Annotated[
    str, BeforeValidator(read_network), _text("A network (CIDR)", "10.0.0.0/8", "::1/128")
]
Address = Annotated[str, BeforeValidator(read_address), _text("An IP address", "192.0.2.1")]


def covers_everybody(networks: Sequence[str]) -> int | None:
    """The index of the network with which all addresses of IPv4, or of IPv6, are in some network."""
    for count in range(1, len(networks) + 1):
        read = [ip_network(each, strict=False) for each in networks[:count]]
        of_4 = collapse_addresses(each for each in read if isinstance(each, IPv4Network))
        of_6 = collapse_addresses(each for each in read if isinstance(each, IPv6Network))
        if any(not each.prefixlen for each in of_4) or any(not each.prefixlen for each in of_6):
            return count - 1
    return None
