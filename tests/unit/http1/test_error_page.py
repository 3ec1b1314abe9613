"""The HTML page of an error."""

import re

import pytest

from proxy.errors import RequestError
from proxy.http1.error_page import error_page


def _kinds(kind: type[RequestError] = RequestError) -> list[type[RequestError]]:
    return [kind, *(each for below in kind.__subclasses__() for each in _kinds(below))]


@pytest.mark.parametrize("status", sorted({kind.status for kind in _kinds()} | {429, 599}))
def test_it_shows_status_one_sentence_and_the_request_id(status: int) -> None:
    page = error_page(status, "0123abcd").decode()
    assert page.startswith("<!DOCTYPE html>\n")
    (title,) = re.findall(r"<title>(.*)</title>", page)
    assert title.startswith(f"{status} ")
    assert f"<h1>{title}</h1>" in page
    sentence, request_id = re.findall(r"<p>(.*)</p>", page)
    assert sentence.endswith(".")
    assert request_id == "Request id: <code>0123abcd</code>"


def test_a_request_without_an_id_has_none_on_its_page() -> None:
    assert b"id" not in error_page(502, "").partition(b"<body>")[2]


def test_an_id_cannot_become_markup() -> None:
    """A trusted peer chooses it, perhaps from what a stranger sent."""
    page = error_page(502, "<script>alert('1')</script>&\"")
    assert b"<script>" not in page
    assert b"&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;&amp;&quot;" in page
