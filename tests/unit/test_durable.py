"""Files that are made and opened without following what somebody has planted."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from vstore import InvalidInput
from vstore.spi.durable import appending, create, prepare, reading, replacing

WRITES: dict[str, Callable[[Path], object]] = {
    "appending": lambda path: appending(path).close(),
    "prepare": prepare,
}


def planted(folder: Path, kind: str) -> Path:
    path = folder / "planted"
    match kind:
        case "a link":
            (folder / "target").write_text("precious")
            path.symlink_to(folder / "target")
        case "a link to nowhere":
            path.symlink_to(folder / "target")
        case "a pipe":
            os.mkfifo(path)
        case "a directory":
            path.mkdir()
        case "a device":
            path.symlink_to("/dev/zero")
    return path


KINDS = ["a link", "a link to nowhere", "a pipe", "a directory"]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_written_through_what_was_planted(tmp_path: Path, kind: str, write: str) -> None:
    path = planted(tmp_path, kind)
    before = path.lstat()
    with pytest.raises(InvalidInput, match="no regular file"):
        WRITES[write](path)
    assert path.lstat() == before
    target = tmp_path / "target"
    assert target.exists() == (kind == "a link")
    assert kind != "a link" or target.read_text() == "precious"


@pytest.mark.parametrize("kind", KINDS)
def test_create_makes_what_is_new_only(tmp_path: Path, kind: str) -> None:
    with pytest.raises(FileExistsError):
        create(planted(tmp_path, kind))


def test_a_link_is_replaced_itself(tmp_path: Path) -> None:
    path = planted(tmp_path, "a link")
    with replacing(path) as file:
        file.write(b"new")
    assert not path.is_symlink()
    assert path.read_text() == "new"
    assert (tmp_path / "target").read_text() == "precious"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["planted", "target"]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")

    def write() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        write()
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("kind", ["a pipe", "a directory", "a device"])
def test_what_is_read_is_a_regular_file(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InvalidInput, match="no regular file"):
        reading(planted(tmp_path, kind))


def test_a_link_to_a_regular_file_is_read(tmp_path: Path) -> None:
    with reading(planted(tmp_path, "a link")) as file:
        assert file.read() == b"precious"
    with pytest.raises(FileNotFoundError):
        reading(tmp_path / "absent")


def test_private_files_are_the_owners_alone(tmp_path: Path) -> None:
    prepare(tmp_path / "prepared", private=True)
    appending(tmp_path / "appended", private=True).close()
    create(tmp_path / "created", private=True).close()
    with replacing(tmp_path / "replaced", private=True):
        pass
    assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}
