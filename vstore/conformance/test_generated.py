"""Generated filters and sequences of calls, compared with the reference ``memory:``."""

from __future__ import annotations

import random

import pytest

from vstore.conformance import sequences
from vstore.conformance.checks import assert_hits, matching, rows, scanned
from vstore.conformance.fixtures import clause, share
from vstore.conformance.generate import random_filter, smaller
from vstore.conformance.session import Session
from vstore.filters import Filter, to_dict
from vstore.indexing import Metric


def _wrong(session: Session, where: Filter) -> set[str]:
    """Ids on which the store and the reference differ."""
    return set(scanned(session.corpus, where)) ^ matching(where, session.records)


def _least(session: Session, where: Filter) -> Filter:
    """The simplest filter that still goes wrong."""
    for _ in range(200):
        for one in smaller(where):
            if _wrong(session, one):
                where = one
                break
        else:
            break
    return where


# how long they take is the number asked for times what the store needs: Milvus loads a new collection in 2 s
pytestmark = [pytest.mark.many_filters, pytest.mark.timeout(3600)]


@clause("FLT-1", "FLT-2", "FLT-3", "FLT-4", "FLT-5", "FLT-6")
@pytest.mark.much
def test_generated_filters_mean_the_same(session: Session, pytestconfig: pytest.Config) -> None:
    number = share(pytestconfig, session.mode, pytestconfig.getoption("--vstore-filters"))
    rng = random.Random(f"{pytestconfig.getoption('--vstore-seed')} {session.mode}")  # repeatable
    every, tried = len(session.records), 0
    while tried < number:
        where = random_filter(rng, session.store.capabilities)
        expected = matching(where, session.records)
        if not 0 < len(expected) < every:
            continue
        tried += 1
        found = scanned(session.corpus, where)
        if set(found) != expected or len(found) != len(expected):
            least = _least(session, where)
            differ = sorted(_wrong(session, least))[:5]
            metadatas = session.records.metadatas or []
            shown = {i: metadatas[session.records.ids.index(i)] for i in differ}
            pytest.fail(f"filter {tried}: {to_dict(least)!r} is answered otherwise for {shown!r}")
        if tried % 10 == 0:
            assert session.corpus.count(where) == len(expected), f"count of {to_dict(where)!r}"
        if tried % 25 == 0:
            query = rows(1, 8, seed=tried)[0]
            keep = session.records.take([p for p, name in enumerate(session.records.ids) if name in expected])
            for exact in (True, False):
                hits = session.corpus.query(vector=query, k=20, where=where, exact=exact)
                assert_hits(hits, Metric.L2, query, keep, 20, exact=exact)


@clause("ADD-1", "UPS-1", "UPD-1", "UPD-2", "DEL-1", "DEL-2", "WR-1", "GET-1", "CNT-1", "QRY-3", "COL-5", "ERR-1")
def test_generated_sequences_of_calls_end_the_same(session: Session, pytestconfig: pytest.Config) -> None:
    number = share(pytestconfig, session.mode, pytestconfig.getoption("--vstore-sequences"))
    rng = random.Random(f"{pytestconfig.getoption('--vstore-seed')} {session.mode} sequences")  # repeatable
    for turn in range(number):
        plan = sequences.random_plan(rng, session.store.capabilities)
        trouble = sequences.compare(session.store, plan)
        if trouble:
            least = sequences.least(session.store, plan)
            lines = "\n".join(f"  {step}" for step in least.steps)
            pytest.fail(
                f"sequence {turn} ({least.metric}):\n{lines}\n{sequences.compare(session.store, least) or trouble}"
            )
