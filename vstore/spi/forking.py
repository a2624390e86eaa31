"""What a process inherits from the one that forked it: not its own, and not to be touched."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from threading import Lock, local
from typing import Generic, TypeVar
from weakref import WeakSet

__all__ = ["Home", "PerProcess", "abandon", "in_children", "keep_in_children", "wait_before_forking"]

T = TypeVar("T")
_kept: WeakSet[object] = WeakSet()
_waited_for: WeakSet[Lock] = WeakSet()
_held = local()  # of the thread that forks
_forks = 0  # how many lie between the first process and this one


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


class Home:
    """The process in which this was made.

    A number alone does not tell: a grandchild may be given that of the store's process, which has ended meanwhile, and
    in a namespace of its own every first process is 1.

    Attributes:
        number: The number of that process.
    """

    __slots__ = ("_forks", "number")

    def __init__(self) -> None:
        self.number, self._forks = os.getpid(), _forks

    def is_here(self) -> bool:
        """Return whether it is this process."""
        return _forks == self._forks and os.getpid() == self.number  # C code may fork past Python's hooks


class PerProcess(Generic[T]):
    """What each process makes for itself; what a child inherited is abandoned there.

    Args:
        make: Makes it.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._home, self._value = Home(), make()
        keep_in_children(self)

    def get(self) -> T:
        """Return this process's own."""
        if not self._home.is_here():
            abandon(self._value)
            self._value = self._make()
            self._home = Home()
        return self._value


def _acquire_all() -> None:
    _held.locks = sorted(_waited_for, key=id)  # in one order: two threads may fork at once
    for lock in _held.locks:
        lock.acquire()


def _release_all() -> None:
    for lock in _held.locks:
        lock.release()


def _abandon_all() -> None:
    global _forks  # it is of the process
    _forks += 1
    for owner in list(_kept):
        abandon(owner)


in_children(_abandon_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_acquire_all, after_in_parent=_release_all, after_in_child=_release_all)
