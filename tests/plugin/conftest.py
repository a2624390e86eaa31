"""Installs the packages of ``site`` for these tests: the adapter of docs/adapters.md, and one with faults."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

SITE = Path(__file__).parent / "site"


def write_metadata(folder: Path) -> None:
    """Writes into ``folder`` what pip leaves of a package: its name and its entry point."""
    for name in ("sqlite", "faulty"):
        info = folder / f"vstore_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vstore-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[vstore.adapters]\n{name} = vstore_{name}:adapter\n")


@pytest.fixture(scope="session", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The paths to put on ``PYTHONPATH``; in this process they are on ``sys.path`` meanwhile."""
    folder = tmp_path_factory.mktemp("site")
    write_metadata(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SITE))
        patch.syspath_prepend(str(folder))
        yield os.pathsep.join([str(folder), str(SITE)])
