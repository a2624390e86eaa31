"""The tour finds the same on every database, at every step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import printed, running

TOUR = Path(__file__).parents[2] / "examples" / "tour.py"
STORES = [
    "chroma:{}",
    "milvus:{}/data.db",
    "pgvector:{}",
    "qdrant:{}",
    "chroma server",
    "milvus server",
    "postgresql server",
]
NIGHTLY = [pytest.param(store, marks=pytest.mark.nightly) for store in ("chroma::memory:", "qdrant::memory:")]
LAST = ["reopened", "dropped"]


def tour(url: str) -> dict[str, list[str]]:
    steps: dict[str, list[str]] = printed(TOUR, url, "--json")
    return steps


@pytest.fixture(scope="module")
def expected() -> dict[str, list[str]]:
    """What the reference finds: something at every step that asks, and different things."""
    steps = tour("memory:")
    asked = {step: ids for step, ids in steps.items() if not step.startswith("cos ")}
    assert len(asked) == 14
    assert all(asked.values())
    assert steps["count"] == ["10", "5"]
    assert steps["中文"][0] == "zh-rain"
    assert steps["English"][0] == "en-rain"
    assert {"zh-rain", "en-sun"} <= set(steps["hybrid"]), "each has a keyword of the question"
    assert steps["update"][0] == "zh-sun", "its new document was embedded"
    assert not {"en-rain", "zh-search", "en-search"} & set(steps["delete"])
    assert len({tuple(ids) for ids in asked.values()}) >= 13
    return steps


@pytest.mark.parametrize("store", [*STORES, *NIGHTLY])
def test_the_tour_is_the_same_everywhere(store: str, expected: dict[str, list[str]], tmp_path: Path) -> None:
    with running(store, tmp_path) as url:
        steps = tour(url)
    if "memory" not in store:
        expected = {**expected, "reopened": expected["renamed"], "dropped": []}
    assert steps == expected


def test_the_tour_without_a_url_says_how_to_name_one() -> None:
    done = subprocess.run([sys.executable, str(TOUR)], capture_output=True, text=True, check=False)
    assert (done.returncode, "examples/tour.py chroma:./data" in done.stderr, "Traceback" in done.stderr) == (
        1,
        True,
        False,
    )


def test_the_tour_is_told_in_words() -> None:
    done = subprocess.run([sys.executable, str(TOUR), "memory:"], capture_output=True, text=True, check=True)
    assert "zh-rain" in done.stdout
    assert "{" in done.stdout
