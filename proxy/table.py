"""The current table: swapped whole when its file changes; a bad file leaves the last good one in charge."""

import asyncio
import contextlib
import gc
import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace
from watchfiles import Change, awatch

from proxy.credentials import Contexts, Seen, equip, signature_of
from proxy.errors import FacadeError, Problem, TableError
from proxy.facts import Networks
from proxy.load import Loaded, load
from proxy.match import Index
from proxy.model import Backend, Endpoint, Limits, RouteTable
from proxy.record import Reads, reads_of
from proxy.recorder import Recorder

log = logging.getLogger(__name__)

MAX_TABLE_BYTES = 16 * 1024 * 1024
# Of a request line, beside its target: method, version, spaces.
_LINE_BYTES = 128
_POLL_S = 1.0
_DEBOUNCE_MS = 100
_STEP_MS = 50
# A file that is being written looks broken for a moment. A good one takes effect without this wait.
_SECOND_LOOK_S = 0.1


class Snapshot(Struct, frozen=True):
    """Everything that one request needs of the table, from its first line to its last."""

    table: RouteTable
    index: Index
    version: str
    """The first 12 hexadecimal digits of the file's SHA-256."""
    loaded_at: float
    """`time.time()` of the load."""
    backends: Mapping[str, Backend]
    trusted: Networks
    exposed: Networks
    decision_header: bytes
    reads: Reads
    max_head_bytes: int
    """Beyond this no route takes a request's head: it need not be read to its end."""
    max_fields: int
    """The same for the number of its header fields."""
    warnings: tuple[Problem, ...] = ()
    contexts: Contexts = {}
    """How https backends are spoken to; empty without `with_credentials`."""
    files: Seen = {}
    """The files that backends were made ready with."""


class ReloadState(Struct, frozen=True):
    """How the last look at the file ended."""

    ok: bool = True
    error: str = ""
    at: float = 0.0
    reloads: int = 0
    failures: int = 0


def snapshot_of(
    loaded: Loaded, text: bytes, overrides: Mapping[str, Endpoint], now: float
) -> Snapshot:
    """Raises FacadeError if `overrides` names a backend that the table does not have."""
    table = loaded.table
    backends = {backend.name: backend for backend in table.backends}
    for name, endpoint in overrides.items():
        if name not in backends:
            raise FacadeError(
                f"--backend {name}: the table has no such backend, it has {', '.join(backends)}"
            )
        backends[name] = replace(backends[name], endpoints=(endpoint,))
    return Snapshot(
        table,
        loaded.index,
        hashlib.sha256(text).hexdigest()[:12],
        now,
        backends,
        Networks(table.forwarded.trusted_proxies),
        Networks(table.explain.expose_to),
        table.explain.response_header.lower().encode(),
        reads_of(table),
        *head_bounds(table),
        loaded.warnings,
    )


def with_credentials(snapshot: Snapshot, path: Path) -> Snapshot:
    """`snapshot` with what the files that its table names hold now. Blocks. Raises TableError."""
    made = equip(snapshot.backends, snapshot.table.tls_files, path)
    return replace(snapshot, backends=made.backends, contexts=made.contexts, files=made.files)


def head_bounds(table: RouteTable) -> tuple[int, int]:
    """The most bytes and header fields that some route takes, request line and line ends included."""
    limits = {route.limits for route in table.routes} | {Limits()}
    sizes = (
        each.max_uri_bytes + each.max_header_bytes + 4 * each.max_headers + _LINE_BYTES
        for each in limits
    )
    return max(sizes), max(each.max_headers for each in limits)


def read_table(path: Path) -> bytes:
    """The file's bytes. Raises OSError, or TableError for one that no table can be (too large, no file)."""
    with path.open("rb") as file:
        text = file.read(MAX_TABLE_BYTES + 1)
    if len(text) > MAX_TABLE_BYTES:
        raise TableError(
            str(path), (Problem(0, 0, "the file is larger than 16 MiB", "a table has less"),)
        )
    return text


class Tables:
    """Holds the current snapshot and watches its file.

    `current` is replaced, never edited: a request keeps the one it began with. `on_swap` hears of each
    new snapshot before it takes effect, and prepares what it needs.
    """

    def __init__(
        self,
        path: Path,
        overrides: Mapping[str, Endpoint],
        on_swap: Callable[[Snapshot], None],
        *,
        recording: bool = True,
    ) -> None:
        """Raises OSError, TableError or FacadeError: a facade never starts with an empty table.

        Of the processes that watch one file, one is `recording` what takes effect.
        """
        self._path = path
        self._overrides = overrides
        self._on_swap = on_swap
        self._looking = asyncio.Lock()
        self._text = read_table(path)
        self._signature = signature_of(path)
        with _no_collection():
            loaded = load(self._text, str(path))
        bare = snapshot_of(loaded, self._text, overrides, time.time())
        self.current = with_credentials(bare, path)
        self.recorder = Recorder(path) if recording else None
        self._note()
        on_swap(self.current)
        self.state = ReloadState(at=self.current.loaded_at)

    async def watch(self) -> None:
        """Follow the file until cancelled. The owner is the application's lifespan."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hear())
            group.create_task(self._look())

    async def _hear(self) -> None:
        """Take what changes as soon as it does."""
        while True:
            try:
                # The directory, because Kubernetes and editors swap the file itself (findings, 19).
                async for _ in awatch(
                    self._path.parent,
                    watch_filter=self._concerns,
                    debounce=_DEBOUNCE_MS,
                    step=_STEP_MS,
                    recursive=False,
                ):
                    await self.refresh(look_inside=False)
            except (OSError, RuntimeError) as error:
                log.warning("cannot watch %s, looking once a second: %s", self._path.parent, error)
                await asyncio.sleep(_POLL_S)

    async def _look(self) -> None:
        """Look once a second: the floor under file systems without events, and the files of `tls`."""
        while True:
            await asyncio.sleep(_POLL_S)
            await self.refresh()

    def _concerns(self, _: Change, path: str) -> bool:
        """The file itself, or Kubernetes' `..data`: what else happens in the directory is not ours."""
        name = Path(path).name
        return name == self._path.name or name.startswith("..")

    async def refresh(self, *, look_inside: bool = True) -> bool:
        """Look at the file, swap in what changed. Without `look_inside`, an untouched file is not read.

        Returns whether a new table took effect. Never raises: what is wrong is in `state`.
        """
        async with self._looking:
            signature = signature_of(self._path)
            if not look_inside and signature == self._signature:
                return False
            taken = await self._take()
            self._signature = signature
            return taken

    async def _take(self, *, patient: bool = True) -> bool:
        """Take what is in the file. If it is broken and `patient`, look once more before saying so."""
        text, fault = await asyncio.to_thread(self._read)
        if fault is None and text == self._text:
            fault = await self._renew()
            if fault is None:
                self._recovered()
                return False
        elif fault is None:
            with _no_collection():
                snapshot, fault = await asyncio.to_thread(self._load, text)
                if snapshot is not None:
                    self._swap(snapshot, text)
            if snapshot is not None:
                return True
        if fault == self.state.error:
            return False
        if patient:
            await asyncio.sleep(_SECOND_LOOK_S)
            again, _ = await asyncio.to_thread(self._read)
            if again != text or text == self._text:
                return await self._take(patient=False)
        self._failed(fault or "")
        return False

    def _read(self) -> tuple[bytes, str | None]:
        try:
            return read_table(self._path), None
        except TableError as error:
            return b"", str(error)
        except OSError as error:
            return b"", f"{self._path}: {error.strerror or error}"

    def _load(self, text: bytes) -> tuple[Snapshot | None, str]:
        try:
            loaded = load(text, str(self._path))
            bare = snapshot_of(loaded, text, self._overrides, time.time())
            return with_credentials(bare, self._path), ""
        except FacadeError as error:
            return None, str(error)

    async def _renew(self) -> str | None:
        """Take files that were renewed under an unchanged table. Returns what is wrong with them."""
        before = self.current
        snapshot, fault = await asyncio.to_thread(_renewed, before, self._path)
        if snapshot is None:
            return fault
        if snapshot.backends != before.backends:
            self._on_swap(snapshot)
            self.state = replace(self.state, at=time.time(), reloads=self.state.reloads + 1)
            log.info("table %s: certificates of its backends were renewed", snapshot.version)
        self.current = snapshot
        return None

    def _swap(self, snapshot: Snapshot, text: bytes) -> None:
        self._on_swap(snapshot)
        self.current = snapshot
        self._text = text
        self._note()
        self.state = replace(
            self.state, ok=True, error="", at=time.time(), reloads=self.state.reloads + 1
        )
        log.info("table %s is in effect (%d routes)", snapshot.version, snapshot.index.size)

    def _note(self) -> None:
        if self.recorder is not None:
            self.recorder.note(self.current.version, self._text, self.current.table)

    def _recovered(self) -> None:
        if not self.state.ok:
            self.state = replace(self.state, ok=True, error="", at=time.time())
            log.info("table %s: the file is good again, and unchanged", self.current.version)

    def _failed(self, fault: str) -> None:
        self.state = replace(
            self.state, ok=False, error=fault, at=time.time(), failures=self.state.failures + 1
        )
        log.error("kept table %s: %s", self.current.version, fault)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """No cyclic garbage collection inside; afterwards what is there is left out of all that follow.

    A table of 10,000 routes is half a million objects that live long and hold no cycle. Going through them
    stops every request for 50 to 100 ms, during the load and at each full collection after it (ADR 8).
    """
    if not gc.isenabled():
        yield
        return
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _renewed(snapshot: Snapshot, path: Path) -> tuple[Snapshot | None, str | None]:
    """`snapshot` with files that changed since; None where none did, or with what is wrong with them."""
    if all(signature_of(each) == seen for each, seen in snapshot.files.items()):
        return None, None
    try:
        return with_credentials(snapshot, path), None
    except TableError as error:
        return None, str(error)
