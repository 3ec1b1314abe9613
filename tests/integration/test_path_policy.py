"""Odd paths arrive at the backend as the policy of their route says, on both tiers."""

from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.support.facade_in_loop import TIERS, facade_in_loop
from tests.support.origin import ok, origin, responding
from tests.support.raw_response import status_of
from tests.support.wire import Message

REQUEST = b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
TABLE = """
version: 1
backends: {{legacy: "{url}", new: "{url}"}}
routes:
  - name: broker
    match: {{path: {{prefix: /rabbitmq}}}}
    path_policy: {{double_slash: merge}}
    backend_refs: [{{name: new, url_rewrite: {{path: {{replace_prefix_match: /mq}}}}}}]
  - name: project
    match: {{path: {{template: "/projects/{{id}}"}}}}
    path_policy: {{encoded_slash: keep}}
    backend_refs: [{{name: new, url_rewrite: {{path: {{template: "/p/{{id}}"}}}}}}]
  - name: files
    match: {{path: {{prefix: /files}}}}
    path_policy: {{backslash: keep, raw_bytes: keep}}
    backend_refs: legacy
  - name: moving
    match: {{path: {{prefix: /moving}}}}
    stage: live
    backend_refs: [legacy, new]
  - name: admin
    match: {{path: {{prefix: /admin}}}}
    direct_response: {{status: 403}}
  - {{name: rest, path_policy: {{double_slash: keep}}, backend_refs: legacy}}
"""


PASSED = (
    (b"//rabbitmq//api/%2F/q", b"/mq/api/%2F/q"),
    (b"/projects/group%2Fname", b"/p/group%2Fname"),
    (b"/files/back%5Cslash", b"/files/back%5Cslash"),
    (b"/files/back\\slash", b"/files/back\\slash"),
    (b"/files/caf\xc3\xa9", b"/files/caf\xc3\xa9"),
    (b"//other//x", b"//other//x"),
    (b"/moving;jsessionid=A1/x;v=1?a;b", b"/moving/x?a;b"),
    (b"/other;jsessionid=A1", b"/other;jsessionid=A1"),
)
REFUSED = (b"//admin", b"/files/..%5C..%5Cadmin", b"/files//../admin", b"/x\xc3\xa9")


@pytest.mark.parametrize("tier", TIERS)
async def test_a_path_goes_on_as_its_policy_says(tmp_path: Path, tier: Tier) -> None:
    received: list[Message] = []
    async with origin(responding(ok(b"ok"), received)) as backend:
        table = TABLE.format(url=backend.url)
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            statuses = [
                status_of(await facade.send(REQUEST % target))
                for target in (*(sent for sent, _ in PASSED), *REFUSED)
            ]
    assert statuses == [200] * len(PASSED) + [400] * len(REFUSED)
    assert [message.head.target for message in received] == [arrived for _, arrived in PASSED]


@pytest.mark.parametrize("tier", TIERS)
async def test_a_policy_that_let_a_path_pass_is_logged_and_counted(
    tmp_path: Path, tier: Tier
) -> None:
    async with origin(responding(ok(b"ok"))) as backend:
        table = TABLE.format(url=backend.url)
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            for target in (b"//rabbitmq//x", b"//rabbitmq/y", b"/files/%5C\xc3\xa9", b"/rabbitmq"):
                await facade.send(REQUEST % target)
            await facade.send(REQUEST % b"//admin")
            lines = await facade.log_lines(5)
            metrics = await facade.get("/metrics", admin=True)
    assert [line.get("path_policy") for line in lines] == [
        ["double_slash: merge"],
        ["double_slash: merge"],
        ["backslash: keep", "raw_bytes: keep"],
        None,
        None,
    ]
    counted = [line for line in metrics.decode().splitlines() if line.startswith("facade_path_")]
    assert counted == [
        'facade_path_policies_total{route="broker",policy="double_slash: merge"} 2',
        'facade_path_policies_total{route="files",policy="backslash: keep"} 1',
        'facade_path_policies_total{route="files",policy="raw_bytes: keep"} 1',
    ]
