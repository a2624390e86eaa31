"""Recall and time of filtered approximate queries with default settings, at 20,000 × 128 clustered vectors.

``python benchmarks/recall.py [--rows 20000] [--queries 40] [--only pgvector] [--out DIR]``. A filter, by equality or by
a range, leaves 50, 10, 1 or 0.1 % of the records, independent of the clusters. Beside each stands the best plan: on
PostgreSQL the fastest of those written by hand that find 95 % (all that match compared, or the index with
``hnsw.ef_search`` from 100 to 1,000), elsewhere ``exact=True``. The bars are a recall@10 of 0.95 and twice its time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from clocks import Clock, add_clock, clocked
from report import Row, add_out, report

from vstore import Collection, F, Filter, Records, connect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for the tests' own servers

DIMENSION = 128
CLUSTERS = 200
PARTS = (2, 10, 100, 1_000)  # one record in so many matches
EFS = (100, 200, 400, 1_000)
RECALL = 0.95
K = 10
SECONDS = 5.0  # for one kind of query
WARM_UP = 6

Ask = Callable[[np.ndarray], Sequence[str]]


class Workload:
    """Records around some centres, queries around the same, and the truth."""

    def __init__(self, rows: int, queries: int) -> None:
        rng = np.random.default_rng(7)
        centres = rng.normal(size=(CLUSTERS, DIMENSION))
        self.ids = [f"r{number:06d}" for number in range(rows)]
        self.vectors = self._near(centres, rows, rng)
        self.queries = self._near(centres, queries, rng)
        self.numbers = rng.permutation(rows)

    @staticmethod
    def _near(centres: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
        return (centres[rng.integers(CLUSTERS, size=number)] + rng.normal(size=(number, DIMENSION))).astype(np.float32)

    @property
    def records(self) -> Records:
        """With a key for each part, and a rank."""
        metadatas = [{f"p{part}": n % part for part in PARTS} | {"rank": n} for n in self.numbers.tolist()]
        return Records(self.ids, self.vectors, [f"Paragraph {record_id}." for record_id in self.ids], metadatas)

    def truth(self, kind: str, part: int) -> list[set[str]]:
        """The ids of the true hits of each query."""
        chosen = self.numbers % part == 0 if kind == "equality" else self.numbers < len(self.ids) // part
        places = np.flatnonzero(chosen)
        vectors = self.vectors[places].astype(np.float64)
        distances = (np.linalg.norm(vectors - query, axis=1) for query in self.queries)
        return [{self.ids[place] for place in places[np.argsort(one)[:K]]} for one in distances]


class Plans:
    """The plans of PostgreSQL, by hand, on the table of a collection."""

    def __init__(self, docs: Collection, store: Any, rows: int) -> None:
        from psycopg import Connection

        settings = {name: value for name, value in store.native.kwargs.items() if name != "autocommit"}
        self._connection = Connection.connect(**settings, autocommit=True)
        self._connection.execute("set search_path = public")
        self._connection.execute("set hnsw.iterative_scan = strict_order")
        self._table, self._rows = docs.native, rows

    def all(self, kind: str, part: int) -> Iterator[Ask]:
        """The exact plan, and that of the index with each number of candidates."""
        where = f"metadata @> '{{\"p{part}\": 0}}'"
        if kind == "range":
            where = f"(metadata -> 'rank')::int < {self._rows // part}"
        yield partial(self._ask, where, " + 0")
        for ef in EFS:
            self._connection.execute(f"set hnsw.ef_search = {ef}")
            yield partial(self._ask, f"({where}) is true", "")  # so that no other index answers

    def _ask(self, where: str, added: str, vector: np.ndarray) -> list[str]:
        statement = (
            f"select id, document, metadata, embedding <-> %b::vector as d from {self._table} where {where} "
            f"order by (embedding <-> %b::vector){added} limit {K}"
        )
        packed = str(vector.tolist())
        rows = self._connection.execute(statement, (packed, packed), prepare=True)
        return [row[0] for row in rows]


def measure(ask: Ask, queries: np.ndarray, truth: list[set[str]], clock: Clock) -> tuple[float, float]:
    """Median seconds of a query, and recall."""
    for query in queries[:WARM_UP]:
        ask(query)
    times: list[float] = []
    found: list[float] = []
    started = perf_counter()
    for query, expected in zip(queries, truth, strict=True):
        ids: list[str] = []
        times.append(clock(lambda query=query, ids=ids: ids.extend(ask(query))))
        found.append(len(expected.intersection(ids)) / len(expected))
        if perf_counter() - started > SECONDS:
            break
    return median(times), float(np.mean(found))


def compare(case: str, store: Any, work: Workload, clock: Clock, rows: list[Row]) -> None:
    """Measures one store and adds its rows."""
    docs = store.create_collection("docs", dimension=DIMENSION, metric="l2")
    docs.defer_index()
    docs.add(work.records)
    docs.build_index()
    plans = None
    if case == "PostgreSQL":
        with store.native.connection() as connection:
            connection.execute("analyze")
        plans = Plans(docs, store, len(work.ids))
    for kind in ("equality", "range"):
        for part in PARTS:
            where: Filter = F(f"p{part}") == 0 if kind == "equality" else F("rank") < len(work.ids) // part
            truth = work.truth(kind, part)

            def ask(vector: np.ndarray, exact: bool = False, where: Filter = where) -> list[str]:
                return docs.query(vector, k=K, where=where, exact=exact).ids

            ours, recall = measure(ask, work.queries, truth, clock)
            others = [partial(ask, exact=True)] if plans is None else plans.all(kind, part)
            measured = [measure(one, work.queries, truth, clock) for one in others]
            best = min(took for took, found in measured if found >= RECALL)
            is_enough = recall >= RECALL
            what = f"{kind}, {100 / part:g} %: recall {recall:.3f}" + ("" if is_enough else f", below {RECALL}")
            rows.append(Row(case, what, best, ours, 0.5))


@contextmanager
def chroma(folder: Path) -> Iterator[list[tuple[str, Any]]]:
    """Embedded Chroma."""
    with connect(f"chroma:{folder / 'chroma'}") as store:
        yield [("Chroma", store)]


@contextmanager
def milvus(folder: Path) -> Iterator[list[tuple[str, Any]]]:
    """Milvus Lite, and a server."""
    from tests.milvus_server import milvus_server

    with milvus_server() as url, connect(f"milvus:{folder / 'lite.db'}") as lite, connect(url) as served:
        yield [("Milvus Lite", lite), ("Milvus server", served)]


@contextmanager
def pgvector(folder: Path) -> Iterator[list[tuple[str, Any]]]:
    """Embedded PostgreSQL."""
    with connect(f"pgvector:{folder / 'pg'}") as store:
        yield [("PostgreSQL", store)]


@contextmanager
def qdrant(folder: Path) -> Iterator[list[tuple[str, Any]]]:
    """Qdrant's engine, and the client's local mode."""
    with connect(f"qdrant:{folder / 'engine'}") as store, connect("qdrant::memory:") as memory:
        yield [("Qdrant's engine", store), ("Qdrant's local mode", memory)]


BACKENDS = (chroma, milvus, pgvector, qdrant)


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--only", choices=[one.__name__ for one in BACKENDS])
    add_clock(parser)
    add_out(parser)
    chosen = parser.parse_args()
    work = Workload(chosen.rows, chosen.queries)
    rows: list[Row] = []
    for stores, clock in clocked((one for one in BACKENDS if chosen.only in (None, one.__name__)), chosen):
        for case, store in stores:
            compare(case, store, work, clock, rows)
    title = f"filtered queries, {chosen.rows:,} × {DIMENSION}, default settings"
    if chosen.processor_time:
        title += ", processor time"
    report("recall", title, "best plan", rows, chosen.out)


if __name__ == "__main__":
    main()
