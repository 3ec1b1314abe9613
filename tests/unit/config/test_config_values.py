"""Values with rules of their own: each mistake at its exact place, with what to write instead."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest

from proxy.config.units import format_duration, format_size
from proxy.model import Endpoint
from tests.unit.config.config_tables import (
    HEAD,
    ONE_ROUTE,
    assert_problem,
    only_route,
    parse,
    with_backend,
    with_match,
    with_route,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("250ms", 0.25), ("5s", 5), ("1m", 60), ("24h", 86_400), ("1.5s", 1.5), ("0.001s", 0.001)],
)
def test_a_duration_is_a_number_with_a_unit(written: str, seconds: float) -> None:
    route = only_route(with_route(f"backend_refs: legacy, timeouts: {{stream_idle: {written}}}"))
    assert route.timeouts.stream_idle_s == seconds


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("5", "`5` is a duration without a unit — write 5s"),
        ("0", "`0` is a duration without a unit — write 0s"),
        ("1.5", "`1.5` is a duration without a unit — write 1.5s"),
        ("010", "`010` is a duration without a unit — write 010s"),
        ('"5"', "`5` is a duration without a unit — write 5s"),
        ("1:30", "`1:30` without quotes is read differently by every YAML reader — write a duration: 250ms, 5s, 1m, 24h or 30d"),
        ("soon", "`soon` is no duration — write 250ms, 5s, 1m, 24h or 30d"),
        ("5 s", "`5 s` is no duration — write 250ms, 5s, 1m, 24h or 30d"),
        ("-5s", "`-5s` is no duration — write 250ms, 5s, 1m, 24h or 30d"),
        ("5S", "`5S` is no duration — write 250ms, 5s, 1m, 24h or 30d"),
        ("0s", "`0s` is out of range — write 1ms to 1d"),
        ("2d", "`2d` is out of range — write 1ms to 1d"),
        ("0.0001s", "`0.0001s` is finer than a millisecond — write whole milliseconds"),
        ("true", "`true` is a boolean, and text is meant — write a duration: 250ms, 5s, 1m, 24h or 30d"),
    ],
)  # fmt: skip
def test_a_duration_that_is_none_is_an_error(written: str, said: str) -> None:
    assert_problem(with_route(f"backend_refs: legacy, timeouts: {{stream_idle: «{written}}}"), said)


@pytest.mark.parametrize(
    ("written", "count"),
    [("512B", 512), ("32KiB", 32_768), ("1MiB", 1_048_576), ("1.5KB", 1500), ("2GB", 2_000_000_000),
     ("1MB", 1_000_000), ("1GiB", 1_073_741_824), ("0B", 0)],
)  # fmt: skip
def test_a_size_is_a_number_with_a_unit(written: str, count: int) -> None:
    route = only_route(with_route(f"backend_refs: legacy, limits: {{max_body_bytes: {written}}}"))
    assert route.limits.max_body_bytes == count


@pytest.mark.parametrize(
    ("written", "via"),
    [
        ("on", True), ("off", False), ("Off", False), ('"off"', False), ("'on'", True),
        ("true", True), ("false", False),
    ],
)  # fmt: skip
def test_a_switch_is_on_or_off(written: str, via: bool) -> None:
    text = f"{HEAD}{ONE_ROUTE}defaults: {{forwarded: {{via: {written}}}}}\n"
    assert parse(text).forwarded.via is via


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("no", "`no` stands where a switch is meant — write on or off"),
        ("1", "`1` stands where a switch is meant — write on or off"),
        ("[off]", "a list stands where a switch is meant — write on or off"),
        ("~", "nothing is given where a switch is meant — write on or off"),
    ],
)
def test_a_switch_that_is_none_is_an_error(written: str, said: str) -> None:
    assert_problem(f"{HEAD}{ONE_ROUTE}defaults: {{forwarded: {{via: «{written}}}}}\n", said)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "Host",
            "`host` is not edited as a header — write `routes[].backend_refs[].url_rewrite.hostname`",
        ),
        (
            "Connection",
            "`connection` belongs to the connection — leave it out: the facade makes it",
        ),
    ],
)
def test_a_backend_cannot_remove_what_every_request_needs(name: str, said: str) -> None:
    assert_problem(with_backend(f"url: http://h, headers: {{remove: [«{name}]}}"), said)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("1024", "`1024` is a size without a unit — write 1024KiB"),
        ("1_024", "`1_024` is a size without a unit — write 1_024KiB"),
        ("1mb", "`1mb` is no size — write 512B, 32KiB or 1MiB"),
        ("0.1B", "`0.1B` is no whole number of bytes — write whole bytes"),
        ("1025GiB", "`1025GiB` is out of range — write 0B to 1024GiB"),
    ],
)
def test_a_size_that_is_none_is_an_error(written: str, said: str) -> None:
    assert_problem(
        with_route(f"backend_refs: legacy, limits: {{max_body_bytes: «{written}}}"), said
    )


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.25, "250ms"), (60, "1m"), (90, "90s"), (3600, "1h"), (86_400, "1d"), (0, "0s")],
)
def test_a_duration_is_shown_in_its_largest_whole_unit(seconds: float, shown: str) -> None:
    assert format_duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(1, "1B"), (1024, "1KiB"), (1_048_577, "1048577B"), (0, "0B")]
)
def test_a_size_is_shown_in_its_largest_whole_unit(count: int, shown: str) -> None:
    assert format_size(count) == shown


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


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("exact: «flights", "the path `flights` does not start with a slash — write /flights"),
        ('exact: «""', "the path is empty — write /"),
        ("prefix: «/flights/", "the prefix `/flights/` ends in a slash — write /flights: a prefix ends at a segment by itself"),
        ('exact: «"/a%20b"', "the path `/a%20b` holds a % — write it decoded: /a b"),
        ('exact: «"/a?b"', "the path `/a?b` holds ? — match parameters with `query:`"),
        ('exact: «"/a#b"', "the path `/a#b` holds # — a fragment never reaches a server: leave it out"),
        ('exact: «"/a;b"', "the path `/a;b` holds ; — path parameters are not matched: leave them out"),
        ("exact: «/a//b", "the path `/a//b` holds // — write single slashes"),
        ("exact: «/a/./b", "the path `/a/./b` holds a dot segment — write the path it leads to"),
        ("exact: «/a/..", "the path `/a/..` holds a dot segment — write the path it leads to"),
        ('exact: «"/a\\\\b"', "the path `/a\\b` holds \\ — write /"),
        ('exact: «"/a\\tb"', "a control character stands in this text — take it out"),
        ('prefix: «"/a/{id}"', "the prefix `/a/{id}` holds braces — write `template: \"/a/{id}/**\"` for a prefix with {parameters}"),
        ('template: «"/a/{id"', "`{id` is no parameter — write a whole segment as {name}, of letters, digits and _"),
        ('template: «"/a/x{id}"', "`x{id}` is no parameter — write a whole segment as {name}, of letters, digits and _"),
        ('template: «"/{a}/{a}"', "`/{a}/{a}` has a parameter twice — give each its own name"),
        ("template: «/a/b", "the template has no parameter — write `exact:`"),
        ('regex: «"(a"', "`(a` is no RE2 expression: missing ): (a — check brackets and backslashes"),
        ('regex: «"(?=a)"', "`(?=a)` is no RE2 expression: invalid perl operator: (?= — RE2 has no look-around and no back-references"),
        ('regex: «"a{2000}"', "`a{2000}` is no RE2 expression: invalid repetition size: {2000} — write a shorter expression"),
        ('regex: «""', "an empty text is no usable expression — write 1 to 1,000 characters"),
        ('template: "/{id}", params: {id: «"["}', "`[` is no RE2 expression: missing ]: [ — check brackets and backslashes"),
        ('template: "/{id}", params: {«idd: "a"}', "`idd` is no parameter of the template — did you mean `id`?"),
        ('exact: /a, params: {«id: "a"}', "`id` is no parameter of the template — write `template:` with {name}"),
        ("prefix: /a, «trailing_slash: ignore", "`trailing_slash: ignore` has no effect here — leave it out: it is for `exact`, and for `template` without a tail"),
        ("exact: /a, trailing_slash: «ignored", "`ignored` is no way to treat a slash — did you mean `ignore`?"),
        ("exact: /a, «prefix: /b", "`prefix` stands beside `exact` — a path has one of them"),
        ("exact: «/" + "a" * 4096, "a path of more than 4,096 characters — shorten it"),
    ],
)  # fmt: skip
def test_a_path_that_cannot_be_meant_is_an_error(path: str, said: str) -> None:
    assert_problem(with_match(f"path: {{{path}}}"), said)


def test_a_path_may_hold_blanks_and_any_letters() -> None:
    path = only_route(with_match('path: {exact: "/항공권/a b"}')).matches[0].path
    assert path is not None
    assert path.value == "/항공권/a b"


@pytest.mark.parametrize(
    ("match", "said"),
    [
        ("path: «{}", "a path is empty — write one of `exact`, `prefix`, `template`, `regex`"),
        ("path: «/a", "`/a` stands where keys are meant — write {prefix: /x}, {exact: /x}, {template: /x/{id}} or {regex: …}"),
        ('path: {regex: /a, «ignore_case: true}', "`ignore_case` stands beside `regex` — leave it out, and write `regex: \"(?i)/a\"`"),
        ("path: {prefix: /a, ignore_case: «yes}", "`yes` is not read as a boolean — write true"),
        ('path: {template: «"/a/**/{x}"}', "`**` stands where no tail can be — write /** at the end, or {name} for one segment"),
        ('path: {template: «"/a/{x}/b**"}', "`b**` stands where no tail can be — write /** at the end, or {name} for one segment"),
        ('path: {template: «"/a/**"}', "the template has no parameter — write `prefix: /a`"),
        ('path: {template: «"/**"}', "the template has no parameter — write `prefix: /`"),
        ('path: {template: "/a/{x}/**", «trailing_slash: ignore}', "`trailing_slash: ignore` has no effect here — leave it out: it is for `exact`, and for `template` without a tail"),
        ('path: {prefix: «"/a/{x}/b"}', "the prefix `/a/{x}/b` holds braces — write `template: \"/a/{x}/b/**\"` for a prefix with {parameters}"),
        ("scheme: «ftp", "`ftp` is no scheme — known: `http`, `https`"),
        ("scheme: «true", "`true` is a boolean, and text is meant — write it in quotes: \"true\""),
        ("scheme: «htps", "`htps` is no scheme — did you mean `https`?"),
        ("not: «[]", "the list is empty — write at least one item"),
        ("not: «{}", "`not` is empty: nothing would match — write what the match leaves out, or leave `not` out"),
        ("not: «/a", "`/a` stands where a list is meant — write {path: …}, or a list of such matches"),
        ("not: {«not: {path: {exact: /a}}}", "unknown key `not` in `not` — known: `hosts`, `path`, `methods`, `headers`, `query`, `cookies`, `scheme`"),
        ("not: {«pth: {exact: /a}}", "unknown key `pth` in `not` — did you mean `path`?"),
        ("not: [{path: {exact: /a}}, {path: {exact: «b}}]", "the path `b` does not start with a slash — write /b"),
        ("not: {headers: {«host: x}}", "`host` is matched by `hosts` — write `hosts: […]`"),
        ("not: {methods: [«get]}", "the method `get` is not a registered one — did you mean GET? Case counts in methods"),
        ("headers: {a: {present: true, «members: true}}", "`members` stands beside `present` — leave one of the two out"),
        ("headers: {a: {exact: b, members: «1}}", "`1` is not read as a boolean — write true"),
        ("query: {a: {exact: b, «members: true}}", "unknown key `members` in `a` — known: `exact`, `prefix`, `regex`, `present`"),
        ("methods: «GET", "`GET` stands where a list is meant — write [GET]"),
        ("methods: «{a: b}", "a mapping stands where a list is meant — write a list: [a, b]"),
        ('methods: [«"GE T"]', "`GE T` is no HTTP method — write a token like GET"),
        ("methods: «[GET, GET]", "`GET` is listed twice — keep one of the two"),
        ("methods: [«get]", "the method `get` is not a registered one — did you mean GET? Case counts in methods"),
        ("methods: [«POTS]", "the method `POTS` is not a registered one — did you mean POST?"),
        ("methods: [«XYZZY]", "the method `XYZZY` is not a registered one"),
        ('headers: {«"a b": x}', "`a b` is no header name — use letters, digits and -"),
        ("headers: «{X-A: a, x-a: b}", "`x-a` and `X-A` are the same header — case does not count in header names: keep one of the two"),
        ("headers: {«X_a: b}", "the header `x_a` has an underscore: such headers do not pass — write x-a, or add it to `defaults.forwarded.allow_headers`"),
        ("headers: «[a]", "a list stands where keys are meant — write NAME: value"),
        ("headers: {«Host: b}", "`host` is matched by `hosts` — write `hosts: […]`"),
        ('cookies: {«"a;b": x}', "`a;b` is no cookie name — use letters, digits, - and _"),
        ('query: {«"": x}', "an empty text is no parameter name — write 1 to 256 characters"),
        ("query: {a: «{}}", "a match is empty — write one of `exact`, `prefix`, `regex`, `present`"),
        ("query: {a: {exact: a, «regex: b}}", "`regex` stands beside `exact` — a match has one of them"),
        ('query: {a: {prefix: «""}}', "everything starts with nothing — write `present: true`"),
        ('query: {a: {exact: «" a"}}', "` a` is no field value — leave out blanks at the ends, and write at most 8,192 characters"),
        ("query: {a: {present: «yes}}", "`yes` is not read as a boolean — write true"),
        ("query: «[a]", "a list stands where keys are meant — write NAME: value"),
        ("«hostz: [a]", "unknown key `hostz` in `match` — did you mean `hosts`?"),
    ],
)  # fmt: skip
def test_a_match_that_cannot_be_meant_is_an_error(match: str, said: str) -> None:
    assert_problem(with_match(match), said)


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("url: http://a, «endpoints: [http://b]", "`endpoints` stands beside `url` — a backend's address has one of them"),
        ("preserve_host: «yes, url: http://a", "`yes` is not read as a boolean — write true"),
        ("endpoints: «[]", "the list of endpoints is empty — write at least one"),
        ("endpoints: «[http://a, https://b]", "endpoints of different schemes: http, https — write two backends"),
        ("endpoints: «[http://a, http://a]", "`http://a` is listed twice — keep one of the two"),
        ("endpoints: «http://a", "`http://a` stands where a list is meant — write [http://a]"),
        ("url: http://a, «tls: {}", "`tls` without an https address — write https://"),
        ("endpoints: ['http://a'], «tls: {ca_file: a}", "`tls` without an https address — write https://"),
        ("url: 'unix:/a', «tls: {ca_file: a}", "`tls` without an https address — write https://"),
        ("url: https://a, tls: {«key_file: a}", "a `key_file` without a `cert_file` — add `cert_file:`, or leave the key out"),
        ("url: https://a, tls: {ca_file: «/etc/tls/}", "`/etc/tls/` is a folder — write the path of a file"),
        ("url: https://a, tls: {ca_file: «''}", "an empty text is no path of a file — write a path of at most 4,095 bytes, without control characters"),
        ('url: https://a, tls: {ca_file: «"a\\tb"}', "a control character stands in this text — take it out"),
        ("url: https://a, tls: {ca_file: «[a]}", "a list stands where text is meant — write one text"),
        ("url: https://a, tls: {«ca_fil: a}", "unknown key `ca_fil` in `tls` — did you mean `ca_file`?"),
        ("url: https://a, tls: {server_name: «'*.a'}", "`*.a` is a pattern — write one host name"),
        ("url: https://a, tls: {«insecure_skip_verify: true}", "unknown key `insecure_skip_verify` in `tls` — known: `ca_file`, `cert_file`, `key_file`, `server_name`"),
        ("url: http://a, health_check: «{}", "`path` is missing — add `path:`"),
        ("url: http://a, health_check: {path: /a, timeout: «6s}", "the timeout is longer than the interval — shorten it"),
        ("url: http://a, circuit_breakers: {max_connections: «0}", "`0` is too small — write 1 or more"),
        ("url: http://a, circuit_breakers: {«max_connection: 1}", "unknown key `max_connection` in `circuit_breakers` — did you mean `max_connections`?"),
        ("url: http://a, headers: {allow: [«a b]}", "`a b` is no header name — use letters, digits and -"),
        ("url: http://a, outlier_detection: {base_ejection_time: 1m, max_ejection_time: «30s}", "the longest ejection is shorter than the first one — write at least `base_ejection_time`"),
        ("url: http://a, «slow_start: {window: 5s}", "`slow_start` for endpoints that are always available — add `health_check:` or `outlier_detection:`"),
        ("url: http://a, «weight: 5", "unknown key `weight` — known: `url`, `endpoints`, `preserve_host`, `health_check`, `circuit_breakers`, `outlier_detection`, `slow_start`, `healthy_panic_threshold`, `idle_timeout`, `load_balancing`, `session_affinity`, `max_connection_age` and 5 more"),
    ],
)  # fmt: skip
def test_a_backend_that_cannot_be_meant_is_an_error(backend: str, said: str) -> None:
    assert_problem(with_backend(backend), said)


@pytest.mark.parametrize(
    ("cohort", "said"),
    [
        ("salt: «010, hash_policy: [{cookie: a}]", '`010` without quotes is read differently by every YAML reader — write it in quotes: "010"'),
        ("salt: s, hash_policy: «[]", "no key is listed — write at least one"),
        ("salt: s, hash_policy: [«{}]", "a key of a cohort is empty — write one of `cookie`, `header`, `path_parameter`, `source_ip`"),
        ("salt: s, hash_policy: [{path_parameter: «a-b}]", "`a-b` is no name of a path parameter — write one like id"),
        ("salt: s, hash_policy: [{cookie: a, «header: b}]", "`header` stands beside `cookie` — a key of a cohort has one of them"),
        ("salt: s, hash_policy: [{header: a, generate: «true}]", "only a cookie can be generated — write `cookie:`"),
        ("salt: s, hash_policy: [{cookie: a, ttl: «1d}]", "`ttl` is for a generated cookie — add `generate: true`"),
        ("salt: s, hash_policy: [{source_ip: «false}]", "`false` is not known here — write true"),
        ("salt: s, hash_policy: [«{source_ip: true}, {cookie: a}]", "the client's address is always there, so no key after it is ever used — write it last"),
        ("salt: s, hash_policy: [«{cookie: b, generate: true}, {cookie: a}]", "a generated cookie is always there, so no key after it is ever used — write it last"),
    ],
)  # fmt: skip
def test_a_cohort_that_cannot_be_meant_is_an_error(cohort: str, said: str) -> None:
    head = HEAD.replace("cohorts:", "x-cohorts:")
    assert_problem(f"{head}{ONE_ROUTE}cohorts:\n  c: {{{cohort}}}\n", said)


@pytest.mark.parametrize(
    ("defaults", "said"),
    [
        ("forwarded: {trusted_proxies: [«10.0.0.1/8]}", "`10.0.0.1/8` is an address within a network — write 10.0.0.0/8"),
        ("forwarded: {trusted_proxies: [«everyone]}", "`everyone` is no network — write 10.0.0.0/8 or ::1/128"),
        ("forwarded: {trusted_proxies: [«10.0.0.0/33]}", "`10.0.0.0/33` is no network — write 10.0.0.0/8 or ::1/128"),
        ("explain: {response_header: «x decision}", "`x decision` is no header name — use letters, digits and -"),
        ("timeouts: {request: 1s, backend_request: «2s}", "one attempt is given longer than the whole request — make it as short as `request`, or shorter"),
        ("timeouts: {request: «3s, total: 2s}", "the wait for the answer's head is given longer than all of it — make it as short as `total`, or shorter"),
        ("timeouts: {total: «31d}", "`31d` is out of range — write 1ms to 30d"),
        ("timeouts: {body_idle: «30}", "`30` is a duration without a unit — write 30s"),
        ("limits: {min_body_rate: «240}", "`240` is a size without a unit — write 240B"),
        ("limits: {min_body_rate: «240B/s}", "`240B/s` is no size — write 512B, 32KiB or 1MiB"),
        ("limits: {max_headers: «100MB}", "`100MB` stands where a whole number is meant — write a number like 20"),
        ("«timeout: {}", "unknown key `timeout` in `defaults` — did you mean `timeouts`?"),
    ],
)  # fmt: skip
def test_defaults_that_cannot_be_meant_are_an_error(defaults: str, said: str) -> None:
    assert_problem(f"{HEAD}{ONE_ROUTE}defaults: {{{defaults}}}\n", said)


@pytest.mark.parametrize(
    ("listener", "said"),
    [
        ("head_timeout: «10", "`10` is a duration without a unit — write 10s"),
        ("head_timeout: «50ms", "`50ms` is out of range — write 100ms to 5m"),
        ("idle_timeout: «2d", "`2d` is out of range — write 100ms to 1d"),
        ("max_connections: «0", "`0` is too small — write 1 or more"),
        ("max_connections: «10k", "`10k` stands where a whole number is meant — write a number like 20"),
        ("max_connections_per_client: «1000001", "`1000001` is too large — write 1000000 or less"),
        ("«max_connection: 1", "unknown key `max_connection` in `listener` — did you mean `max_connections`?"),
    ],
)  # fmt: skip
def test_a_listener_that_cannot_be_meant_is_an_error(listener: str, said: str) -> None:
    assert_problem(f"{HEAD}{ONE_ROUTE}listener: {{{listener}}}\n", said)


def test_a_listener_that_stands_alone_is_no_word() -> None:
    said = "unknown key `listner` — did you mean `listener`?"
    assert_problem(f"{HEAD}{ONE_ROUTE}«listner: {{}}\n", said)


def test_a_lone_address_is_a_network_of_one() -> None:
    text = (
        f"{HEAD}{ONE_ROUTE}defaults: {{forwarded: {{trusted_proxies: [10.0.0.1, 10.1.0.0/16]}}}}\n"
    )
    assert parse(text).forwarded.trusted_proxies == ("10.0.0.1/32", "10.1.0.0/16")


def test_a_header_with_an_underscore_that_is_let_through_is_no_warning() -> None:
    text = with_match("headers: {x_id: a}") + "defaults: {forwarded: {allow_headers: [X_Id]}}\n"
    assert parse(text).forwarded.allow_headers == {"x_id"}
