"""What keeps every call from waiting for ever, and how parameters in binary form are handed over."""

from __future__ import annotations

import select
from collections.abc import Generator
from time import monotonic
from typing import Any, Final, TypeVar

from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper
from psycopg.pq import Format

from vstore_pgvector.binary import Packed
from vstore_pgvector.errors import ServerSilent

__all__ = ["GRACE", "HELD_SECONDS", "PackedDumper", "bounded", "readable", "register"]

T = TypeVar("T")

# The server ends a statement itself at the timeout, which leaves the connection in order. The client waits this
# much longer, for the server that cannot: stopped, hung, or behind a dead network.
GRACE: Final = 0.5
# After so long a connection goes through the pool again, which renews old ones and has others wait for them, too.
HELD_SECONDS: Final = 1.0


class PackedDumper(Dumper):
    """Hands over ``Packed``; the statement's cast says which type it is."""

    format = Format.BINARY
    oid = 0

    def dump(self, obj: Packed) -> bytes:
        """Return the bytes as they are."""
        return obj.data


def register(context: AdaptContext) -> None:
    """Makes a connection or cursor take ``Packed``."""
    context.adapters.register_dumper(Packed, PackedDumper)


def bounded(generator: Generator[Any, Any, T], seconds: float) -> Generator[Any, Any, T]:
    """Return a generator of psycopg's protocol that raises ``ServerSilent`` once nothing came for so long.

    psycopg resumes it with what the socket is ready for, and with nothing every 0.1 s.
    """
    try:
        wanted = next(generator)
    except StopIteration as done:
        result: T = done.value
        return result
    end = monotonic() + seconds
    while True:
        ready = yield wanted
        if ready:
            end = monotonic() + seconds
        elif monotonic() > end:
            raise ServerSilent(f"the server was silent for {seconds:g} s; the connection was given up")
        try:
            wanted = generator.send(ready)
        except StopIteration as done:
            result = done.value
            return result


def readable(fileno: int) -> bool:
    """Return whether an idle connection has something to say: mostly that the server has closed it."""
    poll = select.poll()
    poll.register(fileno, select.POLLIN)
    return bool(poll.poll(0))
