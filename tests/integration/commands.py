"""A short way to run a command, and the tables that tests of commands share."""

import json
from pathlib import Path

from proxy.cli import parse

ROOT = Path(__file__).parents[2]
TABLE = """\
version: 1
backends:
  legacy: http://127.0.0.1:8082
  new: http://127.0.0.1:8081
routes:
  - name: list
    stage: canary
    match: {path: {prefix: /list}, methods: [GET, OPTIONS]}
    backend_refs: {legacy: 80, new: 20}
    retry: {attempts: 2}
    mirror: {compare: {status: exact}}
  - name: rest
    backend_refs: legacy
tests:
  - {name: t, input: {path: /list/1}, expect: {route: list}}
"""
SHIFTED = TABLE.replace("80, new: 20", "50, new: 50")
WARNED = (
    TABLE.replace("GET, OPTIONS", "FETCH")
    .replace("route: list", "route: rest")
    .replace("    mirror: {compare: {status: exact}}\n", "")
)
BROKEN = TABLE.replace("new: 20", "new: 30").replace("retry", "retri")


def facade(*words: str) -> int:
    """One command, as `main` runs it."""
    arguments = parse(words)
    return int(arguments.run(arguments))


def written(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def log(*lines: dict[str, object] | str) -> str:
    texts = (each if isinstance(each, str) else json.dumps(each) for each in lines)
    return written("access.jsonl", "".join(f"{text}\n" for text in texts))


def logged_request(
    target: str = "/list", bucket: float = 30.0, **more: object
) -> dict[str, object]:
    return {"method": "GET", "host": "h", "target": target, "bucket": bucket, "status": 200, **more}
