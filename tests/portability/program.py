"""One program: 200 filtered questions about digits. ``python program.py URL`` prints the answers as JSON."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator

import vstore
from vstore import F, Filter
from vstore.data import load_digits


def questions(number: int) -> Iterator[tuple[int, Filter]]:
    """Which digit to look for, and among which."""
    draw = random.Random(7)

    def leaf() -> Filter:
        digit, ink = draw.randrange(10), round(draw.uniform(3.0, 7.0), 3)
        return draw.choice(
            [
                F("label") == digit,
                F("label") >= digit,
                F("label").in_([digit, (digit + 3) % 10]),
                F("label").not_in([digit]),
                F("label") == float(digit),
                F("ink") < ink,
                F("ink") >= ink,
                F("even") == draw.choice([True, False]),
                F("even") != 1,
                F("divisors").has(draw.randrange(1, 5)),
                F("divisors").contains_any([2, 7]),
                F("divisors").exists(),
                F("divisors") != "2",
            ]
        )

    for _ in range(number):
        first, second = leaf(), leaf()
        where = draw.choice([first, first & second, first | second, ~first, ~(first | ~second), ~first & second])
        yield draw.randrange(1797), where


def main(url: str) -> None:
    """Writes the digits, asks, prints."""
    digits = load_digits().records()
    with vstore.connect(url) as store:
        collection = store.create_collection("digits", dimension=64, metric="l2")
        collection.add(digits.ids, digits.vectors, digits.documents, digits.metadatas)
        answers = []
        for number, where in questions(200):
            hits = collection.query(digits.vectors[number], k=10, where=where, exact=True, include=["metadatas"])
            answers.append([[hit.id, hit.distance, hit.score, hit.metadata] for hit in hits])
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
