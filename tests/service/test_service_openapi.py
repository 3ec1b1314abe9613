"""The OpenAPI document, and whether the service conforms to it."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from flightspecial_service.app import http_app
from flightspecial_service.settings import EdgeSettings, Settings
from tests.service.fakes import FakeSpecials, http_dependencies, in_memory
from tests.service.service_runner import ROOT, serving

EXAMPLES = 12


def described(client: httpx.Client) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").json()
    return document


def test_the_document_names_every_operation_with_its_errors(client: httpx.Client) -> None:
    api = described(client)
    assert api["openapi"] == "3.1.0"
    operations = {(method, path) for path, methods in api["paths"].items() for method in methods}
    assert operations == {
        ("get", "/flightspecials"),
        ("post", "/flightspecials"),
        ("get", "/flightspecials/{id}"),
        ("patch", "/flightspecials/{id}"),
        ("delete", "/flightspecials/{id}"),
        ("post", "/flightspecials/{id}/header"),
        ("post", "/flightspecials/{profile_id}/name"),
        ("get", "/flightspecials/{profile_id}/flights/{flight_no}/history"),
        ("get", "/travelbuddy/flightspecials"),
        ("options", "/travelbuddy/flightspecials"),
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


def test_the_schemas_are_those_of_the_decoders(client: httpx.Client) -> None:
    schemas = described(client)["components"]["schemas"]
    header = schemas["OfferIn"]["properties"]["header"]
    assert (header["minLength"], header["maxLength"]) == (1, 255)
    assert schemas["OfferIn"]["additionalProperties"] is False
    assert schemas["HeaderChange"]["required"] == ["id", "flightSpecialHeader"]


def test_every_operation_has_a_tag_a_405_and_the_security_that_it_needs(
    client: httpx.Client,
) -> None:
    api = described(client)
    assert [each["url"] for each in api["servers"]] == ["/"]
    tags = {each["name"] for each in api["tags"]}
    for methods in api["paths"].values():
        for operation in methods.values():
            assert set(operation["tags"]) <= tags
            assert operation["security"] == []
            assert operation["responses"]["405"]["headers"]["Allow"]


def test_writes_behind_a_token_say_so(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("0123456789abcdef")
    edge = EdgeSettings(special_writes=True, token_file=str(tmp_path / "token"))
    app = http_app(in_memory(FakeSpecials()), http_dependencies(), Settings(edge=edge))
    with serving(app) as client:
        api = described(client)
    secured = {
        (method, path)
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
        if operation["security"]
    }
    assert secured == {
        ("post", "/flightspecials"),
        ("patch", "/flightspecials/{id}"),
        ("delete", "/flightspecials/{id}"),
    }
    for method, path in secured:
        assert {"401", "501"} <= api["paths"][path][method]["responses"].keys()
    assert api["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_every_type_has_an_example_that_fits_its_schema(client: httpx.Client) -> None:
    components = described(client)["components"]
    for name, schema in components["schemas"].items():
        [example] = schema["examples"]
        whole = {"$ref": f"#/components/schemas/{name}", "components": components}
        jsonschema.validate(example, whole)
        assert not re.search(r"[a-z]_[a-z]", " ".join(example))
    assert "expiryDate" in components["schemas"]["SpecialOut"]["examples"][0]


def test_the_page_is_self_contained(client: httpx.Client) -> None:
    response = client.get("/docs")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert not re.findall(r"""(?:src|href)=["'](?!openapi\.json)""", response.text)
    assert "http://" not in response.text
    assert "https://" not in response.text


def run_schemathesis(url: str, folder: Path, examples: int) -> "subprocess.CompletedProcess[str]":
    """Run all checks of schemathesis, stateful ones included, with a fixed seed."""
    config = folder / "schemathesis.toml"
    # Rules that a schema cannot express are refused as well: U+0000, an id in the body that differs
    # from the path, an unknown cursor, a key of another request, a changed entity tag.
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


def test_the_data_files_are_in_the_package() -> None:
    """The page, the SQL and the seed are read from the installed package."""
    migrations = "infrastructure/migrations"
    sql = f"{migrations}/sql/V1__create_schema.sql"
    for name in ("interface/api/page.html", f"{migrations}/seed.sql", sql):
        assert (ROOT / "flightspecial_service" / name).is_file()
