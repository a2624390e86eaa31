"""A file that is damaged, cut short, missing or foreign is found and named before anything is read from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.transfer.files.data import (
    FOLDERS,
    RECORDS,
    SINGLE,
    assert_same,
    at,
    damaged,
    everything,
    export,
    flip_a_bit,
    names,
)
from vstore import InvalidInput, Mismatch, NotFound, VStoreError
from vstore.conformance.fixtures import clause
from vstore.transfer.files import open_data_set

pytestmark = clause("MIG-23")

SUFFIXES = {
    "parquet:set": [".parquet"],
    "arrow:set": [".arrow"],
    "jsonl:set": [".jsonl"],
    "npy:set": [".npy", ".jsonl"],
}
FILES = [(form, suffix) for form, suffixes in SUFFIXES.items() for suffix in suffixes]


def cut_short(data: bytearray) -> None:
    del data[-9:]


@pytest.mark.parametrize(("form", "suffix"), FILES)
@pytest.mark.parametrize(
    ("change", "message"), [(flip_a_bit, "is damaged: its SHA-256"), (cut_short, "bytes, not")], ids=["bit", "cut"]
)
def test_a_damaged_part_is_named(
    form: str, suffix: str, change: Callable[[bytearray], None], message: str, tmp_path: Path
) -> None:
    export(at(tmp_path, form))
    part = tmp_path / "set" / f"part-000002{suffix}"
    damaged(part, change)
    with pytest.raises(Mismatch, match=message) as caught:
        open_data_set(at(tmp_path, form))
    assert str(part) in caught.value.message
    assert "export again" in caught.value.hint


@pytest.mark.parametrize(("form", "suffix"), FILES)
def test_a_missing_part_is_named(form: str, suffix: str, tmp_path: Path) -> None:
    export(at(tmp_path, form))
    part = tmp_path / "set" / f"part-000003{suffix}"
    part.unlink()
    with pytest.raises(NotFound, match="missing") as caught:
        open_data_set(at(tmp_path, form))
    assert str(part) in caught.value.message


def test_two_parts_that_changed_places_are_found(tmp_path: Path) -> None:
    export(at(tmp_path, "parquet:set"))
    first, second = (tmp_path / "set" / f"part-00000{n}.parquet" for n in (0, 1))
    first.rename(tmp_path / "x")
    second.rename(first)
    (tmp_path / "x").rename(second)
    with pytest.raises(Mismatch, match="part-000000"):
        open_data_set(str(tmp_path / "set"))


@pytest.mark.parametrize("form", FOLDERS)
def test_a_part_of_something_else_is_named(form: str, tmp_path: Path) -> None:
    export(at(tmp_path, form))
    export(at(tmp_path / "other", form), size=10)
    stranger = f"part-000020{SUFFIXES[form][-1]}"
    (tmp_path / "other" / "set" / stranger).rename(tmp_path / "set" / stranger)
    with pytest.raises(Mismatch, match="manifest knows nothing of it") as caught:
        open_data_set(at(tmp_path, form))
    assert stranger in caught.value.message


@pytest.mark.parametrize("form", SINGLE)
def test_a_damaged_file_is_named(form: str, tmp_path: Path) -> None:
    export(str(tmp_path / form))
    whole = (tmp_path / form).read_bytes()
    for place in range(len(whole) // 7, len(whole), len(whole) // 7):
        (tmp_path / form).write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        said = ""
        try:
            source = open_data_set(str(tmp_path / form))
        except VStoreError as error:
            said = str(error)
        if said:
            assert form in said
        else:  # what was hit is of no consequence, such as padding
            assert_same(everything(source))
    (tmp_path / form).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Mismatch, match=form):
        open_data_set(str(tmp_path / form))


def change_a_vector(data: bytearray) -> None:
    at = data.index(RECORDS.vectors[7].tobytes())  # type: ignore[index]
    data[at] ^= 1


def test_one_bit_of_one_vector_in_a_single_file_is_found(tmp_path: Path) -> None:
    export(str(tmp_path / "set.arrow"))
    damaged(tmp_path / "set.arrow", change_a_vector)
    with pytest.raises(Mismatch, match="records are not those of its manifest"):
        open_data_set(str(tmp_path / "set.arrow"))


def test_one_bit_in_a_page_of_parquet_is_found_by_its_checksum(tmp_path: Path) -> None:
    export(str(tmp_path / "set.parquet"))
    damaged(tmp_path / "set.parquet", lambda data: data.__setitem__(200, data[200] ^ 1))
    with pytest.raises(Mismatch, match=r"set.parquet.*(CRC|damaged)"):
        open_data_set(str(tmp_path / "set.parquet"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.replace(b'"version": 1', b'"version": 2'), "version 2; this vstore reads 1"),
        (lambda data: data.replace(b'"vstore-files"', b'"something"'), "not a manifest of vstore"),
        (lambda data: data[:-20], "damaged: JSONDecodeError"),
        (lambda data: data.replace(b'"digest"', b'"digits"'), "damaged: KeyError"),
        (lambda data: data.replace(b"vstore.record.1", b"vstore.record.9"), "digest follows"),
        (lambda data: data.replace(b'"l2"', b'"l7"'), "damaged: ValueError"),
        (lambda data: data.replace(b'"part-000001.parquet"', b'"../part-000001.parquet"'), "missing"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_refused(
    change: Callable[[bytes], bytes], message: str, tmp_path: Path
) -> None:
    export(str(tmp_path / "set"))
    manifest = tmp_path / "set" / "manifest.json"
    manifest.write_bytes(change(manifest.read_bytes()))
    with pytest.raises((Mismatch, NotFound), match=message):
        open_data_set(str(tmp_path / "set"))


def test_rows_that_the_manifest_does_not_know_are_found(tmp_path: Path) -> None:
    export(str(tmp_path / "set"))
    manifest = tmp_path / "set" / "manifest.json"
    told = json.loads(manifest.read_text())
    told["parts"].pop()
    manifest.write_text(json.dumps(told))
    (tmp_path / "set" / "part-000003.parquet").unlink()
    with pytest.raises(Mismatch, match="300 records, not the 360"):
        open_data_set(str(tmp_path / "set"))


def test_nothing_is_made_where_nothing_is(tmp_path: Path) -> None:
    for path in ("set", "parquet:set", "set.parquet", "a/b/set.jsonl"):
        with pytest.raises(NotFound, match="no file or directory"):
            open_data_set(at(tmp_path, path))
    assert names(tmp_path) == []


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".jsonl"])
def test_a_file_that_is_not_what_its_name_says_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"\x00PAR2 anything else\n" * 30)
    with pytest.raises(Mismatch, match=path.name) as caught:
        open_data_set(str(path))
    assert caught.value.hint


def test_a_folder_that_holds_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Mismatch, match="holds no data set"):
        open_data_set(str(tmp_path))
    (tmp_path / "a.parquet").touch()
    (tmp_path / "b.jsonl").touch()
    with pytest.raises(InvalidInput, match="files of jsonl and parquet"):
        open_data_set(str(tmp_path))


def test_an_unknown_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id,vector\n")
    with pytest.raises(InvalidInput, match=r"nothing tells how .* is encoded"):
        open_data_set(str(tmp_path / "x.csv"))
    with pytest.raises(InvalidInput, match="names a store"):
        open_data_set("chroma:./data")
