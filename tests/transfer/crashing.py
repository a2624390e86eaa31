"""A copy that kills its own process with SIGKILL at one exact instant: ``crashing.py SPEC ARGUMENTS-OF-VSTORE…``.

SPEC is ``POINT:N``: the N-th time that the copy comes to a point of the list below. Where it never comes there, it
ends as any other.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from vstore.cli import main
from vstore.records import Records
from vstore.transfer.checkpoint import CopyCheckpoint
from vstore.transfer.collections import CollectionSink, CollectionTarget

POINTS = (
    "before a plan",
    "after a plan",
    "before the target is made",
    "after the target is made",
    "before a chunk",
    "within a chunk",
    "before a chunk is noted",
    "after a chunk is noted",
    "before a state",
    "after a state",
)


def install(spec: str) -> None:
    """Puts the points into the library."""
    wanted, _, number = spec.partition(":")
    assert wanted in POINTS
    left = int(number)

    def come_to(point: str) -> None:
        nonlocal left
        if point == wanted:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(kind: type, name: str, before: str, after: str) -> None:
        inner: Callable[..., Any] = getattr(kind, name)

        def call(*arguments: Any, **settings: Any) -> Any:
            come_to(before)
            answer = inner(*arguments, **settings)
            come_to(after)
            return answer

        setattr(kind, name, call)

    around(CopyCheckpoint, "begin", "before a plan", "after a plan")
    around(CollectionTarget, "create", "before the target is made", "after the target is made")
    around(CopyCheckpoint, "done", "before a chunk is noted", "after a chunk is noted")
    around(CopyCheckpoint, "advance", "before a state", "after a state")
    write = CollectionSink.write

    def halved(self: CollectionSink, chunk: int, records: Records) -> None:
        come_to("before a chunk")
        write(self, chunk, records[: len(records) // 2])
        come_to("within a chunk")
        write(self, chunk, records)

    CollectionSink.write = halved  # type: ignore[method-assign]


if __name__ == "__main__":
    install(sys.argv.pop(1))
    main()
