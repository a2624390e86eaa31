"""Locations such as ``prod/docs``: a store of ``vstore.toml`` and a collection in it, in one word."""

from __future__ import annotations

from vstore.core.settings import split_location
from vstore.errors import InvalidInput

__all__ = ["collections_of", "named_at"]


def named_at(location: str, name: str | None, option: str) -> tuple[str, str | None]:
    """Return the store of a location and the collection, which it names, or an option, or nothing.

    Raises:
        InvalidInput: Both name one.
    """
    store, inner = split_location(location)
    if inner is None:
        return store, name
    if name is not None:
        raise InvalidInput(f"{location} names a collection, and so does {option}", hint=f"Leave out {option}.")
    return store, inner


def collections_of(location: str, names: list[str], *, everything: bool) -> tuple[str, list[str]]:
    """Return the store of a location and the collections: the one that it names, or those of ``--collection``.

    Raises:
        InvalidInput: It names one, and ``--collection`` or ``--all`` are there as well.
    """
    store, inner = named_at(location, "" if names or everything else None, "--all" if everything else "--collection")
    return store, [inner] if inner else names
