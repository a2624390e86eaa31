"""What to say of a filter that nothing matches, as one with a mistyped key does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final, Protocol

from vstore.errors import InvalidInput
from vstore.filters.tree import DocumentContains, Exists, Filter, leaves
from vstore.records import IncludeName, Metadata, Page

__all__ = ["Readable", "check_matched", "doubts"]

_SAMPLE: Final = 1_000
_KEYS: Final = 20
_PATH = tuple[str, ...]


class Readable(Protocol):
    """What can be scanned and counted: a source of a transfer, a collection."""

    def count(self, where: Filter | None = None) -> int:
        """Exact number of records, or of those that match."""
        ...

    def scan(
        self, *, where: Filter | None = None, batch_size: int = 1000, include: Sequence[IncludeName] = ...
    ) -> Iterator[Page]:
        """Every record once."""
        ...


def check_matched(source: Readable, where: Filter) -> str:
    """What to say of a filter that no record matches.

    Raises:
        InvalidInput: It asks for a key that no record has, which is mistyped as a rule; near ones are offered.
    """
    if not source.count():
        return "nothing matches the filter: there are no records"
    known = _sample(source)
    if absent := [path for path in _keys(where) if not source.count(Exists(path))]:
        raise InvalidInput(
            f"nothing matches the filter: no record has the key {', '.join(map(_told, absent))}",
            hint=" ".join(_near(path, known) for path in absent),
        )
    types = "; ".join(f"{_told(path)} is {' or '.join(sorted(known[path]))}" for path in _keys(where) if path in known)
    return "nothing matches the filter" + (f". Of the records looked at {types}" if types else "")


def doubts(source: Readable, where: Filter) -> list[str]:
    """What to say of a filter that some records match, though it names keys that the first records do not have."""
    known = _sample(source)
    return [
        f"none of the first {_SAMPLE:,} records has the key {_told(path)}, which the filter names. {_near(path, known)}"
        for path in _keys(where)
        if known and path not in known
    ]


def _keys(where: Filter) -> list[_PATH]:
    found = dict.fromkeys(leaf.path for leaf in leaves(where) if not isinstance(leaf, DocumentContains))
    return list(islice(found, _KEYS))


def _sample(source: Readable) -> dict[_PATH, set[str]]:
    """The paths that the first records have, with the types of their values."""
    known: dict[_PATH, set[str]] = {}
    for page in source.scan(batch_size=_SAMPLE, include=["metadatas"]):
        for metadata in page.records.metadatas or ():
            for path, value in _paths(metadata):
                known.setdefault(path, set()).add(type(value).__name__)
        break
    return known


def _paths(metadata: Metadata, above: _PATH = ()) -> Iterable[tuple[_PATH, Any]]:
    for key, value in metadata.items():
        yield (*above, key), value
        if isinstance(value, dict):
            yield from _paths(value, (*above, key))


def _near(path: _PATH, known: Iterable[_PATH]) -> str:
    names = {".".join(one): _told(one) for one in known}
    lower = {name.lower(): name for name in names}
    found = get_close_matches(".".join(path).lower(), list(lower), n=3, cutoff=0.6)
    if found:
        return f"There is {', '.join(names[lower[one]] for one in found)}."
    some = [names[one] for one in sorted(names)[:_KEYS]]
    return f"There are {', '.join(some)}{' and others' if len(names) > len(some) else ''}."


def _told(path: _PATH) -> str:
    return repr(path[0] if len(path) == 1 else list(path))
