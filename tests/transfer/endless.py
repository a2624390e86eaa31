"""A source of any size that holds nothing, and a target that keeps nothing: what is measured is the copy itself.

``endless.py ROWS URL`` copies so many records into a store and prints the peak of this process's memory in bytes.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vstore import connect
from vstore.capabilities import Capabilities, Exactness
from vstore.filters.tree import Filter
from vstore.indexing import Flat, Index, Metric
from vstore.info import CollectionInfo
from vstore.records import IncludeName, Page, Records
from vstore.transfer import CollectionTarget, copy
from vstore.transfer.endpoint import EVERYTHING, Reject, Source

DIMENSION = 64


@dataclass
class Endless:
    """``rows`` records, each made from its number when it is asked for."""

    rows: int
    identity: str = ""
    backend: str = "memory"
    capabilities: Capabilities | None = None
    cosine_exactness: Exactness = Exactness.RELATIVE

    @property
    def info(self) -> CollectionInfo:
        return CollectionInfo(name="endless", dimension=DIMENSION, metric=Metric.L2, index=Flat())

    def count(self, where: Filter | None = None) -> int:
        return self.rows

    def scan(
        self,
        *,
        where: Filter | None = None,
        batch_size: int = 1000,
        after: str | None = None,
        include: Sequence[IncludeName] = EVERYTHING,
    ) -> Iterator[Page]:
        start = 0 if after is None else int(after)
        for first in range(start, self.rows, batch_size):
            last = min(first + batch_size, self.rows)
            yield Page(self._made(np.arange(first, last), bool(include)), str(last))

    def get(self, ids: Sequence[str], *, include: Sequence[IncludeName] = EVERYTHING) -> Records:
        return self._made(np.array([int(i[3:]) for i in ids]), bool(include))

    def _made(self, numbers: np.ndarray, whole: bool) -> Records:
        ids = [f"id-{number:09d}" for number in numbers]
        if not whole:
            return Records(ids)
        vectors = np.sin(numbers[:, None] * 0.7 + np.arange(DIMENSION)).astype(np.float32)
        texts = [f"the text of record {number}" for number in numbers]
        return Records(ids, vectors, list(texts), [{"n": int(number), "part": int(number) % 7} for number in numbers])

    def existing(self) -> Endless | None:
        return self if self.made else None

    made = False

    merges = True
    is_temporary = False

    def lacks(self, info: CollectionInfo) -> str:
        return ""

    def dry_create(self, info: CollectionInfo, index: Index | None, source: Source) -> None:
        raise AssertionError("it is not there, so that nothing is deleted")

    def create(self, info: CollectionInfo, index: Index | None, source: Source) -> None:
        self.made = True

    def remove(self) -> None:
        raise AssertionError

    def sink(self, reject: Reject) -> Endless:
        return self

    def write(self, chunk: int, records: Records) -> None:
        pass

    def finish(self) -> None:
        pass

    def close(self) -> None:
        pass


def main() -> None:
    """See above."""
    rows, url = int(sys.argv[1]), sys.argv[2]
    with connect(url) as store:
        report = copy(Endless(rows), CollectionTarget(store, f"endless{rows}"), workers=2)
    report.check()
    assert report.copied == rows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(f"{peak}\n")


if __name__ == "__main__":
    main()
