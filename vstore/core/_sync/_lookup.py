"""A sync store as a container of collections; its async twin says what to await instead. Both are hand-written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vstore.core._sync.collection import Collection

__all__ = ["Lookup"]


class Lookup:
    """What ``store[name]``, ``name in store`` and ``for name in store`` are."""

    if TYPE_CHECKING:

        def get_collection(self, name: str) -> Collection: ...

        def has_collection(self, name: str) -> bool: ...

        def list_collections(self) -> list[str]: ...

    def __getitem__(self, name: str) -> Collection:
        """Open a collection, as ``get_collection`` does; raise ``NotFound``, a ``LookupError``, if there is none."""
        return self.get_collection(name)

    def __contains__(self, name: object) -> bool:
        """Return whether vstore has created a collection of this name."""
        return isinstance(name, str) and bool(name) and self.has_collection(name)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the collections that vstore created, sorted."""
        return iter(self.list_collections())
