"""The capability record: CAP-1 to CAP-3."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest

from vstore import Capabilities, Quantization, Store, Support
from vstore.conformance import table
from vstore.conformance.checks import contents, names, raises, rows
from vstore.conformance.clauses import CLAUSES
from vstore.conformance.fixtures import New, clause
from vstore.conformance.report import Report
from vstore.conformance.session import Session
from vstore.core.registry import factory_for_scheme
from vstore.errors import AlreadyExists, NotFound
from vstore.spi.urls import Option, StoreURL

EXERCISED = {
    "index_hnsw": "test_query.test_every_index_is_built_or_refused",
    "index_flat": "test_query.test_every_index_is_built_or_refused",
    "index_ivfflat": "test_query.test_every_index_is_built_or_refused",
    "index_ivfpq": "test_query.test_every_index_is_built_or_refused",
    "index_diskann": "test_query.test_every_index_is_built_or_refused",
    "quantization": "test_query.test_every_index_is_built_or_refused",
    "on_disk": "test_query.test_every_index_is_built_or_refused",
    "search_ef": "test_query.test_search_settings_are_heard_or_refused",
    "search_probes": "test_query.test_search_settings_are_heard_or_refused",
    "exact_query": "test_query.test_exact_gives_the_true_nearest",
    "filtered_query": "test_query.test_a_filtered_query_never_starves",
    "document_contains": "test_filters.test_leaves_over_every_kind_of_value",
    "metadata_contains": "test_filters.test_leaves_over_every_kind_of_value",
    "string_ordering": "test_filters.test_leaves_over_every_kind_of_value",
    "matches": "test_filters.test_leaves_over_every_kind_of_value",
    "nested_metadata": "test_metadata.test_nested_dicts_are_kept_or_refused",
    "nested_paths": "test_filters.test_leaves_over_every_kind_of_value",
    "int64_ordering": "test_filters.test_64_bit_integers_are_exact",
    "atomic_writes": "test_capabilities.test_a_failed_write_has_written_nothing",
    "rename": "test_collections.test_rename_keeps_everything",
    "mapping": "test_collections.test_mapping_is_for_what_vstore_did_not_create",
    "named_vectors": "test_fields.test_named_fields_are_kept_or_refused",
    "partitions": "test_partitions.test_partitions_are_made_or_refused",
    "sparse_vectors": "test_sparse.test_sparse_vectors_are_kept_or_refused",
}


@clause("CAP-1")
def test_the_record_is_complete_and_frozen(store: Store) -> None:
    capabilities = store.capabilities
    assert isinstance(capabilities, Capabilities)
    assert store.capabilities is capabilities, "one record per connection"
    with pytest.raises(dataclasses.FrozenInstanceError):
        capabilities.backend = "x"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        capabilities.limits.max_k = 7  # type: ignore[misc]
    features = dict(capabilities.features())
    assert set(features) == {f.name for f in dataclasses.fields(Capabilities) if f.type == "Feature"}
    for name, feature in features.items():
        assert isinstance(feature.support, Support)
        assert feature.support is Support.NATIVE or feature.note, f"{name} must say why or at what cost"
    assert capabilities.mode in ("memory", "embedded", "server")
    assert type(capabilities.persistent) is bool
    assert capabilities.quantizations
    assert all(type(kind) is Quantization for kind in capabilities.quantizations)
    assert capabilities.backend
    assert capabilities.mode == "memory" or capabilities.server_version


@clause("CAP-1")
def test_limits_are_positive_numbers(store: Store) -> None:
    features = store.capabilities
    without = {"max_fields": not (features.named_vectors or features.sparse_vectors)}
    without["max_sparse_values"] = not features.sparse_vectors
    for name, value in dataclasses.asdict(store.capabilities.limits).items():
        assert type(value) is int, name
        assert value > 0 or without.get(name), name
    limits = store.capabilities.limits
    assert limits.max_dimension >= 2000
    assert limits.max_k >= 1000
    assert limits.max_document_bytes >= 65_535
    assert limits.max_metadata_bytes >= 32 * 1024
    assert without["max_fields"] or limits.max_fields >= 3
    assert without["max_sparse_values"] or limits.max_sparse_values >= 4096


@clause("CAP-1")
def test_a_second_connection_says_the_same(session: Session) -> None:
    first = session.store.capabilities
    session.release()
    other = session.connect(session.target.url)
    assert other.capabilities == first
    other.close()


@clause("CAP-2")
def test_every_feature_is_exercised(store: Store) -> None:
    assert set(EXERCISED) == {name for name, _ in store.capabilities.features()}


@clause("CAP-2", "ADD-1", "UPD-2", "WR-2")
def test_a_failed_write_has_written_nothing(new: New, supports: Any) -> None:
    supports("atomic_writes")  # what can be made to fail here fails before anything is written, atomic or not
    c = new()
    ids = names(7000)
    c.add(ids[:10], rows(10), metadatas=[{"n": 0}] * 10)
    c.add(ids[-1:], rows(1))
    before = contents(c)
    with raises(AlreadyExists):
        c.add(ids, rows(7000))
    assert contents(c) == before
    with raises(NotFound):
        c.update([*ids[:10], *names(6000, "x")], metadatas=[{"n": 1}] * 6010)
    assert contents(c) == before


@clause("CAP-2")
def test_the_adapter_has_the_shape_of_the_protocol(session: Session) -> None:
    factory = factory_for_scheme(StoreURL.parse(session.target.url).scheme)
    assert factory.name == session.store.capabilities.backend
    assert isinstance(factory.client_packages, tuple)
    assert all(isinstance(option, Option) and option.help for option in factory.options.values())
    for name in ("connect", "connect_async", "borrow", "borrow_async"):
        method = getattr(factory, name)
        assert inspect.iscoroutinefunction(method) == name.endswith("_async")


@clause("CAP-3")
def test_the_table_has_every_feature_of_this_store(session: Session) -> None:
    report = Report(url="x", mode=session.mode)
    report.describe(session.store.capabilities)
    report.count("a test", [next(iter(CLAUSES))], "passed", "")
    assert Report.from_json(report.to_json()) == report
    text = table.table([report])
    for name, feature in session.store.capabilities.features():
        assert f"| `{name}` | {feature.support.upper()}" in text
        assert feature.note in text
