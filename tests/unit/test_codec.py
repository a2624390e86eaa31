"""The JSON form of metadata and of what a collection is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from vstore import HNSW, IVFPQ, CollectionInfo, DiskANN, Flat, IVFFlat, Metric, Mismatch, Quantization
from vstore.indexing import Index
from vstore.metadata import micros
from vstore.spi.codec import (
    canonical_json,
    canonical_texts,
    from_json,
    from_micros,
    info_from_json,
    info_to_json,
    to_json,
)

METADATA: dict[str, Any] = {
    "i": 1, "f": 1.0, "b": True, "s": "1", "big": 2**63 - 1, "e": 1e16, "small": 5e-324, "l": [1.5],
    "uni": "é\U0001f600", "t": datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC), "ts": [datetime(1, 1, 1, tzinfo=UTC)],
    "o": {"a": {"t": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)}},
}  # fmt: skip


def test_metadata_keeps_every_type() -> None:
    again = from_json(to_json(METADATA))
    assert again == METADATA
    assert {key: type(value) for key, value in again.items()} == {key: type(value) for key, value in METADATA.items()}


@pytest.mark.parametrize("micro", [-62_135_596_800_000_000, -1, 0, 1, 1_709_208_000_123_456, 253_402_300_799_999_999])
def test_micros_and_back(micro: int) -> None:
    assert micros(from_micros(micro)) == micro


def test_a_moment_comes_back_in_utc() -> None:
    moment = datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    again = from_json(to_json({"t": moment}))["t"]
    assert again == moment
    assert again.utcoffset() == timedelta(0)


TRICKY: list[dict[str, Any]] = [
    METADATA, {}, {"z": -0.0}, {"b": 1, "a": [-0.0, 2.5]}, {"s": ', "\\u0000", '}, {"s": '", "\\u0000", "'},
    {"s": "-0.0"},
]  # fmt: skip


@pytest.mark.parametrize("metadatas", [[], [{}], [{}, {}], TRICKY, [*TRICKY, {"l": ["a", "\0", "b"]}], [{"k": "\0"}]])
def test_the_texts_of_many_are_those_of_each(metadatas: list[dict[str, Any]]) -> None:
    assert canonical_texts(metadatas) == [canonical_json(one) for one in metadatas]
    assert canonical_texts([one | {"t": METADATA["t"]} for one in metadatas]) == [
        canonical_json(one | {"t": METADATA["t"]}) for one in metadatas
    ]


def test_nan_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        to_json({"x": float("nan")})


@pytest.mark.parametrize(
    "index",
    [
        HNSW(m=8, ef_construction=50, ef_search=20),
        HNSW(quantization=Quantization.PRODUCT, on_disk=True),
        Flat(),
        Flat(on_disk=True),
        IVFFlat(lists=7, probes=3),
        IVFPQ(lists=7, probes=3, segments=2, bits=4),
        DiskANN(search_list=50),
    ],
)
@pytest.mark.parametrize("metric", list(Metric))
def test_what_a_collection_is_survives(index: Index, metric: Metric) -> None:
    info = CollectionInfo(name="docs", dimension=7, metric=metric, index=index, metadata=METADATA, embedder="e")
    assert info_from_json("docs", info_to_json(info)) == info


def test_another_format_is_a_mismatch() -> None:
    text = info_to_json(CollectionInfo(name="docs", dimension=7, metric=Metric.L2, index=Flat()))
    newer = json.dumps(json.loads(text) | {"format": 99})
    with pytest.raises(Mismatch, match="99"):
        info_from_json("docs", newer)
