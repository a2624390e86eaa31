"""An async store is asked with ``await``; its sync twin is a container of collections. Both are hand-written."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["AsyncLookup"]


class AsyncLookup:
    """Says what to await in place of ``store[name]``, ``name in store`` and ``for name in store``."""

    def __getitem__(self, name: object) -> NoReturn:
        """Raise ``TypeError``: opening a collection asks the database."""
        raise TypeError(f"an async store is asked with await: await store.get_collection({name!r})")

    def __contains__(self, name: object) -> NoReturn:
        """Raise ``TypeError``: looking for a collection asks the database."""
        raise TypeError(f"an async store is asked with await: await store.has_collection({name!r})")

    def __iter__(self) -> NoReturn:
        """Raise ``TypeError``: listing collections asks the database."""
        raise TypeError("an async store is asked with await: await store.list_collections()")
