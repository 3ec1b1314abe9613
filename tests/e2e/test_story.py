"""`make story` in its short form: each step comes true, no request fails and no write is lost."""

import re
import subprocess
import sys

from tests.e2e.conftest import ROOT


def test_the_story_ends_without_a_failed_request_or_a_lost_write() -> None:
    played = subprocess.run(
        [sys.executable, "-m", "deploy.story", "--quick"],
        cwd=ROOT, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    text = played.stdout
    for line in (
        "GET /flightspecials/: 501",
        "200, route=flightspecials backend=legacy reason=stage",
        "200, route=flightspecials backend=newcomer reason=override",
        "rolled_back  shadow 0 %  failed: success_rate",
        "completed    live 100 %  all steps are taken",
        "200, route=flightspecials backend=newcomer reason=only",
    ):
        assert line in text, text + played.stderr
    found = re.search(r"/\*/header value, ([^;]+) and ([^;\n]+)", text)
    assert found is not None, text
    assert found[2] == found[1].upper()
    assert re.search(r"after the fix: 0 of [0-9]+ responses differ", text), text
    counts = dict(
        re.findall(r"^   (requests|failed|writes|writes lost) +([0-9,]+)", text, re.MULTILINE)
    )
    assert int(counts["requests"].replace(",", "")) > 200
    assert int(counts["writes"].replace(",", "")) > 0
    assert (counts["writes lost"], counts["failed"]) == ("0", "0"), text
    assert played.returncode == 0
