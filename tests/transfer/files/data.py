"""What the tests of files share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vstore import HNSW, CollectionInfo, Metric, Record, Records
from vstore.conformance import corpus
from vstore.errors import VStoreError
from vstore.memory.store import CAPABILITIES
from vstore.spi.codec import canonical_json
from vstore.transfer.equality import digest_records
from vstore.transfer.files import DataSetPath, Encoding, FileSource, FileTarget, Origin, data_set_path

RECORDS = corpus.records(CAPABILITIES)
INFO = CollectionInfo(
    name="docs",
    dimension=corpus.DIMENSION,
    metric=Metric.L2,
    index=HNSW(m=8),
    metadata=corpus.METADATA,
    embedder="model-7",
)
NOWHERE = FileSource(DataSetPath(Path("/srv/old"), Encoding.JSONL, single=False), INFO, list)
ORIGIN = Origin("jsonl:/srv/old", "jsonl", "")
FOLDERS = ["parquet:set", "arrow:set", "jsonl:set", "npy:set"]
SINGLE = ["set.parquet", "set.arrow", "set.feather", "set.jsonl"]
FORMS = [*FOLDERS, *SINGLE]


def no_refusal(chunk: int, record: Record, error: VStoreError) -> None:
    raise AssertionError(f"files refuse no record: {error}")


def at(folder: Path, form: str) -> str:
    scheme, colon, name = form.rpartition(":")
    return f"{scheme}{colon}{folder / name}"


def chunks(records: Records, size: int) -> list[Records]:
    return [records[start : start + size] for start in range(0, len(records), size)]


def export(path: str, records: Records = RECORDS, info: CollectionInfo = INFO, size: int = 100) -> FileTarget:
    target = FileTarget(data_set_path(path))
    target.create(info, info.index, NOWHERE)
    sink = target.sink(no_refusal)
    for number, chunk in enumerate(chunks(records, size)):
        sink.write(number, chunk)
    sink.finish()
    sink.close()
    return target


def everything(source: FileSource, batch_size: int = 1000) -> Records:
    return Records.concat([page.records for page in source.scan(batch_size=batch_size)])


def assert_same(found: Records, wanted: Records = RECORDS) -> None:
    """Equal record by record: bits of vectors, documents, metadata with their types."""
    assert found.ids == wanted.ids
    assert found.vectors is not None
    assert wanted.vectors is not None
    assert found.vectors.dtype == np.float32
    assert found.vectors.tobytes() == wanted.vectors.tobytes()
    assert found.documents == wanted.documents
    assert list(map(canonical_json, found.metadatas or [])) == list(map(canonical_json, wanted.metadatas or []))
    assert digest_records(found) == digest_records(wanted)


def plain(n: int, dimension: int) -> Records:
    """Records without documents and metadata, with odd floats among their vectors."""
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(n, dimension)).astype(np.float32)
    odd = np.array([-0.0, 1e-45, 1.1754942e-38, 16777217, 0.1, 3.4028235e14], dtype=np.float32)
    vectors.reshape(-1)[: len(odd)] = odd[: vectors.size]
    return Records([f"id-{n}" for n in range(n)], vectors, [None] * n, [{} for _ in range(n)])


def info_for(dimension: int) -> CollectionInfo:
    return replace(INFO, dimension=dimension)


def flip_a_bit(data: bytearray) -> None:
    data[len(data) // 2] ^= 1


def damaged(path: Path, change: Callable[[bytearray], None] = flip_a_bit) -> None:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(bytes(data))


def names(folder: Path) -> Sequence[str]:
    return sorted(path.name for path in folder.iterdir())
