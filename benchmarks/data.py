"""The workload: records as an application has them, the same for every run."""

from __future__ import annotations

import numpy as np

from vstore import Records

__all__ = ["queries", "workload"]


def workload(rows: int, dimension: int) -> Records:
    """``rows`` records with clustered vectors, a document of about 80 characters and four metadata keys."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(64, dimension))
    vectors = (centres[rng.integers(64, size=rows)] + rng.normal(size=(rows, dimension))).astype(np.float32)
    langs = ("en", "zh", "fr", "de")
    return Records(
        [f"doc-{number:07d}" for number in range(rows)],
        vectors,
        [
            f"Paragraph {number} of a text that somebody once wrote, long enough to be found again."
            for number in range(rows)
        ],
        [
            {"year": 1990 + number % 35, "lang": langs[number % 4], "price": number * 0.25, "open": number % 3 == 0}
            for number in range(rows)
        ],
    )


def queries(number: int, dimension: int) -> np.ndarray:
    """Query vectors from the same distribution."""
    rng = np.random.default_rng(11)
    return rng.normal(size=(number, dimension)).astype(np.float32)
