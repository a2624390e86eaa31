"""The names that users and authors of adapters import: a change of these lists is a line in CHANGELOG.md."""

from __future__ import annotations

import subprocess
import sys

import pytest

import vstore
from vstore import aio, spi

VSTORE = """
AlreadyExists AuthenticationFailed BackendError Capabilities Closed Collection CollectionInfo Dense DiskANN Embedder F
Feature Filter Flat HNSW Hit Hits IVFFlat IVFPQ InvalidInput Like LimitExceeded Limits Metric Mismatch NotFound
Omission Page PartialWrite Quantization RRF Record RecordMapping Records Search Sparse SparseArray SparseEmbedder
SparseVector Store Support Timeout Unavailable Unsupported VStoreError Weighted aio connect copy embed instrument
transfer uninstrument
"""
AIO = "AsyncCollection AsyncStore Connecting connect"
SPI = """
Adapter AdapterFactory And AsyncAdapter AsyncCollectionAdapter AsyncForeignCollection AsyncForeignDescribing
AsyncForeignLayouts AsyncForeignStore AsyncForeignWriter AsyncIndexing CollectionAdapter Column ContainsAny Deadline
DirectoryLock DocumentContains EmbeddedFactory Eq Exists ForeignCollection ForeignDescribing ForeignLayouts
ForeignStore ForeignWriter HasText In Include Index Indexing Json Key Layout LazyFactory Leaf Matches Metadata Not
Option OptionValue Or Order PARTITIONS Part PartialFilter Rows SPI_VERSION Settings StoreURL ThreadedAdapter TopK
VectorArray abandon absent batches bounded canonical_json column_distances dense distances emulated float32_error
flush from_json from_micros from_text in_children info_from_json info_to_json is_settled leaves located lock_directory
native no pack_dense pack_sparse predicate present ranked redacting scan_by_ids scan_top_k slices sparse_distances
split_filter to_json to_text top_up translating unpack_dense unpack_sparse vector_at write_parts
"""


@pytest.mark.parametrize(("module", "names"), [(vstore, VSTORE), (aio, AIO), (spi, SPI)])
def test_the_surface_is_what_is_listed_here(module, names: str) -> None:  # type: ignore[no-untyped-def]
    assert set(module.__all__) == set(names.split())
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(module.__all__) <= set(dir(module))


def test_embedders_and_copies_load_on_first_use() -> None:
    code = (
        "import sys, vstore\n"
        "assert not {'vstore.embed', 'vstore.transfer', 'vstore.aio'} & set(sys.modules)\n"
        "print(vstore.embed.lexical.__name__, vstore.transfer.verify.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["lexical", "verify"]


@pytest.mark.parametrize(
    ("module", "name", "said"), [(vstore, "conect", "connect"), (vstore, "HNWS", "HNSW"), (spi, "TopN", "TopK")]
)
def test_an_attribute_that_is_missing_gets_a_suggestion(module, name: str, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(AttributeError, match=f"Did you mean {said}"):
        getattr(module, name)
