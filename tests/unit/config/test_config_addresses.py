"""Addresses of backends, and hosts: each mistake at its exact place, with what to write instead."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest

from proxy.model import Endpoint
from tests.unit.config.config_tables import (
    assert_problem,
    only_route,
    parse,
    with_backend,
    with_match,
)


@pytest.mark.parametrize(
    ("url", "endpoint", "shown"),
    [
        ("http://Travel", Endpoint("http", "travel", 80), "http://travel"),
        ("HTTPS://a.b:443", Endpoint("https", "a.b", 443), "https://a.b"),
        ("http://a:8080", Endpoint("http", "a", 8080), "http://a:8080"),
        ("http://10.0.0.1:1", Endpoint("http", "10.0.0.1", 1), "http://10.0.0.1:1"),
        ("http://[2001:DB8::1]:8080", Endpoint("http", "2001:db8::1", 8080), "http://[2001:db8::1]:8080"),
        ("https://[::1]", Endpoint("https", "::1", 443), "https://[::1]"),
        ("unix:/run/a.sock", Endpoint("http", "localhost", 80, "/run/a.sock"), "http://localhost"),
    ],
)  # fmt: skip
def test_a_backend_has_an_address(url: str, endpoint: Endpoint, shown: str) -> None:
    (backend,) = parse(with_backend(f'url: "{url}"')).backends
    assert backend.endpoints == (endpoint,)
    assert str(endpoint) == shown


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("travel:8080", "`travel:8080` is no URL — write http://host:8080 or unix:/path/to.sock"),
        ("ftp://a", "the scheme `ftp` is not spoken — write http:// or https://"),
        ("http://u:p@a", "a URL with a user name or password — leave out all before the @"),
        ("http://a/x?y#z", "a backend's URL ends after host and port: `/x?y#z` is too much — write http://a, and another path in `routes[].backend_refs[].url_rewrite.path`"),
        ("http://a/", "a backend's URL ends after host and port: `/` is too much — write http://a, and another path in `routes[].backend_refs[].url_rewrite.path`"),
        ("http://", "an empty text is no host name — write letters, digits, - and dots"),
        ("http://a:", "an empty text is no port — write a port from 1 to 65535, or none"),
        ("http://a:0", "`0` is no port — write a port from 1 to 65535, or none"),
        ("http://a:65536", "`65536` is no port — write a port from 1 to 65535, or none"),
        ("http://a:http", "`http` is no port — write a port from 1 to 65535, or none"),
        ("http://::1", "`::1` is no host — write an IPv6 address in brackets: [::1]"),
        ("http://[::g]", "`::g` is no IPv6 address — check the address"),
        ("http://[1.2.3.4]", "`1.2.3.4` is no IPv6 address — check the address"),
        ("http://[::1]x", "`[::1]x` is no host — write an IPv6 address in brackets: [::1]"),
        ("http://[::1", "`[::1` is no host — write an IPv6 address in brackets: [::1]"),
        ("http://1.2.3", "`1.2.3` is no IPv4 address — check the address"),
        ("http://a_b.-c", "`a_b.-c` is no host name — write letters, digits, - and dots"),
        ("http://bücher.example", "`bücher.example` is not ASCII — write xn--bcher-kva.example"),
        ("http://é" + "a" * 70, f"`é{'a' * 56}...` is not ASCII — write its ASCII form (xn--…)"),
        ("unix:a.sock", "`unix:a.sock` has no absolute path — write unix:/path/to.sock"),
        ("unix://a/b", "`unix://a/b` has no absolute path — write unix:/path/to.sock"),
        ("unix:/" + "a" * 108, "the path of a Unix socket is longer than 107 bytes — use a shorter one"),
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_an_error(url: str, said: str) -> None:
    assert_problem(with_backend(f'url: «"{url}"'), said)


@pytest.mark.parametrize(
    ("written", "host"),
    [("WWW.Example.com", "www.example.com"), ('"*.Example.com"', "*.example.com"), ("a.b.", "a.b"),
     ("10.0.0.1", "10.0.0.1"), ('"[::1]"', "[::1]"), ("localhost", "localhost")],
)  # fmt: skip
def test_a_host_is_compared_in_lower_case(written: str, host: str) -> None:
    assert only_route(with_match(f"hosts: [{written}]")).matches[0].hosts == (host,)


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("*", "`*` takes every host — leave `hosts` out"),
        ("http://a.b", "`http://a.b` is a URL — write a.b"),
        ("a.b/c", "`a.b/c` holds a path — write the host alone"),
        ("a.b:80", "`a.b:80` holds a port — write a.b: any port is taken"),
        ("*.a.b:80", "`*.a.b:80` holds a port — write *.a.b: any port is taken"),
        ("a.*.b", "`a.*.b`: `*` stands for whole labels in front — write *.example.com"),
        ("*a.b", "`*a.b`: `*` stands for whole labels in front — write *.example.com"),
        ("*.1.2.3.4", "`*.1.2.3.4`: an address has no labels — write a name after the *."),
        ("한국.example", "`한국.example` is not ASCII — write xn--3e0b707e.example"),
        ("a b", "`a b` is no host name — write letters, digits, - and dots"),
    ],
)
def test_a_host_that_is_none_is_an_error(host: str, said: str) -> None:
    assert_problem(with_match(f'hosts: [«"{host}"]'), said)
