"""Asks a running facade's admin listener."""

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
_WITHIN_S = 10.0
_MAX_BYTES = 64 * 1024 * 1024


def add_live(command: Any) -> None:
    """`--live [URL]`, and `--routes FILE` beside it."""
    source = command.add_mutually_exclusive_group()
    source.add_argument("--routes", default="routes.yaml", metavar="FILE", help="the route table")
    source.add_argument(
        "--live",
        nargs="?",
        const=DEFAULT_URL,
        type=_address,
        metavar="URL",
        help=f"ask the running facade whose admin listener is there ({DEFAULT_URL})",
    )

    command.add_argument(
        "--admin-token-file",
        default=os.environ.get("FACADE_ADMIN_TOKEN_FILE"),
        metavar="FILE",
        help="what holds the token that the admin listener asks for",
    )


def _address(said: str) -> str:
    if "://" not in said and ":" in said and "/" not in said:
        said = f"http://{said}"
    if not said.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(
            f"{safe(said)!r} is no address: write --live last, or --live={DEFAULT_URL}"
        )
    return said.rstrip("/")


def ask(arguments: argparse.Namespace, path: str, parameters: Sequence[tuple[str, str]]) -> bytes:
    """The JSON that the admin listener answers. Raises FacadeError, at the latest after ten seconds."""
    live, file = arguments.live, arguments.admin_token_file
    headers = {"authorization": f"Bearer {token_text(Path(file))}"} if file else {}
    try:
        return asyncio.run(_ask(live, path, parameters, headers))
    except TimeoutError:
        raise FacadeError(
            f"facade: nothing answers at {safe(live)} within {_WITHIN_S:g} s: is it the admin listener?"
        ) from None


async def _ask(
    live: str, path: str, parameters: Sequence[tuple[str, str]], headers: Mapping[str, str]
) -> bytes:
    import httpx  # 100 ms: only where a running facade is asked.

    body = bytearray()
    try:
        async with (
            asyncio.timeout(_WITHIN_S),
            # Not through a proxy of the environment: the admin listener is on this machine or near it.
            httpx.AsyncClient(trust_env=False, timeout=_WITHIN_S) as client,
            client.stream("GET", live + path, params=tuple(parameters), headers=headers) as answer,
        ):
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > _MAX_BYTES:
                    raise FacadeError(f"facade: {safe(live)} answers without end")
    except httpx.TimeoutException:
        raise TimeoutError from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FacadeError(
            f"facade: no facade answers at {safe(live)}: {safe(str(error) or type(error).__name__)}: "
            "start one with `facade serve`, or name its admin listener with --live URL"
        ) from None
    if answer.status_code == 401:
        raise FacadeError(
            f"facade: {safe(live)} asks for a token: name the file that holds it with --admin-token-file"
        )
    if answer.status_code != 200:
        said = safe(bytes(body[:200]).decode("utf-8", "replace"))
        raise FacadeError(f"facade: {safe(live)} answered {answer.status_code}: {said}")
    return bytes(body)


def not_an_admin(live: str) -> FacadeError:
    """For an answer that is not what a facade says."""
    return FacadeError(
        f"facade: what answers at {safe(live)} is no facade's admin listener, or one of another version"
    )
