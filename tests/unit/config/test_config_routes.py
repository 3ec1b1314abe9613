"""Rules between the keys of a route, and references."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest

from proxy.model import ALL_BP, Fallback
from tests.unit.config.config_tables import (
    HEAD,
    assert_problem,
    only_route,
    parse,
    problems,
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
        ("backend_refs: legacy, «zzzzz: 1", "unknown key `zzzzz` — known: `name`, `stage`, `priority`, `match`, `backend_refs`, `direct_response`, `redirect`, `retired`, `request`, `response`, `cohort`, `override` and 12 more"),
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
        ("backend_refs: {legacy: 50, new: 50}, override: {header: a, allow_from: «[]}", "nobody may override — list the networks that may, or add `token_key_file:`"),
        ("backend_refs: {legacy: 50, new: 50}, override: «{header: a}", "nobody may override — list the networks that may, or add `token_key_file:`"),
        ("backend_refs: {legacy: 50, new: 50}, override: {header: a, allow_from: [10.0.0.0/8, «0.0.0.0/0]}", "everybody may override — list the networks of those who test, or give them tokens: `token_key_file:`"),
        ("backend_refs: {legacy: 50, new: 50}, override: {cookie: a, token_key_file: k, allow_from: [«\"::/0\"]}", "everybody may override — list the networks of those who test, or give them tokens: `token_key_file:`"),
        ("backend_refs: {legacy: 50, new: 50}, override: {header: a, allow_from: [0.0.0.0/1, «128.0.0.0/1]}", "everybody may override — list the networks of those who test, or give them tokens: `token_key_file:`"),
        ("backend_refs: {legacy: 50, new: 50}, override: {header: «authorization, allow_from: [10.0.0.0/8]}", "backends would not get `authorization` any more — write a name of its own, like x-facade-backend"),
        ("backend_refs: {legacy: 50, new: 50}, fallback: {triggers: [«not_ok]}", "`not_ok` without a meaning — add `response_ok:`, which says what is ok"),
        ("backend_refs: {legacy: 50, new: 50}, match: {methods: [POST, PUT]}, «fallback: {triggers: [503]}", "the fallback would repeat a write: the route takes only POST, PUT — leave it out, or add `writes: {policy: dual_write, idempotency_key: …}`"),
        ("backend_refs: legacy, match: {methods: [POST]}, retry: {«codes: [503]}", "a retry after a response would repeat a write: the route takes only POST — leave it out, or add `writes: {policy: dual_write, idempotency_key: …}`"),
        ("backend_refs: {legacy: 50, new: 50}, fallback: {triggers: [«time_out]}", "`time_out` is no trigger — did you mean `timeout`?"),
        ("backend_refs: {legacy: 50, new: 50}, fallback: {triggers: [«404]}", "`404` is no trigger — write a status from 500 to 599"),
        ("backend_refs: {legacy: 50, new: 50}, fallback: {triggers: [«\"502\"]}", "`502` in quotes is no trigger — write a status without quotes"),
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
        ("backend_refs: [{name: legacy, url_rewrite: «{}}]", "the rewrite changes nothing — write `path`, `query` or `hostname`"),
        ("backend_refs: [{name: legacy, url_rewrite: {path: «{}}}]", "a path rewrite is empty — write one of `replace_prefix_match`, `replace_full_path`, `template`"),
        ("backend_refs: [{name: legacy, url_rewrite: {path: {«replace_prefix_match: /b}}}]", "`replace_prefix_match`, and the route matches no prefix — write `match: {path: {prefix: …}}`, or use `replace_full_path`"),
        ('backend_refs: [{name: legacy, url_rewrite: {path: {template: «"/b/{idd}"}}}], match: {path: {template: "/a/{id}"}}', "the route's match has no parameter `idd` — did you mean `id`?"),
        ('backend_refs: [{name: legacy, url_rewrite: {path: {template: «"/b/{id}"}}}], ' + PREFIX, "the route's match has no parameter `id` — write `match: {path: {template: …}}`"),
        ("backend_refs: legacy, request: {headers: {set: {«Host: a}}}", "`host` is not edited as a header — write `routes[].backend_refs[].url_rewrite.hostname`"),
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
        ('body: {equal: {$.a: {as: instant, left: iso, right: iso_local, tz: «No/Zone}}}', "this machine knows no time zone `No/Zone` — write UTC or Europe/Paris"),
        ('body: {equal: {$.a: «{as: instant, left: iso}}}', "an instant needs `right` — add `right: epoch_ms`"),
        ('body: {equal: {$.a: «{as: number}}}', "a number needs `tolerance` — add `tolerance: 0.01`"),
        ('body: {equal: {$.a: {as: number, tolerance: «0}}}', "`0` is no tolerance — write a number above 0"),
        ('body: {equal: {$.a: {as: number, tolerance: «1s}}}', "`1s` stands where a number is meant — write one like 0.01"),
        ('body: {equal: {$.a: {as: set, «left: iso}}}', "`left` is for an instant — leave it out"),
        ('body: {equal: {$.a: {as: case_insensitive, «key: id}}}', "`key` is for a set — leave it out"),
        ('body: {equal: {$.a: {as: «text}}}', "`text` is no kind of value — known: `instant`, `set`, `number`, `case_insensitive`"),
        ('body: {ignore: [{path: $.a, reason: r, owner: o, expires: «2027-03-31}]}', '`2027-03-31` without quotes is read differently by every YAML reader — write it in quotes: "2027-03-31"'),
        ('body: {ignore: [{path: $.a, reason: r, owner: o, expires: «"2027-02-30"}]}', '`2027-02-30` is no day — write one like "2027-03-31"'),
        ('body: {ignore: [{path: $.a, reason: r, owner: o, expires: «"20270331"}]}', '`20270331` is no day — write one like "2027-03-31"'),
        ('body: {ignore: [{path: $.a, reason: «" ", owner: o, expires: "2027-03-31"}]}', "` ` is no title — write 1 to 500 characters"),
        ('body: {type: text, ignore: [{path: «$.a, reason: r, owner: o, expires: "2027-03-31"}]}', "a JSON path is for bodies of type json — write header:NAME, status or body"),
        ('body: {type: text, «equal: {$.a: {as: case_insensitive}}}', "`equal` is for bodies of type json"),
        ('body: {ignore: [{path: «id, reason: r, owner: o, expires: "2027-03-31"}]}', "`id` is no place of a difference — write a JSON path like $[*].expiryDate, header:etag, status or body"),
        ('body: {ignore: [{path: «"header:a b", reason: r, owner: o, expires: "2027-03-31"}]}', "`a b` is no header name — use letters, digits and -"),
        ("redact: [«authorization]", "`authorization` names nothing to redact — write header:authorization"),
        ('redact: [«"body:x"]', "`x` is no JSON path — write one like $[*].expiryDate"),
    ],
)  # fmt: skip
def test_a_comparison_that_cannot_be_meant_is_an_error(compare: str, said: str) -> None:
    assert_problem(with_route(COMPARED.format(compare)), said)


@pytest.mark.parametrize("place", ["header:ETag", "status", "body"])
@pytest.mark.parametrize("kind", ["json", "text"])
def test_differences_outside_of_json_may_be_declared(place: str, kind: str) -> None:
    ignored = f'{{path: "{place}", reason: r, owner: o, expires: "2027-03-31"}}'
    mirror = only_route(
        with_route(COMPARED.format(f"body: {{type: {kind}, ignore: [{ignored}]}}"))
    ).mirror
    assert mirror is not None
    assert mirror.compare is not None
    assert [each.path for each in mirror.compare.ignore] == [place.lower()]


def test_a_route_without_a_stage_takes_any_number_of_backends() -> None:
    text = with_route("backend_refs: {legacy: 50, new: 25, third: 25}")
    assert sum(ref.weight_bp for ref in only_route(text).backend_refs) == ALL_BP


def test_a_legacy_route_may_have_its_incumbent_alone() -> None:
    assert len(only_route(with_route("stage: legacy, backend_refs: legacy")).backend_refs) == 1


def test_a_fallback_on_faults_needs_no_meaning_of_ok() -> None:
    body = "backend_refs: {legacy: 50, new: 50}, fallback: {triggers: [timeout, 502]}"
    assert only_route(with_route(body)).fallback == Fallback(frozenset(("timeout", "502")))


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


@pytest.mark.parametrize(
    ("key", "match", "why"),
    [
        ("path_parameter: id", "", "its match has no path parameter `id`"),
        ("path_parameter: id", "path: {prefix: /a}", "its match has no path parameter `id`"),
        (
            "path_parameter: id",
            'path: {template: "/a/{no}"}',
            "its match has no path parameter `id`",
        ),
        ("cookie: id", "cookies: {id: {present: false}}", "its match excludes the cookie `id`"),
        ("header: x-u", "headers: {x-u: {present: false}}", "its match excludes the header `x-u`"),
    ],
)
def test_a_cohort_of_which_no_key_can_exist_is_an_error(key: str, match: str, why: str) -> None:
    head = HEAD.replace("cohorts: {", f"cohorts: {{c: {{salt: s, hash_policy: [{{{key}}}]}}, ")
    assert_problem(
        f"{head}routes: [{{name: r, match: {{{match}}}, backend_refs: legacy, cohort: «c}}]\n",
        f"no request of this route can have a key of the cohort `c` — {why}: "
        "add a key that it can have, or name another cohort",
    )


def test_a_key_that_one_of_several_matches_can_have_is_no_error() -> None:
    policy = "hash_policy: [{path_parameter: id}]"
    head = HEAD.replace("cohorts: {", f"cohorts: {{c: {{salt: s, {policy}}}, ")
    match = '[{path: {prefix: /a}}, {path: {template: "/b/{id}"}}]'
    text = f"{head}routes: [{{name: r, match: {match}, backend_refs: legacy, cohort: c}}]\n"
    assert not [each.text for each in problems(text) if "cohort" in each.text]


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ("{path_parameter: id}", 'path: {template: "/a/{id}"}'),
        ("{path_parameter: id}, {source_ip: true}", ""),
        ("{cookie: id, generate: true}", "cookies: {id: {present: false}}"),
        ("{cookie: id}", "cookies: {id: {present: true}}"),
        ("{header: x-u}, {cookie: id}", "headers: {x-u: {present: false}}"),
    ],
)
def test_a_cohort_of_which_one_key_can_exist_is_fine(keys: str, match: str) -> None:
    head = HEAD.replace("cohorts: {", f"cohorts: {{c: {{salt: s, hash_policy: [{keys}]}}, ")
    parse(f"{head}routes: [{{name: r, match: {{{match}}}, backend_refs: legacy, cohort: c}}]\n")


@pytest.mark.parametrize(
    "body",
    [
        "match: {methods: [POST, GET]}, retry: {codes: [503]}, fallback: {triggers: [503]}",
        "match: [{methods: [POST]}, {path: {prefix: /a}}], retry: {codes: [503]}, fallback: {triggers: [503]}",
        "match: {methods: [POST]}, retry: {attempts: 2}",
        "match: {methods: [POST]}, retry: {codes: [503]}, fallback: {triggers: [503]}, writes: {policy: dual_write, idempotency_key: k}",
    ],
)
def test_a_route_that_repeats_reads_or_writes_with_a_key_is_fine(body: str) -> None:
    assert (
        only_route(with_route(f"backend_refs: {{legacy: 50, new: 50}}, {body}")).retry is not None
    )
