"""The same records as other applications would keep them: written with the databases' own clients."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import vstore
from vstore import Metric, RecordMapping
from vstore.conformance.corpus import records
from vstore.records import Metadata, Records

__all__ = ["LAYOUTS", "Layout"]

SPACE = UUID("12345678-1234-5678-1234-567812345678")
SIMPLE = ("v", "w", "year", "tags", "flag", "part")


@dataclass(frozen=True)
class Layout:
    """One way to keep the records.

    Attributes:
        url: Where; ``{folder}`` is a new directory, ``{postgres}`` a new database, ``{double}`` a double of
            a Qdrant server.
        write: Writes records, through ``store.native``, as a collection of this name.
        mapping: How they are read.
        ids: The record's id by its number.
        keeps: Whether the layout can hold a metadata value under its key.
        read_only: Whether it cannot be written.
    """

    url: str
    write: Callable[[vstore.Store, str, Records], None]
    mapping: RecordMapping | str
    ids: Callable[[int], str]
    keeps: Callable[[str, Any], bool]
    read_only: bool = False

    def content(self, number: int) -> Records:
        """The records that the layout can hold, with its kind of ids."""
        with vstore.connect("memory:") as memory:
            every = records(memory.capabilities, number)
        metadatas = [{k: v for k, v in one.items() if self.keeps(k, v)} for one in every.metadatas or ()]
        return replace(every, ids=[self.ids(place) for place in range(len(every))], metadatas=metadatas)


def _text(place: int) -> str:
    return f'it\'s "r{place}"%s'


def _number(place: int) -> str:
    return str(place * 7 - 500)


def _unsigned(place: int) -> str:
    return str(place * 3)


def _uuid(place: int) -> str:
    return str(uuid5(SPACE, str(place)))


def _mixed(place: int) -> str:
    return _unsigned(place) if place % 2 else _uuid(place)


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    return [leaf for inner in value for leaf in _leaves(inner)] if isinstance(value, list) else [value]


def _json(_: str, value: Any) -> bool:
    """JSON text has all but moments."""
    return not any(isinstance(leaf, datetime) for leaf in _leaves(value))


def _jsonb(key: str, value: Any) -> bool:
    """PostgreSQL's jsonb keeps numbers as decimals: large floats come back as integers, -0.0 as 0.0."""
    floats = [leaf for leaf in _leaves(value) if isinstance(leaf, float)]
    return _json(key, value) and all(abs(x) < 1e15 and str(x) != "-0.0" for x in floats)


def _chroma(key: str, value: Any) -> bool:
    """Chroma has no dicts, keys of its own, and keeps most floats to 15 digits."""
    floats = [leaf for leaf in _leaves(value) if isinstance(leaf, float)]
    exact = all(str(x) != "-0.0" and 1e-5 < abs(x) < 1e15 and float(f"{x:.15g}") == x for x in floats if x != 0)
    plain = not isinstance(value, dict) and not key.startswith("chroma:")
    return plain and _json(key, value) and exact and not any(str(x) == "-0.0" for x in floats)


def _simple(key: str, value: Any) -> bool:
    """What any application's keys and values are like."""
    return key in SIMPLE and _jsonb(key, value) and not isinstance(value, dict)


def _columns(records: Records) -> list[tuple[str, list[float], str | None, Metadata]]:
    assert records.vectors is not None
    assert records.documents is not None
    assert records.metadatas is not None
    return list(zip(records.ids, records.vectors.tolist(), records.documents, records.metadatas, strict=True))


def _write_chroma(store: vstore.Store, name: str, records: Records) -> None:
    collection = store.native.create_collection(name, metadata={"hnsw:space": "l2"}, embedding_function=None)
    for key, vector, document, metadata in _columns(records):
        one: dict[str, Any] = {"ids": [key], "embeddings": [vector], "metadatas": [metadata or None]}
        collection.add(**one, **({} if document is None else {"documents": [document]}))


def _write_table(kind: str, json_type: str) -> Callable[[vstore.Store, str, Records], None]:
    def write(store: vstore.Store, name: str, records: Records) -> None:
        from psycopg import sql

        with store.native.connection() as connection:
            connection.execute("create extension if not exists vector with schema public")
            table = sql.Identifier("public", name)
            columns = sql.SQL(
                'create table {} ("i%d" {} primary key, "emb""edding" public.vector(8), doc text, "m %s" {})'
            )
            connection.execute(columns.format(table, sql.SQL(kind), sql.SQL(json_type)))
            insert = sql.SQL("insert into {} values (%s, %s, %s, %s)").format(table)
            rows = [(key, str(v), d, json.dumps(m)) for key, v, d, m in _columns(records)]
            with connection.cursor() as cursor:
                cursor.executemany(insert, rows)

    return write


TABLE = RecordMapping(id=("i%d",), vector='emb"edding', document=("doc",), metadata=("m %s",), metric=Metric.L2)


def _write_columns(store: vstore.Store, name: str, records: Records) -> None:
    """Metadata in columns of their own, two of them the key; a value's column is of its type."""
    from psycopg import sql

    assert records.metadatas is not None
    with store.native.connection() as connection:
        connection.execute("create extension if not exists vector with schema public")
        table = sql.Identifier("public", name)
        connection.execute(
            sql.SQL(
                "create table {} (region text, number bigint, name text not null, embedding public.halfvec(8), "
                "document text, part text, flag boolean, tags text[], primary key (region, number))"
            ).format(table)
        )
        insert = sql.SQL("insert into {} values (%s, %s, %s, %s, %s, %s, %s, %s)").format(table)
        rows = [
            (f"region {place % 3}", place, key, str(v), d, m.get("part"), m.get("flag"), m.get("tags"))
            for place, (key, v, d, m) in enumerate(_columns(records))
        ]
        with connection.cursor() as cursor:
            cursor.executemany(insert, rows)


COLUMNS = RecordMapping(
    id=("name",),
    vector="embedding",
    document=("document",),
    metadata=None,
    fields=("part", "flag", "tags"),
    metric=Metric.L2,
)


def _typed_columns(key: str, _: Any) -> bool:
    return key in ("part", "flag", "tags")


def _write_qdrant(
    payload: Callable[[str, str | None, Metadata], dict[str, Any]], vector: str = "", own_ids: bool = True
) -> Callable[[vstore.Store, str, Records], None]:
    def write(store: vstore.Store, name: str, records: Records) -> None:
        from qdrant_client import models

        params = models.VectorParams(size=8, distance=models.Distance.EUCLID)
        store.native.create_collection(name, vectors_config={vector: params} if vector else params)
        points = [
            models.PointStruct(
                id=_point(key) if own_ids else str(uuid5(SPACE, key)),
                vector={vector: v} if vector else v,
                payload=payload(key, d, m),
            )
            for key, v, d, m in _columns(records)
        ]
        store.native.upsert(name, points)

    return write


def _point(key: str) -> int | str:
    return int(key) if key.isdigit() else key


def _write_milvus(text: bool, dynamic: bool) -> Callable[[vstore.Store, str, Records], None]:
    def write(store: vstore.Store, name: str, records: Records) -> None:
        from pymilvus import DataType, MilvusClient

        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=dynamic)
        schema.add_field("key", DataType.VARCHAR if text else DataType.INT64, is_primary=True, max_length=512)
        schema.add_field("vec", DataType.FLOAT_VECTOR, dim=8)
        schema.add_field("words", DataType.VARCHAR, max_length=1000)
        if not dynamic:
            schema.add_field("meta", DataType.JSON)
        index = MilvusClient.prepare_index_params()
        index.add_index("vec", index_type="FLAT", metric_type="L2")
        store.native.create_collection(name, schema=schema, index_params=index)
        rows = [
            {"key": key if text else int(key), "vec": v, "words": d or "", **(m if dynamic else {"meta": m})}
            for key, v, d, m in _columns(records)
        ]
        store.native.insert(name, rows)

    return write


def _with_words(layout: Layout) -> Layout:
    """Where a field of text is never null, no document is the empty one."""

    class Filled(Layout):
        def content(self, number: int) -> Records:
            found = Layout.content(self, number)
            return replace(found, documents=[text or "" for text in found.documents or ()])

    return Filled(**layout.__dict__)


WORDS = RecordMapping(vector="vec", document=("words",))

LAYOUTS: dict[str, Layout] = {
    "chroma": Layout("chroma::memory:", _write_chroma, "auto", _text, _chroma, read_only=True),
    "pgvector, json by bigint": Layout("{postgres}", _write_table("bigint", "json"), TABLE, _number, _json),
    "pgvector, jsonb by uuid": Layout("{postgres}", _write_table("uuid", "jsonb"), TABLE, _uuid, _jsonb),
    "pgvector, jsonb by text": Layout("{postgres}", _write_table("varchar", "jsonb"), TABLE, _text, _jsonb),
    "pgvector, columns of a halfvec": Layout(
        "{postgres}", _write_columns, COLUMNS, _text, _typed_columns, read_only=True
    ),
    "qdrant, payload by integer": Layout(
        "qdrant::memory:",
        _write_qdrant(lambda _, d, m: {**m, "the document": d}),
        RecordMapping(document=("the document",)),
        _unsigned,
        _json,
    ),
    "qdrant, nested by both, named": Layout(
        "qdrant::memory:",
        _write_qdrant(lambda _, d, m: {"page_content": d, "metadata": m}, vector="dense"),
        "langchain",
        _mixed,
        _json,
    ),
    "qdrant, id in the payload": Layout(
        "qdrant::memory:",
        _write_qdrant(lambda key, d, m: {"id": key, "content": d, "meta": m}, own_ids=False),
        "haystack",
        _text,
        _json,
    ),
    "qdrant, over REST": Layout(
        "{double}",
        _write_qdrant(lambda _, d, m: {"page_content": d, "metadata": m}),
        "auto",
        _mixed,
        _simple,
        read_only=True,
    ),
    "milvus, JSON by integer": _with_words(
        Layout("milvus:{folder}/d.db", _write_milvus(False, False), replace(WORDS, metadata=("meta",)), _number, _json)
    ),
    "milvus, dynamic by text": _with_words(
        Layout("milvus:{folder}/d.db", _write_milvus(True, True), WORDS, _text, _simple)
    ),
}
