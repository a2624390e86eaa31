"""One process at a time in one directory: the lock, what may stand in its place, and what a forked child does to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.forked import in_child
from vstore import Unavailable
from vstore.spi.dirlock import DirectoryLock, lock_directory

LOCK = ".vstore.lock"


def take(path: Path) -> DirectoryLock:
    return lock_directory(path, because="two would spoil it", instead="start a server")


def elsewhere(path: Path) -> str:
    """What another process says that tries to take it."""
    code = (
        "import sys; from pathlib import Path; from vstore import VStoreError\n"
        "from vstore.spi.dirlock import lock_directory as lock\n"
        "try: lock(Path(sys.argv[1]), because='two would spoil it', instead='start a server'); print('taken')\n"
        "except VStoreError as error: print(error)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True, timeout=120
    ).stdout.strip()


def test_a_directory_is_held_and_given_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("data")
    held = take(tmp_path)
    assert held.writable
    said = elsewhere(tmp_path)
    assert f"is open in process {os.getpid()}, and two would spoil it" in said
    assert "Close it there, or start a server." in said
    held.release()
    held.release()
    assert [one.name for one in tmp_path.iterdir()] == ["data"]
    assert elsewhere(tmp_path) == "taken"


def test_a_directory_is_made(tmp_path: Path) -> None:
    take(tmp_path / "a" / "b").release()
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("text", ["", "4711"], ids=["empty", "of a process that died"])
def test_a_lock_file_that_was_left_is_taken(tmp_path: Path, text: str) -> None:
    (tmp_path / LOCK).write_text(text)
    held = take(tmp_path)
    assert f"process {os.getpid()}" in elsewhere(tmp_path)
    held.release()


def link(path: Path) -> None:
    path.symlink_to(path.parent / "precious")


def hard_link(path: Path) -> None:
    path.hardlink_to(path.parent / "precious")


def other(path: Path) -> None:
    path.write_text("something else")


@pytest.mark.parametrize("plant", [link, hard_link, other, os.mkfifo, Path.mkdir])
def test_what_is_planted_in_place_of_the_lock_is_refused_and_left(
    tmp_path: Path, plant: Callable[[Path], object]
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("12345")  # what a lock could hold
    plant(tmp_path / LOCK)
    before = (tmp_path / LOCK).lstat()
    with pytest.raises(Unavailable, match=r"\.vstore\.lock is .*remove it") as caught:
        take(tmp_path)
    assert not caught.value.retryable
    after = (tmp_path / LOCK).lstat()
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, before.st_size)
    assert precious.read_text() == "12345"


def test_a_link_to_nowhere_makes_nothing(tmp_path: Path) -> None:
    link(tmp_path / LOCK)
    with pytest.raises(Unavailable, match="symbolic link"):
        take(tmp_path)
    assert not (tmp_path / "precious").exists()


def test_the_old_file_with_the_number_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("ssh keys")
    (tmp_path / ".vstore.pid").symlink_to(tmp_path / "precious")
    take(tmp_path).release()
    assert (tmp_path / "precious").read_text() == "ssh keys"
    assert (tmp_path / ".vstore.pid").is_symlink()


@pytest.mark.parametrize("left", [False, True], ids=["no lock", "a lock that was left"])
def test_a_read_only_directory_can_be_held_and_stays_as_it_is(tmp_path: Path, left: bool) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    if left:
        (folder / LOCK).write_text("")
        (folder / LOCK).chmod(0o444)
    folder.chmod(0o555)
    tmp_path.chmod(0o755)

    def use() -> tuple[bool, list[str], str]:
        os.chdir(tmp_path)
        if os.getuid() == 0:  # whom no permission binds
            os.setuid(65534)
        held = take(Path("data"))
        seen = (held.writable, [one.name for one in Path("data").iterdir()])
        held.release()
        return *seen, Path("data", LOCK).read_text() if left else ""

    try:
        assert in_child(use) == (False, [LOCK] * left, "")
    finally:
        folder.chmod(0o755)


def test_a_child_that_lives_on_does_not_keep_the_lock(tmp_path: Path) -> None:
    held = take(tmp_path)
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(sending)
        os.read(receiving, 1)
        os._exit(0)
    held.release()
    assert elsewhere(tmp_path) == "taken"
    os.close(sending)
    os.waitpid(child, 0)


def test_nor_does_it_when_its_parent_dies(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from vstore.spi.dirlock import lock_directory\n"
        "held = lock_directory(Path(sys.argv[1]), because='x', instead='y')\n"
        "child = os.fork()\n"
        "if child == 0: sys.stdin.read(); os._exit(0)\n"
        "print('forked', flush=True); os.kill(os.getpid(), 9)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"forked\n"
    parent.wait(60)
    assert elsewhere(tmp_path) == "taken"
    assert parent.stdin is not None
    parent.stdin.close()
    parent.stdout.close()


@pytest.mark.parametrize("release", [True, False], ids=["released there", "dropped there"])
def test_a_child_does_not_give_the_parents_lock_back(tmp_path: Path, release: bool) -> None:
    held = [take(tmp_path)]

    def end() -> None:
        if release:
            held[0].release()
        held.clear()

    in_child(end)
    assert f"process {os.getpid()}" in elsewhere(tmp_path)
    held[0].release()
    assert elsewhere(tmp_path) == "taken"


def test_a_child_cannot_take_it_and_is_told_who_has_it(tmp_path: Path) -> None:
    held = take(tmp_path)

    def try_it() -> str:
        with pytest.raises(Unavailable) as caught:
            take(tmp_path)
        return str(caught.value)

    assert f"process {os.getpid()}" in in_child(try_it)
    held.release()
