"""The types of ASGI 3.0, and the name of our own extension."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HEAD_BLOCK = "facade.head_block"
"""An extension of our server: a message with a rendered head, which replaces `http.response.start`.

Its keys: `status`; `head_block`, status line and field lines as bytes; `length`, the Content-Length or None.
"""

App = Callable[[Scope, Receive, Send], Awaitable[None]]
