"""Sends requests to the admin listener of a running facade."""

import argparse
import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from proxy.cli.output import safe
from proxy.errors import FacadeError
from proxy.server.settings import DEFAULT_ADMIN, token_text

DEFAULT_URL = f"http://{DEFAULT_ADMIN}"
_TIMEOUT_S = 10.0
_MAX_BODY_BYTES = 64 * 1024 * 1024


def add_live(command: Any) -> None:
    """Add the options `--live [URL]` and `--routes FILE`, of which one can be given."""
    source = command.add_mutually_exclusive_group()
    source.add_argument("--routes", default="routes.yaml", metavar="FILE", help="the route table")
    source.add_argument(
        "--live",
        nargs="?",
        const=DEFAULT_URL,
        type=_live_address,
        metavar="URL",
        help=f"ask the running facade whose admin listener is there ({DEFAULT_URL})",
    )
    add_token_file(command)


def add_token_file(command: Any) -> None:
    """Add the option `--admin-token-file FILE`."""
    command.add_argument(
        "--admin-token-file",
        default=os.environ.get("FACADE_ADMIN_TOKEN_FILE"),
        metavar="FILE",
        help="what holds the token that the admin listener asks for",
    )


def address(text: str, hint: str = f"write one like {DEFAULT_URL}") -> str:
    """The URL of an admin listener. Raises ArgumentTypeError."""
    if "://" not in text and ":" in text and "/" not in text:
        text = f"http://{text}"
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{safe(text)!r} is no address: {hint}")
    return text.rstrip("/")


def _live_address(text: str) -> str:
    return address(text, f"write --live last, or --live={DEFAULT_URL}")


def get(arguments: argparse.Namespace, path: str, parameters: Sequence[tuple[str, str]]) -> bytes:
    """The JSON body of the response to `--live`. Raises FacadeError, at the latest after ten seconds."""
    return get_from(arguments.live, path, parameters, arguments.admin_token_file)


def get_from(
    url: str, path: str, parameters: Sequence[tuple[str, str]], token_file: str | None
) -> bytes:
    """The JSON body of the response of this listener. Raises FacadeError, at the latest after ten seconds."""
    headers = {"authorization": f"Bearer {token_text(Path(token_file))}"} if token_file else {}
    try:
        return asyncio.run(_get(url, path, parameters, headers))
    except TimeoutError:
        raise FacadeError(
            f"facade: nothing answers at {safe(url)} within {_TIMEOUT_S:g} s: is it the admin listener?"
        ) from None


async def _get(
    live: str, path: str, parameters: Sequence[tuple[str, str]], headers: Mapping[str, str]
) -> bytes:
    import httpx  # Takes 100 ms, and only `--live` needs it.

    body = bytearray()
    try:
        async with (
            asyncio.timeout(_TIMEOUT_S),
            # No proxy from the environment: the admin listener is on this machine or in its network.
            httpx.AsyncClient(trust_env=False, timeout=_TIMEOUT_S) as client,
            client.stream(
                "GET", live + path, params=tuple(parameters), headers=headers
            ) as response,
        ):
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _MAX_BODY_BYTES:
                    raise FacadeError(f"facade: {safe(live)} answers without end")
    except httpx.TimeoutException:
        raise TimeoutError from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FacadeError(
            f"facade: no facade answers at {safe(live)}: {safe(str(error) or type(error).__name__)}: "
            "start one with `facade serve`, or name its admin listener with --live URL"
        ) from None
    if response.status_code == 401:
        raise FacadeError(
            f"facade: {safe(live)} asks for a token: name the file that holds it with --admin-token-file"
        )
    if response.status_code != 200:
        text = safe(bytes(body[:200]).decode("utf-8", "replace"))
        raise FacadeError(f"facade: {safe(live)} answered {response.status_code}: {text}")
    return bytes(body)


def not_an_admin(live: str) -> FacadeError:
    """The error for a response that does not come from an admin listener."""
    return FacadeError(
        f"facade: what answers at {safe(live)} is no facade's admin listener, or one of another version"
    )
