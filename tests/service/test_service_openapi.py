"""The service's description of itself, and the service held against it."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.running import ROOT

EXAMPLES = 12


def described(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def test_the_document_names_every_operation_with_its_errors(client: httpx.Client) -> None:
    api = described(client)
    assert api["openapi"] == "3.1.0"
    found = {(method, path) for path, methods in api["paths"].items() for method in methods}
    assert found == {
        ("get", "/flightspecials"),
        ("post", "/flightspecials"),
        ("get", "/flightspecials/{id}"),
        ("patch", "/flightspecials/{id}"),
        ("delete", "/flightspecials/{id}"),
        ("post", "/flightspecials/{id}/header"),
        ("post", "/flightspecials/{profile_id}/name"),
        ("get", "/flightspecials/{profile_id}/flights/{flight_no}/history"),
        ("get", "/travelbuddy/flightspecials"),
        ("get", "/healthz"),
        ("get", "/readyz"),
    }
    for methods in api["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            for status, response in operation["responses"].items():
                kinds = set(response.get("content", ()))
                assert kinds <= {
                    "application/json" if int(status) < 400 else "application/problem+json"
                }


def test_what_is_described_is_what_is_read(client: httpx.Client) -> None:
    schemas = described(client)["components"]["schemas"]
    header = schemas["OfferIn"]["properties"]["header"]
    assert (header["minLength"], header["maxLength"]) == (1, 255)
    assert schemas["OfferIn"]["additionalProperties"] is False
    assert schemas["HeaderChange"]["required"] == ["id", "flightSpecialHeader"]


def test_the_page_brings_all_it_needs(client: httpx.Client) -> None:
    response = client.get("/docs")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert not re.findall(r"""(?:src|href)=["'](?!openapi\.json)""", response.text)
    assert "http://" not in response.text
    assert "https://" not in response.text


def run_schemathesis(url: str, folder: Path, examples: int) -> "subprocess.CompletedProcess[str]":
    """All its checks, and its stateful phase, with a fixed seed."""
    config = folder / "schemathesis.toml"
    # What a schema cannot say is refused as well: U+0000, the body's id that must be the path's, a
    # cursor of ours, a key that was used for something else, a state that has changed.
    config.write_text(
        "[checks.positive_data_acceptance]\n"
        'expected-statuses = ["2xx", "304", "400", "404", "412", "422"]\n'
    )
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"),
        *(f"{url}/openapi.json", "--max-examples", str(examples), "--seed", "1", "--no-color"),
    ]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=540, check=False
    )


def test_schemathesis_finds_nothing(client: httpx.Client, tmp_path: Path) -> None:
    done = run_schemathesis(str(client.base_url), tmp_path, EXAMPLES)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Summary" in done.stdout or "SUMMARY" in done.stdout


@pytest.mark.soak
def test_schemathesis_finds_nothing_in_many_examples(client: httpx.Client, tmp_path: Path) -> None:
    done = run_schemathesis(str(client.base_url), tmp_path, 300)
    assert done.returncode == 0, done.stdout[-6000:]


def test_the_sources_are_packaged() -> None:
    """The page and the seed are read from the package, wherever it is installed."""
    for name in ("interface/api/page.html", "infrastructure/migrations/seed.sql"):
        assert (ROOT / "flightspecial_service" / name).is_file()
