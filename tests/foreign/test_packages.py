"""What other packages have written is read by the name of the package: their versions and ours together.

They are installed by ``make test-foreign`` only, in environments of their own: they do not all fit into one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import vstore
from tests.foreign.writers import DIMENSION, IDS, METADATAS, TEXTS, VECTORS, WRITERS
from vstore import F
from vstore.conformance.checks import typed

pytestmark = pytest.mark.nightly

# `make test-foreign` makes an environment for each set of requirements and names the set here
SET = os.environ.get("VSTORE_FOREIGN", "")
APART = {"llamaindex_milvus": "requirements-pymilvus2"}


@pytest.mark.parametrize("name", [name for name in WRITERS if SET in ("", APART.get(name, "requirements"))])
@pytest.mark.parametrize("by", ["name", "auto"])
def test_a_package_s_collection_is_read(name: str, by: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = request.getfixturevalue("postgres") if "pgvector" in name else ""
    written = WRITERS[name](tmp_path, url)
    layout = name.partition("_")[0] if by == "name" else "auto"
    with vstore.connect(**written.connect) as store:
        collection = store.get_collection(written.name, mapping=layout)
        _check(collection, auto_id="auto_id" in name)
    written.close()


def _check(collection: vstore.Collection, *, auto_id: bool) -> None:
    assert collection.info.dimension == DIMENSION
    assert collection.count() == len(TEXTS)
    records = [record for page in collection.scan(batch_size=3) for record in page.records]
    if not auto_id:
        assert sorted(record.id for record in records) == sorted(IDS)
    by_text = {record.document: record for record in records}
    assert set(by_text) == set(TEXTS)
    for text, metadata, vector in zip(TEXTS, METADATAS, VECTORS, strict=True):
        found: dict[str, Any] = by_text[text].metadata or {}
        assert {key: typed(found.get(key)) for key in metadata} == {k: typed(v) for k, v in metadata.items()}
        assert by_text[text].vector is not None
        direction = _unit(by_text[text].vector)
        assert direction == pytest.approx(_unit(vector), abs=1e-6), "cosine collections of Qdrant keep the direction"
    for exact in (True, False):
        hits = collection.query(VECTORS[0], k=2, exact=exact, where=F("year") >= 2001)
        assert (hits[0].document, len(hits)) == (TEXTS[0], 2)
    assert collection.query(VECTORS[1], k=1)[0].document == TEXTS[1]
    assert collection.count(F("good") == True) == 2  # noqa: E712  # builds a filter
    assert collection.count(F("topic") == "it's") == 1
    assert collection.count(~(F("score") == 1.0)) == 3
    assert collection.get([records[0].id]).ids == [records[0].id]


def _unit(vector: Any) -> list[float]:
    size = sum(x * x for x in vector) ** 0.5
    return [float(x / size) for x in vector]
