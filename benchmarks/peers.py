"""The frame of comparisons with a framework's own stores: both sides take turns, and a table shows their medians."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeAlias

from clocks import Clock, add_clock, clocked
from data import queries, workload
from report import Row, add_out, report

from vstore import Records

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for the tests' own servers

__all__ = ["BATCH", "YEAR", "Backend", "Case", "K", "Side", "compare"]

BATCH = 500
K = 10
YEAR = 2000
_QUERIES = 100
_WARM_UP = 10


@dataclass(frozen=True)
class Side:
    """One store.

    Attributes:
        add: Writes one batch of records.
        query: The ``K`` nearest to a vector.
        filtered: The same of those whose year is at least ``YEAR``.
    """

    add: Callable[[Records], object]
    query: Callable[[list[float]], object]
    filtered: Callable[[list[float]], object]


@dataclass(frozen=True)
class Case:
    """One database: ours and theirs, side by side."""

    name: str
    ours: Side
    theirs: Side


Backend: TypeAlias = Callable[[Path, int], AbstractContextManager[Iterator[Case] | list[Case]]]


def compare(framework: str, backends: Mapping[str, Backend]) -> None:
    """Measures by the command line's arguments and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=backends)
    add_clock(parser)
    add_out(parser)
    wanted = parser.parse_args()
    warnings.simplefilter("ignore")
    records = workload(wanted.rows, wanted.dimension)
    asked = queries(_QUERIES, wanted.dimension).tolist()
    rows: list[Row] = []
    asked_for = [one for name, one in backends.items() if wanted.only in (None, name)]
    for cases, clock in clocked((partial(one, dimension=wanted.dimension) for one in asked_for), wanted):
        for case in cases:
            for kind, (ours, theirs) in _measure(case, records, asked * wanted.rounds, clock).items():
                rows.append(Row(case.name, kind, theirs, ours, 1.0))
    title = f"{framework}: {wanted.rows:,} × {wanted.dimension}, {wanted.rounds} rounds"
    if wanted.processor_time:
        title += ", processor time"
    report(framework.lower(), title, f"{framework}'s own", rows, wanted.out)


def _measure(case: Case, records: Records, asked: list[list[float]], clock: Clock) -> dict[str, tuple[float, float]]:
    """Median seconds of ours and theirs for each kind of call."""
    sides = (case.ours, case.theirs)
    batches = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]
    ingest = [0.0, 0.0]
    for batch in batches:
        for place, side in enumerate(sides):
            ingest[place] += clock(partial(side.add, batch))
    times: dict[str, list[list[float]]] = {"query": [[], []], "query, filtered": [[], []]}
    for turn, vector in enumerate([*asked[:_WARM_UP], *asked]):
        for place, side in enumerate(sides):
            for kind, call in (("query", side.query), ("query, filtered", side.filtered)):
                took = clock(partial(call, vector))
                if turn >= _WARM_UP:
                    times[kind][place].append(took)
    return {"ingest": (ingest[0], ingest[1]), **{kind: (median(a), median(b)) for kind, (a, b) in times.items()}}
