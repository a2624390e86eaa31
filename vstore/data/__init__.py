"""The data set that ships with the package; licence and source stand beside it in ``digits.md``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from vstore.records import Records

__all__ = ["Digits", "load_digits"]

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True, slots=True, eq=False)
class Digits:
    """1,797 handwritten digits.

    Attributes:
        pixels: uint8 array of shape (1797, 8, 8), 0 (paper) to 16 (ink).
        labels: uint8 array of shape (1797,), 0 to 9.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def records(self) -> Records:
        """One record a digit: the 64 pixels as its vector, and what is known of it as metadata."""
        vectors = self.pixels.reshape(len(self.pixels), -1).astype(np.float32)
        labels = self.labels.tolist()
        ink = vectors.mean(axis=1, dtype=np.float64).round(3).tolist()
        factors = [[d for d in range(1, 10) if label and label % d == 0] for label in labels]
        return Records(
            [f"digit-{number:04d}" for number in range(len(labels))],
            vectors,
            [f"the digit {_WORDS[label]}, written by hand" for label in labels],
            [
                {"label": label, "ink": drawn, "even": label % 2 == 0} | ({"divisors": divisors} if divisors else {})
                for label, drawn, divisors in zip(labels, ink, factors, strict=True)
            ],
        )


def load_digits() -> Digits:
    """Reads the digits from the package; no network."""
    with files("vstore.data").joinpath("digits.npz").open("rb") as file, np.load(file) as archive:
        return Digits(archive["pixels"], archive["labels"])
