"""Copies of requests: which requests have one, and what it looks like (rules 4, 5 and 6)."""

import pytest
from msgspec.structs import replace

from proxy.http1.framing import NO_BODY
from proxy.model import (
    ALL_BP,
    ALLOW_ALL,
    BackendRef,
    BackendTls,
    CompareRules,
    Endpoint,
    HeaderEdits,
    Mirror,
    Outgoing,
    Rewrite,
    Route,
)
from proxy.model.stage import Stage
from proxy.routing.mirrored_request import (
    copies_requests,
    copy_backend,
    describe,
    is_copied,
    is_mirrored,
    is_replayed,
    mirrored_request,
)
from proxy.routing.transforms.trace_context import Identity
from tests.make import backend, decided, facts, prefix, refs, route, table

IDS = Identity(b"id", b"00-trace-01", b"trace", False)
SANDBOX = Endpoint("http", "sandbox", 81)


def staged(stage: Stage, mirror: Mirror | None = None) -> Route:
    weights = {"canary": (50, 50), "live": (0, 100)}.get(stage, (100, 0))
    wanted = route(to=refs(legacy=weights[0], new=weights[1]), stage=stage)
    return replace(wanted, mirror=mirror)


# --- which requests -------------------------------------------------------------------------------


@pytest.mark.parametrize("percent_bp", [0, 1, 250, 3_333, 9_999, ALL_BP])
def test_the_share_of_copies_is_exact_over_all_draws(percent_bp: int) -> None:
    mirror = Mirror(percent_bp)
    assert sum(is_copied(mirror, draw) for draw in range(ALL_BP)) == percent_bp


@pytest.mark.parametrize("weight_bp", [100, 2_000, 5_000, 9_000])
@pytest.mark.parametrize("percent_bp", [100, 1_000, 5_000])
def test_the_share_is_the_same_among_the_requests_of_each_backend(
    weight_bp: int, percent_bp: int
) -> None:
    """The draw may have chosen the backend: below the weight of the newcomer."""
    mirror = Mirror(percent_bp)
    for draws in (range(weight_bp), range(weight_bp, ALL_BP)):
        copied = sum(is_copied(mirror, draw) for draw in draws)
        assert copied == pytest.approx(len(draws) * percent_bp / ALL_BP, abs=4)


def test_the_rate_of_second_requests_is_that_of_the_rules() -> None:
    compared = Mirror(compare=CompareRules(noise_rate=0.25))
    assert [is_replayed(compared, draw) for draw in (0.0, 0.2499, 0.25, 0.99)] == [
        *(True, True),
        *(False, False),
    ]
    assert not is_replayed(Mirror(compare=CompareRules()), 0.0)
    assert not is_replayed(Mirror(), 0.0)


@pytest.mark.parametrize(
    ("stage", "mirror", "mirrored"),
    [
        ("shadow", None, True),
        ("shadow", Mirror(0), False),
        ("canary", None, False),
        ("canary", Mirror(), True),
        ("live", Mirror(), True),
        ("live", Mirror(0), False),
        ("legacy", Mirror(), False),
        ("retired", Mirror(), False),
    ],
)
def test_a_route_is_mirrored_by_its_stage(
    stage: Stage, mirror: Mirror | None, mirrored: bool
) -> None:
    wanted = staged(stage, mirror)
    assert is_mirrored(wanted) is mirrored
    assert copies_requests(table(route("other"), wanted)) is mirrored


@pytest.mark.parametrize(
    ("mirror", "method", "words"),
    [
        (Mirror(), "GET", "100 % of these requests"),
        (Mirror(250, compare=CompareRules()), "GET", "2.5 % of these requests, the responses are compared"),
        (Mirror(sandbox=SANDBOX), "POST", "100 % of these requests, to the sandbox http://sandbox:81"),
        (Mirror(sandbox=SANDBOX), "HEAD", "100 % of these requests"),
    ],
)  # fmt: skip
def test_a_mirror_in_words(mirror: Mirror, method: str, words: str) -> None:
    assert describe(staged("shadow", mirror), method) == words


# --- what is sent ---------------------------------------------------------------------------------


def test_a_copy_has_connections_of_its_own() -> None:
    secure = replace(backend("new"), tls=BackendTls(ca_file="ca"), affinity_cookie="a")
    mirror = Mirror(max_concurrency=3, sandbox=SANDBOX)
    copied = copy_backend(secure, mirror, "GET", "new, copies")
    assert (copied.max_connections, copied.max_pending_requests) == (3, 0)
    assert (copied.name, copied.affinity_cookie, copied.tls) == ("new, copies", None, secure.tls)
    assert copied.endpoints == secure.endpoints
    write = copy_backend(secure, mirror, "POST", "new, copies")
    assert (write.endpoints, write.tls) == ((SANDBOX,), None)
    assert copy_backend(secure, Mirror(), "POST", "x").endpoints == secure.endpoints


def copied(
    mirror: Mirror, headers: dict[str, str], *, to: str = "new", path: str = "/a/x"
) -> Outgoing:
    newcomer = BackendRef("new", 0, Rewrite(prefix="/b"), HeaderEdits(set=((b"x-to", b"new"),)))
    wanted = route("r", prefix("/a"), to=(BackendRef("legacy"), newcomer), stage="shadow")
    wanted = replace(wanted, mirror=mirror)
    of, request = table(wanted), facts(path, query="q=1", headers=headers)
    of = replace(of, without_parameters=frozenset(("new",)))
    served = decided(of, wanted, request, 0)
    assert served.mirrored_to == ("new",)
    target = replace(backend(to), headers=ALLOW_ALL, preserve_host=False)
    return mirrored_request(of, served, target, request, IDS, NO_BODY)


def test_a_copy_follows_the_rules_of_its_own_reference() -> None:
    outgoing = copied(Mirror(timeout_s=1.5), {"authorization": "s", "x-facade-mirror": "7"})
    fields = [(bytes(name), value) for name, value in outgoing.headers]
    assert (outgoing.target, outgoing.host) == (b"/b/x?q=1", None)
    assert (b"x-to", b"new") in fields
    assert [value for name, value in outgoing.headers if name == b"x-facade-mirror"] == [b"1"]
    assert all(name != b"authorization" for name, _ in outgoing.headers)
    timeouts = outgoing.timeouts
    assert (timeouts.request_s, timeouts.total_s, timeouts.connect_s) == (1.5, 1.5, 1.5)
    assert (timeouts.attempt_s, timeouts.stream_idle_s) == (1.5, 1.5)


def test_a_second_request_for_the_baseline_is_that_of_the_incumbent() -> None:
    outgoing = copied(Mirror(), {}, to="legacy")
    assert outgoing.target == b"/a/x?q=1"
    assert all(name != b"x-to" for name, _ in outgoing.headers)


def test_a_copy_has_no_parameters_if_its_backend_gets_none() -> None:
    assert copied(Mirror(), {}, path="/a/x;jsessionid=1").target == b"/b/x?q=1"
    assert copied(Mirror(), {}, to="legacy", path="/a/x;v=1").target == b"/a/x;v=1?q=1"


@pytest.mark.parametrize(
    ("credentials", "forward", "kept"),
    [
        ("Bearer s", True, [b"Bearer s"]),
        ("Bearer s", False, []),
        ("NTLM s", True, []),
        ("Negotiate s", True, []),
    ],
)
def test_credentials_are_copied_only_where_it_is_allowed_and_possible(
    credentials: str, forward: bool, kept: list[bytes]
) -> None:
    outgoing = copied(Mirror(forward_credentials=forward), {"authorization": credentials})
    assert [value for name, value in outgoing.headers if name == b"authorization"] == kept


def test_a_copy_has_no_condition_and_no_range() -> None:
    names = ("if-none-match", "if-match", "if-modified-since", "if-unmodified-since", "if-range")
    outgoing = copied(Mirror(), dict.fromkeys((*names, "range", "accept"), "x"))
    left = {bytes(name) for name, _ in outgoing.headers}
    assert b"accept" in left
    assert not any(name.startswith(b"if-") or name == b"range" for name in left)
