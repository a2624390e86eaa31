"""A query with a selective filter compares with all records that match, another one searches more widely."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
import pytest

import vstore
from vstore import HNSW, F, Filter, Search
from vstore_pgvector._sync.session import PoolSession


@contextmanager
def _searches(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, int]]]:
    """The settings of the index searches that are made; an exact query makes none."""
    made: list[tuple[int, int]] = []
    plain = PoolSession.search

    def search(self: PoolSession, connection: Any, ef: int, probes: int) -> None:
        made.append((ef, probes))
        plain(self, connection, ef, probes)

    with monkeypatch.context() as patched:
        patched.setattr(PoolSession, "search", search)
        yield made


@pytest.fixture(scope="module")
def shares(server: str) -> Iterator[vstore.Collection]:
    """6,000 records; a thousandth, a hundredth, a fifth and a half of them, at random, have a key of their own."""
    random = np.random.default_rng(0)
    with vstore.connect(f"{server}?schema=shares") as store:
        docs = store.create_collection("docs", dimension=32, metric="l2", index=HNSW())
        docs.defer_index()
        numbers = random.permutation(6_000).tolist()
        docs.add(
            [f"r{n}" for n in range(6_000)],
            random.normal(size=(6_000, 32)),
            metadatas=[{f"p{part}": n % part == 0 for part in (1_000, 100, 5, 2)} | {"rank": n} for n in numbers],
        )
        docs.build_index()
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"analyze {docs.native}")
        yield docs


@pytest.mark.parametrize(
    ("where", "ef"),
    [
        (F("p1000") == True, None),  # noqa: E712
        (F("p100") == True, None),  # noqa: E712
        (F("p5") == True, 171),  # noqa: E712
        (F("p2") == True, 126),  # noqa: E712
        (F("rank") < 60, None),
        (F("rank") < 3_000, 126),
        (F("rank") >= 0, 100),
    ],
)
def test_filters_of_every_share_find_nearly_all(
    shares: vstore.Collection, where: Filter, ef: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = np.random.default_rng(1).normal(size=(20, 32))
    truth = [set(hits.ids) for hits in shares.query_many(queries, k=10, where=where, exact=True)]
    with _searches(monkeypatch) as made:
        found = [set(hits.ids) for hits in shares.query_many(queries, k=10, where=where)]
    assert np.mean([len(one & other) / len(other) for one, other in zip(found, truth, strict=True)]) >= 0.95
    if ef is None:
        assert made == []
    else:
        assert len(made) == 1
        assert made[0][0] == pytest.approx(ef, rel=0.3)


def test_without_a_filter_a_search_is_as_wide_as_asked(
    shares: vstore.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _searches(monkeypatch) as made:
        shares.query(np.ones(32), k=3)
        shares.query(np.ones(32), k=3, search=Search(ef=7))
    assert made == [(100, 10), (7, 10)]


def test_a_search_is_wider_where_few_records_match(shares: vstore.Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vstore_pgvector._sync.choosing._ROWS_A_CANDIDATE", 0)
    with _searches(monkeypatch) as made:
        assert len(shares.query(np.ones(32), k=10, where=F("p100") == True)) == 10  # noqa: E712
    assert [ef for ef, _ in made] == [1_000]


def test_estimates_are_kept_for_a_while_and_for_one_filter(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    plain = PoolSession.fetch

    def fetch(self: PoolSession, connection: Any, statement: str, *args: Any, **kwargs: Any) -> Any:
        if statement.startswith("explain"):
            asked.append(statement)
        return plain(self, connection, statement, *args, **kwargs)

    monkeypatch.setattr(PoolSession, "fetch", fetch)
    with vstore.connect(f"{server}?schema=estimates") as store:
        docs = store.create_collection("docs", dimension=2, index=HNSW())
        docs.add(["a", "b"], [[1.0, 0.0], [0.0, 1.0]], metadatas=[{"n": 1}, {"n": 2}])

        def found(where: Filter) -> tuple[list[str], int]:
            asked.clear()
            return docs.query([1.0, 0.0], where=where).ids, len(asked)

        assert found(F("n") == 1) == (["a"], 2)
        assert found(F("n") == 1) == (["a"], 0)
        assert found(F("n") == 2) == (["b"], 1)
        monkeypatch.setattr("vstore.spi.recent.SECONDS", -1.0)
        assert found(F("n") == 1) == (["a"], 2)


def test_values_that_look_like_a_plan_are_no_plan(shares: vstore.Collection) -> None:
    line = f"Seq Scan on t (cost=0.00..1.00 rows={'9' * 5_000} width=0)"
    for text in (f" cost= rows={'9' * 5_000}", line, f"\n{line}\n"):
        where = (F("rank") < 3) & ~F("rank").contains_text(text)
        assert len(shares.query([0.0] * 32, k=5, where=where)) == 3
