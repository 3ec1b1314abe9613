"""The types of ASGI 3.0, and the extension of our own server."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

OPENING = "facade.opening"
"""An extension of our own server: a head whose lines are at hand, in place of `http.response.start`."""

App = Callable[[Scope, Receive, Send], Awaitable[None]]
