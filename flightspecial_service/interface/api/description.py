"""The API description: `/openapi.json`, and a page to browse it at `/docs`."""

from collections.abc import Sequence
from importlib.resources import files

import msgspec

from flightspecial_service.interface.api.openapi import document
from flightspecial_service.interface.api.operations import Operation
from flightspecial_service.interface.api.rendered_lists import Rendered
from flightspecial_service.interface.http.messages import Request, Response

# The page is self-contained and loads nothing from other origins.
_POLICY = (
    b"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'"
)


class Description:
    """The handlers of both; their responses are rendered at the start."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._document = Rendered(msgspec.json.encode(document(operations)))
        self._page = Rendered(
            (files(__package__) / "page.html").read_bytes(),
            (
                (b"content-type", b"text/html; charset=utf-8"),
                (b"content-security-policy", _POLICY),
                (b"x-content-type-options", b"nosniff"),
            ),
        )

    async def openapi(self, request: Request) -> Response:
        """The OpenAPI 3.1 document."""
        return await self._document.response(request)

    async def page(self, request: Request) -> Response:
        """The page to browse it."""
        return await self._page.response(request)
