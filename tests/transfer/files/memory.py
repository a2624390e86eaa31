"""Writes, opens, scans and searches a data set of so many records, and prints its peak of memory in bytes."""

from __future__ import annotations

import resource
import sys

import numpy as np

from tests.transfer.files.data import NOWHERE, info_for, no_refusal
from vstore import Records
from vstore.transfer.files import FileTarget, data_set_path, open_data_set

DIMENSION = 512
CHUNK = 500


def main(path: str, rows: int) -> None:
    target = FileTarget(data_set_path(path))
    target.create(info_for(DIMENSION), None, NOWHERE)
    sink = target.sink(no_refusal)
    rng = np.random.default_rng(0)
    for number in range(rows // CHUNK):
        ids = [f"id-{number}-{row}" for row in range(CHUNK)]
        vectors = rng.normal(size=(CHUNK, DIMENSION)).astype(np.float32)
        sink.write(number, Records(ids, vectors, ["text"] * CHUNK, [{"n": row} for row in range(CHUNK)]))
    sink.finish()
    source = open_data_set(path)
    assert sum(len(page.records) for page in source.scan(batch_size=CHUNK)) == rows
    assert len(source.get(["id-0-3", f"id-{rows // CHUNK - 1}-7"])) == 2
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)  # noqa: T201 (read by the test)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
