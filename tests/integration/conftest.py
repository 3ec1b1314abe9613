"""Fixtures that several files of tests use."""

from pathlib import Path

import pytest

from tests.integration.commands import TABLE
from tests.integration.tls_site import Site


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory is a folder of the test's own, with a table in `routes.yaml`."""
    monkeypatch.chdir(tmp_path)
    Path("routes.yaml").write_text(TABLE)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A folder for a table whose backend speaks TLS."""
    return Site(tmp_path)
