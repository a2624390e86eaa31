"""An application changes its database by changing a URL, and its answers do not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.running import printed, running

PROGRAM = Path(__file__).with_name("program.py")
EMBEDDED = ["chroma:{}", "milvus:{}/data.db", "pgvector:{}", "qdrant:{}", "qdrant::memory:"]
SERVERS = ["chroma server", "milvus server", "postgresql server"]


def answers(url: str) -> Any:
    """What the program prints: for each question its hits, each with id, distance, score and metadata."""
    return printed(PROGRAM, url)


@pytest.fixture(scope="module")
def expected() -> Any:
    """The reference's answers, of which enough are not trivial."""
    found = answers("memory:")
    assert len(found) == 200
    assert len({tuple(hit[0] for hit in hits) for hits in found}) > 150
    # where two digits are equally far the id decides: the pixels are whole numbers, so squares are exact everywhere
    tied = sum(len({hit[1] for hit in hits}) < len(hits) for hits in found)
    assert tied > 20
    return found


@pytest.mark.parametrize("store", EMBEDDED + SERVERS)
def test_the_answers_are_the_same(store: str, expected: Any, tmp_path: Path) -> None:
    with running(store, tmp_path) as url:
        found = answers(url)
    for mine, theirs in zip(found, expected, strict=True):
        assert [(hit[0], hit[3]) for hit in mine] == [(hit[0], hit[3]) for hit in theirs]
        for column in (1, 2):
            np.testing.assert_allclose([hit[column] for hit in mine], [hit[column] for hit in theirs], rtol=1e-6)
