"""Watches the file of a table. A valid change takes effect as a whole; an invalid one leaves the table in effect."""

import asyncio
import contextlib
import gc
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from msgspec.structs import replace
from watchfiles import Change, awatch

from proxy.config.load import Loaded, load
from proxy.control.history.recorder import Recorder
from proxy.control.table_bytes import read_table, unsettled_s
from proxy.control.table_file import snapshot_of, with_files
from proxy.control.tls_files import signature_of
from proxy.errors import FacadeError
from proxy.freeing import free_in_parts
from proxy.model import Endpoint
from proxy.routing.snapshot import CurrentTable, ReloadState, Snapshot

log = logging.getLogger(__name__)

_POLL_S = 1.0
_DEBOUNCE_MS = 100
_STEP_MS = 20
_MAX_WAITS = 10
_ALL_GENERATIONS = 2
_YOUNG_GENERATIONS = 1
"""Of a facade that serves. To visit the objects of 4,000 connections would take 44 ms."""
# A file is invalid while an editor writes it. A valid file takes effect without this wait.
_RECHECK_S = 0.1
_OWN_REFERENCES = 2
"""That of the table, and that of the call that counts."""


class TableWatcher:
    """Loads the table, holds it in `table`, and replaces it when the file changes.

    `on_swap` is called with each snapshot before it takes effect, the first one included.
    """

    def __init__(
        self,
        path: Path,
        overrides: Mapping[str, Endpoint],
        on_swap: Callable[[Snapshot], None],
        *,
        recording: bool = True,
    ) -> None:
        """Raises OSError, TableError or FacadeError: a facade never starts without a table.

        With `recording`, this process records changes in the history. Of several processes that watch the same
        file, one does.
        """
        self._path = path
        self._overrides = overrides
        self._on_swap = on_swap
        self._reloading = asyncio.Lock()
        self._text = read_table(path)
        self._refused = b""
        """The text of the last file that was refused, so that each bad edit counts once."""
        self._signature = signature_of(path)
        self._replaced: list[Loaded] = []
        """Tables that requests in flight may use still."""
        with _collection_paused(_ALL_GENERATIONS):
            self._loaded, snapshot = self._load(self._text, None)
        self.table = CurrentTable(snapshot, ReloadState(at=snapshot.loaded_at))
        self.recorder = Recorder(path) if recording else None
        self._record()
        on_swap(snapshot)

    async def watch(self) -> None:
        """Watch the file until cancelled. `server.app.background_tasks` owns the task."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_events())
            group.create_task(self._poll())

    async def _watch_events(self) -> None:
        while True:
            try:
                # The directory, because editors replace the file, and Kubernetes a link in the directory.
                async for _ in awatch(
                    self._path.parent,
                    watch_filter=self._concerns,
                    debounce=_DEBOUNCE_MS,
                    step=_STEP_MS,
                    recursive=False,
                ):
                    await self._settled()
                    await self.refresh(always_read=False)
            except (OSError, RuntimeError) as error:
                log.warning("cannot watch %s, looking once a second: %s", self._path.parent, error)
                await asyncio.sleep(_POLL_S)

    async def _settled(self) -> None:
        """Wait until the last write of the file is a moment ago."""
        for _ in range(_MAX_WAITS):
            if (wait_s := unsettled_s(self._path, time.time())) == 0:
                return
            await asyncio.sleep(wait_s)

    async def _poll(self) -> None:
        """Check once a second: for file systems without events, and for the files that the table names."""
        while True:
            await asyncio.sleep(_POLL_S)
            await self._free_replaced()
            await self.refresh()

    async def _free_replaced(self) -> None:
        """Free replaced tables that nothing else refers to, in a thread and in parts."""
        unused = [loaded for loaded in self._replaced if _is_unused(loaded)]
        if unused:
            ids = {id(loaded) for loaded in unused}
            self._replaced = [loaded for loaded in self._replaced if id(loaded) not in ids]
            await asyncio.to_thread(_free, unused)

    def _concerns(self, _: Change, path: str) -> bool:
        """Whether a change concerns the file itself or Kubernetes' `..data` link."""
        name = Path(path).name
        return name == self._path.name or name.startswith("..")

    async def refresh(self, *, always_read: bool = True) -> bool:
        """Load the table if the file has changed. Returns whether a new table took effect.

        Never raises: `table.state` has the error. Without `always_read`, the file is only read if its metadata changed.
        """
        async with self._reloading:
            signature = signature_of(self._path)
            if not always_read and signature == self._signature:
                return False
            swapped = await self._reload()
            self._signature = signature
            return swapped

    async def reload(self) -> None:
        """Read the file now, and log which table is in effect, also if none changed. For a signal."""
        failures = self.table.state.failures
        swapped = await self.refresh()
        state, version = self.table.state, self.table.current.version
        if state.ok and not swapped:
            log.info("table %s is in effect, and unchanged", version)
        elif not state.ok and state.failures == failures:
            log.error("kept table %s: %s", version, state.error)

    async def _reload(self, *, recheck: bool = True) -> bool:
        """Load the table in the file. With `recheck`, an invalid file is read once more before it is reported."""
        text = b""
        try:
            text = await asyncio.to_thread(self._read)
            if text == self._text:
                await self._reload_files()
                self._recovered()
                return False
            await self._load_and_swap(text)
            return True
        except FacadeError as error:
            message = str(error)
        if message == self.table.state.error and text == self._refused:
            return False
        if recheck:
            await asyncio.sleep(_RECHECK_S)
            if text == self._text or await self._changed_since(text):
                return await self._reload(recheck=False)
        self._refused = text
        self._failed(message)
        return False

    async def _load_and_swap(self, text: bytes) -> None:
        """Raises FacadeError."""
        with _collection_paused(_YOUNG_GENERATIONS):
            loaded = await asyncio.to_thread(self._loaded_or_refused, text)
            if isinstance(loaded, str):
                raise FacadeError(loaded)
            self._replaced.append(self._loaded)
            self._loaded, snapshot = loaded
            self._swap(snapshot, text)

    def _loaded_or_refused(self, text: bytes) -> tuple[Loaded, Snapshot] | str:
        """The table, or why it is refused: the frames of an error refer to a table, and are freed in this thread."""
        try:
            return self._load(text, self._loaded)
        except FacadeError as error:
            return str(error)

    async def _changed_since(self, text: bytes) -> bool:
        """Whether the file has another text than `text`, which is empty for a file that could not be read."""
        try:
            return await asyncio.to_thread(self._read) != text
        except FacadeError:
            return text != b""

    def _read(self) -> bytes:
        """Raises FacadeError."""
        try:
            return read_table(self._path)
        except OSError as error:
            raise FacadeError(f"{self._path}: {error.strerror or error}") from None

    def _load(self, text: bytes, before: Loaded | None) -> tuple[Loaded, Snapshot]:
        """Raises FacadeError."""
        loaded = load(text, str(self._path), before)
        try:
            return loaded, self._snapshot(loaded, text)
        except FacadeError as error:
            refused = error.with_traceback(None)
        parts = loaded.parts()
        del loaded
        free_in_parts(parts)
        raise refused

    def _snapshot(self, loaded: Loaded, text: bytes) -> Snapshot:
        """Raises FacadeError."""
        without_files = snapshot_of(loaded, text, self._overrides, time.time())
        return with_files(without_files, self._path)

    async def _reload_files(self) -> None:
        """Load files that the table names and that changed while the table did not. Raises TableError."""
        before = self.table.current
        snapshot = await asyncio.to_thread(_with_changed_files, before, self._path)
        renewed = []
        if snapshot.backends != before.backends:
            self._on_swap(snapshot)
            renewed.append("certificates of its backends")
        if snapshot.error_bodies != before.error_bodies:
            renewed.append("files of its error bodies")
        if snapshot.table.keys != before.table.keys:
            renewed.append("keys of its tokens and cookies")
        if renewed:
            state = self.table.state
            self.table.state = replace(state, at=time.time(), reloads=state.reloads + 1)
            log.info("table %s: %s were renewed", snapshot.version, " and ".join(renewed))
        self.table.current = snapshot

    def _swap(self, snapshot: Snapshot, text: bytes) -> None:
        self._on_swap(snapshot)
        self.table.current = snapshot
        self._text = text
        self._record()
        state = self.table.state
        self.table.state = replace(
            state, ok=True, error="", at=time.time(), reloads=state.reloads + 1
        )
        log.info("table %s is in effect (%d routes)", snapshot.version, snapshot.index.size)

    def _record(self) -> None:
        if self.recorder is not None:
            current, known = self.table.current, self._loaded.known
            nodes = None if known is None else known.nodes
            self.recorder.record(current.version, self._text, current.table, nodes)

    def _recovered(self) -> None:
        if not self.table.state.ok:
            self.table.state = replace(self.table.state, ok=True, error="", at=time.time())
            log.info("table %s: the file is good again, and unchanged", self.table.current.version)

    def _failed(self, message: str) -> None:
        state = self.table.state
        self.table.state = replace(
            state, ok=False, error=message, at=time.time(), failures=state.failures + 1
        )
        log.error("kept table %s: %s", self.table.current.version, message)


@contextlib.contextmanager
def _collection_paused(generations: int) -> Iterator[None]:
    """Pause the garbage collector inside the block, and exempt from it the objects that exist at the end.

    Before, these generations are collected, so that no garbage is exempt.

    A table of 10,000 routes has half a million long-lived objects without cycles. A collection that visits them
    delays every request by 50 to 100 ms (ADR 8).
    """
    if not gc.isenabled():
        yield
        return
    gc.collect(generations)
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _is_unused(loaded: Loaded) -> bool:
    """Whether neither a snapshot nor the history refers to this table any more.

    If a request did, its end would free the table in one step.
    """
    holders = max(sys.getrefcount(loaded.index), sys.getrefcount(loaded.table.routes))
    return holders <= _OWN_REFERENCES


def _free(tables: list[Loaded]) -> None:
    """Free `tables`, which nothing else refers to, in parts."""
    while tables:
        free_in_parts(tables.pop().parts())


def _with_changed_files(snapshot: Snapshot, path: Path) -> Snapshot:
    """`snapshot` with the current files; `snapshot` itself if none has changed. Raises TableError."""
    if all(signature_of(each) == known for each, known in snapshot.files.items()):
        return snapshot
    return with_files(snapshot, path)
