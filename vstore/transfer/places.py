"""What of metadata has a place in a layout, by the keys and the types that its mapping names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from vstore.mapping import ColumnType, RecordMapping
from vstore.records import Metadata
from vstore.spi.described import holds, keys_held
from vstore.transfer.loss import LossKind

__all__ = ["Places", "each", "leaves"]

_TOLD: Final = 20


@dataclass(slots=True)
class Places:
    """Counts keys without a place and values of other types, and makes metadata that have neither.

    Attributes:
        mapping: By which the layout is read.
        taken: Keys at whose places the layout has something else.
    """

    mapping: RecordMapping
    taken: frozenset[str]
    _held: frozenset[str] | None = field(init=False)
    _unmapped: Counter[str] = field(init=False, default_factory=Counter)
    _mistyped: Counter[str] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        self._held = keys_held(self.mapping)

    def look(self, metadata: Metadata) -> list[LossKind]:
        """Return what the metadata of one record lose."""
        unmapped = [key for key in metadata if not self._has_place(key)]
        mistyped = [key for key, value in metadata.items() if not self._fits(key, value)]
        self._unmapped.update(unmapped)
        self._mistyped.update(mistyped)
        moments = any(
            isinstance(leaf, datetime)
            for key, value in metadata.items()
            if not self._keeps_moment(key, value)
            for leaf in leaves(value)
        )
        found = {LossKind.UNMAPPED: unmapped, LossKind.TYPES: mistyped, LossKind.DATETIMES: moments}
        return [kind for kind, one in found.items() if one]

    @property
    def some_unmapped(self) -> bool:
        """Whether there are keys without a place."""
        return self._held is not None

    @property
    def unmapped(self) -> str:
        """The keys without a place that most records have, in words."""
        return _most_often(self._unmapped)

    @property
    def mistyped(self) -> str:
        """The keys of values of other types that most records have, in words."""
        return _most_often(self._mistyped)

    def dated(self, metadata: Metadata) -> Metadata:
        """Return metadata with texts for datetimes, but where a column has datetimes."""
        return {key: one if self._keeps_moment(key, one) else each(one, _dated) for key, one in metadata.items()}

    def without_unmapped(self, metadata: Metadata) -> Metadata:
        """Return metadata without the keys that have no place."""
        return {key: value for key, value in metadata.items() if self._has_place(key)}

    def without_mistyped(self, metadata: Metadata) -> Metadata:
        """Return metadata without the values of other types."""
        return {key: value for key, value in metadata.items() if self._fits(key, value)}

    def _has_place(self, key: str) -> bool:
        return self._held is None or key in self._held or key in self.taken

    def _keeps_moment(self, key: str, value: Any) -> bool:
        return isinstance(value, datetime) and self.mapping.types.get(key) is ColumnType.TIMESTAMPTZ

    def _fits(self, key: str, value: Any) -> bool:
        """Whether a column holds a value, of which datetimes become texts that have no place as such."""
        return holds(self.mapping.types.get(key), value if self._keeps_moment(key, value) else _dated(value))


def leaves(value: Any) -> Iterator[Any]:
    """Yield the values inside a value of metadata, or itself where there are none."""
    match value:
        case dict():
            for inner in value.values():
                yield from leaves(inner)
        case list():
            yield from value
        case _:
            yield value


def each(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a value of metadata with a change made to each of those inside it."""
    match value:
        case dict():
            return {key: each(inner, change) for key, inner in value.items()}
        case list():
            return [change(one) for one in value]
        case _:
            return change(value)


def _dated(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _most_often(keys: Counter[str]) -> str:
    """Return the keys that most records have, and how many have each."""
    first = sorted(keys.items(), key=lambda one: (-one[1], one[0]))[:_TOLD]
    told = ", ".join(f"{key!r:.80} ({count:,})" for key, count in first)
    return f"{told}, …" if len(keys) > _TOLD else told
