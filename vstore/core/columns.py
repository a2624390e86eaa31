"""The columns of a writing call, whichever way they are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from vstore.errors import InvalidInput, reading
from vstore.records import Metadata, Page, Record, Records
from vstore.wording import a_type

__all__ = ["Given", "columns_of"]


@dataclass(frozen=True, slots=True)
class Given:
    """The columns of one writing call, to be checked; a column that is not given is None."""

    ids: Any
    vectors: ArrayLike | None = None
    documents: Iterable[str | None] | None = None
    metadatas: Iterable[Metadata | None] | None = None
    fields: Mapping[str, Any] | None = None
    sparse: Any = None


def columns_of(
    given: object,
    vectors: ArrayLike | None,
    documents: Iterable[str | None] | None,
    metadatas: Iterable[Metadata | None] | None,
    fields: Mapping[str, Any] | None,
    sparse: Any,
) -> Given:
    """Takes the columns out of records, if the first argument is ``Records``, a ``Page`` or holds ``Record``.

    Raises:
        InvalidInput: Records and further columns, something else among records, or vectors of some records only.
    """
    if isinstance(given, Page):
        given = given.records
    if isinstance(given, Records):
        columns = Given(given.ids, given.vectors, given.documents, given.metadatas, given.fields or None)
    else:
        if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
            return Given(given, vectors, documents, metadatas, fields, sparse)
        with reading("ids"):
            items = list(given)
        if not items or not isinstance(items[0], Record):
            return Given(items, vectors, documents, metadatas, fields, sparse)
        columns = _of_records(items)
    if any(column is not None for column in (vectors, documents, metadatas, fields, sparse)):
        raise InvalidInput(
            "records have columns of their own", hint="Pass records alone, or ids, vectors, documents and metadatas."
        )
    return columns


def _of_records(records: list[Any]) -> Given:
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
    names = dict.fromkeys(name for record in records for name in record.fields)
    return Given(
        [record.id for record in records],
        None if bare else [record.vector for record in records],
        documents if any(document is not None for document in documents) else None,
        metadatas if any(metadata is not None for metadata in metadatas) else None,
        {name: [record.fields.get(name) for record in records] for name in names} or None,
    )
