"""Whether a client prefers HTML to a problem document (RFC 9110 12.5.1)."""

import pytest

from proxy.http1.accept import prefers_html

CHROME = b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        pytest.param([], False, id="no Accept"),
        pytest.param([b""], False, id="an empty one"),
        pytest.param([b"*/*"], False, id="curl"),
        pytest.param([b"text/*"], True, id="any text"),
        pytest.param([b"text/html"], True, id="HTML alone"),
        pytest.param([CHROME], True, id="a browser"),
        pytest.param([CHROME.upper()], True, id="case does not count"),
        pytest.param([b"text/html", b"*/*;q=0.1"], True, id="several fields"),
        pytest.param([b"text/html, image/gif, *; q=.2, */*; q=.2"], True, id="an old weight"),
        pytest.param([b"application/json"], False, id="JSON"),
        pytest.param([b"application/json, text/html"], False, id="both alike"),
        pytest.param([b"application/json;q=0.5, text/html"], True, id="HTML before JSON"),
        pytest.param([b"application/problem+json, text/html;q=0.9"], False, id="problems first"),
        pytest.param([b"text/html;q=0"], False, id="HTML is refused"),
        pytest.param([b"text/html;q=0, text/*"], False, id="the specific range decides"),
        pytest.param([b"text/html;q=0.5, application/*;q=0.6"], False, id="a general range counts"),
        pytest.param([b"image/png"], False, id="neither"),
        pytest.param([b"text/html;charset=utf-8"], True, id="our charset"),
        pytest.param([b"text/html;charset=utf-8;q=0"], False, id="our charset, refused"),
        pytest.param([b"text/html;level=1"], False, id="a foreign parameter"),
        pytest.param([b"text/html;"], True, id="an empty parameter"),
        pytest.param([b"text/html;q=1.5"], True, id="a weight is at most 1"),
        pytest.param([b"text/html;q=2"], False, id="a weight beyond 1"),
        pytest.param([b"text/html;q=0.0001"], False, id="too many decimals"),
        pytest.param([b"text/html;q=x"], False, id="a weight that is none"),
        pytest.param([b"text/html;q="], False, id="a weight that is empty"),
        pytest.param([b"text/html ; Q=0.3 , */* ; q=0.2"], True, id="blanks"),
        pytest.param([b",,;q=1,"], False, id="empty elements"),
    ],
)
def test_a_page_is_for_clients_that_prefer_it(accept: list[bytes], html: bool) -> None:
    assert prefers_html(accept) is html
