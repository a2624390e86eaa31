"""Forks wait for calls: gRPC makes itself ready for one only where no thread is inside it.

Otherwise a child that connects anew shares the parent's epoll instance, takes its events, and lets its calls wait until
they time out; or gRPC aborts the child.
"""

from __future__ import annotations

import os
from threading import Condition
from typing import Final

__all__ = ["calling"]

_LONGEST_WAIT: Final = 5.0
_calls = 0
_ended = Condition()


class calling:  # noqa: N801  # as contextlib names such classes; one made of a generator takes twice the calls
    """Counts one call of a sync client, which begins after a fork that waits."""

    __slots__ = ()

    def __enter__(self) -> None:
        global _calls
        with _ended:
            _calls += 1

    def __exit__(self, *error: object) -> None:
        global _calls
        with _ended:
            _calls -= 1
            if not _calls:
                _ended.notify_all()


def _before() -> None:
    _ended.acquire()
    _ended.wait_for(lambda: not _calls, _LONGEST_WAIT)


def _in_parent() -> None:
    _ended.release()


def _in_child() -> None:
    global _calls, _ended
    _calls, _ended = 0, Condition()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
