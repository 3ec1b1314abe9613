"""The cases that one worker records: requests whose responses differed, and a sample of the others, in a file."""

import asyncio
import logging
from collections.abc import Callable

import msgspec

from proxy.comparison.cases import CaseStore, RecordedCases, case_request
from proxy.mirroring.comparisons import Compared
from proxy.model import CompareRules

log = logging.getLogger(__name__)

_WRITE_S = 5.0
_MAX_BODY_BYTES = 8 * 1024 * 1024
"""Bytes of all bodies that a worker keeps."""


def decoded_cases(text: bytes) -> list[RecordedCases]:
    """The cases in a file; none if it cannot be read."""
    try:
        return msgspec.json.decode(text, type=list[RecordedCases])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []


class CaseBook:
    """Keeps cases in memory. `read` gives the file of the worker before; `write` replaces it, and returns why not."""

    def __init__(self, read: Callable[[], bytes], write: Callable[[bytes], str]) -> None:
        self._read = read
        self._write = write
        self._stores: dict[str, tuple[CompareRules, CaseStore]] = {}
        self._body_bytes = 0
        self._has_changed = False
        self._last_fault = ""

    def compared(self, compared: Compared, now: float) -> None:
        """A copy was compared. Cases under earlier rules are forgotten."""
        copy = compared.copy
        rules, copied = copy.mirror.compare, copy.copied
        size = len(compared.baseline.body)
        if rules is None or copied is None or self._body_bytes + size > _MAX_BODY_BYTES:
            return
        name, facts = copy.route.name, copied.facts
        kept = self._stores.get(name)
        if kept is None or kept[0] != rules:
            kept = self._stores[name] = (rules, CaseStore(rules))
        target = facts.path.decode("latin-1")
        if facts.has_query or facts.query:
            target += f"?{facts.query.decode('latin-1')}"
        request = case_request(facts.method, target, facts.headers)
        if kept[1].add(request, compared.baseline, compared.outcome, now):
            self._body_bytes += size
            self._has_changed = True

    async def run(self) -> None:
        """Write changes until cancelled. `Facade.running` owns the task."""
        for recorded in decoded_cases(await asyncio.to_thread(self._read)):
            store = CaseStore(recorded.rules)
            for case in recorded.cases:
                store.restore(case)
            self._stores.setdefault(recorded.route, (recorded.rules, store))
        while True:
            await asyncio.sleep(_WRITE_S)
            if self._has_changed:
                await asyncio.to_thread(self.write)

    def write(self) -> None:
        """Write all cases, if there are new ones. It blocks."""
        if not self._has_changed:
            return
        self._has_changed = False
        cases = [
            RecordedCases(route, rules, [], list(store.cases))
            for route, (rules, store) in list(self._stores.items())
        ]
        fault = self._write(msgspec.json.encode(cases))
        if fault and fault != self._last_fault:
            # A fault that persists is logged once.
            log.warning("the cases of routes are not recorded: %s", fault)
        self._last_fault = fault
