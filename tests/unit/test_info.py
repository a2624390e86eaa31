"""What a collection is, as an adapter's catalogue keeps it: its fields and its partitions too."""

from __future__ import annotations

import json

from vstore import HNSW, CollectionInfo, Dense, Flat, Metric, Sparse
from vstore.spi import info_from_json, info_to_json

INFO = CollectionInfo(
    name="docs",
    dimension=3,
    metric=Metric.L2,
    index=Flat(),
    fields={
        "terms": Sparse(embedder="words"),
        "image": Dense(512, "dot", index=HNSW(m=8), embedder="clip"),
        "bare": Sparse(),
    },
    partition_by="tenant",
)


def test_fields_and_partitions_come_back_in_their_order() -> None:
    again = info_from_json("docs", info_to_json(INFO))
    assert again == INFO
    assert list(again.fields) == ["terms", "image", "bare"]


def test_what_was_written_before_there_were_fields_has_none() -> None:
    data = json.loads(info_to_json(INFO))
    del data["fields"], data["partition_by"]
    old = info_from_json("docs", json.dumps(data))
    assert (old.fields, old.partition_by, old.dimension) == ({}, None, 3)
