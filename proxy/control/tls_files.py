"""The TLS files that a table names: loaded with the table, and checked for changes while it serves.

A hash of their content is part of the `Backend`. So a renewed certificate makes another backend: the registry opens a
new upstream for it, and the old one finishes its requests in flight.
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
    """Backends with their TLS contexts."""

    backends: Mapping[str, Backend]
    """With absolute paths, and the hash of the files' content."""
    contexts: TlsContexts
    files: FileSignatures


def load_tls_files(
    backends: Mapping[str, Backend], files: Sequence[TlsFile], table: Path
) -> LoadedTls:
    """Load all TLS files of `backends`. `files` has the position of each in the table.

    Blocks. Raises TableError with a problem for every file that cannot be used.
    """
    folder = table.absolute().parent
    loaded = dict(backends)
    contexts: dict[BackendTls | None, ssl.SSLContext] = {}
    signatures: dict[str, tuple[int, ...]] = {}
    problems: list[Problem] = []
    for name, backend in backends.items():
        if not any(endpoint.scheme == "https" for endpoint in backend.endpoints):
            # `--backend NAME=http://…` may have replaced an https address: then no file is needed.
            loaded[name] = replace(backend, tls=None)
        elif backend.tls is None:
            if None not in contexts:
                contexts[None] = default_context()
        else:
            try:
                paths = {key: str(folder / path) for key, path in _paths(backend.tls).items()}
                signatures |= {path: signature_of(path) for path in paths.values()}
                tls, context = _read(backend.tls, paths)
            except TlsFault as fault:
                problems.append(_problem(name, fault, files))
                continue
            loaded[name] = replace(backend, tls=tls)
            contexts[tls] = context
    if problems:
        raise TableError(str(table), tuple(sorted(problems)))
    return LoadedTls(loaded, contexts, signatures)


def signature_of(path: str | Path) -> tuple[int, ...]:
    """Metadata that change when the file does. Links are followed. Empty for a file that is missing."""
    try:
        stats = os.stat(path)
    except OSError:
        return ()
    return (stats.st_dev, stats.st_ino, stats.st_size, stats.st_mtime_ns, stats.st_ctime_ns)


def _paths(tls: BackendTls) -> dict[TlsKey, str]:
    paths = {key: getattr(tls, key) for key in TLS_KEYS}
    return {key: path for key, path in paths.items() if path is not None}


def _read(tls: BackendTls, paths: Mapping[TlsKey, str]) -> tuple[BackendTls, ssl.SSLContext]:
    """`tls` with absolute paths and the hash, and its context. Raises TlsFault."""
    contents = {key: _bytes(key, path) for key, path in paths.items()}
    digest = hashlib.sha256()
    for key, content in contents.items():
        digest.update(f"{key} {len(content)}\n".encode() + content)
    content_hash = digest.hexdigest()[:_HASH_DIGITS]
    absolute = BackendTls(
        paths.get("ca_file"),
        paths.get("cert_file"),
        paths.get("key_file"),
        tls.server_name,
        content_hash,
    )
    pem = Pem(contents.get("ca_file"), contents.get("cert_file"), contents.get("key_file"))
    try:
        return absolute, context_of(absolute, pem)
    except OSError as error:
        raise _unreadable("cert_file", absolute.cert_file or "", error) from None


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
    """The problem, at the position in the table that names the file."""
    for file in files:
        if (file.backend, file.key) == (backend, fault.key):
            return Problem(file.line, file.column, fault.text, fault.hint)
    return Problem(0, 0, f"backend {backend}: {fault.text}", fault.hint)
