"""Columns of files of others that become named fields, as ``vstore import --field`` names them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.transfer.files.data import everything
from vstore import HNSW, Dense, InvalidInput, Mismatch, Sparse, SparseArray, connect
from vstore.conformance.fixtures import clause
from vstore.errors import LimitExceeded
from vstore.transfer import CollectionTarget, Status, copy
from vstore.transfer.files import Columns, FileSource, Foreign, open_data_set
from vstore.transfer.files.vector_columns import VectorColumn

pytestmark = clause("MIG-23")

IDS = ["a", "b", "c"]
IMAGES = [None, [0.5, 2.0], [3.0, -0.25]]
TERMS: list[Any] = [{"indices": [7, 2], "values": [0.5, 0.25]}, None, {"indices": [2**32 - 3], "values": [1.0]}]
WANTED = SparseArray.of([{2: 0.25, 7: 0.5}, None, {2**32 - 3: 1.0}])
STRUCT = pa.struct([("indices", pa.list_(pa.int64())), ("values", pa.list_(pa.float64()))])


def opened(path: Path | str, *fields: str, metric: str | None = None, **columns: Any) -> FileSource:
    told = tuple(map(VectorColumn.parse, fields or ("image=img:l2", "terms:sparse")))
    return open_data_set(str(path), foreign=Foreign(metric=metric, columns=Columns(fields=told, **columns)))


def table(**columns: Any) -> Any:
    given = {
        "id": IDS,
        "img": pa.array(IMAGES, pa.list_(pa.float64())),
        "terms": pa.array(TERMS, STRUCT),
        "n": [1, 2, 3],
    }
    return pa.table(given | columns)


def in_parquet(folder: Path) -> str:
    pq.write_table(table(), folder / "x.parquet")
    return str(folder / "x.parquet")


def in_parquet_as_maps_and_texts(folder: Path) -> str:
    pairs = pa.array([[(7, 0.5), (2, 0.25)], None, [(2**32 - 3, 1.0)]], pa.map_(pa.int64(), pa.float32()))
    pq.write_table(table(terms=pairs, img=[one and json.dumps(one) for one in IMAGES]), folder / "x.parquet")
    return str(folder / "x.parquet")


def in_arrow(folder: Path) -> str:
    given = table(img=pa.array(IMAGES, pa.list_(pa.float32(), 2)))
    with pa.ipc.new_file(folder / "x.arrow", given.schema) as writer:
        writer.write_table(given)
    return str(folder / "x.arrow")


def in_lines(folder: Path) -> str:
    terms = [{"7": 0.5, "2": 0.25}, None, TERMS[2]]
    rows = [{"id": IDS[n], "img": IMAGES[n], "terms": terms[n], "n": n + 1} for n in range(3)]
    del rows[0]["img"]
    (folder / "x.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(folder / "x.jsonl")


@pytest.mark.parametrize("make", [in_parquet, in_parquet_as_maps_and_texts, in_arrow, in_lines])
def test_columns_become_fields(make: Callable[[Path], str], tmp_path: Path) -> None:
    source = opened(make(tmp_path))
    assert source.info.fields == {"image": Dense(2, "l2", index=HNSW()), "terms": Sparse()}
    assert source.info.dimension == 0
    found = everything(source, batch_size=2)
    assert (found.vectors, found.sparse) == (None, WANTED)
    wanted = np.array([[np.nan] * 2, *IMAGES[1:]], dtype=np.float32)
    assert np.array_equal(found.column("image"), wanted, equal_nan=True)  # type: ignore[arg-type]
    assert found.metadatas == [{"n": 1}, {"n": 2}, {"n": 3}]
    with connect("memory:") as store:
        report = copy(source, CollectionTarget(store, "docs"))
        assert report.status is Status.VERIFIED, report.error
        assert store["docs"].get(IDS) == found


def test_vectors_in_npy_have_fields_in_the_lines_beside_them(tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", np.ones((3, 4), dtype=np.float32))
    Path(in_lines(tmp_path)).rename(tmp_path / "records.jsonl")
    source = opened(f"npy:{tmp_path}", metric="dot")
    assert (source.info.dimension, list(source.info.fields)) == (4, ["image", "terms"])
    assert everything(source).sparse == WANTED
    assert source.get(["c"]).sparse == WANTED[2:]


def test_a_vector_without_a_name_beside_them_needs_its_metric(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(vector=pa.array([[1.0]] * 3, pa.list_(pa.float32()))), path)
    with pytest.raises(InvalidInput, match="by which metric"):
        opened(path)
    assert opened(path, metric="dot").info.dimension == 1
    with pytest.raises(InvalidInput, match="no column 'other' for the vectors"):
        opened(path, metric="dot", vector="other")


DOUBLE = pa.list_(pa.float64())


@pytest.mark.parametrize(
    ("fields", "columns", "said"),
    [
        (("image=img",), {}, "nothing tells what the field 'image' is"),
        (("image=img:l2", "image=terms:sparse"), {}, "names a field twice"),
        (("image=img:l2", "terms=img:sparse"), {}, "for two purposes"),
        (("image=nowhere:l2",), {}, "no column 'nowhere' for a field"),
        (("image=img:sparse",), {}, r"image\[1\]: the column 'img' is no sparse vector"),
        (("terms:dot",), {}, r"terms\[0\]: the column 'terms' is a sparse vector, not one of dot"),
        (("image=img:l2",), {"img": pa.array([None] * 3, DOUBLE)}, "no record .* has a vector of the field 'image'"),
        (("image=img:l2",), {"img": pa.array([[1.0], None, [1.0, 2.0]], DOUBLE)}, "vectors of 1 to 2 numbers"),
        (("image=img:l2",), {"img": pa.array([None, [1.0, None], None], DOUBLE)}, r"image\[1\].* no vector"),
        (("image=img:l2",), {"img": pa.array([None, [np.nan, 1.0], None], DOUBLE)}, r"image\[1\] begins with NaN"),
        (("image=img:l2",), {"img": pa.array([None, [1.0, np.nan], None], DOUBLE)}, r"image\[1\] contains NaN"),
        (("image=img:l2",), {"img": pa.array([None, [1.0, 0.1], None], DOUBLE)}, r"image\[1\]: numbers\[0\] holds 0.1"),
        (("image=n:l2",), {}, r"image\[0\]: the column 'n' is no vector: 1"),
        (
            ("terms:sparse",),
            {"terms": pa.array([{"indices": [1, 1], "values": [1.0, 2.0]}] * 3, STRUCT)},
            "index 1 twice",
        ),
        (("terms:sparse",), {"terms": pa.array([{"indices": [1], "values": [0.1]}] * 3, STRUCT)}, "holds 0.1"),
        (
            ("terms:sparse",),
            {"terms": pa.array([{"indices": [1], "values": []}] * 3, STRUCT)},
            "1 indices and 0 values",
        ),
        (("terms:sparse",), {"terms": pa.array([{"indices": [-1], "values": [1.0]}] * 3, STRUCT)}, "an index outside"),
        (("terms:sparse",), {"terms": pa.array([{"indices": [1], "values": [-1.0]}] * 3, STRUCT)}, "the value -1"),
        (("terms:sparse",), {"terms": ['{"rain": 1.0}'] * 3}, "'rain' for an index"),
        (("terms:sparse",), {"terms": ["{"] * 3}, "no JSON"),
    ],
)
def test_what_is_no_field_is_refused(fields: tuple[str, ...], columns: Any, said: str, tmp_path: Path) -> None:
    given = table(**columns)
    pq.write_table(given, tmp_path / "x.parquet")
    with pytest.raises((InvalidInput, Mismatch, LimitExceeded), match=said):
        opened(tmp_path / "x.parquet", *fields)


def test_lines_that_are_no_field_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    for line, said in (
        ({"img": [1]}, "vectors of 1 to 2 numbers"),
        ({"img": [True, 1]}, r"image\[1\].*no vector"),
        ({"img": [10**400, 1]}, "an integer beyond float32"),
        ({"img": [0.1234567890123, 1]}, r"numbers\[0\] holds 0.1234567890123"),
        ({"terms": {"1": 1, "01": 2}}, "has the index 1 twice"),
        ({"terms": [1]}, "no sparse vector"),
        ({"vector": [1]}, "'vector' stands in this line, and not in the first line"),
    ):
        path.write_text(f'{{"id": "a", "img": [0.1, 1]}}\n{json.dumps({"id": "b"} | line)}\n')
        with pytest.raises(InvalidInput, match=said):
            opened(path)
    path.write_text('{"id": "a", "img": [0.1, 1]}\n')
    with pytest.raises(InvalidInput, match=r"no record of .* has 'terms'"):
        opened(path)


def test_rounding_is_allowed_by_name(tmp_path: Path) -> None:
    given = table(
        img=pa.array([None, [1.0, 0.1], None], DOUBLE), terms=pa.array([{"indices": [1], "values": [0.1]}] * 3, STRUCT)
    )
    pq.write_table(given, tmp_path / "x.parquet")
    found = everything(opened(tmp_path / "x.parquet", allow=frozenset(["float32"])))
    assert found.sparse == SparseArray.of([{1: 0.1}] * 3)
    assert found[1].fields["image"].tolist() == [1.0, float(np.float32(0.1))]  # type: ignore[union-attr]
