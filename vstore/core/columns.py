"""The four columns of a writing call, whichever way they are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from numpy.typing import ArrayLike

from vstore.errors import InvalidInput, reading
from vstore.records import Metadata, Page, Record, Records
from vstore.wording import a_type

__all__ = ["Columns", "columns_of"]

Columns: TypeAlias = tuple[Any, ArrayLike | None, Iterable[str | None] | None, Iterable[Metadata | None] | None]
"""Ids, vectors, documents and metadatas, to be checked; a column that is not given is None."""


def columns_of(
    given: object,
    vectors: ArrayLike | None,
    documents: Iterable[str | None] | None,
    metadatas: Iterable[Metadata | None] | None,
) -> Columns:
    """Takes the columns out of records, if the first argument is ``Records``, a ``Page`` or holds ``Record``.

    Raises:
        InvalidInput: Records and further columns, something else among records, or vectors of some records only.
    """
    if isinstance(given, Page):
        given = given.records
    if isinstance(given, Records):
        columns: Columns = (given.ids, given.vectors, given.documents, given.metadatas)
    else:
        if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
            return given, vectors, documents, metadatas
        with reading("ids"):
            items = list(given)
        if not items or not isinstance(items[0], Record):
            return items, vectors, documents, metadatas
        columns = _of_records(items)
    if not (vectors is documents is metadatas is None):
        raise InvalidInput(
            "records have columns of their own", hint="Pass records alone, or ids, vectors, documents and metadatas."
        )
    return columns


def _of_records(records: list[Any]) -> Columns:
    for place, record in enumerate(records):
        if not isinstance(record, Record):
            raise InvalidInput(f"records[{place}] is {a_type(type(record))}, not a Record")
    bare = [place for place, record in enumerate(records) if record.vector is None]
    if bare and len(bare) < len(records):
        raise InvalidInput(
            f"records[{bare[0]}] has no vector, and others have one",
            hint="Write those without vectors in a call of their own: their documents are embedded.",
        )
    documents = [record.document for record in records]
    metadatas = [record.metadata for record in records]
    return (
        [record.id for record in records],
        None if bare else [record.vector for record in records],
        documents if any(document is not None for document in documents) else None,
        metadatas if any(metadata is not None for metadata in metadatas) else None,
    )
