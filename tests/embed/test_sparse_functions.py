"""Sparse embedders of functions: batches, both sides, and what a function may not answer."""

from __future__ import annotations

from typing import Any

import pytest

import vstore
from vstore import BackendError, InvalidInput, Sparse, embed


def lengths(texts: list[str]) -> list[dict[int, float]]:
    return [dict.fromkeys(map(len, text.split()), 1.0) for text in texts]


def test_a_function_is_called_in_batches_and_asks_in_its_own_way() -> None:
    calls: list[int] = []
    told: list[int] = []

    def counted(texts: list[str]) -> list[dict[int, float]]:
        calls.append(len(texts))
        return lengths(texts)

    made = embed.sparse_function(
        counted,
        name="lengths",
        queries=lambda texts: [([len(text)], [2.0]) for text in texts],
        batch_size=2,
        on_progress=told.append,
    )
    assert [row.to_dict() for row in made.embed_sparse(["a bc", "", "abc"])] == [{1: 1.0, 2: 1.0}, {}, {3: 1.0}]
    assert calls == told == [2, 1]
    assert len(made.embed_sparse([])) == 0
    with vstore.connect("memory:") as store:
        c = store.create_collection("docs", fields={"terms": Sparse()}, embedder={"terms": made})
        c.add(["a", "b"], documents=["one three", "four"])
        hits = c.query(text="x y", k=5)
        assert (hits.ids, hits.scores.tolist()) == (["a"], [2.0])
        assert c.info.fields["terms"].embedder == "lengths"


@pytest.mark.parametrize("answer", [[{1: 1.0}], [{1: -1.0}, {}], [{-1: 1.0}, {}], [1, 2], None, "ab"])
def test_an_answer_that_is_no_sparse_vector_a_text_is_told(answer: Any) -> None:
    with pytest.raises(BackendError, match="'wrong' answered"):
        embed.sparse_function(lambda _: answer, name="wrong").embed_sparse(["a", "b"])


def test_what_a_function_raises_is_chained() -> None:
    def fails(texts: list[str]) -> None:
        raise KeyError(texts[0])

    with pytest.raises(BackendError, match="raised KeyError") as caught:
        embed.sparse_function(fails, name="fails").embed_sparse(["a"])
    assert isinstance(caught.value.__cause__, KeyError)


def test_settings_are_checked() -> None:
    with pytest.raises(InvalidInput, match="name"):
        embed.sparse_function(lengths, name="")
    with pytest.raises(InvalidInput, match="batch_size"):
        embed.sparse_function(lengths, name="a", batch_size=0)
    for wrong in (None, "lengths"):
        with pytest.raises(InvalidInput, match="function"):
            embed.sparse_function(wrong, name="a")  # type: ignore[arg-type]
