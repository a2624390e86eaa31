"""A directory out of an archive: looking at it writes through nothing that was planted there, and leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import vstore


def inspect(url: str) -> subprocess.CompletedProcess[str]:
    code = "from vstore.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, "inspect", url], capture_output=True, text=True, timeout=300)


@pytest.fixture(params=["chroma:{}", "qdrant:{}"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    made: str = request.param.format(tmp_path / "data")
    with vstore.connect(made) as store:
        store.create_collection("letters", dimension=3).add(["a"], [[1, 2, 3]])
    (tmp_path / "keys").write_text("4711")
    return made


def test_a_link_in_place_of_the_old_number_is_not_followed(url: str, tmp_path: Path) -> None:
    (tmp_path / "data" / ".vstore.pid").symlink_to(tmp_path / "keys")
    before = sorted(one.name for one in (tmp_path / "data").iterdir())
    done = inspect(url)
    assert (done.returncode, done.stderr) == (0, "")
    assert "letters" in done.stdout
    assert (tmp_path / "keys").read_text() == "4711"
    assert sorted(one.name for one in (tmp_path / "data").iterdir()) == before


@pytest.mark.parametrize("link", ["symbolic", "hard", "pipe"])
def test_what_stands_in_place_of_the_lock_is_refused(url: str, tmp_path: Path, link: str) -> None:
    lock = tmp_path / "data" / ".vstore.lock"
    assert not lock.exists()
    match link:
        case "symbolic":
            lock.symlink_to(tmp_path / "keys")
        case "hard":
            lock.hardlink_to(tmp_path / "keys")
        case _:
            os.mkfifo(lock)
    done = inspect(url)
    assert done.returncode == 1
    assert ".vstore.lock is" in done.stderr.replace("\n", "")
    assert (tmp_path / "keys").read_text() == "4711"
