"""Where the databases of these tests stand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder of its own with a short path, outside of pytest's.

    PostgreSQL's socket stands below it, and a socket's path has at most 107 bytes. Its server runs as a user of its
    own where the tests run as root, and pytest closes its folders to other users whenever a session begins.
    """
    with tempfile.TemporaryDirectory(prefix="vstore-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls are made again at once."""
    monkeypatch.setattr("vstore.core._sync.retrying.sleep", lambda _: None)
