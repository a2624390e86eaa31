"""Settings of an index and of a search, as objects and as the texts that name them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import vstore
from vstore import HNSW, IVFPQ, Flat, InvalidInput, IVFFlat, Metric, Quantization, Search, Store, Unsupported
from vstore.indexing import check_index, index_from_dict, index_to_dict
from vstore.memory.store import CAPABILITIES
from vstore.spi import no


def test_a_text_names_an_index_with_its_defaults() -> None:
    assert check_index("hnsw") == HNSW()
    assert check_index("ivfflat") == IVFFlat()
    assert check_index(Flat(on_disk=True)) == Flat(on_disk=True)
    with vstore.connect("memory:") as store:
        assert store.create_collection("docs", dimension=2, index="hnsw").info.index == HNSW()
        assert store.create_collection("flat", dimension=2, index="flat").info.index == Flat()


def test_a_text_names_a_quantization() -> None:
    index = HNSW(quantization="int8")
    assert index == HNSW(quantization=Quantization.INT8)
    assert type(index.quantization) is Quantization
    assert index_from_dict(index_to_dict(index)) == index == pickle.loads(pickle.dumps(index)) == replace(index)


def test_a_text_names_an_embedder() -> None:
    with vstore.connect("memory:") as store:
        made = store.create_collection("docs", embedder="lexical:32")
        assert made.info.dimension == 32
        assert made.info.embedder == vstore.embed.lexical(32).name
        made.add(["a"], documents=["on rain"])
        assert store.get_collection("docs", embedder=made.info.embedder).query(text="on rain").ids == ["a"]
        with pytest.raises(vstore.Mismatch):
            store.get_collection("docs", embedder="lexical:64")


def creating(**given: Any) -> Callable[[Store], Any]:
    return lambda store: store.create_collection("docs", **{"dimension": 2, **given})


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (creating(metric="cosin"), "Did you mean cosine?"),
        (creating(index="hnws"), "Did you mean hnsw?"),
        (creating(index="HNSW"), "Did you mean hnsw?"),
        (creating(embedder="lexicl:512"), "Did you mean lexical?"),
        (creating(index=7), "index must be HNSW"),
        (lambda store: HNSW(quantization="int_8"), "Did you mean int8?"),  # type: ignore[arg-type]
        (lambda store: Search(eff=10), "Search has no setting 'eff'. Did you mean ef? It has ef, probes."),  # type: ignore[call-arg]
        (lambda store: HNSW(M=16), "Did you mean m?"),  # type: ignore[call-arg]
        (lambda store: IVFPQ(list=16), "Did you mean lists?"),  # type: ignore[call-arg]
        (
            lambda store: (
                store.create_collection("docs", dimension=2).peek() or store["docs"].get(["a"], include=["vector"])
            ),
            "Did you mean vectors?",
        ),
    ],
)
def test_a_name_that_is_unknown_gets_a_suggestion(call: Callable[[Store], Any], said: str) -> None:
    with vstore.connect("memory:") as store:
        with pytest.raises(InvalidInput) as caught:
            call(store)
        assert said in str(caught.value)


def test_a_metric_stays_a_metric() -> None:
    with vstore.connect("memory:") as store:
        for metric in ("dot", Metric.DOT):
            made = store.create_collection("docs", dimension=2, metric=metric, exist_ok=True)
            assert type(made.info.metric) is Metric


def test_a_store_may_have_some_kinds_of_quantization() -> None:
    some = replace(CAPABILITIES, quantizations=(Quantization.BINARY,))
    some.require_index(HNSW(quantization="binary"))
    some.require_index(HNSW())
    with pytest.raises(Unsupported, match=r"quantization='int8' is not supported .*there is 'binary' only"):
        some.require_index(HNSW(quantization="int8"))
    none = replace(some, quantization=no("not here"))
    for kind in Quantization:
        with pytest.raises(Unsupported, match="not here"):
            none.require_index(HNSW(quantization=kind))


def test_an_index_has_a_bound_on_dimensions_by_its_kind_and_metric() -> None:
    limits = replace(CAPABILITIES.limits, max_dimension=9, max_index_dimension=2)
    limits = replace(limits, max_cosine_index_dimension=4, max_binary_index_dimension=0)
    binary = HNSW(quantization="binary")
    asked = [(Flat(), "l2"), (HNSW(), "l2"), (HNSW(), "cosine"), (binary, "l2"), (binary, "cosine")]
    assert [limits.index_dimension(index, Metric(metric)) for index, metric in asked] == [9, 2, 4, 2, 4]
    limits = replace(limits, max_binary_index_dimension=8)
    assert [limits.index_dimension(index, Metric(metric)) for index, metric in asked] == [9, 2, 4, 8, 8]
