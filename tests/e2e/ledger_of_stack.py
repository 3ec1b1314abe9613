"""Requests to the local stack as its users send them, and what `facade ledger` makes of the access log."""

import json
import subprocess
import sys
import urllib.request

from playwright.sync_api import Browser

from tests.e2e.conftest import ROOT, Stack
from tests.support.waiting import until

ENDPOINTS = "deploy/local/travelbuddy/endpoints.txt"
_LIST = "/travelbuddy/flightspecials"
_VISITS = (
    *((path, 60) for path in (_LIST, "/travelbuddy/hotelspecials")),
    ("/travelbuddy/", 25),
    ("/travelbuddy/app", 15),
    # More texts than a place of a ledger may have names.
    *((f"/travelbuddy/qrcodegen/240/offer-{word}", 1) for word in range(30)),
    ("/flightspecials/", 12),
    ("/flightspecials/1", 6),
    ("/travelbuddy/health", 10),
)


def use(stack: Stack, browser: Browser) -> None:
    """The front end and the page in a browser; then clients of the lists, the codes and the service's own API."""
    page = browser.new_page()
    for path in ("/travelbuddy/app/", "/travelbuddy/"):
        page.goto(stack.facade + path, wait_until="networkidle")
    page.close()
    for path, count in _VISITS:
        for _ in range(count):
            get(stack, path)
    body = json.dumps({"id": 1, "flightSpecialHeader": "London to Prague"}).encode()
    fields = {"content-type": "application/json"}
    request = urllib.request.Request(f"{stack.facade}/flightspecials/1/header", body, fields)
    urllib.request.urlopen(request, timeout=10).close()


def get(stack: Stack, path: str) -> str:
    """The backend that responded."""
    with urllib.request.urlopen(stack.facade + path, timeout=10) as response:
        response.read()
        decision = str(response.headers["x-facade-decision"])
    return decision.partition("backend=")[2].partition(" ")[0]


def ledger(stack: Stack) -> str:
    """What the command of docs/strangler-fig.md prints, once the log has the last request."""
    until(lambda: b"/flightspecials/1/header" in stack.access_log.read_bytes())
    words = ("--from", str(stack.access_log), "--routes", str(stack.routes))
    command = [sys.executable, "-m", "proxy", "ledger", *words, "--endpoints", ENDPOINTS]
    ran = subprocess.run(command, cwd=ROOT, check=True, timeout=60, capture_output=True, text=True)
    return ran.stdout


def rows(text: str) -> set[tuple[str, ...]]:
    """The endpoints of a ledger with stage and classes of callers, and the lines below its other headings."""
    found: set[tuple[str, ...]] = set()
    for line in text.splitlines():
        cells = [cell for cell in line.split("  ") if cell]
        if len(cells) == 6 and cells[0].strip().isdigit():
            endpoint, stage, callers = (cell.strip() for cell in cells[3:])
            found.add((endpoint, stage, callers.split(" ")[0]))
        elif len(cells) == 1 and line.startswith("  "):
            found.add((cells[0].strip(),))
    return found
