"""How records become rows of a layout that is not vstore's own: the inverse of reading by a mapping. Pure.

A ``Layout`` is data: the mapping by which such a collection is read, what a row has besides, and what it cannot hold.
The parts of a row are templates, which ``filled`` fills in from a record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from hashlib import md5
from typing import Any, Final

from vstore.errors import InvalidInput
from vstore.indexing import Index, Metric
from vstore.mapping import ALL, IdType, Outside, Path, RecordMapping
from vstore.omission import Omission, OmissionKind
from vstore.records import Metadata, Records
from vstore.spi.foreign import Key, Rows, foreign_key, parsed

__all__ = ["DIFY_NAMES", "Json", "Layout", "Part", "derived", "node", "replaced_whole", "taken_keys", "written_rows"]


class Part(Enum):
    """What of a record stands at a place of a template."""

    ID = "id"
    DOCUMENT = "document"
    """The text; an empty one where there is none."""
    METADATA = "metadata"
    """The record's own metadata, without what the layout derives."""
    MD5 = "md5"
    """The MD5 of the text, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Json:
    """A text that holds a JSON object.

    Attributes:
        usual: Template of the object where the record brings none of its own under the key.
        always: Template of what is set in either.
    """

    usual: Mapping[str, Any]
    always: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a package's store for one database writes.

    Attributes:
        package: The package, as it is installed.
        mapping: How its collections are read, all but metric and dimension.
        id_type: What its ids are.
        key: Makes the database's key of an id, where the id stands in the row itself; None where the id is the key.
        derived: Templates of metadata keys that the package adds. Those that a record has already win.
        row: Templates of fields of a row beside id, document and metadata.
        reserved: Keys that metadata cannot have, beside the places of id, document and vector.
        needs_document: Whether the package fails on, or hides, a record without a document.
        nested: Whether dicts inside metadata can be kept, as far as the database has them.
        keeps_settings: Whether the collection's own metadata have a place.
        quantizes: Whether an index can have quantized vectors, as far as the database has such indexes.
        index: The index of all such collections; None where each has the one that it is created with.
        metrics: Those that such a collection can have.
        tells_metric: Whether the database says by which metric such a collection is compared.
        unit_vectors: Whether only the direction of a vector is kept under cosine.
        exact_float: Whether the database keeps a float in metadata as it is; None where it keeps all.
        native: Makes the database's name of a collection's; None where they are the same. It raises ``InvalidInput``
            for a name of which it makes none.
        named: What the names of its collections look like, where it makes them itself; None where any will do.
        other_form: How else the package keeps collections here where it is set up for it, in words: vstore reads that
            form and does not write it. Empty where there is none.
        by_rows: Whether a collection is no more than its rows, so that an empty one is none.
        index_told: What becomes of the index where the package alone decides on it; a copy then changes it without
            leave. Empty where the caller decides.
        resizes: Whether vectors are filled up with zeros, or cut, to the length that the package is set up with.
        vector_length: That length unless another is asked for; None for the dimension of the source.
        max_dimension: The most dimensions; None for those of the database.
        whole: How the records of all collections are read at once, where they are in one place in which an id stands
            once. Its only field says whose a record is. None where each collection has its own ids.
    """

    package: str
    mapping: RecordMapping
    id_type: IdType = IdType.TEXT
    key: Callable[[str], Key] | None = None
    derived: Mapping[str, Any] = field(default_factory=dict)
    row: Mapping[str, Any] = field(default_factory=dict)
    reserved: frozenset[str] = frozenset()
    needs_document: bool = True
    nested: bool = True
    keeps_settings: bool = False
    quantizes: bool = True
    index: Index | None = None
    metrics: Sequence[Metric] = tuple(Metric)
    tells_metric: bool = True
    unit_vectors: bool = False
    exact_float: Callable[[float], bool] | None = None
    native: Callable[[str], str] | None = None
    named: re.Pattern[str] | None = None
    other_form: str = ""
    by_rows: bool = False
    index_told: str = ""
    resizes: bool = False
    vector_length: int | None = None
    max_dimension: int | None = None
    whole: RecordMapping | None = None

    def stored_name(self, name: str) -> str:
        """Return the name under which the database has a collection: where two have one, they are the same."""
        return name if self.native is None else self.native(name)


# What LlamaIndex keeps of a node beside its text; ``always`` is what a copied node takes over from its record.
_NODE_USUAL: Final[Mapping[str, Any]] = {
    "id_": Part.ID,
    "embedding": None,
    "metadata": Part.METADATA,
    "excluded_embed_metadata_keys": [],
    "excluded_llm_metadata_keys": [],
    "relationships": {},
    "metadata_template": "{key}: {value}",
    "metadata_separator": "\n",
    "text": "",
    "mimetype": "text/plain",
    "start_char_idx": None,
    "end_char_idx": None,
    "text_template": "{metadata_str}\n\n{content}",
    "class_name": "TextNode",
}


def node(text: Part | str) -> Mapping[str, Any]:
    """Return the keys that LlamaIndex adds to metadata (``node_to_metadata_dict`` of llama-index-core 0.14).

    Args:
        text: The text inside the node: the document, or nothing where that has a place of its own.
    """
    return {
        "_node_content": Json(_NODE_USUAL, {"id_": Part.ID, "metadata": Part.METADATA, "text": text}),
        "_node_type": "TextNode",
        "document_id": "None",
        "doc_id": "None",
        "ref_doc_id": "None",
    }


DIFY_NAMES: Final = re.compile(r".+_[0-9a-f]{8}(_[0-9a-f]{4}){3}_[0-9a-f]{12}_[Nn]ode")
"""The names of dify's collections, which hold the id of a dataset."""
_PLACE: Final = "Give the key another name."


def derived(layout: Layout, record: str, document: str | None, metadata: Metadata) -> Metadata:
    """Return metadata with the keys that the package adds; of one that is there already nothing changes but ``always``.

    Args:
        layout: The layout.
        record: The record's id.
        document: Its text.
        metadata: Its metadata.
    """
    if not layout.derived:
        return metadata
    own = {key: metadata[key] for key in sorted(metadata) if key not in layout.derived}
    out = dict(metadata)
    for key, template in layout.derived.items():
        if isinstance(template, Json):
            found = parsed(text) if isinstance(text := out.get(key), str) else None
            made = dict(found) if isinstance(found, Mapping) else filled(template.usual, record, document, own)
            always = filled(template.always, record, document, own)
            # what is the same already stays in its order: the text is compared, and Chroma gives keys in any order
            made |= {name: value for name, value in always.items() if _sorted(made.get(name)) != _sorted(value)}
            out[key] = json.dumps(made, ensure_ascii=False, default=_no_json)
        elif key not in out:
            out[key] = filled(template, record, document, own)
    return out


def _sorted(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=_no_json)


def filled(template: Any, record: str, document: str | None, metadata: Metadata) -> Any:
    """Return a template with the parts of a record in their places."""
    match template:
        case Part.ID:
            return record
        case Part.DOCUMENT:
            return document or ""
        case Part.METADATA:
            return metadata
        case Part.MD5:
            return md5((document or "").encode(), usedforsecurity=False).hexdigest()
        case Mapping():
            return {key: filled(value, record, document, metadata) for key, value in template.items()}
        case list():
            return [filled(value, record, document, metadata) for value in template]
        case _:
            return template


def taken_keys(mapping: RecordMapping, layout: Layout | None = None) -> set[str]:
    """Return the keys that metadata cannot have, since something else stands at their place."""
    taken = set(layout.reserved) if layout else set()
    for path in (mapping.id, mapping.document or ()):
        if path and path[:-1] == mapping.metadata:  # also at the top, where the metadata are the row's own fields
            taken.add(path[-1])
    return taken


def replaced_whole(mapping: RecordMapping, omitted: Sequence[Omission], fields: Collection[str] | None = None) -> str:
    """Return why writing through a mapping would lose something, where a write replaces rows whole; empty if not.

    Args:
        mapping: The mapping.
        omitted: What it is known to leave out.
        fields: All fields that a row can have; None where it can have any.
    """
    if mapping.outside is not Outside.REFUSE:
        return "the mapping does not bring every value as it is (outside=)"
    if mapping.hidden:
        return f"the mapping hides {mapping.hidden[0]!r}, which a write would delete"
    read = {path[0] for path in (mapping.id, mapping.document, mapping.metadata) if path} | set(mapping.fields)
    whole = fields is not None and read.issuperset(fields)
    if mapping.metadata != () and mapping.fields != ALL and not whole:
        return "the mapping does not read every field, and a write would delete the others"
    lost = [one.text for one in omitted if one.kind is OmissionKind.VECTORS]
    return f"a write would delete {lost[0]}" if lost else ""


def written_rows(mapping: RecordMapping, layout: Layout | None, records: Records) -> Rows:
    """Return records as rows; the inverse of ``vstore.core.foreign_records.to_records``.

    Args:
        mapping: Where things are, complete.
        layout: What a row has besides; None for nothing.
        records: Whole records.

    Raises:
        InvalidInput: A record that the mapping, or the layout, has no place for.
    """
    taken = taken_keys(mapping, layout)
    own = [*_each(records)]
    rows = [_row(mapping, layout, taken, *one) for one in own]
    vectors = None if records.vectors is None else list(records.vectors)
    return Rows([_key(mapping, layout, one[0]) for one in own], rows, vectors)


def _each(records: Records) -> Iterator[tuple[str, str | None, Metadata]]:
    n = len(records.ids)
    return zip(records.ids, records.documents or [None] * n, records.metadatas or [{}] * n, strict=True)


def _key(mapping: RecordMapping, layout: Layout | None, record: str) -> Key:
    if layout is not None and layout.key is not None:
        return layout.key(record)
    kind = mapping.id_type or IdType.TEXT
    key = foreign_key(record, kind)
    if key is None:
        raise InvalidInput(
            f"the id {record!r:.80} is not what ids of this collection are: {kind.value}",
            ids=[record],
            hint="A UUID has 36 characters, in lower case.",
        )
    return key


def _row(
    mapping: RecordMapping,
    layout: Layout | None,
    taken: set[str],
    record: str,
    document: str | None,
    metadata: Metadata,
) -> dict[str, Any]:
    if layout is not None:
        metadata = derived(layout, record, document, metadata)
    if clash := taken.intersection(metadata):
        raise InvalidInput(
            f"the metadata key {min(clash)!r} stands where the layout keeps something else", ids=[record], hint=_PLACE
        )
    row: dict[str, Any] = {}
    named = set(mapping.fields) - set(ALL)
    if mapping.metadata == ():
        row.update(metadata)
    else:
        inner = {key: value for key, value in metadata.items() if key not in named}
        row.update({key: value for key, value in metadata.items() if key in named})
        if mapping.metadata is not None:
            _put(row, mapping.metadata, inner)
        elif inner:
            raise InvalidInput(
                f"the mapping has no place for the metadata key {min(inner)!r}",
                ids=[record],
                hint=f"It has places for {', '.join(map(repr, sorted(named))) or 'none'}.",
            )
    if document is not None:
        _put_document(row, mapping, layout, record, document)
    if mapping.id:
        _put(row, mapping.id, record)
    if layout is not None:
        row |= {name: filled(one, record, document, metadata) for name, one in layout.row.items() if name not in row}
    return row


def _put_document(
    row: dict[str, Any], mapping: RecordMapping, layout: Layout | None, record: str, document: str
) -> None:
    path = mapping.document
    if path is None:
        raise InvalidInput("the mapping has no place for documents", ids=[record], hint="Say document= in the mapping.")
    if layout is None or path[0] not in layout.derived:  # else what is derived has it
        _put(row, path, document)


def _put(row: dict[str, Any], path: Path, value: Any) -> None:
    for step in path[:-1]:
        row = row.setdefault(step, {})
    row[path[-1]] = value


def _no_json(value: object) -> None:
    if isinstance(value, datetime):
        raise InvalidInput("the layout keeps metadata as JSON, which has no datetimes", hint="Write value.isoformat().")
    raise TypeError(f"{type(value).__name__} is no JSON")
