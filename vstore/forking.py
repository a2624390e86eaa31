"""What a process inherits from the one that forked it: not its own, and not to be touched."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from weakref import WeakSet

__all__ = ["abandon", "in_children", "keep_in_children"]

_kept: WeakSet[object] = WeakSet()


def in_children(work: Callable[[], object]) -> None:
    """Has ``work`` called first of all in every process that this one forks."""
    if hasattr(os, "register_at_fork"):  # Windows has no fork
        os.register_at_fork(after_in_child=work)


def abandon(inherited: object) -> None:
    """Keeps an object, and what it refers to, from ever being finalised in this process, its end included.

    Finalisers of clients close what parent and child share: they say goodbye on the parent's connection, give back its
    lock or stop its server.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


def keep_in_children(owner: object) -> None:
    """Has ``owner``, as long as it lives here, abandoned in every process that is forked."""
    _kept.add(owner)


def _abandon_all() -> None:
    for owner in list(_kept):
        abandon(owner)


in_children(_abandon_all)
