"""The steps of the story. Each does with the commands of the facade what an operator does."""

import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from deploy.story.newcomer import Newcomer
from deploy.story.stack import ROOT, Stack
from deploy.story.tables import Tables
from deploy.story.traffic import LIST, Traffic

_WAIT_S = 30.0
_COMMAND_S = 180.0
_COPIES = 30
_LAST_COPIES_S = 1.0
"""Copies that are under way when the build is replaced have ended then."""
_ROLLED_BACK, _COMPLETED = 4, 0
_SPECIALS = 3


class Story:
    """One performance. `say` prints a line."""

    def __init__(
        self,
        stack: Stack,
        tables: Tables,
        newcomer: Newcomer,
        traffic: Traffic,
        say: Callable[[str], None],
    ) -> None:
        self._stack = stack
        self._tables = tables
        self._newcomer = newcomer
        self._traffic = traffic
        self._say = say

    def play(self) -> int:
        """Returns the exit status."""
        began = time.monotonic()
        self._insert_the_proxy()
        self._deploy_a_stub()
        self._deploy_dark()
        self._compare()
        self._roll_out_into_an_outage()
        self._roll_out()
        self._retire()
        return self._count(began)

    # --- the steps --------------------------------------------------------------------------

    def _insert_the_proxy(self) -> None:
        self._title("1. The proxy is inserted: everything goes to the monolith")
        self._wait_for_requests(50)
        self._say(f"   GET {LIST}: {self._decision()}")

    def _deploy_a_stub(self) -> None:
        self._title("2. The new service begins as a stub")
        self._edit(self._tables.stub)
        self._say(f"   GET /flightspecials/: {self._get('/flightspecials/')[0]}")

    def _deploy_dark(self) -> None:
        self._title("3. It is deployed dark: only an override reaches its list")
        self._edit(self._tables.dark)
        self._say(f"   GET {LIST}: {self._decision()}")
        self._say(f"   the same with x-facade-backend: {self._decision('newcomer')}")

    def _compare(self) -> None:
        self._title("4. Shadow: it gets copies, and the responses are compared")
        self._edit(self._tables.shadow)
        self._wait_until(lambda: self._parity()["compared"] >= _COPIES)
        self._say(f"   differences: {self._differences()}")
        self._newcomer.build = "mended"
        self._edit(self._tables.dark)
        time.sleep(_LAST_COPIES_S)
        self._edit(self._tables.shadow)
        before, known = self._parity()["compared"], self._found()
        self._wait_until(lambda: self._parity()["compared"] >= before + _COPIES)
        compared = self._parity()["compared"] - before
        differ = sum(each["count"] for each in self._found()) - sum(each["count"] for each in known)
        self._say(f"   after the fix: {differ} of {compared} responses differ")
        rows = json.loads(self._get("/flightspecials/")[1])
        self._traffic.write_to(tuple(int(row["id"]) for row in rows[-_SPECIALS:]))

    def _roll_out_into_an_outage(self) -> None:
        self._title("5. The canary, by cohort; then the new service fails")
        runner = self._runner()
        self._wait_until(lambda: "stage: canary" in self._stack.routes.read_text())
        self._wait_for_requests(50)
        self._newcomer.build = "down"
        self._finish(runner, _ROLLED_BACK)
        self._newcomer.build = "mended"

    def _roll_out(self) -> None:
        self._title("6. The service works again: once more, to the end")
        self._edit(self._tables.mended)
        self._finish(self._runner("--restart"), _COMPLETED)
        self._say(f"   GET {LIST}: {self._decision()}")

    def _retire(self) -> None:
        self._title("7. The monolith's list is retired: the route names the service alone")
        self._traffic.write_to(())
        self._edit(self._tables.alone)
        self._say(f"   GET {LIST}: {self._decision()}")
        self._wait_for_requests(50)

    def _count(self, began: float) -> int:
        self._traffic.stop()
        time.sleep(0.5)
        counts = self._traffic.counts
        lost = sum(self._header(each) != text for each, text in counts.written.items())
        self._title(f"After {time.monotonic() - began:.0f} s")
        self._say(f"   requests     {counts.requests:>7,}")
        self._say(f"   failed       {len(counts.failed):>7,}   {counts.failures}".rstrip())
        self._say(f"   writes       {counts.writes:>7,}")
        self._say(f"   writes lost  {lost:>7,}")
        return 1 if lost or counts.failed else 0

    # --- how --------------------------------------------------------------------------------

    def _title(self, text: str) -> None:
        self._say(f"\n{text}")

    def _runner(self, *more: str) -> "subprocess.Popen[str]":
        admin = f"http://127.0.0.1:{self._stack.ports.admin}"
        words = ("rollout", "run", "flightspecials", "--routes", str(self._stack.routes))
        self._say(f"   $ facade rollout run flightspecials {' '.join(more)}".rstrip())
        return subprocess.Popen(
            [sys.executable, "-m", "proxy", *words, "--admin", admin, *more],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ,
        )  # fmt: skip

    def _finish(self, runner: "subprocess.Popen[str]", expected: int) -> None:
        output, _ = runner.communicate(timeout=_COMMAND_S)
        for line in output.splitlines():
            if "verdict" not in line and not line.startswith("    "):
                self._say(f"   {line.partition('  ')[2]}")
        if runner.returncode != expected:
            raise SystemExit(f"the rollout ended with {runner.returncode}:\n{output}")

    def _edit(self, table: str) -> None:
        """Save a table, as an editor does, and wait until it is served."""
        new = self._stack.routes.with_name("routes.yaml.new")
        new.write_text(table)
        os.replace(new, self._stack.routes)
        version = hashlib.sha256(table.encode()).hexdigest()[:12]
        self._wait_until(lambda: bool(self._admin("/readyz")["table_version"] == version))

    def _admin(self, path: str) -> Any:
        url = f"http://127.0.0.1:{self._stack.ports.admin}{path}"
        with urllib.request.urlopen(url, timeout=10) as response:
            return json.loads(response.read())

    def _get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes, str]:
        """Status, body and decision."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._stack.ports.facade}{path}", headers=dict(headers or {})
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                decision = response.headers["x-facade-decision"]
                return response.status, response.read(), str(decision)
        except urllib.error.HTTPError as error:
            return error.code, error.read(), str(error.headers["x-facade-decision"])

    def _decision(self, backend: str = "") -> str:
        headers = {"x-facade-backend": backend} if backend else {}
        status, _, decision = self._get(LIST, headers)
        return f"{status}, {decision}"

    def _parity(self) -> dict[str, Any]:
        report: dict[str, Any] = self._admin("/parity?route=flightspecials")
        return report

    def _differences(self) -> str:
        """The places at which responses differ, with what both sides have there."""
        return "; ".join(
            f"{each['path']} {each['kind']}, {each['example']['left']} and {each['example']['right']}"
            for each in self._found()
        )

    def _found(self) -> list[dict[str, Any]]:
        """The differences in the content: how fast the machine is now does not belong to the story."""
        differences = self._parity()["differences"]
        return [each for each in differences if not each["declared"] and each["kind"] != "slow"]

    def _header(self, special: int) -> str:
        rows = json.loads(self._get("/flightspecials/")[1])
        return next((str(row["header"]) for row in rows if int(row["id"]) == special), "")

    def _wait_for_requests(self, count: int) -> None:
        until = self._traffic.counts.requests + count
        self._wait_until(lambda: self._traffic.counts.requests >= until)

    def _wait_until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _WAIT_S
        while not holds():
            if time.monotonic() > deadline:
                raise SystemExit("nothing happened for 30 s")
            time.sleep(0.05)
