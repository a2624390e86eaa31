"""An application changes its database by changing a URL, and its answers do not change."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.running import printed

EXAMPLES = Path(__file__).parents[2] / "examples"
STORES = ["chroma:{}", "pgvector:{}"]
NIGHTLY = [pytest.param(store, marks=pytest.mark.nightly) for store in ("qdrant:{}", "milvus:{}/data.db")]


def run(program: str, url: str) -> Any:
    """What the application prints, in a process of its own."""
    return printed(EXAMPLES / program, url)


@cache
def reference(program: str) -> Any:
    return run(program, "memory:")


@pytest.mark.parametrize("store", [*STORES, *NIGHTLY])
@pytest.mark.parametrize("program", ["llamaindex_rag.py", "haystack_rag.py"])
def test_the_answers_are_the_same(program: str, store: str, tmp_path: Path) -> None:
    expected = reference(program)
    first, second, third, *_ = expected["answers"]
    assert "Heavy rain today in Beijing" in first
    assert "Bread needs flour" in second
    assert "Noodles from Xi'an" in third
    assert not any("in July" in answer for answer in expected["answers"])  # that is too old
    assert run(program, store.format(tmp_path)) == expected
