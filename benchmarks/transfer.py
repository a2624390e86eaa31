"""How fast a copy is, against the slower of its two ends: reading the source, and writing the target, each alone.

``python benchmarks/transfer.py [--rows 20000] [--dimension 64] [--rounds 3] [--only chroma:qdrant] [--out DIR]``
compares for each pair the slower of two medians, that of a scan of the source and that of upserts of the records into
the target (its index built in the same way), with the copy without and with planning: 1.0 is as fast, the bar is 0.85.
"By hand" is the floor under the copy: a thread that scans, and one that upserts what it read, and then the index.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from queue import Queue
from statistics import median
from threading import Thread
from time import perf_counter
from typing import Any

from data import workload
from report import Row, add_out, report

from vstore import HNSW, Records, connect
from vstore.transfer import CollectionSource, CollectionTarget, copy

BAR = 0.85
PAIRS = ["chroma:pgvector", "pgvector:chroma", "qdrant:pgvector", "pgvector:qdrant", "pgvector:pgvector"]
METRIC = "l2"


def _url(kind: str, folder: Path, name: str) -> str:
    return f"{kind}:{folder / f'{name}.db'}"


def _by_hand(source: Any, target: Any, size: int) -> None:
    pages: Queue[Records | None] = Queue(1)

    def read() -> None:
        for page in source.scan(batch_size=size):
            pages.put(page.records)
        pages.put(None)

    reader = Thread(target=read)
    reader.start()
    while (part := pages.get()) is not None:
        target.upsert(part.ids, part.vectors, part.documents, part.metadatas)
    reader.join()
    target.build_index()


def _measure(pair: str, records: Records, folder: Path, workers: int) -> dict[str, float]:
    left, right = pair.split(":")
    assert records.vectors is not None
    settings = {"dimension": records.vectors.shape[1], "metric": METRIC, "index": HNSW()}
    with connect(_url(left, folder, "from")) as source, connect(_url(right, folder, "to")) as target:
        made = source.create_collection("docs", **settings)
        made.upsert(records.ids, records.vectors, records.documents, records.metadatas)

        size = min(5_000, target.capabilities.limits.max_batch_rows)
        started = perf_counter()
        pages = [page.records for page in made.scan(batch_size=size)]
        scan = perf_counter() - started

        raw = target.create_collection("raw", **settings)
        raw.defer_index()
        started = perf_counter()
        for part in pages:
            raw.upsert(part.ids, part.vectors, part.documents, part.metadatas)
        raw.build_index()
        ingest = perf_counter() - started
        target.delete_collection("raw")
        del pages

        raw = target.create_collection("raw", **settings)
        raw.defer_index()
        started = perf_counter()
        _by_hand(made, raw, size)
        hand = perf_counter() - started
        target.delete_collection("raw")

        started = perf_counter()
        report = copy(CollectionSource(source, made), CollectionTarget(target, "docs"), verify="none", workers=workers)
        whole = perf_counter() - started
        report.check()
    return {"scan": scan, "ingest": ingest, "hand": hand, "copy": report.seconds["copy"], "with plan": whole}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", default="")
    add_out(parser)
    given = parser.parse_args()
    records = workload(given.rows, given.dimension)
    rows: list[Row] = []
    for pair in [given.only] if given.only else PAIRS:
        rounds = []
        for _ in range(given.rounds):
            with tempfile.TemporaryDirectory(prefix="vst-", ignore_cleanup_errors=True) as folder:
                rounds.append(_measure(pair, records, Path(folder), given.workers))
        middle = {name: median(found[name] for found in rounds) for name in rounds[0]}
        end = max(("scan", "ingest"), key=middle.__getitem__)
        rows += [
            Row(pair, f"{what}, against {end}", middle[end], middle[what], BAR, middle["hand"])
            for what in ("copy", "with plan")
        ]
    report("copy", f"copies of {given.rows:,} × {given.dimension}", "slower end", rows, given.out)


if __name__ == "__main__":
    sys.exit(main())
