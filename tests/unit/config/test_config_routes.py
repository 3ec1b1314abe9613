"""Rules between the keys of a route, references, and the nouns that come out."""

# ruff: noqa: E501 -- a row of a table stays on one line
import pytest

from proxy.config import parse_table
from proxy.model import (
    ALL_BP,
    Allow,
    BackendRef,
    BackendTls,
    Cohort,
    DirectResponse,
    HashKey,
    HeaderEdits,
    Limits,
    Mirror,
    Redirect,
    Rewrite,
    Timeouts,
    TlsFile,
    UnimplementedField,
)
from proxy.model.match import Match, PathMatch, StringMatch
from proxy.routing.decide import decide
from tests.make import facts, table
from tests.unit.config.config_tables import (
    HEAD,
    ONE_ROUTE,
    assert_problem,
    only_route,
    parse,
    problems,
    with_backend,
    with_match,
    with_route,
)

PREFIX = "match: {path: {prefix: /a}}"


def _weights(incumbent: float, newcomer: str) -> str:
    return (
        f"backend_refs: [{{name: legacy, weight: {incumbent}}}, {{name: new, weight: {newcomer}}}]"
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("backend_refs: «legcay", "there is no backend `legcay` — did you mean `legacy`?"),
        ("backend_refs: {legacy: 90, «nwe: 10}", "there is no backend `nwe` — did you mean `new`?"),
        ("backend_refs: [{name: «zzz}]", "there is no backend `zzz` — known: `legacy`, `new`, `third`"),
        ("backend_refs: legacy, cohort: «everyon", "there is no cohort `everyon` — did you mean `everyone`?"),
        ("backend_refs: {legacy: 80, new: «-1}", "`-1` is no percentage — write 0 to 100"),
        ("backend_refs: {legacy: 80, new: «101}", "`101` is no percentage — write 0 to 100"),
        ("backend_refs: {legacy: 80, new: «0.123}", "`0.123` has more than 2 decimals — write 0.12"),
        ('backend_refs: {legacy: 80, new: «"20"}', "`20` stands where a percentage is meant — write a number, 0 to 100"),
        ("backend_refs: {legacy: 80, new: «}", "nothing is given where a percentage is meant — write a number, 0 to 100"),
        ("backend_refs: «{legacy: 80, new: 15}", "the weights sum to 95, not to 100 — make them sum to 100"),
        ("backend_refs: «{legacy: 80.5, new: 19.49}", "the weights sum to 99.99, not to 100 — make them sum to 100"),
        ("backend_refs: {legacy: «80}", "the only backend has weight 80 — write 100, or leave the weight out"),
        ("backend_refs: [legacy, {name: new, weight: 100}]".replace("[legacy", "[«legacy"), "`legacy` has no weight — add `weight:`; all sum to 100"),
        ("backend_refs: [{name: legacy, weight: 50}, {name: «legacy, weight: 50}]", "the backend `legacy` is given twice — add the two weights"),
        ("backend_refs: «[]", "the list is empty — write at least one item"),
        ("backend_refs: «{name: legacy, weight: 100}", "a mapping stands where a list is meant — write a name, {name: weight, …} or a list of references"),
        ("backend_refs: «5", "`5` stands where a list is meant — write a name, {name: weight, …} or a list of references"),
        ("backend_refs: [«5]", "`5` stands where keys are meant — write keys like `name`, `weight`, `url_rewrite`, `request`, `response`"),
        ("backend_refs: legacy, «url_rewrite: {}", "unknown key `url_rewrite` — write it in the backend reference: each has its own"),
        ("backend_refs: legacy, «path: /a", "unknown key `path` — write `match: {path: …}`"),
        ("backend_refs: legacy, «zzzzz: 1", "unknown key `zzzzz` — known: `name`, `stage`, `priority`, `match`, `backend_refs`, `direct_response`, `redirect`, `retired`, `request`, `response`, `cohort`, `override` and 9 more"),
        ("backend_refs: legacy, stage: «canry", "`canry` is no stage — did you mean `canary`?"),
        ("backend_refs: legacy, stage: «off", '`off` without quotes is read differently by every YAML reader — write it in quotes: "off"'),
    ],
)  # fmt: skip
def test_a_reference_or_weight_that_cannot_be_meant_is_an_error(body: str, said: str) -> None:
    assert_problem(with_route(body), said)


@pytest.mark.parametrize(
    ("stage", "incumbent", "newcomer"),
    [("legacy", 100, 0), ("shadow", 100, 0), ("canary", 99.99, 0.01), ("canary", 0.01, 99.99),
     ("canary", 50, 50), ("live", 0, 100), ("retired", 0, 100), ("retired", 60, 40)],
)  # fmt: skip
def test_a_stage_allows_these_weights(stage: str, incumbent: float, newcomer: float) -> None:
    text = with_route(f"stage: {stage}, {_weights(incumbent, str(newcomer))}")
    assert only_route(text).stage == stage


@pytest.mark.parametrize(
    ("stage", "incumbent", "newcomer", "wants", "fitting"),
    [
        ("legacy", 99, "1", "0", "canary"),
        ("shadow", 0, "100", "0", "live"),
        ("canary", 100, "0", "more than 0 and less than 100", "shadow"),
        ("canary", 0, "100", "more than 0 and less than 100", "live"),
        ("live", 0.01, "99.99", "100", "canary"),
    ],
)
def test_a_stage_and_weights_that_contradict_are_an_error(
    stage: str, incumbent: float, newcomer: str, wants: str, fitting: str
) -> None:
    said = (
        f"stage {stage} wants weight {wants} for the newcomer `new`, not {newcomer}"
        f" — write `stage: {fitting}`, or change the weights"
    )
    assert_problem(with_route(f"stage: {stage}, {_weights(incumbent, '«' + newcomer)}"), said)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("stage: canary, backend_refs: «legacy", "stage canary needs two backends — name the incumbent, then the newcomer, or write `stage: legacy`"),
        ("stage: live, backend_refs: «legacy", "stage live needs two backends — name the incumbent, then the newcomer, or write `stage: legacy`"),
        ("stage: canary, backend_refs: «{legacy: 50, new: 25, third: 25}", "a route with a stage has an incumbent and a newcomer, not 3 backends — name two, or leave the stage out"),
        ("stage: legacy, «redirect: {path: /b}", "a redirect with stage legacy — leave the stage out: a redirect has no incumbent"),
        ("stage: retired, «redirect: {path: /b}", "a redirect with stage retired — leave the stage out: a redirect has no incumbent"),
        ("stage: legacy, «direct_response: {status: 501}", "a direct_response with stage legacy — write `stage: retired`, or `backend_refs` instead"),
        ('backend_refs: legacy, «retired: {sunset: "2026-01-01"}', "`retired` on a route that is not — write `stage: retired`, or leave it out"),
        ("backend_refs: legacy, «redirect: {path: /b}", "`redirect` stands beside `backend_refs` — a route has one of them"),
        ("backend_refs: legacy, «direct_response: {status: 200}", "`direct_response` stands beside `backend_refs` — a route has one of them"),
        ("backend_refs: legacy, «mirror: {}", "`mirror` speaks of the other backend, and the route has not two — name two in `backend_refs`, or leave it out"),
        ("backend_refs: legacy, «override: {header: a, allow_from: [10.0.0.0/8]}", "`override` speaks of the other backend, and the route has not two — name two in `backend_refs`, or leave it out"),
        ("backend_refs: {legacy: 50, new: 50}, override: {header: a, allow_from: «[]}", "nobody may override — list the networks that may"),
        ("backend_refs: {legacy: 50, new: 50}, fallback: {triggers: [«not_ok]}", "`not_ok` without a meaning — add `response_ok:`, which says what is ok"),
        ("backend_refs: {legacy: 50, new: 50}, fallback: {triggers: [«time_out]}", "`time_out` is no trigger — did you mean `timeout`?"),
        ("backend_refs: {legacy: 50, new: 50}, fallback: {triggers: [«404]}", "`404` is no trigger — write a status from 500 to 599"),
        ("backend_refs: {legacy: 50, new: 50}, fallback: {triggers: «[]}", "the list is empty — write at least one item"),
        ("backend_refs: {legacy: 50, new: 50}, «rollout: {steps: [{pause: {}}]}", "a rollout of a route without a stage — add `stage:`"),
        ("stage: canary, backend_refs: {legacy: 50, new: 50}, rollout: {steps: [«{analysis: {}}]}", "a step of analysis, and no metrics — add `analysis:` to the rollout"),
        ("stage: canary, backend_refs: {legacy: 50, new: 50}, rollout: {steps: [{pause: {}, «set_weight: 5}]}".replace("pause: {}, «set_weight: 5", "set_weight: 5, «pause: {}"), "`pause` stands beside `set_weight` — a step has one of them"),
        ("stage: canary, backend_refs: {legacy: 50, new: 50}, rollout: {steps: [{pause: {}}], on_failure: «{}}", "nothing is done on failure — write `set_weight` or `set_stage`"),
        ("stage: canary, backend_refs: {legacy: 50, new: 50}, rollout: {steps: [{set_stage: «alive}]}", "`alive` is no stage — did you mean `live`?"),
        ("backend_refs: legacy, writes: «{policy: dual_write}", "`dual_write` needs `idempotency_key` — add `idempotency_key:`"),
        ("backend_refs: legacy, writes: «{policy: shadow_sandbox}", "`shadow_sandbox` needs `shadow_url` — add `shadow_url:`"),
        ("backend_refs: legacy, writes: {policy: single_writer, «idempotency_key: a}", "`idempotency_key` is for `dual_write` — leave it out"),
        ("backend_refs: legacy, writes: {policy: «dual}", "`dual` is no policy — known: `single_writer`, `shadow_sandbox`, `dual_write`"),
        ("backend_refs: legacy, response_ok: «{}", "everything is good enough here — write `status` or `json_type`"),
        ("backend_refs: legacy, response_ok: {status: [«199]}", "`199` is too small — write 200 or more"),
        ("backend_refs: legacy, retry: {attempts: «11}", "`11` is too large — write 10 or less"),
        ("direct_response: {status: «99}", "`99` is too small — write 200 or more"),
        ("direct_response: {status: 204, «body: x}", "a 204 has no body — leave it out"),
        ("direct_response: {status: 200, headers: {«content-length: x}}", "`content-length` belongs to the connection — leave it out: the facade makes it"),
        ('direct_response: {status: 200, body: «"a\\u0007"}', "a control character stands in this text — take it out"),
        ("direct_response: {status: 200, body: «010}", '`010` without quotes is read differently by every YAML reader — write it in quotes: "010"'),
        ("redirect: «{}", "the redirect leads back to where it starts — write `path:`"),
        ("redirect: {status: «304, path: /b}", "`304` is not known here — known: `301`, `302`, `303`, `307`, `308`"),
        ("redirect: {path: /b, «replace_prefix_match: /c}, " + PREFIX, "`replace_prefix_match` stands beside `path` — keep one of the two"),
        ("redirect: {«replace_prefix_match: /c}", "`replace_prefix_match`, and the route matches no prefix — write `match: {path: {prefix: …}}`, or use `path`"),
        ('redirect: {hostname: «"*.a.b"}', "`*.a.b` is a pattern — write one host name"),
        ("redirect: {scheme: «yes}", "`yes` without quotes is read differently by every YAML reader — write http"),
        ("redirect: {scheme: «ftp}", "`ftp` is not known here — known: `http`, `https`"),
        ("backend_refs: [{name: legacy, url_rewrite: «{}}]", "the rewrite changes nothing — write `path` or `hostname`"),
        ("backend_refs: [{name: legacy, url_rewrite: {path: «{}}}]", "a path rewrite is empty — write one of `replace_prefix_match`, `replace_full_path`, `template`"),
        ("backend_refs: [{name: legacy, url_rewrite: {path: {«replace_prefix_match: /b}}}]", "`replace_prefix_match`, and the route matches no prefix — write `match: {path: {prefix: …}}`, or use `replace_full_path`"),
        ('backend_refs: [{name: legacy, url_rewrite: {path: {template: «"/b/{idd}"}}}], match: {path: {template: "/a/{id}"}}', "the route's match has no parameter `idd` — did you mean `id`?"),
        ('backend_refs: [{name: legacy, url_rewrite: {path: {template: «"/b/{id}"}}}], ' + PREFIX, "the route's match has no parameter `id` — write `match: {path: {template: …}}`"),
        ("backend_refs: legacy, request: {headers: {set: {«Host: a}}}", "`host` is not set as a header — use `url_rewrite: {hostname: …}`"),
        ("backend_refs: legacy, request: {headers: {remove: [«Transfer-Encoding]}}", "`transfer-encoding` belongs to the connection — leave it out: the facade makes it"),
        ('backend_refs: legacy, response: {headers: {add: {x: «"a\\r\\nb"}}}', "a control character stands in this text — take it out"),
        ("stage: retired, retired: {sunset: «soon}", '`soon` is no point in time — write one like "2026-03-01T00:00:00Z"'),
        ('stage: retired, retired: {sunset: «"2026-03-01T00:00:00"}', '`2026-03-01T00:00:00` has no zone — write one like "2026-03-01T00:00:00Z"'),
        ('stage: retired, retired: {sunset: «"0001-01-01T00:00:00+23:00"}', '`0001-01-01T00:00:00+23:00` is out of range — write one like "2026-03-01T00:00:00Z"'),
        ('stage: retired, retired: {sunset: "2026-03-01", successor: «"/a> b"}', "`/a> b` is no address — write a path or a URL"),
    ],
)  # fmt: skip
def test_keys_that_contradict_are_an_error(body: str, said: str) -> None:
    assert_problem(with_route(body), said)


COMPARED = "stage: shadow, backend_refs: {{legacy: 100, new: 0}}, mirror: {{compare: {{{}}}}}"


@pytest.mark.parametrize(
    ("compare", "said"),
    [
        ("status: «exactly", "`exactly` is no comparison — did you mean `exact`?"),
        ("noise: {rate: «2}", "`2` is no rate — write 0 to 1"),
        ("noise: {rate: «0.00001}", "`0.00001` has more than 4 decimals — write 0.0000"),
        ('body: {equal: {«"expiry": {as: instant, left: iso, right: iso}}}', "`expiry` is no JSON path — write one like $[*].expiryDate"),
        ('body: {equal: {$.a: {as: instant, left: iso, right: «is}}}', "`is` is no format — did you mean `iso`?"),
        ('body: {equal: {$.a: «{as: instant, left: iso, right: iso_local}}}', "`iso_local` names no zone — add `tz: UTC`"),
        ('body: {equal: {$.a: {as: instant, left: iso, right: iso_local, tz: «"a b"}}}', "`a b` is no time zone — write UTC or Europe/Paris"),
        ('body: {ignore: [{path: $.a, reason: r, owner: o, expires: «2027-03-31}]}', '`2027-03-31` without quotes is read differently by every YAML reader — write it in quotes: "2027-03-31"'),
        ('body: {ignore: [{path: $.a, reason: r, owner: o, expires: «"2027-02-30"}]}', '`2027-02-30` is no day — write one like "2027-03-31"'),
        ('body: {ignore: [{path: $.a, reason: r, owner: o, expires: «"20270331"}]}', '`20270331` is no day — write one like "2027-03-31"'),
        ('body: {ignore: [{path: $.a, reason: «" ", owner: o, expires: "2027-03-31"}]}', "` ` is no title — write 1 to 500 characters"),
        ('body: {type: text, «ignore: [{path: $.a, reason: r, owner: o, expires: "2027-03-31"}]}', "`ignore` is for bodies of type json"),
        ("redact: [«authorization]", "`authorization` names nothing to redact — write header:authorization"),
        ('redact: [«"body:x"]', "`x` is no JSON path — write one like $[*].expiryDate"),
    ],
)  # fmt: skip
def test_a_comparison_that_cannot_be_meant_is_an_error(compare: str, said: str) -> None:
    assert_problem(with_route(COMPARED.format(compare)), said)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("new", "`new` is no condition — write one like \"new >= 0.995\""),
        ("new >=", "`new >=` is no condition — write one like \"new >= 0.995\""),
        ("__import__", "`__import__` is no condition — write one like \"new >= 0.995\""),
        ("newer >= 1", "`newer` is no value of a metric — did you mean `new`?"),
    ],
)  # fmt: skip
def test_a_condition_is_made_of_comparisons(condition: str, said: str) -> None:
    analysis = f'{{metrics: [{{name: m, success_condition: «"{condition}"}}]}}'
    body = "stage: canary, backend_refs: {legacy: 50, new: 50}, "
    assert_problem(
        with_route(f"{body}rollout: {{steps: [{{pause: {{}}}}], analysis: {analysis}}}"), said
    )


@pytest.mark.parametrize(
    ("marked", "said"),
    [
        (f"{HEAD}routes:\n- «{{name: r}}\n", "the route `r` has no answer — write `backend_refs`, `direct_response` or `redirect`"),
        (f"{HEAD}routes:\n- «{{backend_refs: legacy}}\n", "`name` is missing — add `name:`"),
        (f"{HEAD}routes:\n- {{name: «a b, backend_refs: legacy}}\n", "`a b` is no name — use letters, digits, - _ and dots, at most 128, with a letter or digit first"),
        (f"{HEAD}routes:\n- «text\n", "`text` stands where keys are meant — write keys like `name`, `stage`, `priority`, `match`, `backend_refs`, `direct_response`"),
        (f"{HEAD}routes:\n- {{name: a, backend_refs: legacy, match: {{path: {{prefix: /a}}}}}}\n- {{name: «a, backend_refs: legacy}}\n", "there is a route `a` already, in line 5 — give each its own name"),
        (f"{HEAD}routes: «[]\n", "there are no routes — write `- name: …`"),
        (f"{HEAD}routes: «{{}}\n", "a mapping stands where a list is meant — write `- name: …`"),
        (f"{HEAD}routes:«\n", "nothing is given where a list is meant — write `- name: …`"),
        ("«version: 1\n", "`routes` is missing — add `routes:`"),
        ("version: 1\nbackends: «[a]\nroutes: [{name: r, redirect: {path: /a}}]\n", "a list stands where names are meant — write `name: http://host:port`"),
        ("version: 1\ncohorts: «a\nroutes: [{name: r, redirect: {path: /a}}]\n", "`a` stands where names are meant — write `name: {{…}}`".replace("{{", "{").replace("}}", "}")),
        ('version: 1\nbackends: {«"a b": "http://a"}\nroutes: [{name: r, redirect: {path: /a}}]\n', "`a b` is no name — use letters, digits, - _ and dots, at most 128, with a letter or digit first"),
        (f"{HEAD}{ONE_ROUTE}«routez: []\n", "unknown key `routez` — did you mean `routes`?"),
        (f"{HEAD}{ONE_ROUTE}metadata: {{a: «1}}\n", '`1` is a number, and text is meant — write it in quotes: "1"'),
        (f"{HEAD}{ONE_ROUTE}test_policy: {{min_route_coverage: «101}}\n", "`101` is no percentage — write 0 to 100"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_is_an_error(marked: str, said: str) -> None:
    assert_problem(marked, said)


def test_every_problem_is_told_at_once_in_the_order_of_the_file() -> None:
    text = """\
version: 1
kill_switch: off
backends:
  legacy: http://travelbuddy:8080/app
  flights: {url: "http://flights:99999", health_check: {path: /readyz, interval: 5}}
cohorts:
  everyone: {salt: 010, hash_policy: [{cookie: TB_UID}]}
routes:
  - name: list
    stage: live
    match: {path: {prefx: /flights}, methods: [get, "GE T"]}
    backend_refs: {legacy: 80, flights: 15}
    cohort: everybody
  - name: list
    match: {path: /hotels}
    backend_refs: legcay
    timeouts: {request: 5s, backend_request: 1:30}
  - name: rest
    backend_refs: {name: legacy, weight: 100}
tests:
  - name: rest
    input: {path: /x}
    expect: {route: rst, backend: legacy}
"""
    assert [(problem.line, problem.column) for problem in problems(text)] == [
        (2, 14),
        (4, 11),
        (5, 18),
        (5, 82),
        (7, 20),
        (11, 20),
        (11, 53),
        (12, 19),
        (12, 41),
        (13, 13),
        (14, 11),
        (15, 19),
        (16, 19),
        (17, 46),
        (19, 19),
        (23, 21),
    ]


def test_no_more_problems_are_looked_for_than_anyone_mends() -> None:
    assert len(problems(HEAD + "routes:\n" + "- a\n" * 2000)) == 500


def test_any_number_of_warnings_leaves_every_route_in_the_table() -> None:
    routes = "".join(
        f"- {{name: r{n}, backend_refs: legacy, match: {{headers: {{a_{n}: b}}}}}}\n"
        for n in range(600)
    )
    table, warnings = parse_table(f"{HEAD}routes:\n{routes}".encode())
    assert (len(table.routes), len(warnings)) == (600, 500)


def test_a_problem_is_one_line_whatever_stands_in_the_file() -> None:
    (found,) = problems(with_route('backend_refs: legacy, "a\\n\\e[31mb": 1'))
    assert found.text == "unknown key `a\\n\\x1b[31mb`"
    (found,) = problems(with_route(f"backend_refs: legacy, {'a' * 900}: 1"))
    assert len(found.text) == 500
    for text in ('x-a: *"\\n"', '? "a\\nb"\n: 1\n? "a\\nb"\n: 2'):
        (found,) = problems(f"{HEAD}{ONE_ROUTE}{text}\n")
        assert found.text.isprintable()


def test_a_block_beyond_its_bound_is_refused_without_a_look_inside() -> None:
    text = with_match(f"methods: [{'A, ' * 20_000}A]").replace("- {", "- «{")
    assert_problem(text, "more than 20,000 keys and values in one block — split it")
    text = f"{HEAD}{ONE_ROUTE}metadata: «{{{', '.join(f'a{n}: b' for n in range(10_001))}}}\n"
    assert_problem(text, "more than 20,000 keys and values in one block — split it")


@pytest.mark.parametrize("section", ["backends", "cohorts"])
def test_named_sections_are_bounded(section: str) -> None:
    names = ", ".join(f"a{n}: x" for n in range(10_001))
    text = f"version: 1\n{section}: «{{{names}}}\nroutes: [{{name: r, redirect: {{path: /a}}}}]\n"
    assert_problem(text, f"10,001 {section}, more than 10,000 — split the table")


@pytest.mark.parametrize(("section", "bound"), [("routes", 100_000), ("tests", 20_000)])
def test_listed_sections_are_bounded(section: str, bound: int) -> None:
    text = "version: 1\n" if section == "routes" else HEAD + ONE_ROUTE
    said = f"{bound + 1:,} {section}, more than {bound:,} — split the table"
    assert_problem(f"{text}{section}: «[{'a, ' * (bound + 1)}]\n", said)


# --- what comes out ---------------------------------------------------------------------------


def test_references_have_short_forms() -> None:
    lone = (BackendRef("legacy"),)
    assert only_route(with_route("backend_refs: legacy")).backend_refs == lone
    assert only_route(with_route("backend_refs: [legacy]")).backend_refs == lone
    assert only_route(with_route("backend_refs: {legacy: 100}")).backend_refs == lone
    assert only_route(with_route("backend_refs: [{name: legacy}]")).backend_refs == lone
    both = (BackendRef("legacy", 8005), BackendRef("new", 1995))
    assert only_route(with_route("backend_refs: {legacy: 80.05, new: 19.95}")).backend_refs == both


def test_a_match_becomes_its_noun() -> None:
    match = only_route(
        with_match(
            'hosts: [a.b], path: {template: "/a/{id}", params: {id: "[0-9]+"}, trailing_slash: ignore}, '
            'methods: [GET], headers: {X-A: "1"}, query: {v: {prefix: b}}, '
            "cookies: {c: {present: false}, d: {regex: e}, f: {present: true}}"
        )
    ).match
    assert match == Match(
        ("a.b",),
        PathMatch("template", "/a/{id}", True, (("id", "[0-9]+"),)),
        ("GET",),
        (StringMatch("x-a", "exact", "1"),),
        (StringMatch("v", "prefix", "b"),),
        (
            StringMatch("c", "present", "false"),
            StringMatch("d", "regex", "e"),
            StringMatch("f", "present", "true"),
        ),
    )


def test_a_regex_path_becomes_its_noun() -> None:
    assert only_route(with_match('path: {regex: "/a.*"}')).match.path == PathMatch("regex", "/a.*")


def test_edits_and_rewrites_become_their_nouns() -> None:
    (ref,) = only_route(
        with_route(
            f"{PREFIX}, backend_refs: [{{name: legacy, url_rewrite: {{path: {{replace_prefix_match: /b}}, "
            "hostname: C.d}, request: {headers: {set: {X-A: b}, add: {e: f}, remove: [G]}}}]"
        )
    ).backend_refs
    assert ref.rewrite == Rewrite("/b", None, None, "c.d")
    assert ref.request == HeaderEdits(((b"x-a", b"b"),), ((b"e", b"f"),), (b"g",))
    (ref,) = only_route(
        with_route("backend_refs: [{name: legacy, url_rewrite: {hostname: a}}]")
    ).backend_refs
    assert ref.rewrite == Rewrite(hostname="a")


def test_a_backend_may_see_what_it_is_allowed() -> None:
    (backend,) = parse(
        with_backend(
            "url: http://a, headers: {allow: [X-A]}, cookies: {remove: [Sid]}, preserve_host: true, "
            "circuit_breakers: {max_connections: 7, max_pending_requests: 0}, idle_timeout: 1m"
        )
    ).backends
    assert backend.headers == Allow(frozenset(("x-a",)))
    assert backend.cookies == Allow(None, frozenset(("Sid",)))
    assert backend.preserve_host
    assert (backend.max_connections, backend.max_pending_requests) == (7, 0)
    assert backend.idle_timeout_s == 60


def test_a_cohort_becomes_its_noun() -> None:
    text = with_route("backend_refs: legacy, cohort: c").replace(
        "cohorts: {",
        "cohorts: {c: {salt: s, hash_policy: [{header: X-U}, {cookie: A}, {source_ip: true}]}, "
        "g: {salt: s, hash_policy: [{cookie: A, generate: true}]}, "
        "t: {salt: s, hash_policy: [{cookie: A, generate: true, ttl: 1d}]}, ",
    )
    keys = (HashKey("header", "x-u"), HashKey("cookie", "A"), HashKey("source_ip"))
    assert only_route(text).cohort == Cohort("c", "s", keys)
    generated = only_route(text.replace("cohort: c", "cohort: g")).cohort
    assert generated == Cohort("g", "s", (HashKey("cookie", "A", True, 30 * 86_400.0),))
    kept = only_route(text.replace("cohort: c", "cohort: t")).cohort
    assert kept == Cohort("t", "s", (HashKey("cookie", "A", True, 86_400.0),))


def test_a_mirror_has_its_share() -> None:
    text = with_route("stage: shadow, backend_refs: {legacy: 100, new: 0}, mirror: {percent: 12.5}")
    assert only_route(text).mirror == Mirror(1250)


def test_timeouts_and_limits_of_a_route_are_laid_over_the_defaults() -> None:
    text = with_route("backend_refs: legacy, timeouts: {connect: 1s}, limits: {max_headers: 5}") + (
        "defaults: {timeouts: {request: 10s, backend_request: 8s}, limits: {max_body_bytes: 1KiB}}\n"
    )
    route = only_route(text)
    assert route.timeouts == Timeouts(1.0, 10.0, 8.0, 60.0)
    assert route.limits == Limits(max_headers=5, max_body_bytes=1024)


@pytest.mark.parametrize(
    ("defaults", "own", "request_s", "total_s"),
    [
        ("{}", "{}", 15.0, 3600.0),
        ("{total: 10s}", "{}", 10.0, 10.0),
        ("{total: 10s}", "{request: 30s}", 30.0, 30.0),
        ("{total: 10s}", "{request: 30s, total: 40s}", 30.0, 40.0),
        ("{request: 2h}", "{}", 7200.0, 7200.0),
        ("{request: 2h}", "{total: 5s}", 5.0, 5.0),
    ],
)
def test_the_whole_is_never_shorter_than_its_parts_and_the_route_wins(
    defaults: str, own: str, request_s: float, total_s: float
) -> None:
    route = with_route(f"backend_refs: legacy, timeouts: {own}")
    hold = only_route(f"{route}defaults: {{timeouts: {defaults}}}\n").timeouts
    assert (hold.request_s, hold.total_s) == (request_s, total_s)
    assert hold.backend_request_s <= hold.request_s


def test_the_bounds_of_a_body_are_those_of_the_route_or_of_the_defaults() -> None:
    text = with_route(
        "backend_refs: legacy, timeouts: {body_idle: 5s}, limits: {min_body_rate: 0B}"
    )
    route = only_route(
        f"{text}defaults: {{timeouts: {{body_idle: 1s}}, limits: {{min_body_rate: 1KiB}}}}\n"
    )
    assert route.timeouts.body_idle_s == 5.0
    assert route.limits.min_body_rate == 0
    inherits = only_route(
        f"{with_route('backend_refs: legacy')}defaults: {{limits: {{min_body_rate: 1KiB}}}}\n"
    )
    assert inherits.limits.min_body_rate == 1024
    assert inherits.timeouts.body_idle_s == 30.0


def test_tls_becomes_its_noun_and_its_files_keep_their_places() -> None:
    text = (
        "version: 1\nroutes: [{name: r, backend_refs: a}]\nbackends:\n  a:\n    url: https://a\n"
        "    tls: {ca_file: ca.pem, cert_file: c.pem,\n      key_file: /k, server_name: '[::1]'}\n"
        "  b: {url: https://b, tls: {}}\n  c: https://c\n"
    )
    table = parse(text)
    assert [backend.tls for backend in table.backends] == [
        BackendTls("ca.pem", "c.pem", "/k", "::1"),
        BackendTls(),
        None,
    ]
    assert table.tls_files == (
        TlsFile("a", "ca_file", "ca.pem", 6, 20),
        TlsFile("a", "cert_file", "c.pem", 6, 39),
        TlsFile("a", "key_file", "/k", 7, 17),
    )
    assert table.not_implemented == ()


def test_an_attempt_never_has_longer_than_its_request() -> None:
    text = with_route("backend_refs: legacy, timeouts: {request: 3s}")
    assert only_route(text).timeouts.backend_request_s == 3.0


def test_a_redirect_becomes_its_noun() -> None:
    text = with_route(
        f"{PREFIX}, redirect: {{scheme: https, hostname: a.b, port: 8443, replace_prefix_match: /c}}"
    )
    assert only_route(text).redirect == Redirect(302, "https", "a.b", 8443, None, "/c")


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("stage: retired", DirectResponse(410)),
        ("stage: retired, backend_refs: {legacy: 0, new: 100}", DirectResponse(410)),
        ('direct_response: {status: 501, headers: {A: "1"}, body: "x\\ty"}', DirectResponse(501, ((b"a", b"1"),), b"x\ty")),
        ('stage: retired, retired: {sunset: "2026-03-01", successor: /new}',
         DirectResponse(410, ((b"sunset", b"Sun, 01 Mar 2026 00:00:00 GMT"), (b"link", b'</new>; rel="successor-version"')))),
        ('stage: retired, direct_response: {status: 501}, retired: {sunset: "2026-03-01T02:30:01+02:00"}',
         DirectResponse(501, ((b"sunset", b"Sun, 01 Mar 2026 00:30:01 GMT"),))),
    ],
)  # fmt: skip
def test_the_facade_answers_by_itself(body: str, answer: DirectResponse) -> None:
    route = only_route(with_route(body))
    assert route.direct_response == answer
    assert decide(table(route), route, facts(), 0).ref is None


def test_a_route_without_a_stage_takes_any_number_of_backends() -> None:
    text = with_route("backend_refs: {legacy: 50, new: 25, third: 25}")
    assert sum(ref.weight_bp for ref in only_route(text).backend_refs) == ALL_BP


def test_a_legacy_route_may_have_its_incumbent_alone() -> None:
    assert len(only_route(with_route("stage: legacy, backend_refs: legacy")).backend_refs) == 1


def test_a_fallback_on_faults_needs_no_meaning_of_ok() -> None:
    body = "backend_refs: {legacy: 50, new: 50}, fallback: {triggers: [timeout, 502]}"
    assert parse(with_route(body)).not_implemented == (
        UnimplementedField("routes", "r", "fallback"),
    )


def test_a_word_of_any_length_is_told_without_a_guess() -> None:
    (found,) = problems(with_route(f"backend_refs: legacy, stage: {'a' * 200}"))
    assert found.hint == "known: `legacy`, `shadow`, `canary`, `live`, `retired`"


def test_wrong_backends_are_told_up_to_a_bound() -> None:
    names = ", ".join(f"b{n}: 1" for n in range(600))
    text = f"version: 1\nbackends: {{{names}}}\nroutes: [{{name: r, redirect: {{path: /a}}}}]\n"
    assert len(problems(text)) == 500


def test_a_route_knows_its_line() -> None:
    assert only_route(with_route("backend_refs: legacy")).line == 5


@pytest.mark.parametrize(
    ("stage", "weights"),
    [("legacy", [10_000, 0]), ("shadow", [10_000, 0]), ("live", [0, 10_000])],
)
def test_a_stage_brings_the_weights_of_its_two_backends(stage: str, weights: list[int]) -> None:
    for refs in ("[legacy, new]", "[{name: legacy}, {name: new}]"):
        route = only_route(with_route(f"stage: {stage}, backend_refs: {refs}"))
        assert [ref.weight_bp for ref in route.backend_refs] == weights


@pytest.mark.parametrize(
    "body",
    [
        "stage: canary, backend_refs: [legacy, new]",
        "backend_refs: [legacy, new]",
        "stage: live, backend_refs: [legacy, new, third]",
        "stage: live, backend_refs: [{name: legacy, weight: 0}, {name: new}]",
    ],
)
def test_weights_that_no_stage_brings_have_to_be_said(body: str) -> None:
    assert any("has no weight" in each.text for each in problems(with_route(body)))
