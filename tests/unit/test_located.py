"""Where a database is: nothing is made behind a link that leads nowhere, and no engine writes through one."""

from __future__ import annotations

from pathlib import Path

import pytest

import vstore
from vstore import InvalidInput, VStoreError
from vstore.spi.durable import check_links

URLS = ["chroma:{}", "qdrant:{}", "milvus:{}.db", "pgvector:{}"]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("below", ["", "/inner"])
def test_a_link_to_nothing_is_refused(url: str, below: str, tmp_path: Path) -> None:
    named = url.format(tmp_path / "data")
    Path(named.partition(":")[2]).symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(InvalidInput, match="symbolic link to nothing"):
        vstore.connect(url.format(f"{named.partition(':')[2]}{below}") if below else named)
    assert not (tmp_path / "elsewhere.db").exists()


@pytest.mark.parametrize("url", URLS)
def test_a_link_to_itself_and_nobodys_home_are_refused(url: str, tmp_path: Path) -> None:
    named = url.format(tmp_path / "data")
    path = Path(named.partition(":")[2])
    path.symlink_to(path)
    with pytest.raises(InvalidInput, match="symbolic link to nothing"):
        vstore.connect(named)
    with pytest.raises(InvalidInput, match="home directory"):
        vstore.connect(url.format("~nobody-of-this-name/data"))


@pytest.mark.parametrize("url", ["chroma:{}", "qdrant:{}", "milvus:{}.db"])
def test_a_link_inside_that_leads_out_is_refused_and_one_that_stays_is_not(url: str, tmp_path: Path) -> None:
    named = url.format(tmp_path / "data")
    path = Path(named.partition(":")[2])
    for name in ("ours", "theirs"):
        with vstore.connect(url.format(tmp_path / name)) as store:
            store.create_collection("letters", dimension=3).add(["a"], [[1, 2, 3]])
    Path(url.format(tmp_path / "ours").partition(":")[2]).rename(path)
    theirs = Path(url.format(tmp_path / "theirs").partition(":")[2])
    (path / "own").symlink_to(path)
    with vstore.connect(named) as store:
        assert store.get_collection("letters").count() == 1
    inner = next(one for one in sorted(path.rglob("*")) if one.is_dir() and not one.is_symlink())
    (inner / "planted").symlink_to(theirs)
    with pytest.raises(VStoreError, match="leads out of the directory") as caught:
        vstore.connect(named)
    assert not caught.value.retryable
    with vstore.connect(url.format(tmp_path / "theirs")) as store:
        assert store.get_collection("letters").count() == 1


def test_a_collection_of_qdrant_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        with vstore.connect(f"qdrant:{tmp_path / name}") as store:
            store.create_collection(name, dimension=3).add(["a"], [[1, 2, 3]])
    (tmp_path / "ours" / "theirs").symlink_to(tmp_path / "theirs" / "theirs")
    with pytest.raises(VStoreError, match="leads out of the directory"):
        vstore.connect(f"qdrant:{tmp_path / 'ours'}")


def test_a_folder_that_may_not_be_entered_is_passed_over(tmp_path: Path) -> None:
    """As ``lost+found`` where a disk is mounted; root enters it all the same."""
    (tmp_path / "lost+found").mkdir(mode=0)
    try:
        check_links(tmp_path)
        check_links(tmp_path / "gone")
    finally:
        (tmp_path / "lost+found").chmod(0o700)
