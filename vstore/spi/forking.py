"""What a process inherits from the one that forked it: not its own, and not to be touched."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from threading import Lock, local
from typing import Generic, TypeVar
from weakref import WeakSet

__all__ = ["PerProcess", "abandon", "in_children", "keep_in_children", "wait_before_forking"]

T = TypeVar("T")
_kept: WeakSet[object] = WeakSet()
_waited_for: WeakSet[Lock] = WeakSet()
_held = local()  # of the thread that forks


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


def wait_before_forking(lock: Lock) -> None:
    """Has a fork wait until nobody holds ``lock``: what it protects is at rest in the child."""
    _waited_for.add(lock)


class PerProcess(Generic[T]):
    """What each process makes for itself; what a child inherited is abandoned there.

    Args:
        make: Makes it.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._process, self._value = os.getpid(), make()
        keep_in_children(self)

    def get(self) -> T:
        """This process's own."""
        if self._process != os.getpid():
            abandon(self._value)
            self._process, self._value = os.getpid(), self._make()
        return self._value


def _acquire_all() -> None:
    _held.locks = list(_waited_for)
    for lock in _held.locks:
        lock.acquire()


def _release_all() -> None:
    for lock in _held.locks:
        lock.release()


def _abandon_all() -> None:
    for owner in list(_kept):
        abandon(owner)


in_children(_abandon_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_acquire_all, after_in_parent=_release_all, after_in_child=_release_all)
