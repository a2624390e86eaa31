"""How work grows with the collection: processor time a record of ingest, scan and copy, and what a scan holds.

``python benchmarks/growth.py [--rows 10000 100000] [--dimension 384] [--only chroma] [--out DIR]`` runs each work in
a process of its own. Memory is the most that the process held during a scan, beyond what it held when the collection
was open and its first record read: for vstore, and for the raw client over the same files. An index that can be built
apart is not built.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from clocks import processor_seconds
from data import workload
from report import Row, add_out, report

from vstore import Flat, Records, Store, connect
from vstore.transfer import CollectionSource, CollectionTarget, copy

BACKENDS = {
    "chroma": "Chroma embedded",
    "pgvector": "PostgreSQL embedded",
    "qdrant": "Qdrant's engine",
    "milvus": "Milvus Lite",
}
PAGE = 1_000
BATCH = 5_000
PART = 50_000  # records that the workload makes at a time
GROWTH = 1.5  # the most that a record may take of its share among a tenth of the records


def opened(backend: str, folder: Path, name: str = "store") -> Store:
    """One embedded store below ``folder``."""
    return connect(f"{backend}:{folder / (name + '.db')}")


def ingest(backend: str, folder: Path, rows: int, dimension: int) -> dict[str, float]:
    """Writes the records in batches; making them is not counted."""
    clock = processor_seconds(folder)
    took = 0.0
    with opened(backend, folder) as store:
        index = {} if backend == "chroma" else {"index": Flat()}
        docs = store.create_collection("docs", dimension=dimension, metric="l2", **index)
        for start in range(0, rows, PART):
            made = workload(min(PART, rows - start), dimension)
            assert made.vectors is not None
            ids = [f"doc-{start + place:08d}" for place in range(len(made))]
            part = Records(ids, made.vectors, made.documents, made.metadatas)

            def write(part: Records = part) -> None:
                for first in range(0, len(part), BATCH):
                    batch = part[first : first + BATCH]
                    docs.add(batch.ids, batch.vectors, batch.documents, batch.metadatas)

            took += clock(write)
    return {"seconds": took}


def scan(backend: str, folder: Path, rows: int, _: int) -> dict[str, float]:
    """Reads all records, page by page."""
    clock = processor_seconds(folder)
    with opened(backend, folder) as store:
        docs = store.get_collection("docs")
        next(iter(docs.scan(batch_size=1)))

        def read() -> None:
            assert sum(len(page.records) for page in docs.scan(batch_size=PAGE)) == rows

        return held(lambda: clock(read))


def raw_scan(backend: str, folder: Path, rows: int, _: int) -> dict[str, float]:
    """Reads the same files with the raw client alone, page by page."""
    pages = {"chroma": _chroma, "pgvector": _pgvector, "qdrant": _qdrant, "milvus": _milvus}[backend](folder)
    next(pages)
    clock = processor_seconds(folder)

    def read() -> None:
        assert sum(pages) == rows

    return held(lambda: clock(read))


def _chroma(folder: Path) -> Any:
    import chromadb

    client = chromadb.PersistentClient(str(folder / "store.db"))
    found = client.get_collection("docs", embedding_function=None)
    yield len(found.get(limit=1)["ids"])
    ids = sorted(found.get(include=[])["ids"])
    for start in range(0, len(ids), PAGE):
        page = found.get(ids[start : start + PAGE], include=["embeddings", "documents", "metadatas"])
        yield len(np.asarray(page["embeddings"], dtype=np.float32))


def _pgvector(folder: Path) -> Any:
    from pgvector.psycopg import register_vector
    from psycopg import sql

    with opened("pgvector", folder) as store, store.native.connection() as connection:
        register_vector(connection)
        table = connection.execute(
            "select table_schema, table_name from information_schema.columns where udt_name = 'vector'"
        ).fetchone()
        columns = sql.SQL("select id, embedding, document, metadata from {} where id > %s order by id limit {}")
        statement = columns.format(sql.Identifier(*table), sql.Literal(PAGE))
        yield 1
        after = ""
        with connection.cursor(binary=True) as cursor:
            while page := cursor.execute(statement, (after,)).fetchall():
                after = page[-1][0]
                yield len(np.stack([row[1] for row in page]))


def _qdrant(folder: Path) -> Any:
    import qdrant_edge as edge

    shard = edge.EdgeShard.load(str(next(path.parent for path in folder.glob("store.db/**/edge_config.json"))))
    yield 1
    after = None
    while True:
        page, after = shard.scroll(edge.ScrollRequest(offset=after, limit=PAGE, with_payload=True, with_vector=True))
        yield len([(point.vector, point.payload) for point in page])
        if after is None:
            return


def _milvus(folder: Path) -> Any:
    from pymilvus import MilvusClient

    client = MilvusClient(str(folder / "store.db"))
    name = next(name for name in client.list_collections() if "docs" in name)
    client.load_collection(name)
    yield len(client.query(name, limit=1, output_fields=["*"]))
    pages = client.query_iterator(name, batch_size=PAGE, output_fields=["*"])
    while page := pages.next():
        yield len(page)


def copied(backend: str, folder: Path, rows: int, _: int) -> dict[str, float]:
    """Copies into another store of the same kind, without an index and without verification."""
    clock = processor_seconds(folder)
    with opened(backend, folder) as source, opened(backend, folder, "target") as target:
        where = CollectionSource(source, source.get_collection("docs")), CollectionTarget(target, "docs")

        def work() -> None:
            copy(*where, verify="none").check()
            assert target.get_collection("docs").count() == rows

        return {"seconds": clock(work)}


def held(work: Callable[[], float]) -> dict[str, float]:
    """Seconds of ``work``, and by how many bytes the process's peak passed what it held before."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what earlier work freed is not held
    before = psutil.Process().memory_info().rss
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    seconds = work()
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return {"seconds": seconds, "held": int(peak.split()[1]) * 1024 - before, "before": before}


WORK = {"ingest": ingest, "scan": scan, "raw": raw_scan, "copy": copied}


def child(what: str, backend: str, folder: Path, rows: int, dimension: int) -> dict[str, float]:
    """Runs one piece of work in a process of its own."""
    command = [sys.executable, __file__, "--child", what, backend, str(folder), str(rows), str(dimension)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--only", choices=BACKENDS)
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    add_out(parser)
    chosen = parser.parse_args()
    if chosen.child:
        what, backend, folder, rows, dimension = chosen.child
        print(json.dumps(WORK[what](backend, Path(folder), int(rows), int(dimension))))
        return
    grown: list[Row] = []
    for backend, name in BACKENDS.items():
        if chosen.only not in (None, backend):
            continue
        shares: dict[str, list[float]] = {}
        for rows in sorted(chosen.rows):
            with tempfile.TemporaryDirectory(prefix="vstore-", ignore_cleanup_errors=True) as folder:
                for what in WORK:
                    found = child(what, backend, Path(folder), rows, chosen.dimension)
                    shares.setdefault(what, []).append(found["seconds"] / rows)
                    memory = (
                        f", held {found['held'] / 1e6:.0f} MB beyond {found['before'] / 1e6:.0f}"
                        if "held" in found
                        else ""
                    )
                    print(
                        f"{name}, {what}: {rows:,}: {found['seconds'] / rows * 1e6:.1f} µs a record{memory}", flush=True
                    )
        for what, times in shares.items():
            if what != "raw":
                grown.append(Row(name, what, times[0], times[-1], 1 / GROWTH))
    few, many = min(chosen.rows), max(chosen.rows)
    title = f"processor time a record, {many:,} × {chosen.dimension} beside {few:,}"
    report("growth", title, f"{few:,}", grown, chosen.out, f"{many:,}")


if __name__ == "__main__":
    main()
