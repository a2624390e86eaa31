"""Random sequences of calls, run on a store and on the reference, with every outcome compared."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

import vstore
from vstore.capabilities import Capabilities
from vstore.conformance.checks import Row, assert_hits, assert_same, contents, typed
from vstore.conformance.corpus import unique_name
from vstore.filters import F, Filter, parse
from vstore.hits import Hits
from vstore.indexing import Metric
from vstore.records import Records

__all__ = ["Plan", "Step", "compare", "least", "random_plan"]

_IDS: Final = ["a", "b", "c", "d", "e'", "f\\", "é", "\U0001f600", "i%", "J", "j", "k k"]
_KEYS: Final = ["n", "s", "l", "it's", "a.b"]
_VALUES: Final[list[Any]] = [
    0, 1, 1.0, True, False, "1", "", "it's", 'q"q', "b\\s", 1.5, -3, 2**53 + 1, 2**63 - 1, 1e16, ["x"], ["x",
    "y'"], [1], [1.0], [True], datetime(2024, 1, 1, tzinfo=UTC), [datetime(2024, 1, 1, tzinfo=UTC)], None,
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One call: the method and its arguments."""

    call: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.call}({', '.join(f'{name}={value!r}' for name, value in self.arguments.items())})"


@dataclass(frozen=True, slots=True)
class Plan:
    """A sequence for a new collection of four dimensions."""

    metric: Metric
    steps: tuple[Step, ...]


def random_plan(rng: random.Random, capabilities: Capabilities) -> Plan:
    """10 to 15 calls, some of which must raise, of those the store says it can do."""
    metric = rng.choice(list(Metric))
    makers = [*_writes(rng), *_reads(rng)]
    if capabilities.rename:
        makers.append(lambda: Step("rename", {"name": unique_name()}))
    steps = [Step("upsert", _columns(rng, rng.sample(_IDS, 6)))]
    steps += [rng.choice(makers)() for _ in range(rng.randint(9, 14))]
    return Plan(metric, tuple(steps))


def _vector(rng: random.Random) -> list[float]:
    return [float(rng.randint(-3, 3)) for _ in range(3)] + [1.0]


def _metadata(rng: random.Random) -> dict[str, Any] | None:
    return None if rng.random() < 0.1 else {key: rng.choice(_VALUES) for key in rng.sample(_KEYS, rng.randint(0, 4))}


def _text(rng: random.Random) -> str | None:
    return rng.choice([None, "", "one", "two words", "it's", 'say "hi"', "日本語"])


def _columns(rng: random.Random, ids: list[str], *, optional: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = {"ids": ids}
    if not optional or rng.random() < 0.4:
        made["vectors"] = [_vector(rng) for _ in ids]
    if rng.random() < 0.7:
        made["documents"] = [_text(rng) for _ in ids]
    if rng.random() < 0.7:
        made["metadatas"] = [_metadata(rng) for _ in ids]
    return made


def _where(rng: random.Random) -> Filter:
    def leaf() -> Filter:
        key = F(rng.choice(_KEYS))
        scalar = rng.choice([value for value in _VALUES if value is not None and not isinstance(value, list)])
        elements: list[Any] = ["x", "y'", 1, 1.0, True]
        kinds: list[Filter] = [
            key == scalar,
            key != scalar,
            key.in_([scalar, 1, "1"]),
            key > rng.choice([0, 0.5, 1]),
            key.has(rng.choice(elements)),
            key.exists(),
        ]
        return rng.choice(kinds)

    where = leaf()
    for _ in range(rng.choice([0, 0, 1, 2])):
        where = rng.choice([where & leaf(), where | leaf(), ~where & leaf()])
    return where


def _writes(rng: random.Random) -> list[Callable[[], Step]]:
    def some(least: int = 0) -> list[str]:
        return rng.sample(_IDS, rng.randint(least, 4))

    def broken() -> Step:
        good = _columns(rng, some(2))
        bad: dict[str, Any] = rng.choice(
            [
                {"ids": good["ids"][:1] * len(good["ids"])},
                {"vectors": good["vectors"][1:]},
                {"vectors": [*good["vectors"][1:], [1.0, float("nan"), 0.0, 0.0]]},
                {"vectors": [*good["vectors"][1:], [0.0] * 5]},
                {"metadatas": [{"n": float("inf")}] * len(good["ids"])},
                {"metadatas": [{"n": []}] * len(good["ids"])},
                {"ids": ["", *good["ids"][1:]]},
            ]
        )
        return Step(rng.choice(["add", "upsert", "update"]), good | bad)

    return [
        lambda: Step("add", _columns(rng, some(1))),
        lambda: Step("add", _columns(rng, some(1))),
        lambda: Step("upsert", _columns(rng, some())),
        lambda: Step("upsert", _columns(rng, some())),
        lambda: Step("update", _columns(rng, some(), optional=True)),
        lambda: Step("update", _columns(rng, some(1), optional=True)),
        lambda: Step("update", _columns(rng, some(1), optional=True) | {"replace_metadata": True}),
        lambda: Step("delete", {"ids": some()}),
        lambda: Step("delete", {"where": _where(rng)}),
        lambda: Step("delete", {"where": rng.choice([{}, F("n").not_in([])])}),
        lambda: Step("clear", {}) if rng.random() < 0.3 else Step("count", {}),
        broken,
    ]


def _reads(rng: random.Random) -> list[Callable[[], Step]]:
    return [
        lambda: Step("get", {"ids": [rng.choice(_IDS) for _ in range(rng.randint(0, 6))]}),
        lambda: Step("count", {"where": _where(rng)}),
        lambda: Step("scan", {"where": rng.choice([None, _where(rng)]), "batch_size": rng.randint(1, 5)}),
        lambda: Step(
            "query",
            {"vector": _vector(rng), "k": rng.randint(1, 8), "exact": True, "where": rng.choice([None, _where(rng)])},
        ),
        lambda: Step("query", {"vector": _vector(rng), "k": 100, "where": rng.choice([None, _where(rng)])}),
        lambda: Step("query", {"vector": _vector(rng), "k": rng.choice([0, -1])}),
    ]


def compare(store: vstore.Store, plan: Plan) -> str:
    """Runs a plan on the store and on the reference; says where they part, or nothing."""
    with vstore.connect("memory:") as reference:
        name = unique_name()
        target = store.create_collection(name, dimension=4, metric=plan.metric)
        expected = reference.create_collection(name, dimension=4, metric=plan.metric)
        try:
            for number, step in enumerate(plan.steps):
                try:
                    _agree(plan.metric, step, _outcome(target, step), _outcome(expected, step), expected)
                except AssertionError as error:
                    return f"step {number + 1}, {step}: {error}"
            try:
                assert_same(contents(target), contents(expected), plan.metric)
            except AssertionError as error:
                return f"what is stored at the end: {error}"
        finally:
            with suppress(vstore.NotFound):
                store.delete_collection(target.name)
    return ""


def least(store: vstore.Store, plan: Plan) -> Plan:
    """The plan without the steps that it also goes wrong without."""
    place = 0
    while place < len(plan.steps):
        shorter = replace(plan, steps=plan.steps[:place] + plan.steps[place + 1 :])
        if compare(store, shorter):
            plan = shorter
        else:
            place += 1
    return plan


def _outcome(collection: vstore.Collection, step: Step) -> Any:
    try:
        result = getattr(collection, step.call)(**step.arguments)
        return [page.records for page in result] if step.call == "scan" else result
    except vstore.VStoreError as error:
        return (type(error).__name__, sorted(error.ids), error.operation)


def _rows(records: Records) -> dict[str, Row]:
    return {
        record.id: Row(
            () if record.vector is None else tuple(record.vector.tolist()), record.document, typed(record.metadata)
        )
        for record in records
    }


def _agree(metric: Metric, step: Step, found: Any, expected: Any, reference: vstore.Collection) -> None:
    """The two outcomes are one; raises AssertionError where not."""
    if step.call == "scan" and isinstance(found, list) and isinstance(expected, list):
        assert all(0 < len(page) <= step.arguments["batch_size"] for page in found), "pages of a wrong size"
        found, expected = Records.concat(found), Records.concat(expected)
        assert len(found.ids) == len(set(found.ids)), "a record came twice"
        assert sorted(found.ids) == sorted(expected.ids), f"scanned {sorted(found.ids)}, not {sorted(expected.ids)}"
        assert_same(_rows(found), _rows(expected), metric)
    elif isinstance(found, Records) and isinstance(expected, Records):
        assert found.ids == expected.ids, f"got {found.ids}, not {expected.ids}"
        assert_same(_rows(found), _rows(expected), metric)
    elif isinstance(found, Hits) and isinstance(expected, Hits):
        where = step.arguments.get("where")
        keep = Records.concat(
            [page.records for page in reference.scan(where=parse(where) if isinstance(where, dict) else where)]
        )
        if keep.ids:
            query = np.asarray(step.arguments["vector"], dtype=np.float32)
            assert_hits(found, metric, query, keep, step.arguments["k"], exact=step.arguments.get("exact", False))
        else:
            assert found.ids == [], f"hits {found.ids} though nothing matches"
        metadatas = dict(zip(keep.ids, keep.metadatas or [], strict=False))
        for hit in found:
            assert typed(hit.metadata) == typed(metadatas[hit.id]), f"the metadata of hit {hit.id!r} differs"
    else:
        assert type(found) is type(expected), f"outcome {found!r:.300}, not {expected!r:.300}"
        assert found == expected, f"outcome {found!r:.300}, not {expected!r:.300}"
