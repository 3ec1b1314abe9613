"""Who may create, change and delete specials."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from flightspecial_service.app import http_app
from flightspecial_service.domain import FlightSpecial
from flightspecial_service.settings import DatabaseSettings, EdgeSettings, Settings
from tests.service.fakes import FakeSpecials, http_dependencies, in_memory
from tests.service.service_runner import OPEN, command, serving, variables
from tests.service.test_service_api import change, is_problem

TOKEN = "0123456789abcdef"
WRITES = [
    ("POST", "/flightspecials"),
    ("POST", "/flightspecials/"),
    ("PATCH", "/flightspecials/1"),
    ("DELETE", "/flightspecials/1"),
]
every_write = pytest.mark.parametrize(("method", "path"), WRITES)


@contextmanager
def service(edge: EdgeSettings) -> Iterator[httpx.Client]:
    """The service in memory, with the special 1."""
    stores = in_memory(FakeSpecials([FlightSpecial(1, "x")]))
    with serving(http_app(stores, http_dependencies(), Settings(edge=edge))) as client:
        yield client


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    return file


def send(client: httpx.Client, method: str, path: str, authorization: str = "") -> httpx.Response:
    headers = {"authorization": authorization} if authorization else {}
    body = None if method == "DELETE" else {"header": "new"}
    return client.request(method, path, json=body, headers=headers)


@every_write
def test_writes_that_the_original_does_not_have_are_off(method: str, path: str) -> None:
    with service(Settings().edge) as client:
        is_problem(send(client, method, path), 501)
        [special] = client.get("/flightspecials").json()
        assert special["header"] == "x"
        assert change(client, 1, {"id": 1, "flightSpecialHeader": "y"}).status_code == 200


@every_write
def test_writes_that_are_on_are_open_to_all(method: str, path: str) -> None:
    with service(OPEN) as client:
        assert send(client, method, path).is_success


@every_write
def test_writes_behind_a_token_need_it(method: str, path: str, token_file: Path) -> None:
    with service(EdgeSettings(special_writes=True, token_file=str(token_file))) as client:
        response = send(client, method, path)
        is_problem(response, 401)
        assert response.headers["www-authenticate"] == 'Bearer realm="flightspecials"'
        assert send(client, method, path, f"bearer {TOKEN}").is_success


@pytest.mark.parametrize(
    "authorization",
    [f"Bearer {TOKEN}x", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN} {TOKEN}"],
)
def test_other_credentials_are_refused(token_file: Path, authorization: str) -> None:
    with service(EdgeSettings(special_writes=True, token_file=str(token_file))) as client:
        response = send(client, "DELETE", "/flightspecials/1", authorization)
        is_problem(response, 401)
        assert response.headers["www-authenticate"].endswith('error="invalid_token"')
        assert TOKEN not in response.text


def test_a_changed_token_is_valid_without_a_restart(
    token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def status(token: str) -> int:
        return send(client, "PATCH", "/flightspecials/1", f"Bearer {token}").status_code

    other = TOKEN[::-1]
    with service(EdgeSettings(special_writes=True, token_file=str(token_file))) as client:
        # As Kubernetes replaces the files of a Secret: another file under the same name.
        (token_file.parent / "next").write_text(other)
        (token_file.parent / "next").rename(token_file)
        assert [status(TOKEN), status(other)] == [401, 200]
        token_file.unlink()
        assert [status(other), status(other)] == [200, 200]
        token_file.write_text("short")
        assert status(other) == 200
    warnings = [each for each in caplog.records if "the last token stays valid" in each.message]
    assert len(warnings) == 1
    assert other not in caplog.text


@pytest.mark.parametrize("content", [None, "", "short", "with blanks in it, long enough", "é" * 20])
def test_a_file_without_a_token_is_refused_at_the_start(
    database: DatabaseSettings, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    env = variables(database, API_TOKEN_FILE=str(file))
    done = command("serve", "--port", "0", env=env)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"flightspecials: API_TOKEN_FILE: {file} ")
