"""From columns as a caller gives them to the records that are written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vstore.capabilities import Capabilities
from vstore.columns import Column, VectorArray, absent, dense
from vstore.core._async.texts import embed_documents
from vstore.core.columns import Given
from vstore.core.embedders import Embedders
from vstore.core.field_input import check_fields
from vstore.core.legs import is_empty
from vstore.core.partitions import changed_in, placed_in
from vstore.core.validate import check_documents, check_ids, check_vectors
from vstore.errors import InvalidInput
from vstore.fields import Dense
from vstore.info import CollectionInfo
from vstore.metadata import check_metadatas
from vstore.records import Records

__all__ = ["AsyncComposer"]


@dataclass(frozen=True, slots=True)
class AsyncComposer:
    """Checks columns and embeds documents where vectors are missing.

    Attributes:
        info: The collection.
        capabilities: What the connection can do.
        embedders: Those that the collection was opened with.
        partition: The partition that is written through, or None.
    """

    info: CollectionInfo
    capabilities: Capabilities
    embedders: Embedders
    partition: str | None = None

    async def whole(self, given: Given) -> Records:
        """Return records to be added or upserted."""
        ids = check_ids(given.ids)
        n = len(ids)
        texts = self._texts(given, n)
        dicts = None
        if given.metadatas is not None:
            nested, most = bool(self.capabilities.nested_metadata), self.capabilities.limits.max_metadata_bytes
            dicts = check_metadatas(given.metadatas, n, nested=nested, most=most)
        if self.info.partition_by is not None:
            dicts = placed_in(dicts, n, self.info.partition_by, self.partition)
        array, columns = self._vectors(given, n), self._fields(given, n)
        if array is None and n and self.info.dimension:
            if texts is None:
                raise InvalidInput("vectors are missing", hint="Pass vectors=, or documents= with an embedder.")
            array = dense(await self._embedded(texts))
        if n and texts is not None:
            for name in self.embedders:
                if name and name not in columns:
                    columns[name] = await self._embedded(texts, name)
        return Records(ids, array, texts, dicts, columns)

    async def changes(self, given: Given, *, replace_metadata: bool) -> Records:
        """Return the columns of an update."""
        ids = check_ids(given.ids)
        n = len(ids)
        texts = self._texts(given, n)
        if all(one is None for one in (given.vectors, texts, given.metadatas, given.fields, given.sparse)):
            raise InvalidInput("update needs vectors, documents, metadatas or fields")
        dicts = None
        if given.metadatas is not None:
            nested, most = bool(self.capabilities.nested_metadata), self.capabilities.limits.max_metadata_bytes
            dicts = check_metadatas(given.metadatas, n, nested=nested, keep_none=not replace_metadata, most=most)
            if self.info.partition_by is not None:
                dicts = changed_in(dicts, self.info.partition_by, self.partition, replace=replace_metadata)
        array, columns = self._vectors(given, n), self._fields(given, n)
        if n and texts is not None:
            if array is None and self.info.dimension and self._embeds(texts):
                array = dense(await self._embedded(texts))
            for name, field in self.info.fields.items():
                if name not in columns and (name in self.embedders or field.embedder is not None):
                    columns[name] = await self._renewed(texts, name)
        return Records(ids, array, texts, dicts, columns)

    def _texts(self, given: Given, n: int) -> list[str | None] | None:
        if given.documents is None:
            return None
        return check_documents(given.documents, n, self.capabilities.limits.max_document_bytes)

    def _fields(self, given: Given, n: int) -> dict[str, Column]:
        return check_fields(given.fields, given.sparse, self.info, n, self.capabilities.limits)

    def _vectors(self, given: Given, n: int) -> VectorArray | None:
        if given.vectors is None:
            return None
        if not self.info.dimension:
            raise InvalidInput("the collection has named fields only", hint="Pass fields={name: vectors}.")
        if n == 0 and is_empty(given.vectors):
            return np.empty((0, self.info.dimension), dtype=np.float32)
        array = check_vectors(given.vectors, self.info.dimension, self.info.metric)
        if len(array) != n:
            raise InvalidInput(f"vectors has {len(array)} rows for {n} ids", hint="All columns have equal length.")
        return array

    def _embeds(self, documents: list[str | None]) -> bool:
        """Whether new documents need new vectors; a document that is only removed does not, without an embedder."""
        return "" in self.embedders or (self.info.embedder is not None and any(t is not None for t in documents))

    async def _renewed(self, texts: list[str | None], name: str) -> Column:
        """The vectors of a named field for new documents: absent where the document is removed."""
        if all(text is None for text in texts):
            field = self.info.fields[name]
            return absent(len(texts), field.dimension if isinstance(field, Dense) else None)
        return await self._embedded(texts, name)

    async def _embedded(self, texts: list[str | None], name: str = "") -> Column:
        return await embed_documents(self.embedders, self.info, texts, self.capabilities.limits, name)
