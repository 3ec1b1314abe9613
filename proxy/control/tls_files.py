"""The files that a table's `tls` names: read when the table is, and looked at again while it serves.

What they hold becomes part of the `Backend`, so that a renewed certificate is another backend: its upstream is
opened anew, and the one before finishes what it has in flight.
"""

import hashlib
import os
import ssl
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from proxy.errors import Problem, TableError
from proxy.model import TLS_KEYS, Backend, BackendTls, FileSignatures, TlsContexts, TlsFile, TlsKey
from proxy.upstream.tls import Pem, TlsFault, context_of, default_context

MAX_FILE_BYTES = 4 * 1024 * 1024
_HASH_DIGITS = 16


class LoadedTls(Struct, frozen=True):
    """Backends that can be spoken to."""

    backends: Mapping[str, Backend]
    """With absolute paths, and the hash of what the files hold."""
    contexts: TlsContexts
    files: FileSignatures


def load_tls_files(
    backends: Mapping[str, Backend], files: Sequence[TlsFile], table: Path
) -> LoadedTls:
    """Read every file of `backends`; `files` tells where in the table each is named.

    Blocks. Raises TableError with every file that cannot be used.
    """
    folder = table.absolute().parent
    ready = dict(backends)
    contexts: dict[BackendTls | None, ssl.SSLContext] = {}
    seen: dict[str, tuple[int, ...]] = {}
    problems: list[Problem] = []
    for name, backend in backends.items():
        if not any(endpoint.scheme == "https" for endpoint in backend.endpoints):
            # Also where `--backend NAME=http://…` took the place of an https address: no file is needed.
            ready[name] = replace(backend, tls=None)
        elif backend.tls is None:
            if None not in contexts:
                contexts[None] = default_context()
        else:
            try:
                paths = {key: str(folder / path) for key, path in _paths(backend.tls).items()}
                seen |= {path: signature_of(path) for path in paths.values()}
                tls, context = _read(backend.tls, paths)
            except TlsFault as fault:
                problems.append(_problem(name, fault, files))
                continue
            ready[name] = replace(backend, tls=tls)
            contexts[tls] = context
    if problems:
        raise TableError(str(table), tuple(sorted(problems)))
    return LoadedTls(ready, contexts, seen)


def signature_of(path: str | Path) -> tuple[int, ...]:
    """What changes when the file does; of the file that a chain of links ends at. Empty for none."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _paths(tls: BackendTls) -> dict[TlsKey, str]:
    given = {key: getattr(tls, key) for key in TLS_KEYS}
    return {key: path for key, path in given.items() if path is not None}


def _read(tls: BackendTls, paths: Mapping[TlsKey, str]) -> tuple[BackendTls, ssl.SSLContext]:
    """`tls` with absolute paths and the hash, and its context. Raises TlsFault."""
    held = {key: _bytes(key, path) for key, path in paths.items()}
    said = hashlib.sha256()
    for key, content in held.items():
        said.update(f"{key} {len(content)}\n".encode() + content)
    content_hash = said.hexdigest()[:_HASH_DIGITS]
    ready = BackendTls(
        paths.get("ca_file"),
        paths.get("cert_file"),
        paths.get("key_file"),
        tls.server_name,
        content_hash,
    )
    pem = Pem(held.get("ca_file"), held.get("cert_file"), held.get("key_file"))
    try:
        return ready, context_of(ready, pem)
    except OSError as error:
        raise _unreadable("cert_file", ready.cert_file or "", error) from None


def _bytes(key: TlsKey, path: str) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise TlsFault(key, f"`{key}` {path} is no file", "write the path of a PEM file")
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _unreadable(key, path, error) from None
    if len(content) > MAX_FILE_BYTES:
        raise TlsFault(key, f"`{key}` {path} is larger than 4 MiB", "write the path of a PEM file")
    return content


def _unreadable(key: TlsKey, path: str, error: OSError) -> TlsFault:
    text = f"`{key}` {path} cannot be read: {error.strerror or error}"
    return TlsFault(key, text, "put it there, or write another path")


def _problem(backend: str, fault: TlsFault, files: Sequence[TlsFile]) -> Problem:
    """At the place in the table where the file is named."""
    for file in files:
        if (file.backend, file.key) == (backend, fault.key):
            return Problem(file.line, file.column, fault.text, fault.hint)
    return Problem(0, 0, f"backend {backend}: {fault.text}", fault.hint)
