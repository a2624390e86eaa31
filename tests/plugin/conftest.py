"""Installs the stranger's package for these tests: a folder on the path with a dist-info, as pip leaves one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

SITE = Path(__file__).parent / "site"


@pytest.fixture(scope="session", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The paths to put on ``PYTHONPATH``; in this process they are on ``sys.path`` meanwhile."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "vstore_stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vstore-stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vstore.adapters]\nstranger = vstore_stranger:adapter\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SITE))
        patch.syspath_prepend(str(folder))
        yield os.pathsep.join([str(folder), str(SITE)])
