"""`facade init`: a first table out of recorded traffic."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from proxy import cli
from proxy.config.load import load
from proxy.errors import FacadeError
from tests.integration.commands import TABLE, facade, log, logged_request, written

pytestmark = pytest.mark.usefixtures("in_folder")

UUID = "d0c027c6-5b29-4a93-92b1-f7e97a4835d8"
TIME = "[29/Nov/2026:10:00:00 +0000]"


def combined(target: str, method: str = "GET", status: int | str = 200) -> str:
    request = f"{method} {target} HTTP/1.1" if target else "-"
    return f'192.0.2.1 - - {TIME} "{request}" {status} 512 "https://shop.example/" "Mozilla/5.0"'


def shop() -> Iterator[str]:
    """A thousand requests to a monolith with the context path `/shop`."""
    for number in range(100):
        yield from [combined(f"/shop/orders/{number}")] * 3
        yield combined("/shop/orders", "POST", 201)
        yield combined(f"/shop/products/slug-{number}?ref=mail")
        yield combined(f"/shop/api/v1/customers/{UUID}", status=500 if number < 10 else 200)
        yield combined(f"/shop/api/v1/carts/{number:024x}f/items", "PUT")
        yield combined(f"/static/app.{number}.js")
        yield combined("/wp-login.php", status=404)
        yield combined("/shop/", status=302)


def test_init_makes_a_table_that_check_takes(capsys: pytest.CaptureFixture[str]) -> None:
    traffic = log(
        *(logged_request(f"/tb/list/{n}") for n in range(3)),
        logged_request("/tb/page", method="POST"),
    )
    words = ("init", "--from", traffic, "--incumbent", "old=http://monolith:80")
    assert facade(*words) == 0
    assert "- name: list" in capsys.readouterr().out
    assert facade(*words, "-o", "made.yaml") == 0
    assert "/tb/list  3         75.00 %" in capsys.readouterr().out
    assert facade("check", "made.yaml", "--strict") == 0
    capsys.readouterr()
    assert facade(*words, "--newcomer", "new=unix:/run/new.sock", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["seams"][0]["prefix"] == "/tb/list"
    assert facade("check", written("made2.yaml", printed["table"])) == 0


def test_init_finds_seams_and_templates_in_a_combined_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("init", "--from", log(*shop()), "--incumbent", "legacy=http://monolith:8080")
    assert facade(*words, "-o", "made.yaml") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert [line.rstrip() for line in shown.out.splitlines()] == [
        "seam                    requests  share    methods            5xx     example",
        "/shop/orders            400       44.44 %  GET 300, POST 100  0.0 %   GET /shop/orders/{id}",
        "/shop/api/v1/carts      100       11.11 %  PUT 100            0.0 %   PUT /shop/api/v1/carts/{id}/items",
        "/shop/api/v1/customers  100       11.11 %  GET 100            10.0 %  GET /shop/api/v1/customers/{id}",
        "/shop/products          100       11.11 %  GET 100            0.0 %   GET /shop/products/{name}",
        "/static                 100       11.11 %  GET 100            0.0 %   GET /static/{name}",
        "",
        "made.yaml is made, out of 900 requests (Common or Combined Log Format). `facade check` reads it.",
    ]
    assert facade("check", "made.yaml", "--strict") == 0
    table = Path("made.yaml").read_text()
    assert (
        'path: {template: "/shop/api/v1/carts/{id}/items", params: {id: "[0-9A-Fa-f]+"}}' in table
    )
    loaded = load(table.encode(), "made.yaml").table
    assert [backend.preserve_host for backend in loaded.backends] == [True]


def test_init_in_json_has_templates_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert facade("init", "--from", log(*shop(), combined(""), "?"), "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    orders = printed["seams"][0]
    assert (orders["prefix"], orders["share"], orders["server_errors"]) == (
        "/shop/orders",
        44.44,
        0,
    )
    assert orders["templates"] == [
        {
            "method": "GET",
            "path": "/shop/orders/{id}",
            "requests": 300,
            "example": "/shop/orders/1",
        },
        {"method": "POST", "path": "/shop/orders", "requests": 100, "example": "/shop/orders"},
    ]
    assert (printed["lines"], printed["requests"], printed["not_found"]) == (1002, 900, 100)
    assert (printed["formats"], printed["without_path"]) == ({"common": 1001}, 1)
    assert printed["first_unusable"] == [
        {"file": "access.jsonl", "line": 1002, "why": "it is in no known format"}
    ]


def test_a_large_log_is_counted_exactly(capsys: pytest.CaptureFixture[str]) -> None:
    with Path("large.log").open("w") as file:
        for number in range(60):
            file.writelines(f"{line}\n" for line in shop())
            file.writelines(
                f"{combined(f'/shop/pages/{number}-{each}.html')}\n" for each in range(500)
            )
    assert facade("init", "--from", "large.log", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["lines"], printed["requests"]) == (90_000, 84_000)
    seams = {seam["prefix"]: seam for seam in printed["seams"]}
    assert {prefix: seam["requests"] for prefix, seam in seams.items()} == {
        "/shop/orders": 24_000,
        "/shop/pages": 30_000,
        "/shop/products": 6_000,
        "/shop/api/v1/carts": 6_000,
        "/shop/api/v1/customers": 6_000,
        "/static": 6_000,
    }
    assert [each["path"] for each in seams["/shop/pages"]["templates"]] == ["/shop/pages/{name}"]


def test_init_writes_through_no_link() -> None:
    Path("link.yaml").symlink_to("elsewhere.yaml")
    with pytest.raises(FacadeError, match="is there already"):
        facade("init", "--from", log(logged_request()), "-o", "link.yaml")
    assert not Path("elsewhere.yaml").exists()


def test_init_leaves_an_existing_file_alone() -> None:
    with pytest.raises(FacadeError, match="is there already"):
        facade("init", "--from", log(logged_request()), "-o", "routes.yaml")
    assert Path("routes.yaml").read_text() == TABLE


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--from", "missing.log"), "missing.log: No such file or directory: name an access log"),
        (("--from", "."), "Is a directory: name an access log"),
        (
            ("--from", "routes.yaml"),
            "facade: routes.yaml holds no request to go by (line 1 of routes.yaml cannot be read, because it is in no "
            "known format): a log may be in Common or Combined Log Format",
        ),
        (("--from", "empty.log"), "empty.log holds no request to go by (of 0 lines none has one)"),
        (
            ("--from", "none.log", "empty.log"),
            "none.log and 1 more hold no request to go by (of 1 lines",
        ),
        (("--from", "gone.log"), "(the responses to all 1 were 404)"),
        (("--from", "a.zst"), "a.zst is compressed with zstd, which is not read: pass its text"),
        (("--from", "a.xz"), "compressed with xz"),
        (("--from", "a.bz2"), "compressed with bzip2"),
        (("--from", "a.zip"), "is a zip archive"),
        (("--from", "utf16.log"), "is UTF-16 text"),
        (("--from", "-", "-"), "- is standard input: name it once"),
        (("--from", "x", "--incumbent", "legacy"), "write NAME=URL"),
        (("--from", "x", "--incumbent", "a b=http://h"), "write NAME=URL"),
        (("--from", "x", "--newcomer", "new=ftp://h"), "ftp"),
        (("--from", "x", "--newcomer", "legacy=http://h"), "has this name already"),
    ],
)
def test_init_says_what_it_needs(
    words: Sequence[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in (
        ("empty.log", b""),
        ("none.log", f"{combined('')}\n".encode()),
        ("gone.log", combined("/a", status=404).encode()),
        ("a.zst", b"\x28\xb5\x2f\xfd\x00"),
        ("a.xz", b"\xfd7zXZ\x00"),
        ("a.bz2", b"BZh91AY"),
        ("a.zip", b"PK\x03\x04"),
        ("utf16.log", combined("/a").encode("utf-16")),
    ):
        Path(name).write_bytes(content)
    assert cli.main(["init", *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert sentence in shown.err
    assert len(shown.err.splitlines()) == 1
