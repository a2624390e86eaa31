"""vstore against the raw clients: ingest, query and scan, interleaved, at 10k × 384.

``python benchmarks/bench.py [--rows 10000] [--dimension 384] [--rounds 3] [--queries 200] [--only chroma] [--out DIR]``
prints for each backend the median times and the ratio raw / vstore (1.0: as fast as raw; below 0.95 is marked). "By
hand" is the raw client again, with the guarantees of vstore: the floor under the same answer, which counts for the bar
as well. For a query 25 µs of vstore's own are allowed beside. The bars are those of the project, see
docs/performance.md.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import cycle, permutations
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from cases import Case
from clocks import Clock, add_clock, clocked
from data import queries, workload
from report import Row, add_out, report

from vstore import HNSW, F, Flat, Records, Store, connect
from vstore.indexing import Index

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for the tests' own servers

RATIO = 0.95
OWN = 25e-6
WARM_UP = 20
K = 10


@contextmanager
def chroma(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """Embedded Chroma, each side in a directory of its own."""
    from raw_chroma import ExactChroma, RawChroma

    raw, by_hand = RawChroma(folder / "raw", dimension), ExactChroma(folder / "hand", dimension)
    with connect(f"chroma:{folder / 'ours'}") as store:
        yield [Case("chroma embedded, HNSW", store, HNSW(), raw, by_hand)]
    raw.close()
    by_hand.close()


@contextmanager
def pgvector(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """Embedded PostgreSQL; both sides on the same server."""
    from exact_pgvector import ExactPgvector
    from psycopg.conninfo import make_conninfo
    from raw_pgvector import RawPgvector

    with connect(f"pgvector:{folder / 'pg'}") as store:
        uri = make_conninfo(**{name: value for name, value in store.native.kwargs.items() if name != "autocommit"})
        kinds = (RawPgvector, ExactPgvector)
        flat, by_hand = (kind(uri, dimension, hnsw=False) for kind in kinds)
        hnsw, by_hand_hnsw = (kind(uri, dimension, hnsw=True) for kind in kinds)
        yield [
            Case("pgvector embedded, Flat", store, Flat(), flat, by_hand),
            Case("pgvector embedded, HNSW", store, HNSW(), hnsw, by_hand_hnsw),
        ]
        for client in (flat, by_hand, hnsw, by_hand_hnsw):
            client.close()


@contextmanager
def milvus(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """Embedded Milvus, each side in a file of its own, and a server for both."""
    from raw_milvus import ExactMilvus, RawMilvus

    from tests.milvus_server import milvus_server

    with ExitStack() as stack:
        server = stack.enter_context(milvus_server())
        embedded = stack.enter_context(connect(f"milvus:{folder / 'ours.db'}"))
        served = stack.enter_context(connect(server))
        http = server.replace("milvus", "http", 1)

        def case(name: str, store: Store, index: Index, raw: str, by_hand: str) -> Case:
            hnsw = isinstance(index, HNSW)
            sides = RawMilvus(raw, dimension, hnsw=hnsw), ExactMilvus(by_hand, dimension, hnsw=hnsw)
            for side in sides:
                stack.callback(side.close)
            return Case(name, store, index, *sides)

        yield [
            case("milvus embedded, Flat", embedded, Flat(), str(folder / "raw.db"), str(folder / "hand.db")),
            case("milvus server, Flat", served, Flat(), http, http),
            case("milvus server, HNSW", served, HNSW(), http, http),
        ]


@contextmanager
def qdrant(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """Qdrant's engine, each side in a directory of its own, and the client's local mode in memory."""
    from exact_qdrant_edge import ExactQdrantEdge
    from raw_qdrant import RawQdrant
    from raw_qdrant_edge import RawQdrantEdge

    for side in ("raw", "hand"):
        (folder / side).mkdir()
    by_hand = ExactQdrantEdge(folder / "hand", dimension)
    engine, local = RawQdrantEdge(folder / "raw", dimension), RawQdrant(dimension)
    with connect(f"qdrant:{folder / 'ours'}") as store, connect("qdrant::memory:") as memory:
        yield [
            Case("qdrant embedded, HNSW", store, HNSW(), engine, by_hand),
            Case("qdrant in memory, Flat", memory, Flat(), local),
        ]
    engine.close()
    local.close()


BACKENDS = (chroma, milvus, pgvector, qdrant)


def run(case: Case, records: Records, rounds: int, asked: int, clock: Clock, rows: list[Row]) -> None:
    """Measures one case and adds its rows."""
    assert records.vectors is not None
    dimension = records.vectors.shape[1]
    others = {side: client for side, client in (("raw", case.raw), ("hand", case.by_hand)) if client is not None}
    sides = [*others, "ours"]
    ingest: dict[str, list[float]] = {side: [] for side in sides}
    scan: dict[str, list[float]] = {side: [] for side in sides}
    asking: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds):
        names = {side: f"{side}{number:03d}" for side in sides}
        for side, client in others.items():
            client.create(names[side])
        ours = case.store.create_collection(names["ours"], dimension=dimension, metric="l2", index=case.index)

        def write(target: Any = ours) -> None:
            target.add(records.ids, records.vectors, records.documents, records.metadatas)

        def read(target: Any = ours) -> int:
            return sum(len(page.records) for page in target.scan())

        writes = {side: partial(client.ingest, records) for side, client in others.items()} | {"ours": write}
        reads = {side: client.scan for side, client in others.items()} | {"ours": read}
        turns = sides[number % len(sides) :] + sides[: number % len(sides)]  # who goes first pays for cold caches
        for times, work in ((ingest, writes), (scan, reads)):
            for side in turns:
                gc.collect()  # or the one who fills a generation pays for what all of them keep
                times[side].append(clock(work[side]))
        query(case, others, ours, queries(asked, dimension), clock, asking)
        for side, client in others.items():
            client.drop(names[side])
        case.store.delete_collection(names["ours"])
    for what, times in (*asking.items(), ("ingest", ingest), ("scan", scan)):
        _add(case, what, {side: median(taken) for side, taken in times.items()}, rows)


def query(
    case: Case,
    others: dict[str, Any],
    ours: Any,
    vectors: np.ndarray,
    clock: Clock,
    asking: dict[str, dict[str, list[float]]],
) -> None:
    """Measures single queries, plain and filtered, in all orders of the sides in turn: who is before leaves caches.

    It is called in each round, since the graphs of two indexes of the same records differ by chance, and so does the
    time of a search.
    """
    where = F("year") >= 2010
    calls: dict[str, dict[str, Callable[[np.ndarray], Any]]] = {
        "query": {side: partial(client.query, k=K) for side, client in others.items()}
        | {"ours": partial(ours.query, k=K)},
        "query, filtered": {side: partial(client.query_filtered, k=K) for side, client in others.items()}
        | {"ours": partial(ours.query, k=K, where=where)},
    }
    for what, sides in calls.items():
        times = asking.setdefault(what, {side: [] for side in sides})
        taken: dict[str, list[float]] = {side: [] for side in sides}
        for vector, order in zip(vectors, cycle(permutations(sides)), strict=False):
            for side in order:
                taken[side].append(clock(partial(sides[side], vector)))
        for side, measured in taken.items():
            times[side] += measured[WARM_UP:]


def _add(case: Case, what: str, took: dict[str, float], rows: list[Row]) -> None:
    raw = took["raw"]
    bar = min(RATIO, raw / (raw + OWN)) if what.startswith("query") else RATIO
    rows.append(Row(case.name, what, raw, took["ours"], bar, took.get("hand")))


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--queries", type=int, default=200, help="of each kind; the first 20 are not counted")
    parser.add_argument("--only", choices=[one.__name__ for one in BACKENDS])
    add_clock(parser)
    add_out(parser)
    chosen = parser.parse_args()
    records = workload(chosen.rows, chosen.dimension)
    rows: list[Row] = []
    backends = [partial(one, dimension=chosen.dimension) for one in BACKENDS if chosen.only in (None, one.__name__)]
    for cases, clock in clocked(backends, chosen):
        for case in cases:
            run(case, records, chosen.rounds, chosen.queries, clock, rows)
    title = f"{chosen.rows:,} × {chosen.dimension}, median of {chosen.rounds} interleaved rounds"
    if chosen.processor_time:
        title += ", processor time"
    report("raw", title, "raw", rows, chosen.out)


if __name__ == "__main__":
    main()
