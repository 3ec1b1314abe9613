"""A cookie that a backend may not see it may not set either."""

from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.support.facade_in_loop import TIERS, facade_in_loop
from tests.support.origin import ok, origin, responding
from tests.support.raw_response import head_of

COOKIES = (
    b"set-cookie: JSESSIONID=new; Path=/",
    b"set-cookie: =JSESSIONID=nameless",
    b"set-cookie: TB_UID=7; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
)
TABLE = """
version: 1
backends: {{new: {{url: "{url}", cookies: {{{rule}}}}}}}
routes: [{{name: all, backend_refs: new{edits}}}]
"""


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("path", ["/", "/%41"], ids=["usual", "general"])
@pytest.mark.parametrize("edits", ["", ", response: {headers: {set: {x-a: b}}}"])
@pytest.mark.parametrize("rule", ["remove: [JSESSIONID]", "allow: [TB_UID, other]"])
async def test_it_is_dropped_logged_and_counted(
    tmp_path: Path, tier: Tier, path: str, edits: str, rule: str
) -> None:
    async with origin(responding(ok(b"ok", *COOKIES))) as new:
        table = TABLE.format(url=new.url, rule=rule, edits=edits)
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            got = head_of(await facade.get(path))
            (line,) = await facade.log_lines(1)
            metrics = await facade.get("/metrics", admin=True)
            explained = await facade.get("/explain?method=GET&url=/", admin=True)
    assert got.count(b"set-cookie: ") == 1
    assert b"set-cookie: TB_UID=7; Expires=Wed, 21 Oct 2026 07:28:00 GMT" in got
    assert line["dropped_cookies"] == ["JSESSIONID", "JSESSIONID"]
    assert b'facade_dropped_cookies_total{backend="new"} 2' in metrics
    assert (b"all but JSESSIONID" in explained) or (b"only TB_UID, other" in explained)


@pytest.mark.parametrize("tier", TIERS)
async def test_without_a_rule_each_cookie_goes_on(tmp_path: Path, tier: Tier) -> None:
    async with origin(responding(ok(b"ok", *COOKIES))) as new:
        table = TABLE.format(url=new.url, rule="", edits="")
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            got = head_of(await facade.get("/"))
            (line,) = await facade.log_lines(1)
    assert got.count(b"set-cookie: ") == 3
    assert "dropped_cookies" not in line
