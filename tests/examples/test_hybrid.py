"""The hybrid example finds the same on every database, in Chinese and in English."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import printed, running

EXAMPLE = Path(__file__).parents[2] / "examples" / "hybrid.py"
STORES = ["chroma:{}", "milvus:{}/data.db", "pgvector:{}", "qdrant:{}", "chroma server", "milvus server"]


def answers(url: str) -> dict[str, list[str]]:
    asked: dict[str, list[str]] = printed(EXAMPLE, url, "--json")
    return asked


@pytest.fixture(scope="module")
def expected() -> dict[str, list[str]]:
    """What the reference finds."""
    found = answers("memory:")
    assert found["今天下雨吗 · both"][0] == "zh-rain"
    assert found["raining in Beijing · both"][0] == "en-rain"
    assert set(found["XR-2000 · words"]) == {"zh-model", "en-model"}, "an exact name, which characters alone blur"
    assert all(one.startswith("zh-") for one in found["XR-2000 rain · both, in Chinese only"])
    return found


@pytest.mark.parametrize("store", STORES)
def test_hybrid_answers_are_the_same_everywhere(store: str, expected: dict[str, list[str]], tmp_path: Path) -> None:
    with running(store, tmp_path) as url:
        assert answers(url) == expected
