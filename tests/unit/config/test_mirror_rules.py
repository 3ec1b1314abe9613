"""Rules about `mirror` and the sandbox of writes (rule 5)."""

import pytest

from proxy.config.load import load
from proxy.errors import TableError
from proxy.model import CompareRules, DeclaredDifference, Endpoint, Equivalence, Mirror
from tests.unit.config.config_tables import parse

TABLE = """
version: 1
backends: {{legacy: "http://legacy:8080", new: "http://new:8080"}}
routes:
- name: list
  backend_refs: {{legacy: 100, new: 0}}
  stage: shadow
  {more}
"""
SANDBOX = 'writes: {policy: shadow_sandbox, shadow_url: "http://SANDBOX:80"}'


def table(*lines: str) -> str:
    return TABLE.format(more="\n  ".join(lines))


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            ("match: {methods: [POST, DELETE]}", "mirror: {}"),
            "9:3: `mirror` copies safe methods only, and the route takes none of them — leave it out, or write "
            "`writes: {policy: shadow_sandbox, shadow_url: …}`",
        ),
        (
            ("match: [{methods: [POST]}, {path: {prefix: /a}, methods: [PUT]}]", "mirror: {}"),
            "9:3: `mirror` copies safe methods only, and the route takes none of them — leave it out, or write "
            "`writes: {policy: shadow_sandbox, shadow_url: …}`",
        ),
        (
            (SANDBOX,),
            "8:3: a sandbox, and no copies to send to it — add `mirror: {}`, or leave `writes` out",
        ),
        (
            ("mirror: {}", SANDBOX.replace("SANDBOX:80", "new:8080")),
            "5:1: the sandbox of the route `list` is the backend `new` — write the address of a system with data of "
            "its own",
        ),
        (
            ("mirror: {forward_credentials: 1}",),
            "8:33: `1` is not read as a boolean — write true",
        ),
    ],
)
def test_a_mirror_that_could_do_harm_or_nothing_is_refused(
    lines: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(TableError) as refused:
        load(table(*lines).encode(), "t.yaml")
    assert [each.removeprefix("t.yaml:") for each in str(refused.value).splitlines()] == [problem]


@pytest.mark.parametrize(
    "lines",
    [
        ("match: {methods: [POST]}", "mirror: {}", SANDBOX),
        ("match: {methods: [POST, HEAD]}", "mirror: {}"),
        ("match: [{methods: [POST]}, {path: {prefix: /a}}]", "mirror: {}"),
        ("match: {methods: [POST]}",),
    ],
)
def test_a_mirror_with_something_to_copy_is_loaded(lines: tuple[str, ...]) -> None:
    load(table(*lines).encode(), "t.yaml")


def test_an_edit_that_makes_a_backend_the_sandbox_is_refused() -> None:
    before = load(table("mirror: {}", SANDBOX).encode(), "t.yaml")
    text = table("mirror: {}", SANDBOX).replace("http://new:8080", "http://sandbox")
    with pytest.raises(TableError, match="is the backend `new`"):
        load(text.encode(), "t.yaml", before)


def test_all_fields_of_a_mirror_are_read() -> None:
    more = "mirror: {percent: 2.5, max_concurrency: 3, timeout: 250ms, max_body_bytes: 1KiB, forward_credentials: true}"
    parsed = parse(table(more, SANDBOX))
    assert parsed.routes[0].mirror == Mirror(
        250, 3, 0.25, 1024, True, Endpoint("http", "sandbox", 80)
    )


def test_all_rules_of_a_comparison_are_read() -> None:
    text = """mirror:
    compare:
      status: class
      headers: [Content-Type, etag]
      noise: {rate: 0.25}
      body:
        equal:
          "$.at": {as: instant, left: epoch_ms, right: iso_local, tz: Europe/Paris}
          "$.tags": {as: set, key: id}
          "$.cost": {as: number, tolerance: 0.5}
        ignore: [{path: $.build, reason: shown, owner: web, expires: "2027-03-31"}]
      redact: ["header:x-a", "body:$.pin"]
      store_mismatches: 7"""
    mirror = parse(table(text)).routes[0].mirror
    assert mirror is not None
    assert mirror.compare == CompareRules(
        "class",
        ("content-type", "etag"),
        "json",
        (
            Equivalence("$.at", "instant", "epoch_ms", "iso_local", "Europe/Paris"),
            Equivalence("$.tags", "set", key="id"),
            Equivalence("$.cost", "number", tolerance=0.5),
        ),
        (DeclaredDifference("$.build", "shown", "web", "2027-03-31"),),
        0.25,
        ("header:x-a", "body:$.pin"),
        7,
    )


def test_without_noise_the_baseline_is_not_asked_twice() -> None:
    mirror = parse(table("mirror: {compare: {status: exact}}")).routes[0].mirror
    assert mirror is not None
    assert mirror.compare == CompareRules()
