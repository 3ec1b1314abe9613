"""Values with rules of their own: each mistake at its exact place, with what to write instead."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest

from tests.unit.config.config_tables import (
    HEAD,
    ONE_ROUTE,
    assert_problem,
    only_route,
    parse,
    with_backend,
    with_match,
)


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
        ('url: http://a, health_check: {path: «"/a/{id}"}', "the path `/a/{id}` holds braces — leave them out: parameters are not known here"),
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
