"""The digits that ship with the package."""

from __future__ import annotations

import numpy as np

from vstore.cli.drawing import draw
from vstore.data import load_digits


def test_the_digits_are_those_of_the_uci_test_set() -> None:
    digits = load_digits()
    assert digits.pixels.shape == (1797, 8, 8)
    assert (digits.pixels.min(), digits.pixels.max()) == (0, 16)
    assert np.bincount(digits.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_records_carry_what_is_known() -> None:
    digits = load_digits()
    records = digits.records()
    assert records.vectors is not None
    assert records.vectors.dtype == np.float32
    assert records.vectors[5].tolist() == digits.pixels[5].ravel().tolist()
    assert records[8].metadata == {
        "label": 8,
        "ink": round(float(digits.pixels[8].mean()), 3),
        "even": True,
        "divisors": [1, 2, 4, 8],
    }
    assert records[0].document == "the digit zero, written by hand"


def test_a_drawing_has_eight_lines_of_sixteen() -> None:
    picture = load_digits().pixels[0]
    for colour in (True, False):
        assert [len(line) for line in draw(picture, colour=colour).plain.split("\n")] == [16] * 8
    plain = draw(picture, colour=False).plain.split("\n")
    assert [line[2 * column] != " " for line, row in zip(plain, picture, strict=True) for column in range(8)] == [
        round(value / 16 * 5) > 0 for row in picture for value in row
    ]
