"""A short HTML page for a person whose request failed. It names no backend: the problem document and the log do."""

from html import escape
from http import HTTPStatus

_SENTENCES = {
    400: "The request is not valid.",
    404: "There is no page at this address.",
    408: "The request took too long to arrive.",
    413: "The request is larger than this site accepts.",
    414: "The address is longer than this site accepts.",
    431: "The header fields of the request are larger than this site accepts.",
    502: "This part of the site is not available now. Please try again later.",
    503: "The site is busy now. Please try again in a moment.",
    504: "This part of the site did not respond in time. Please try again later.",
}
_CLIENT_ERROR = "The request was refused."
_SERVER_ERROR = "The site cannot serve this request."
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
</head>
<body>
<h1>{title}</h1>
<p>{sentence}</p>
{more}</body>
</html>
"""


def title_of(status: int) -> str:
    """The registered reason phrase."""
    return HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else "Error"


def error_page(status: int, request_id: str) -> bytes:
    """The page for a status. `request_id` may be empty; a trusted peer may have chosen it."""
    other = _CLIENT_ERROR if status < 500 else _SERVER_ERROR
    more = f"<p>Request id: <code>{escape(request_id)}</code></p>\n" if request_id else ""
    title = f"{status} {escape(title_of(status))}"
    sentence = _SENTENCES.get(status, other)
    return _PAGE.format(title=title, sentence=sentence, more=more).encode()
