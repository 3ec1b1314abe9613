"""QR codes: exact size, never stored, an empty 200 for what cannot be drawn."""

import zlib
from urllib.parse import quote

import pytest
import segno

from deploy.local.travelbuddy.qr_codes import MAX_SIZE, draw
from tests.deploy.local.standin import StandIn


def pixels(image: bytes) -> list[list[int]]:
    """Rows of a PNG of one bit a pixel: 0 is black, 1 is white."""
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(image[at : at + 4]) for at in (16, 20))
    assert image[24:29] == bytes([1, 0, 0, 0, 0]), "one bit, grey scale, not interlaced"
    at, data = 8, b""
    while at < len(image):
        length = int.from_bytes(image[at : at + 4])
        kind, body = image[at + 4 : at + 8], image[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == int.from_bytes(image[at + 8 + length : at + 12 + length])
        data += body if kind == b"IDAT" else b""
        at += 12 + length
    rows, stride = zlib.decompress(data), -(-width // 8) + 1
    assert len(rows) == stride * height
    lines = [rows[at : at + stride] for at in range(0, len(rows), stride)]
    assert all(line[0] == 0 for line in lines), "no filter"
    return [[line[1 + x // 8] >> (7 - x % 8) & 1 for x in range(width)] for line in lines]


@pytest.mark.parametrize("size", ["1", "10", "28", "29", "150", "200", "1001", "5000"])
def test_a_code_is_drawn_in_exactly_the_size(standin: StandIn, size: str) -> None:
    reply = standin.get(f"/travelbuddy/qrcodegen/{size}/hello")
    assert (reply.status, reply.field("content-type")) == (200, "image/png")
    assert [int.from_bytes(reply.body[at : at + 4]) for at in (16, 20)] == [int(size)] * 2


@pytest.mark.parametrize("text", ["hello", "안녕하세요", "https:;,x y", "😀" * 50])
def test_every_module_of_the_text_is_drawn(standin: StandIn, text: str) -> None:
    reply = standin.get(f"/travelbuddy/qrcodegen/500/{quote(text, safe='')}")
    code = segno.make(text, micro=False)
    modules = [list(row) for row in code.matrix_iter(1, 4)]
    scale, rest = divmod(500, len(modules))
    drawn = pixels(reply.body)
    middle = rest // 2 + scale // 2
    sampled = [
        [1 - drawn[middle + y * scale][middle + x * scale] for x in range(len(modules))]
        for y in range(len(modules))
    ]
    assert sampled == modules
    assert set(drawn[0] + drawn[-1]) == {1}, "the margin is white"


def test_a_code_that_is_smaller_than_its_modules_is_drawn_all_the_same() -> None:
    image = draw("hello", 10)
    assert image is not None
    drawn = pixels(image)
    assert len(drawn) == 10
    assert {bit for row in drawn for bit in row} == {0, 1}


def test_a_code_is_stored_nowhere(standin: StandIn) -> None:
    reply = standin.get("/travelbuddy/qrcodegen/100/hello")
    assert reply.field("cache-control") == "no-store"
    assert reply.field("pragma") == "no-cache"
    assert reply.field("expires") == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert reply.field("set-cookie") is None


@pytest.mark.parametrize(
    "path",
    [
        "qrcodegen/-5/hello",
        "qrcodegen/0/hello",
        f"qrcodegen/{MAX_SIZE + 1}/hello",
        pytest.param(f"qrcodegen/100/{'a' * 3000}", id="more text than a code takes"),
        "qrcode/100/hello",
        "qrcode/100/hello/",
    ],
)
def test_what_cannot_be_drawn_is_an_empty_200(standin: StandIn, path: str) -> None:
    reply = standin.get(f"/travelbuddy/{path}")
    assert (reply.status, reply.body) == (200, b"")
    assert reply.field("content-type") is None


@pytest.mark.parametrize("size", ["x", "1.5", "%D9%A2", "9" * 4400, "1e3"])
def test_a_size_that_is_no_number_is_a_400(standin: StandIn, size: str) -> None:
    assert standin.get(f"/travelbuddy/qrcodegen/{size}/hello").status == 400


@pytest.mark.parametrize("path", ["qrcodegen/100", "qrcodegen/100/a/b", "qrcodegen"])
def test_a_code_needs_a_size_and_a_text(standin: StandIn, path: str) -> None:
    assert standin.get(f"/travelbuddy/{path}").status == 404


def test_the_longest_text_fits_into_the_largest_code() -> None:
    assert draw("a" * 2953, MAX_SIZE) is not None
    assert draw("a" * 2954, MAX_SIZE) is None
