"""A LangChain application changes its database by changing a URL, and its answers do not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.running import printed

PROGRAM = Path(__file__).parents[3] / "examples" / "langchain_rag.py"


def run(url: str) -> Any:
    """What the application prints, in a process of its own."""
    return printed(PROGRAM, url)


@pytest.fixture(scope="module")
def expected() -> Any:
    """The reference's answers: three different prompts, from other documents each."""
    told = run("memory:")
    assert len(set(told["answers"])) == 3
    assert "[rain]" in told["answers"][0]
    assert "[bread] Bread needs flour, water and salt." in told["answers"][1]
    assert "('a', 1)" in told["answers"][2]
    assert not any("old-rain" in answer for answer in told["answers"])
    assert [one for one, _ in told["scores"]][-1] == "sun"
    return told


NIGHTLY = [pytest.param(store, marks=pytest.mark.nightly) for store in ("qdrant:{}", "milvus:{}/data.db")]


@pytest.mark.parametrize("store", ["chroma:{}", "pgvector:{}", *NIGHTLY])
def test_the_answers_are_the_same(store: str, expected: Any, tmp_path: Path) -> None:
    assert run(store.format(tmp_path)) == expected
