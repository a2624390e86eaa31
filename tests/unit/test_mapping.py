"""Mappings as plain data, and records made of rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from vstore import CollectionInfo, Flat, InvalidInput, Metric, Mismatch, RecordMapping
from vstore.conformance.checks import typed
from vstore.core.foreign_records import to_records
from vstore.mapping import IdType, MissingVector, Outside
from vstore.records import Include
from vstore.spi.foreign import Rows, foreign_key, record_id

INFO = CollectionInfo(name="x", dimension=2, metric=Metric.L2, index=Flat())
EVERYTHING = Include(True, True, True)
FULL = RecordMapping(
    id=("a", 'b"'),
    vector="v",
    document=("d",),
    metadata=("m", "n"),
    fields=("f", "g"),
    hidden=("h",),
    id_type=IdType.UUID,
    metric=Metric.DOT,
    dimension=3,
    outside=Outside.TEXT,
    missing_vector=MissingVector.SKIP,
    table=("s", "t"),
    only={"c%": "1'"},
)


@pytest.mark.parametrize(
    "mapping", [RecordMapping(), FULL, RecordMapping(metadata=None, fields=("*",)), RecordMapping(document=("a.b",))]
)
def test_a_mapping_has_a_json_form(mapping: RecordMapping) -> None:
    assert RecordMapping.from_json(mapping.to_json()) == mapping
    assert RecordMapping.from_dict(mapping.to_dict()) == mapping
    hash(mapping)


def test_the_words_are_as_good_as_their_names() -> None:
    words: dict[str, Any] = {"metric": "cosine", "id_type": "int", "outside": "drop", "missing_vector": "skip"}
    mapping = RecordMapping(**words)
    assert mapping.metric is Metric.COSINE
    assert mapping.id_type is IdType.INT
    assert (mapping.outside, mapping.missing_vector) == (Outside.DROP, MissingVector.SKIP)
    with pytest.raises(InvalidInput):
        RecordMapping(metric="euclid")


def test_the_json_form_may_be_short() -> None:
    assert RecordMapping.from_json(
        '{"document": "text", "metadata": null, "fields": ["*"], "metric": "l2"}'
    ) == RecordMapping(document=("text",), metadata=None, fields=("*",), metric=Metric.L2)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"vectors": "a"}',
        '{"metric": "euclid"}',
        '{"id_type": 1}',
        '{"dimension": 0}',
        '{"dimension": true}',
        '{"document": []}',
        '{"document": [1]}',
        '{"id": [""]}',
        '{"vector": null}',
        '{"hidden": "a"}',
        '{"fields": ["a"]}',
        '{"table": ["a", "b", "c"]}',
        '{"only": {"a": 1}}',
        '{"outside": null}',
        '{"outside": "ignore"}',
        '{"missing_vector": true}',
    ],
)
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        RecordMapping.from_json(text)


@pytest.mark.parametrize(
    ("key", "kind", "text"),
    [
        (5, IdType.INT, "5"),
        (-(2**63), IdType.INT, "-9223372036854775808"),
        (2**64 - 1, IdType.INT_OR_UUID, "18446744073709551615"),
        (UUID(int=7), IdType.UUID, "00000000-0000-0000-0000-000000000007"),
        (UUID(int=7), IdType.INT_OR_UUID, "00000000-0000-0000-0000-000000000007"),
        ("05", IdType.TEXT, "05"),
    ],
)
def test_an_id_turns_into_a_text_and_back(key: Any, kind: IdType, text: str) -> None:
    assert record_id(key) == text
    assert foreign_key(text, kind) == key


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("05", IdType.INT),
        ("+5", IdType.INT),
        ("5.0", IdType.INT),
        ("-0", IdType.INT),
        ("\u0665", IdType.INT),
        (str(2**63), IdType.INT),
        ("-1", IdType.INT_OR_UUID),
        (str(2**64), IdType.INT_OR_UUID),
        ("0" * 32, IdType.UUID),
        ("{00000000-0000-0000-0000-000000000007}", IdType.UUID),
        ("ABCDEF00-0000-0000-0000-000000000007", IdType.UUID),
        ("5\n", IdType.INT),
    ],
)
def test_a_text_in_another_form_is_nobody_s_id(text: str, kind: IdType) -> None:
    """Else two texts would be one record."""
    assert foreign_key(text, kind) is None


def read(mapping: RecordMapping, fields: dict[str, Any], vector: Any = (1.0, 2.0), key: Any = "r") -> Any:
    array = None if vector is None else np.array(vector, dtype=np.float32)
    return to_records(mapping, INFO, Rows([key], [fields], [array]), EVERYTHING)[0]


def test_null_means_absent() -> None:
    record = read(RecordMapping(document=("d",)), {"d": None, "a": None, "b": {"c": None, "d": 1}})
    assert (record.document, record.metadata) == (None, {"b": {"d": 1}})


def test_what_is_the_document_or_the_id_is_not_metadata_as_well() -> None:
    mapping = RecordMapping(id=("m", "key"), document=("m", "text"), metadata=("m",))
    record = read(mapping, {"m": {"key": "k", "text": "t", "n": 1}, "rest": 2})
    assert (record.id, record.document, record.metadata) == ("k", "t", {"n": 1})
    top = read(
        RecordMapping(id=("key",), document=("text",), vector="vec"), {"key": "k", "text": "t", "vec": 0, "n": 1}
    )
    assert (top.id, top.document, top.metadata) == ("k", "t", {"n": 1})


def test_a_text_that_holds_json_is_walked_into() -> None:
    record = read(RecordMapping(document=("node", "text")), {"node": '{"text": "hello"}'})
    assert (record.document, record.metadata) == ("hello", {"node": '{"text": "hello"}'})
    assert read(RecordMapping(document=("node", "text")), {"node": "no json"}).document is None


def test_fields_stand_beside_the_metadata() -> None:
    fields = {"m": {"a": 1}, "b": 2, "c": 3}
    assert read(RecordMapping(metadata=("m",), fields=("b",)), fields).metadata == {"a": 1, "b": 2}
    assert read(RecordMapping(metadata=("m",), fields=("*",)), fields).metadata == {"a": 1, "b": 2, "c": 3}
    assert read(RecordMapping(metadata=None, fields=("c", "absent")), fields).metadata == {"c": 3}
    assert read(RecordMapping(metadata=None), fields).metadata == {}
    assert read(RecordMapping(metadata=("m",), fields=("b",), hidden=("a",)), fields).metadata == {"b": 2}
    with pytest.raises(Mismatch, match="'a'"):
        read(RecordMapping(metadata=("m",), fields=("a",)), {"m": {"a": 1}, "a": 1})
    assert read(RecordMapping(metadata=("m",)), {"m": "null"}).metadata == {}
    for other in ([1], "[1]", "no json", ""):
        with pytest.raises(Mismatch, match="no object at m"):
            read(RecordMapping(metadata=("m",)), {"m": other})


def test_values_of_other_types_lose_nothing() -> None:
    moment = datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    record = read(
        RecordMapping(), {"u": UUID(int=1), "d": Decimal("1.50"), "t": moment, "l": [Decimal("1"), Decimal("2.0")]}
    )
    assert typed(record.metadata) == typed(
        {"u": str(UUID(int=1)), "d": "1.50", "t": datetime(2024, 1, 1, 10, tzinfo=UTC), "l": ["1", "2.0"]}
    )


OUTSIDE: list[tuple[Any, str]] = [
    ([], "[]"),
    ([1, "a"], '[1,"a"]'),
    ([1, 2.0], "[1,2.0]"),
    ([1, None], "[1,null]"),
    ([[1], [2]], "[[1],[2]]"),
    ([{"a": 1}], '[{"a":1}]'),
    (2**63, "9223372036854775808"),
    (float("nan"), "NaN"),
    (float("inf"), "Infinity"),
    (b"\x00", "\"b'\\\\x00'\""),
    ("a\x00b", '"a\\u0000b"'),
    ("\ud800", '"\\ud800"'),
    (datetime(2024, 1, 1), '"datetime.datetime(2024, 1, 1, 0, 0)"'),  # noqa: DTZ001
    ({"a": []}, '{"a":[]}'),
    ({"a": {"$b": 1}}, '{"a":{"$b":1}}'),
]


@pytest.mark.parametrize(("value", "text"), OUTSIDE)
def test_a_value_outside_the_contract_is_refused_unless_the_mapping_says_otherwise(value: Any, text: str) -> None:
    with pytest.raises(Mismatch, match="odd") as caught:
        read(RecordMapping(), {"odd": value, "n": 1})
    assert caught.value.ids == ["r"]
    assert "hidden=['odd']" in caught.value.hint
    assert read(RecordMapping(hidden=("odd",)), {"odd": value, "n": 1}).metadata == {"n": 1}
    assert read(RecordMapping(outside=Outside.DROP), {"odd": value, "n": 1}).metadata == {"n": 1}
    assert read(RecordMapping(outside=Outside.TEXT), {"odd": value, "n": 1}).metadata == {"odd": text, "n": 1}


@pytest.mark.parametrize("key", ["", 'a"b', "a\\b", "$a", "_vs.x", "a\x00", "x" * 256])
def test_a_key_outside_the_contract_cannot_become_a_text(key: str) -> None:
    for mapping in (RecordMapping(), RecordMapping(outside=Outside.TEXT)):
        with pytest.raises(Mismatch) as caught:
            read(mapping, {key: 1})
        assert caught.value.ids == ["r"]
    assert read(RecordMapping(outside=Outside.DROP), {key: 1, "n": 1}).metadata == {"n": 1}


def test_a_document_that_is_no_text() -> None:
    mapping = RecordMapping(document=("d",))
    with pytest.raises(Mismatch, match="an int, not a text"):
        read(mapping, {"d": 5})
    assert read(replace(mapping, outside=Outside.TEXT), {"d": 5}).document == "5"
    assert read(replace(mapping, outside=Outside.DROP), {"d": 5}).document is None
    with pytest.raises(Mismatch, match="NUL"):
        read(mapping, {"d": "a\x00"})


@pytest.mark.parametrize("key", [True, 1.5, None, b"x", "", "a\x00", "x" * 513])
def test_a_key_that_is_no_id_is_refused(key: Any) -> None:
    with pytest.raises(Mismatch):
        read(RecordMapping(), {}, key=key)


@pytest.mark.parametrize(
    ("vector", "metric", "said"),
    [
        (None, Metric.L2, "no vector"),
        ((1.0,), Metric.L2, "1 dimensions"),
        ((np.nan, 1.0), Metric.L2, "NaN"),
        ((np.inf, 1.0), Metric.L2, "inf"),
        ((0.0, 0.0), Metric.COSINE, "zero"),
        ((1e16, 0.0), Metric.DOT, "norm"),
    ],
)
def test_a_vector_outside_the_contract_is_refused(vector: Any, metric: Metric, said: str) -> None:
    array = None if vector is None else np.array(vector, dtype=np.float32)
    fine = np.array([1, 2], dtype=np.float32)
    rows = Rows(["fine", "odd"], [{}, {}], [fine, array])
    with pytest.raises(Mismatch, match=said) as caught:
        to_records(RecordMapping(), replace(INFO, metric=metric), rows, Include(vectors=True))
    assert caught.value.ids == ["odd"]
    assert to_records(RecordMapping(), INFO, rows, Include()).ids == ["fine", "odd"], (
        "a read without vectors has no trouble"
    )
