"""Named, sparse and hybrid queries and tenants against the raw clients, interleaved, at 20,000 records.

``python benchmarks/fields.py [--rows 20000] [--rounds 2] [--only qdrant] [--out DIR]``. A record has a dense vector, a
second one by name, a sparse one of 30 values as frequent as words are, a document, and metadata with one of 1,000
tenants. A hybrid query fuses the first 100 of the dense and the sparse vector by RRF, here and there. Chroma itself has
neither further vectors nor sparse ones: what vstore emulates there stands alone, and a tenant is compared with a
collection of its own.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from cases import Case
from clocks import wall_seconds
from data import queries, workload
from exact_fields import ExactQdrantEdgeFields
from raw_fields import INDICES, RawMilvus, RawPgvector, RawQdrantEdge, RawTenants
from report import Row, add_out, report

from vstore import HNSW, RRF, Dense, Flat, Records, Sparse, SparseArray, connect

DIMENSIONS = {"vector": 128, "image": 64}
TENANTS = 1000
QUERIES = 60
WARM_UP = 5
SECONDS = 12.0  # for one kind of query
K = 10


@contextmanager
def chroma(folder: Path) -> Iterator[Case]:
    """Embedded Chroma, whose client has none of these vectors."""
    with connect(f"chroma:{folder / 'ours'}") as store:
        yield Case("Chroma embedded, HNSW", store, HNSW(), None)


@contextmanager
def milvus(folder: Path) -> Iterator[Case]:
    """Milvus Lite, each side in a file of its own."""
    raw = RawMilvus(folder / "raw.db", DIMENSIONS)
    with connect(f"milvus:{folder / 'ours.db'}") as store:
        yield Case("Milvus Lite, Flat", store, Flat(), raw)
    raw.close()


@contextmanager
def pgvector(folder: Path) -> Iterator[Case]:
    """Embedded PostgreSQL; both sides on the same server."""
    from psycopg.conninfo import make_conninfo

    with connect(f"pgvector:{folder / 'pg'}") as store:
        uri = make_conninfo(**{name: value for name, value in store.native.kwargs.items() if name != "autocommit"})
        raw = RawPgvector(uri, DIMENSIONS)
        yield Case("PostgreSQL, Flat", store, Flat(), raw)
        raw.close()


@contextmanager
def qdrant(folder: Path) -> Iterator[Case]:
    """Qdrant's engine, each side in a directory of its own."""
    raw, by_hand = RawQdrantEdge(folder / "raw", DIMENSIONS), ExactQdrantEdgeFields(folder / "hand", DIMENSIONS)
    with connect(f"qdrant:{folder / 'ours'}") as store:
        yield Case("Qdrant's engine, HNSW", store, HNSW(), raw, by_hand)


def terms(number: int, values: int, seed: int) -> SparseArray:
    """Sparse vectors of about so many values, their indices as frequent as words are."""
    rng = np.random.default_rng(seed)
    rows = np.minimum(rng.zipf(1.3, size=(number, values)), INDICES - 1)
    weights = rng.uniform(0.1, 2.0, size=rows.shape)
    return SparseArray.of([dict(zip(row.tolist(), of, strict=True)) for row, of in zip(rows, weights, strict=True)])


def content(rows: int) -> Records:
    """The records."""
    made = workload(rows, DIMENSIONS["vector"])
    metadatas = [one | {"tenant": f"tenant-{n % TENANTS:04d}"} for n, one in enumerate(made.metadatas or ())]
    fields = {"image": queries(rows, DIMENSIONS["image"]), "terms": terms(rows, 30, 3)}
    return replace(made, metadatas=metadatas, fields=fields)


def ingest(case: Case, records: Records, rounds: int, rows: list[Row]) -> Any:
    """Measures writing, and returns the last collection."""
    theirs: list[float] = []
    mine: list[float] = []
    for number in range(rounds):
        name = f"docs{number}"
        index = case.index
        fields = {"image": Dense(DIMENSIONS["image"], "l2", index=index), "terms": Sparse()}
        ours = case.store.create_collection(
            name, dimension=DIMENSIONS["vector"], metric="l2", index=index, fields=fields, partition_by="tenant"
        )
        both = [(mine, lambda ours=ours: ours.add(records))]
        if case.raw is not None:
            case.raw.create(f"raw{number}")
            both.insert(number % 2, (theirs, lambda: case.raw.ingest(records)))
        for times, work in both:
            times.append(wall_seconds(work))
        if number < rounds - 1:
            case.store.delete_collection(name)
            if case.raw is not None:
                case.raw.drop(f"raw{number}")
    rows.append(Row(case.name, "ingest", median(theirs) if theirs else None, median(mine)))
    if case.by_hand is not None:  # of which queries alone are measured
        case.by_hand.create("hand")
        case.by_hand.ingest(records)
    return ours


Asking = Callable[[int], object]


def interleaved(what: str, case: str, raw: Asking | None, mine: Asking, hand: Asking | None) -> Row:
    """Measures one kind of query in turns."""
    sides = {side: work for side, work in (("raw", raw), ("hand", hand), ("ours", mine)) if work is not None}
    times: dict[str, list[float]] = {side: [] for side in sides}
    order = list(sides)
    started = perf_counter()
    for number in range(QUERIES):
        if number >= WARM_UP + 3 and perf_counter() - started > SECONDS:
            break
        order.append(order.pop(0))
        for side in order:
            times[side].append(wall_seconds(lambda side=side, number=number: sides[side](number)))
    middle = {side: median(taken[WARM_UP:]) for side, taken in times.items()}
    return Row(case, what, middle.get("raw"), middle["ours"], None, middle.get("hand"))


def measure(case: Case, records: Records, rounds: int, folder: Path, rows: list[Row]) -> None:
    """Measures one case and adds its rows."""
    ours, raw = ingest(case, records, rounds, rows), case.raw
    vectors, images = queries(QUERIES, DIMENSIONS["vector"]), queries(QUERIES, DIMENSIONS["image"])
    words = list(terms(QUERIES, 6, 5))
    tenants = [f"tenant-{number * 7 % TENANTS:04d}" for number in range(QUERIES)]
    inside = raw
    if raw is None:
        inside = RawTenants(folder / "tenants")
        inside.load(records, tenants)
    asking: list[tuple[str, Callable[[Any, int], object], Asking]] = [
        ("sparse", lambda side, n: side.sparse(words[n], K), lambda n: ours.query(sparse=words[n], k=K)),
        ("dense, by name", lambda side, n: side.dense(images[n], K), lambda n: ours.query({"image": images[n]}, k=K)),
        (
            "hybrid, RRF",
            lambda side, n: side.hybrid(vectors[n], words[n], K),
            lambda n: ours.query(vectors[n], sparse=words[n], k=K, fuse=RRF()),
        ),
        (
            "hybrid, exact=True",
            lambda side, n: side.hybrid(vectors[n], words[n], K),
            lambda n: ours.query(vectors[n], sparse=words[n], k=K, fuse=RRF(), exact=True),
        ),
        (
            "in one tenant of 1,000",
            lambda side, n: side.inside(tenants[n], vectors[n], K),
            lambda n: ours.partition(tenants[n]).query(vectors[n], k=K),
        ),
    ]
    for what, theirs, mine in asking:
        side = inside if what.startswith("in one") else raw
        hand = None if what.endswith("exact=True") else case.by_hand  # which nobody wrote
        rows.append(interleaved(what, case.name, side and partial(theirs, side), mine, hand and partial(theirs, hand)))


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=["chroma", "milvus", "pgvector", "qdrant"])
    add_out(parser)
    chosen = parser.parse_args()
    records = content(chosen.rows)
    rows: list[Row] = []
    for backend in (chroma, milvus, pgvector, qdrant):
        if chosen.only not in (None, backend.__name__):
            continue
        with tempfile.TemporaryDirectory(prefix="vstore-", ignore_cleanup_errors=True) as temporary:
            folder = Path(temporary)
            with backend(folder) as case:
                measure(case, records, chosen.rounds, folder, rows)
    title = (
        f"{chosen.rows:,} records with two dense and one sparse vector, median of {chosen.rounds} interleaved rounds"
    )
    report("fields", title, "raw", rows, chosen.out)


if __name__ == "__main__":
    main()
