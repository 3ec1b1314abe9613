"""`make story` in its short form: each step comes true, and no write is lost."""

import re
import subprocess
import sys

from deploy.story.tables import Tables
from proxy.config.loader import parse_table
from tests.e2e.conftest import ROOT


def is_fallback_obeyed() -> bool:
    """Without it, the requests that the newcomer fails in its outage fail for their clients."""
    table, _ = parse_table(Tables(1, 2, "http://127.0.0.1:3", "{}").dark.encode())
    return not any(each.field == "fallback" for each in table.not_implemented)


def test_the_story_ends_with_every_write_in_its_place() -> None:
    played = subprocess.run(
        [sys.executable, "-m", "deploy.story", "--quick"],
        cwd=ROOT, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    text = played.stdout
    for line in (
        "GET /flightspecials/: 501",
        "200, route=flightspecials backend=legacy reason=stage",
        "200, route=flightspecials backend=newcomer reason=override",
        "differences: header in 11 rows",
        "after the fix: none",
        "rolled_back  shadow 0 %  failed: success_rate",
        "completed    live 100 %  all steps are taken",
        "200, route=flightspecials backend=newcomer reason=only",
    ):
        assert line in text, text + played.stderr
    counts = dict(
        re.findall(r"^   (requests|failed|writes|writes lost) +([0-9,]+)", text, re.MULTILINE)
    )
    assert int(counts["requests"].replace(",", "")) > 200
    assert int(counts["writes"].replace(",", "")) > 0
    assert counts["writes lost"] == "0"
    if is_fallback_obeyed():
        assert counts["failed"] == "0", text
        assert played.returncode == 0
    else:
        failures = re.findall(r"(GET|POST) ([0-9]+): ", text)
        assert set(failures) <= {("GET", "503")}, text
