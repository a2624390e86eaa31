# Generated from adapters/vstore_milvus/_async/foreign.py by tools/unasync.py: do not edit.
"""Collections that vstore did not create."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from vstore.errors import AlreadyExists, LimitExceeded, Mismatch, NotFound, VStoreError
from vstore.fields import Dense
from vstore.filters.tree import Filter
from vstore.info import CollectionInfo
from vstore.keys import check_plain
from vstore.mapping import RecordMapping
from vstore.records import Include, VectorArray
from vstore.spi._sync.batching import scan_by_ids, write_parts
from vstore.spi.batching import batches
from vstore.spi.foreign import Key, Rows
from vstore.spi.layouts import Layout, replaced_whole
from vstore_milvus._sync._run import compute
from vstore_milvus._sync.reading import ANSWER_BYTES, halving
from vstore_milvus._sync.session import Session
from vstore_milvus.capabilities import MAX_WINDOW, has_bm25
from vstore_milvus.compile import both
from vstore_milvus.errors import answered
from vstore_milvus.foreign import Schema, identity, known_by, token
from vstore_milvus.layouts import LAYOUTS, EntityLayout
from vstore_milvus.schema import token_of
from vstore_milvus.vectors import searching

__all__ = ["MilvusForeign"]

_IDS_AT_ONCE: Final = 5_000
_FIELDS_BYTES: Final = 4_000  # a guess of what the fields of an entity take; what is too much is halved
_SPARSE_BYTES: Final = 2_000  # likewise of a sparse vector
_STRONG: Final = {"consistency_level": "Strong"}  # who wrote it, and when, is not known here


class MilvusForeign:
    """Implements ``ForeignStore``."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._client = session.client

    @property
    def layouts(self) -> Mapping[str, Layout]:
        return LAYOUTS

    def create(self, layout: Layout, info: CollectionInfo) -> RecordMapping:
        assert isinstance(layout, EntityLayout)
        if layout.without_bm25 is not None and not has_bm25(self._session.capabilities.server_version):
            layout = layout.without_bm25
        name = info.name if layout.native is None else layout.native(info.name)
        check_plain(name)
        with self._session.locks.writing:
            # the server takes a second creation with the same fields in silence
            if self._session.call(self._client.has_collection, name):
                raise AlreadyExists("the collection, or an alias of that name, exists already")
            self._session.call(
                self._client.create_collection, name, schema=layout.schema(info), consistency_level=layout.consistency
            )
            try:
                self._session.call(self._client.create_index, name, layout.indexes(info), sync=False)
                self._session.call(self._client.load_collection, name)
            except BaseException:
                self._session.call(self._client.drop_collection, name)
                raise
        table = () if layout.native is None else (name,)
        return replace(layout.mapping, table=table, metric=info.metric, dimension=info.dimension)

    def drop(self, name: str, layout: Layout) -> None:
        name = name if layout.native is None else layout.native(name)
        self._schema(name)
        self._session.call(self._client.drop_collection, name)

    def names(self) -> list[str]:
        found: list[str] = []
        for name in self._session.call(self._client.list_collections):
            try:
                self._schema(name)
            except (Mismatch, NotFound):  # vstore's own, or deleted since
                continue
            found.append(name)
        return sorted(found)

    def propose(self, name: str, layout: str | None) -> RecordMapping:
        known = None if layout is None else LAYOUTS.get(layout)
        if known is not None and known.native is not None:
            return self._named(name, known)
        return (self._schema(name))[1].proposal(layout)

    def _named(self, name: str, layout: EntityLayout) -> RecordMapping:
        """Return how to read a collection that Milvus has under another name, or with others in the other form."""
        assert layout.native is not None
        native = layout.native(name)
        if self._session.call(self._client.has_collection, native):
            schema = (self._schema(native))[1]
            older = layout.without_bm25
            form = older if older is not None and not schema.has(layout.mapping) else layout
            return replace(form.mapping, table=(native,))
        if layout.shared is not None and self._session.call(
            self._client.has_collection, shared := layout.shared.native(name)
        ):
            mapping = replace(layout.mapping, table=(shared,), only={layout.shared.column: name})
            if (self.open(name, mapping)).has_any():
                return mapping
        raise NotFound(f"there is no collection {native!r}", hint=f"{layout.package} keeps {name!r:.80} in it.")

    def open(self, name: str, mapping: RecordMapping) -> MilvusForeignCollection:
        native = mapping.table[-1] if mapping.table else name
        described, schema = self._schema(native)
        partitions, aliases = [], described.get("aliases") or []
        if described.get("num_partitions", 2) > 1:  # a user who may read may not list them
            partitions = self._session.call(self._client.list_partitions, native)
        if self._session.lite:  # whose description never names them
            aliases = (self._session.call(self._client.list_aliases, native)).get("aliases") or []
        schema = replace(known_by(schema, described, partitions, aliases), name=name)
        full, info = schema.complete(mapping)
        # what is not loaded cannot be read; loading what is loaded costs a millisecond
        self._session.call(self._client.load_collection, native)
        return MilvusForeignCollection(self._session, schema, full, info)

    def _schema(self, name: str) -> tuple[dict[str, Any], Schema]:
        check_plain(name)
        described = self._session.call(self._client.describe_collection, name)
        if token_of(described):
            raise Mismatch.created_here(name)
        index: dict[str, Any] = {}
        for one in self._session.call(self._client.list_indexes, name):
            found = self._session.call(self._client.describe_index, name, one)
            if found:
                index[found["field_name"]] = found
        return described, Schema.read(described, index)


class MilvusForeignCollection:
    """Implements ``ForeignCollection`` and ``ForeignWriter``."""

    def __init__(self, session: Session, schema: Schema, mapping: RecordMapping, info: CollectionInfo) -> None:
        self._session = session
        self._client = session.client
        self._schema = schema
        self._mapping = mapping
        self._info = info
        self._name = mapping.table[-1] if mapping.table else info.name
        self._own = schema.of_one(mapping)

    @property
    def info(self) -> CollectionInfo:
        return self._info

    @property
    def mapping(self) -> RecordMapping:
        return self._mapping

    @property
    def native(self) -> object:
        return self._client

    def count(self) -> int:
        if self._schema.auto_id or self._session.lite:
            found = self._query(self._own, ["count(*)"])
            return int(found[0]["count(*)"])
        # insert stores a key that exists a second time; count(*) counts both, a query brings one of them
        total = 0
        for rows, _ in self.pages(MAX_WINDOW, None, Include()):
            total += len(rows)
        return total

    def has_any(self) -> bool:
        """Return whether there is an entity."""
        return bool(self._query(self._of_own(self._schema.later_than(None)), [self._schema.key], limit=1))

    def _of_own(self, condition: str) -> str:
        return f"{condition} and {self._own}" if self._own else condition

    def fetch(self, keys: Sequence[Key], include: Include) -> Rows:
        rows = Rows(vectors=[] if include.vectors else None)
        fields = self._schema.output(self._mapping, include)
        room = min(_IDS_AT_ONCE, self._room(include))

        def read(part: Sequence[Key]) -> list[dict[str, Any]]:
            return self._query(self._of_own(self._schema.with_keys(part)), fields)

        for found in halving(keys, room, read):
            rows.extend(self._rows(found, include))
        return rows

    def pages(
        self, size: int, after: str | None, include: Include, where: Filter | None = None
    ) -> Iterator[tuple[Rows, str]]:
        last: Key | None = None if after is None else json.loads(after)
        narrowed = None
        if where is not None:
            narrowed = compute(self._narrowed, where)
        if self._session.lite:
            # Milvus Lite reads everything for every page, and in no order: the keys first, then by key
            condition = both(narrowed, self._own) or ""
            keys = [row[self._schema.key] for row in self._query(condition, [self._schema.key])]

            def read(part: list[Any]) -> Rows:
                return (self.fetch(part, include)).in_order_of(part)

            for rows, key in scan_by_ids(keys, size, last, read):
                yield rows, token(key)
            return
        if narrowed is not None:
            for rows, key in self._narrowed_pages(narrowed, size, last, include):
                yield rows, token(key)
            return
        fields = self._schema.output(self._mapping, include)
        room = min(size, MAX_WINDOW, self._room(include))
        while True:
            later = self._of_own(self._schema.later_than(last))
            try:
                # reduce_stop_for_best: without it a key that insert stored twice could hide those after it. With
                # it the server answers more than ``limit``, where it has several segments.
                found = self._query(later, fields, limit=room, reduce_stop_for_best=True)
            except LimitExceeded:
                if room == 1:
                    raise
                room = (room + 1) // 2
                continue
            if not found:
                return
            found.sort(key=lambda row: row[self._schema.key])
            for part in batches(found, size):
                last = part[-1][self._schema.key]
                yield self._rows(part, include), token(last)

    def _narrowed(self, where: Filter) -> str | None:
        # later versions than 2.3 were not seen to refuse a text as the whole of a JSON field, which may hold JSON
        version = self._session.capabilities.server_version.lstrip("v")
        lite = self._session.lite
        return self._schema.narrowed(where, self._mapping, lite=lite, objects=lite or version.startswith("2.3."))

    def _narrowed_pages(
        self, narrowed: str, size: int, last: Key | None, include: Include
    ) -> Iterator[tuple[Rows, Key]]:
        """Yield the entities that fulfil a condition, each page with its last key.

        They are found by key, without the condition: of a key that insert stored twice it would bring the entity that
        fulfils it, which may not be the one that is read elsewhere.
        """
        name = self._schema.key
        while True:
            condition = both(self._of_own(self._schema.later_than(last)), narrowed) or ""
            found = self._query(condition, [name], limit=MAX_WINDOW, reduce_stop_for_best=True)
            if not found:
                return
            for part in batches(sorted({row[name] for row in found}), size):
                last = part[-1]
                yield (self.fetch(part, include)).in_order_of(part), last

    def nearest(self, vector: VectorArray, k: int, include: Include) -> Rows | None:
        found = self._asked(
            self._client.search,
            data=[vector],
            anns_field=self._mapping.vector,
            limit=k,
            output_fields=self._schema.output(self._mapping, include),
            search_params=searching(self._info.field(), None, k),
            filter=self._own,
        )
        return self._rows([hit["entity"] for hit in found[0]], include)

    def _room(self, include: Include) -> int:
        width = 100 + (4 * self._info.dimension if include.vectors else 0)
        for name in include.fields:
            field = self._info.fields[name]
            width += 4 * field.dimension if isinstance(field, Dense) else _SPARSE_BYTES
        return max(1, ANSWER_BYTES // (width + (_FIELDS_BYTES if include.documents or include.metadatas else 0)))

    def _rows(self, found: list[dict[str, Any]], include: Include) -> Rows:
        return compute(self._schema.to_rows, found, self._mapping, include)

    def _query(self, condition: str, fields: list[str], **more: Any) -> list[dict[str, Any]]:
        found = self._asked(self._client.query, filter=condition, output_fields=fields, **more)
        return list(found)

    def _asked(self, method: Callable[..., Any], **kwargs: Any) -> Any:
        """Return an answer of this collection, and of no later one of its name: another request checks that."""
        try:
            found = self._session.call(method, self._name, **_STRONG, **kwargs)
        except VStoreError as error:
            if answered(error):
                self._verify()
            raise
        self._verify()
        return found

    def _verify(self) -> None:
        if identity(self._session.call(self._client.describe_collection, self._name)) != self._schema.identity:
            raise NotFound("the collection was deleted, and another one has its name", hint="Open it anew.")

    @property
    def read_only(self) -> str:
        if self._schema.auto_id:
            return "Milvus makes the ids of this collection"
        if self._own:
            return "it is one of several collections in one of Milvus"
        remade = self._schema.remade(self._mapping)
        if self._schema.made.keys() - remade:
            return "Milvus makes a vector of fields that the mapping does not read"
        fields = None if self._schema.dynamic else set(self._schema.scalars) - {self._schema.key}
        lost = [one for one in self._info.omitted if one.name not in remade]
        return replaced_whole(self._mapping, lost, fields)

    def put(self, rows: Rows) -> None:
        entities = compute(self._schema.to_entities, rows, self._mapping.vector)

        def send(part: list[dict[str, Any]]) -> None:
            if self._session.lite:  # which merges the dynamic fields of an entity that is there
                self._delete([one[self._schema.key] for one in part])
            self._session.call(self._client.upsert, self._name, part)

        limits = self._session.capabilities.limits
        largest = max((len(str(fields)) for fields in rows.fields), default=0) + 4 * self._info.dimension
        parts = batches(entities, max(1, min(limits.max_batch_rows, limits.max_batch_bytes // largest)))
        write_parts((([str(one[self._schema.key]) for one in part], part) for part in parts), send)

    def remove(self, keys: Sequence[Key]) -> None:
        for part in batches(keys, _IDS_AT_ONCE):
            self._delete(part)

    def _delete(self, keys: Sequence[Key]) -> None:
        self._session.call(self._client.delete, self._name, filter=self._schema.with_keys(keys))
