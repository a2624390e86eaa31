"""``vstore load --field``: vectors of named fields from a file."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vstore
from tests.load.test_load import LEXICAL, TEXT, run, write
from vstore import Dense, InvalidInput, Metric, Sparse, SparseArray
from vstore.load import VectorColumn, find_fields
from vstore.transfer.files.vector_columns import rounded

IMAGES = [[0.1, 0.2], None, [3.0, -1e-40]]
TERMS: list[Any] = [{"indices": [7, 2], "values": [0.5, 0.1]}, None, {"indices": [4_294_967_293], "values": [1.0]}]
WANTED = SparseArray.of([{2: 0.1, 7: 0.5}, None, {2**32 - 3: 1.0}])
FIELDS = ("--field", "image=img:l2", "--field", "terms")
ROWS = [{"id": f"r{n}", "body": f"text {n}", "img": IMAGES[n], "terms": TERMS[n]} for n in range(3)]


def in_jsonl(folder: Path) -> Path:
    return write(folder / "x.jsonl", ROWS)


def in_json_objects(folder: Path) -> Path:
    objects: list[Any] = [{"7": 0.5, "2": 0.1}, {}, {"4294967293": 1}]
    return write(folder / "x.jsonl", [row | {"terms": one} for row, one in zip(ROWS, objects, strict=True)])


def in_csv(folder: Path) -> Path:
    with (folder / "x.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ROWS[0])
        writer.writeheader()
        writer.writerows({k: v if isinstance(v, str) else v and json.dumps(v) for k, v in row.items()} for row in ROWS)
    return folder / "x.csv"


def in_parquet(folder: Path) -> Path:
    sparse = pa.struct([("indices", pa.list_(pa.uint32())), ("values", pa.list_(pa.float32()))])
    return parquet(folder, pa.array(TERMS, sparse))


def in_parquet_as_maps(folder: Path) -> Path:
    pairs = [[(7, 0.5), (2, 0.1)], None, [(2**32 - 3, 1.0)]]
    return parquet(folder, pa.array(pairs, pa.map_(pa.int64(), pa.float32())))


def parquet(folder: Path, terms: Any) -> Path:
    table = pa.table(
        {
            "id": [row["id"] for row in ROWS],
            "body": [row["body"] for row in ROWS],
            "img": pa.array(IMAGES, pa.list_(pa.float64())),
            "terms": terms,
        }
    )
    pq.write_table(table, folder / "x.parquet")
    return folder / "x.parquet"


@pytest.mark.parametrize("make", [in_jsonl, in_json_objects, in_csv, in_parquet, in_parquet_as_maps])
def test_vectors_of_every_form_arrive(make: Any, tmp_path: Path) -> None:
    url = f"chroma:{tmp_path / 'data'}"
    code, out, err = run("load", make(tmp_path), url, "docs", *TEXT, *LEXICAL, *FIELDS)
    assert code == 0, out + err
    with vstore.connect(url) as store:
        found = store["docs"]
        assert list(found.info.fields) == ["image", "terms"]
        image = found.info.fields["image"]
        assert isinstance(image, Dense)
        assert (image.dimension, image.metric) == (2, "l2")
        records = found.get(["r0", "r1", "r2"])
        assert records.sparse == WANTED
        wanted = np.array([one or [np.nan] * 2 for one in IMAGES], dtype=np.float32)
        assert np.array_equal(records.column("image"), wanted, equal_nan=True)  # type: ignore[arg-type]
        assert records.documents == ["text 0", "text 1", "text 2"]


def test_a_row_of_which_a_vector_is_none_is_rejected_and_the_others_are_loaded(tmp_path: Path) -> None:
    bad = [
        {"img": [1.0]},
        {"img": "x"},
        {"img": [1.0, True]},
        {"img": {"1": 2.0}},
        {"img": []},
        {"img": [10**400, 1]},
        {"terms": [1.0, 2.0]},
        {"terms": {"rain": 1.0}},
        {"terms": {"": 1.0}},
        {"terms": {"1": -1.0}},
        {"terms": {"1": 1.0, "01": 2.0}},
        {"terms": {"indices": [1, 1], "values": [1.0, 2.0]}},
        {"terms": {"indices": [1], "values": [1.0, 2.0]}},
        {"terms": {"9" * 5000: 1.0}},
        {"terms": {"4294967294": 1.0}},
    ]
    rows = [*ROWS, *({"id": f"bad{n}", "body": "text"} | one for n, one in enumerate(bad)), ROWS[0] | {"id": "last"}]
    url = f"chroma:{tmp_path / 'data'}"
    code, out, _ = run("load", write(tmp_path / "x.jsonl", rows), url, "docs", *TEXT, *LEXICAL, *FIELDS, "--json",
                       "--rejected", tmp_path / "bad.jsonl")  # fmt: skip
    assert code == 5
    report = json.loads(out)
    assert (report["loaded"], report["rejected"]) == (4, len(bad))
    reasons = [json.loads(line)["reason"] for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert all("InvalidInput" in reason for reason in reasons)
    assert "'rain' for an index" in reasons[7]


def test_an_existing_collection_tells_what_its_fields_are(tmp_path: Path) -> None:
    url = f"chroma:{tmp_path / 'data'}"
    with vstore.connect(url) as store:
        embedder = vstore.embed.from_spec("lexical:64")
        store.create_collection("docs", embedder=embedder, fields={"image": Dense(2, "dot"), "terms": Sparse()})
    file = write(tmp_path / "x.jsonl", [row | {"img": None} for row in ROWS])
    assert run("load", file, url, "docs", *TEXT, *LEXICAL, *FIELDS)[0] == 0
    code, _, err = run("load", file, url, "docs", *TEXT, *LEXICAL, "--field", "image=img")
    assert code == 1
    assert "the choice of fields is not as it was" in err
    code, _, err = run("load", file, url, "docs", *TEXT, *LEXICAL, "--field", "sound=img", "--restart")
    assert code == 2
    assert "no field 'sound'" in err


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("image", VectorColumn("image", "image")),
        ("image=a=b", VectorColumn("image", "a=b")),
        ("image=a:b:l2", VectorColumn("image", "a:b", "l2")),
        ("image:dot", VectorColumn("image", "image", "dot")),
        ("terms=t:sparse", VectorColumn("terms", "t", "sparse")),
        ("image=", None),
        ("=a", None),
        ("vector=a", None),
        ("image=a:near", None),
    ],
)
def test_what_the_option_takes(given: str, wanted: VectorColumn | None) -> None:
    if wanted is not None:
        assert VectorColumn.parse(given) == wanted
        return
    with pytest.raises(InvalidInput):
        VectorColumn.parse(given)


def test_a_kind_that_is_asked_for_is_kept_to(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no sparse vector"):
        VectorColumn.parse("a:sparse").vector([1.0], rounded)
    with pytest.raises(InvalidInput, match="a sparse vector, not one of l2"):
        VectorColumn.parse("a:l2").vector({"1": 1.0}, rounded)
    path = write(tmp_path / "x.jsonl", [{"a": None}, {"a": ["x"]}, {}])
    with pytest.raises(InvalidInput, match="have no vector in 'a'"):
        find_fields(path, [VectorColumn.parse("a")], Metric.L2)
