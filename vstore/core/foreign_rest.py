"""What a mapping leaves of the rows of a collection that vstore did not create, counted: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from vstore.core.foreign_records import RecordReader
from vstore.errors import Mismatch
from vstore.mapping import ALL, Outside, Path, RecordMapping
from vstore.omission import Omission, OmissionKind
from vstore.spi.foreign import parsed

__all__ = ["Rest", "brings_all", "widest"]

_NAMED: Final = 20  # names that are told one by one; a payload may have any number of keys


def _fields(known: Iterable[Omission]) -> set[str]:
    return {one.name for one in known if one.name and one.kind in (OmissionKind.VECTORS, OmissionKind.FIELDS)}


def brings_all(mapping: RecordMapping, known: Iterable[Omission] = ()) -> bool:
    """Whether a mapping brings every field of any row, by its form alone.

    Args:
        mapping: The mapping.
        known: What the database has told already: the fields it names are not looked for again.
    """
    if mapping.outside is not Outside.REFUSE or set(mapping.hidden) - _fields(known):
        return False
    return mapping.metadata == () or (mapping.fields == ALL and len(mapping.metadata or ()) <= 1)


def widest(mapping: RecordMapping, known: Iterable[Omission]) -> RecordMapping:
    """The mapping that reads every field of a row but those that the database has told of already."""
    return replace(mapping, document=None, metadata=(), fields=(), hidden=tuple(sorted(_fields(known))))


class Rest:
    """Counts, by name, in how many rows something is that a mapping does not bring. Null is nothing.

    Args:
        mapping: The mapping, complete.
    """

    def __init__(self, mapping: RecordMapping) -> None:
        self._mapping = mapping
        self._left: Counter[Path] = Counter()
        self._hidden: Counter[str] = Counter()
        self._outside: Counter[str] = Counter()
        self._rows = 0
        self._whole = {path for path in (mapping.id, mapping.document) if path}
        if mapping.fields != ALL:
            self._whole |= {(name,) for name in mapping.fields}
        # paths that lead on to what is read
        self._roles = [path for path in (mapping.id, mapping.document, mapping.metadata) if path]
        self._container = (mapping.metadata or ())[:1]

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Takes in the fields of rows, all of them."""
        for fields in rows:
            self._rows += 1
            for name, value in fields.items():
                self._left.update(dict.fromkeys(self._rest((name,), value), 1))
            if self._mapping.outside is not Outside.REFUSE:
                self._outside.update(self._odd(fields))

    def _rest(self, path: Path, value: object) -> Iterator[Path]:
        """The paths at and below one that the mapping does not bring; notes what it hides on the way."""
        mapping, name = self._mapping, path[0]
        if value is None or path in self._whole - {(hidden,) for hidden in mapping.hidden}:
            return
        everything = mapping.metadata == () or (mapping.fields == ALL and path != self._container)
        if len(path) == 1 and (everything or path in self._whole):
            if name in mapping.hidden:
                self._hidden[name] += 1
            return
        leads = any(role[: len(path)] == path and role != path for role in self._roles)
        inside = path == mapping.metadata
        if not (leads or inside):
            yield path
            return
        found = parsed(value) if isinstance(value, str) else value
        if not isinstance(found, Mapping):
            if leads and not inside:  # an object was to be there
                yield path
            return
        for key, inner in found.items():
            if not inside:
                yield from self._rest((*path, key), inner)
            elif inner is not None and key in mapping.hidden:
                self._hidden[key] += 1

    def _odd(self, fields: Mapping[str, Any]) -> set[str]:
        """The keys of values outside the contract, of which the mapping says what becomes."""
        reader = RecordReader(self._mapping)
        try:
            reader.document("", fields)
            reader.metadata("", fields)
        except Mismatch:  # the read fails, and says so
            return set()
        return reader.odd

    def omissions(self, *, sample: bool = False) -> list[Omission]:
        """What was found; ``sample`` says that only some rows were looked at."""
        of = f"of the first {self._rows:,} rows" if sample else f"of {self._rows:,} rows"
        dropped = self._mapping.outside is Outside.DROP
        left = {".".join(path): number for path, number in self._left.items()}
        found = [
            _told(OmissionKind.FIELDS, left, f"is not read; {{}} {of} have it"),
            _told(OmissionKind.FIELDS, self._hidden, f"is hidden by the mapping; {{}} {of} have it", needs_leave=False),
            _told(
                OmissionKind.OUTSIDE,
                self._outside,
                f"has values outside the contract in {{}} {of}, which are {'dropped' if dropped else 'told as text'}",
                needs_leave=dropped,
            ),
        ]
        return [one for part in found for one in part]


def _told(kind: OmissionKind, counts: Mapping[str, int], text: str, *, needs_leave: bool = True) -> Iterator[Omission]:
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    for name, number in ordered[:_NAMED]:
        yield Omission(kind, name, f"{name!r} {text.format(f'{number:,}')}", needs_leave)
    if rest := ordered[_NAMED:]:
        yield Omission(kind, "", f"and {len(rest):,} more names", needs_leave)
