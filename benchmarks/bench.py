"""vstore against the raw clients: ingest, query and scan, interleaved, at 10k × 384.

``python benchmarks/bench.py [--rows 10000] [--dimension 384] [--rounds 3] [--queries 200] [--only chroma] [--out DIR]``
prints for each backend the median times of both and the ratio raw / vstore (1.0: as fast as raw; below 0.95 is marked).
For a query 25 µs of vstore's own are allowed beside. The bars are those of the project, see docs/performance.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from cases import Case
from clocks import PROCESSOR_TIME, Clock, processor_seconds, wall_seconds
from data import queries, workload
from report import Row, add_out, report

from vstore import HNSW, F, Flat, Records, connect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for the tests' own servers

RATIO = 0.95
OWN = 25e-6
WARM_UP = 20
K = 10


@contextmanager
def chroma(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """Embedded Chroma, each side in a directory of its own."""
    from raw_chroma import RawChroma

    raw = RawChroma(folder / "raw", dimension)
    with connect(f"chroma:{folder / 'ours'}") as store:
        yield [Case("chroma embedded, HNSW", store, HNSW(), raw)]
    raw.close()


@contextmanager
def pgvector(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """Embedded PostgreSQL; both sides on the same server."""
    from psycopg.conninfo import make_conninfo
    from raw_pgvector import RawPgvector

    with connect(f"pgvector:{folder / 'pg'}") as store:
        uri = make_conninfo(**{name: value for name, value in store.native.kwargs.items() if name != "autocommit"})
        flat, hnsw = RawPgvector(uri, dimension, hnsw=False), RawPgvector(uri, dimension, hnsw=True)
        yield [
            Case("pgvector embedded, Flat", store, Flat(), flat),
            Case("pgvector embedded, HNSW", store, HNSW(), hnsw),
        ]
        flat.close()
        hnsw.close()


@contextmanager
def milvus(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """Embedded Milvus, each side in a file of its own, and a server for both."""
    from raw_milvus import RawMilvus

    from tests.milvus_server import milvus_server

    with ExitStack() as stack:
        server = stack.enter_context(milvus_server())
        embedded = stack.enter_context(connect(f"milvus:{folder / 'ours.db'}"))
        served = stack.enter_context(connect(server))
        raws = [
            RawMilvus(str(folder / "raw.db"), dimension, hnsw=False),
            RawMilvus(server.replace("milvus", "http", 1), dimension, hnsw=False),
            RawMilvus(server.replace("milvus", "http", 1), dimension, hnsw=True),
        ]
        for raw in raws:
            stack.callback(raw.close)
        yield [
            Case("milvus embedded, Flat", embedded, Flat(), raws[0]),
            Case("milvus server, Flat", served, Flat(), raws[1]),
            Case("milvus server, HNSW", served, HNSW(), raws[2]),
        ]


@contextmanager
def qdrant(folder: Path, dimension: int) -> Iterator[list[Case]]:
    """Qdrant's engine, each side in a directory of its own, and the client's local mode in memory."""
    from raw_qdrant import RawQdrant
    from raw_qdrant_edge import RawQdrantEdge

    (folder / "raw").mkdir()
    engine, local = RawQdrantEdge(folder / "raw", dimension), RawQdrant(dimension)
    with connect(f"qdrant:{folder / 'ours'}") as store, connect("qdrant::memory:") as memory:
        yield [
            Case("qdrant embedded, HNSW", store, HNSW(), engine),
            Case("qdrant in memory, Flat", memory, Flat(), local),
        ]
    engine.close()
    local.close()


def run(case: Case, records: Records, rounds: int, asked: int, clock: Clock, rows: list[Row]) -> None:
    """Measures one case and adds its rows."""
    assert records.vectors is not None
    dimension = records.vectors.shape[1]
    ingest: tuple[list[float], list[float]] = [], []
    scan: tuple[list[float], list[float]] = [], []
    for number in range(rounds):
        raw_name, name = f"raw{number:03d}", f"ours{number:03d}"
        case.raw.create(raw_name)
        ours = case.store.create_collection(name, dimension=dimension, metric="l2", index=case.index)

        def write(target: Any = ours) -> None:
            target.add(records.ids, records.vectors, records.documents, records.metadatas)

        def read(target: Any = ours) -> int:
            return sum(len(page.records) for page in target.scan())

        both = [(ingest, 0, lambda: case.raw.ingest(records)), (ingest, 1, write)]
        both_scans = [(scan, 0, case.raw.scan), (scan, 1, read)]
        if number % 2:  # the one that goes first pays for cold caches: take turns
            both.reverse()
            both_scans.reverse()
        for times, side, work in [*both, *both_scans]:
            times[side].append(clock(work))
        if number == rounds - 1:
            query(case, ours, queries(asked, dimension), clock, rows)
        case.raw.drop(raw_name)
        case.store.delete_collection(name)
    for what, (raw, mine) in (("ingest", ingest), ("scan", scan)):
        rows.append(Row(case.name, what, median(raw), median(mine), RATIO))


def query(case: Case, ours: Any, vectors: np.ndarray, clock: Clock, rows: list[Row]) -> None:
    """Measures single queries, plain and filtered, in turns."""
    where = F("year") >= 2010
    kinds: dict[str, tuple[Callable[[np.ndarray], Any], Callable[[np.ndarray], Any]]] = {
        "query": (lambda q: case.raw.query(q, K), lambda q: ours.query(q, k=K)),
        "query, filtered": (lambda q: case.raw.query_filtered(q, K), lambda q: ours.query(q, k=K, where=where)),
    }
    for what, (raw, mine) in kinds.items():
        times: tuple[list[float], list[float]] = [], []
        for number, vector in enumerate(vectors):
            order = ((0, raw), (1, mine)) if number % 2 else ((1, mine), (0, raw))
            for side, work in order:
                times[side].append(clock(lambda work=work, vector=vector: work(vector)))
        before, after = (median(side[WARM_UP:]) for side in times)
        rows.append(Row(case.name, what, before, after, min(RATIO, before / (before + OWN))))


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--queries", type=int, default=200, help="of each kind; the first 20 are not counted")
    parser.add_argument("--only", choices=["chroma", "milvus", "pgvector", "qdrant"])
    parser.add_argument("--processor-time", action="store_true", help=PROCESSOR_TIME)
    add_out(parser)
    chosen = parser.parse_args()
    records = workload(chosen.rows, chosen.dimension)
    rows: list[Row] = []
    for backend in (chroma, milvus, pgvector, qdrant):
        if chosen.only not in (None, backend.__name__):
            continue
        with (
            tempfile.TemporaryDirectory(prefix="vstore-", ignore_cleanup_errors=True) as folder,
            backend(Path(folder), chosen.dimension) as cases,
        ):
            clock = processor_seconds(Path(folder)) if chosen.processor_time else wall_seconds
            for case in cases:
                run(case, records, chosen.rounds, chosen.queries, clock, rows)
    title = f"{chosen.rows:,} × {chosen.dimension}, median of {chosen.rounds} interleaved rounds"
    if chosen.processor_time:
        title += ", processor time"
    report("raw", title, "raw", rows, chosen.out)


if __name__ == "__main__":
    main()
